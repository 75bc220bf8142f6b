# Dictionaries, checkpoints and what is published from them.
braid_test(unit.item_table test_item_table.c LIBRARIES model)
braid_test(unit.safetensors test_safetensors.c LIBRARIES model)
braid_test(unit.checkpoint test_checkpoint.c LIBRARIES model)
braid_test(unit.base64 test_base64.c LIBRARIES base)
braid_test(unit.interest_record test_interest_record.c LIBRARIES stream)
braid_test(unit.catalogue test_catalogue.c LIBRARIES stream)
braid_test(unit.init test_init.c LIBRARIES stream)
