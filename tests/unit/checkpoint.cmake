# Dictionaries, checkpoints and what is published from them.
braid_test(unit.item_table test_item_table.c LIBRARIES model)
braid_test(unit.safetensors test_safetensors.c LIBRARIES model)
braid_test(unit.checkpoint test_checkpoint.c LIBRARIES model)
