# Losses, optimizer, negatives, minibatches, the trainer.
foreach(library model model_double)
  string(REPLACE model "" suffix ${library})
  braid_test(unit.loss${suffix} test_loss.c LIBRARIES ${library} m)
endforeach()
braid_test(unit.optimizer test_optimizer.c LIBRARIES model m)
braid_test(unit.negative_sampler test_negative_sampler.c LIBRARIES model m)
braid_test(unit.minibatch test_minibatch.c LIBRARIES model)
braid_test(unit.trainer test_trainer.c LIBRARIES model Threads::Threads)
braid_test(unit.curve test_curve.c LIBRARIES model)
braid_test(unit.train_program test_train_program.c ${CMAKE_SOURCE_DIR}/tests/crash/scene.c
  LIBRARIES stream z ENVIRONMENT "BRAID=$<TARGET_FILE:braid>")
add_dependencies(test_unit_train_program braid)
