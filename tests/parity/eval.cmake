# Adaptive interests, metrics and the rows that behaviors read.
braid_test(parity.ledger test_ledger.c LIBRARIES model)
braid_test(parity.ledger_double test_ledger.c LIBRARIES model_double)
braid_test(parity.select test_select.c LIBRARIES model)
braid_test(parity.select_double test_select.c LIBRARIES model_double)
braid_test(parity.metrics test_metrics.c LIBRARIES model)
braid_test(parity.rows test_rows.c LIBRARIES model)
