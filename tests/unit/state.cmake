braid_test(unit.history test_history.c LIBRARIES state)
braid_test(unit.lives test_lives.c LIBRARIES state)
braid_test(unit.snapshot test_snapshot.c LIBRARIES state)
braid_test(unit.state_cache test_state_cache.c LIBRARIES state)
