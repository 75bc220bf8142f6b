braid_test(unit.arena test_arena.c LIBRARIES base)
