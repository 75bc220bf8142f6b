# Read-outs, losses and training steps against the reference, in float and in double.
foreach(library model model_double)
  string(REPLACE model "" suffix ${library})
  braid_test(parity.loss${suffix} test_loss.c fixture.c LIBRARIES ${library})
  braid_test(parity.growing${suffix} test_growing.c fixture.c LIBRARIES ${library} m)
  braid_test(parity.training${suffix} test_training.c fixture.c LIBRARIES ${library} m)
endforeach()
