# Losses, optimizer, minibatches, the trainer.
foreach(library model model_double)
  string(REPLACE model "" suffix ${library})
  braid_test(unit.loss${suffix} test_loss.c LIBRARIES ${library} m)
endforeach()
