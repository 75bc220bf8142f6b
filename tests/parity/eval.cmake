# Adaptive interests and metrics, in float and in double.
foreach(library model model_double)
  string(REPLACE model "" suffix ${library})
  braid_test(parity.ledger${suffix} test_ledger.c fixture.c LIBRARIES ${library})
  braid_test(parity.select${suffix} test_select.c fixture.c LIBRARIES ${library})
  braid_test(parity.metrics${suffix} test_metrics.c auc.c fixture.c LIBRARIES ${library})
endforeach()
