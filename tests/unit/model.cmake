# The numerical library: parameters, kernels, opening models.
braid_test(unit.params test_params.c LIBRARIES model)
braid_test(unit.kernel test_kernel.c LIBRARIES model m)
braid_test(unit.kernel_double test_kernel.c LIBRARIES model_double m)
braid_test(unit.special test_special.c LIBRARIES model m)
braid_test(unit.special_double test_special.c LIBRARIES model_double m)
braid_test(unit.tape test_tape.c LIBRARIES model)
braid_test(unit.interest_model test_interest_model.c LIBRARIES model)
braid_test(unit.numerics test_numerics.c LIBRARIES model)
braid_test(unit.model_limits test_model_limits.c forgery.c LIBRARIES model Threads::Threads)
braid_test(unit.selection test_selection.c ../parity/fixture.c LIBRARIES model m)

# Dictionaries and checkpoints.
braid_test(unit.item_table test_item_table.c LIBRARIES model)
braid_test(unit.safetensors test_safetensors.c LIBRARIES model)
braid_test(unit.checkpoint test_checkpoint.c forgery.c LIBRARIES model)
braid_test(unit.checkpoint_training test_checkpoint_training.c LIBRARIES model)
braid_test(unit.model_dir test_model_dir.c LIBRARIES model)

# Datasets, exact ranking, baselines and evaluation protocols.
braid_test(unit.dataset test_dataset.c LIBRARIES model)
braid_test(unit.topn test_topn.c LIBRARIES model)
braid_test(unit.baselines test_baselines.c LIBRARIES model)
braid_test(unit.evaluation test_evaluation.c LIBRARIES model m)
braid_test(unit.interest_ranker test_interest_ranker.c LIBRARIES model)
braid_test(unit.interests_due test_interests_due.c LIBRARIES model)

# Losses, optimizer, negatives, minibatches, the trainer.
foreach(library model model_double)
  string(REPLACE model "" suffix ${library})
  braid_test(unit.loss${suffix} test_loss.c LIBRARIES ${library} m)
endforeach()
braid_test(unit.generations test_generations.c LIBRARIES model)
braid_test(unit.optimizer test_optimizer.c LIBRARIES model m)
braid_test(unit.negative_sampler test_negative_sampler.c LIBRARIES model m)
braid_test(unit.minibatch test_minibatch.c LIBRARIES model)
braid_test(unit.trainer test_trainer.c LIBRARIES model Threads::Threads)
braid_test(unit.retention test_retention.c LIBRARIES model Threads::Threads)
braid_test(unit.curve test_curve.c LIBRARIES model)
