braid_test(unit.config test_config.c LIBRARIES config)
braid_test(unit.bound test_bound.c LIBRARIES config)
