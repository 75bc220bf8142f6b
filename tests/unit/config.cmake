braid_test(unit.config test_config.c LIBRARIES config)
