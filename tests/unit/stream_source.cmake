braid_test(unit.dead_letter test_dead_letter.c LIBRARIES stream)
braid_test(unit.event test_event.c LIBRARIES stream)
braid_test(unit.line_reader test_line_reader.c LIBRARIES stream z)
