# Dictionaries, checkpoints and what is published from them.
braid_test(unit.item_table test_item_table.c LIBRARIES model)
