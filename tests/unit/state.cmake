braid_test(unit.history test_history.c LIBRARIES state)
braid_test(unit.snapshot test_snapshot.c LIBRARIES state)
