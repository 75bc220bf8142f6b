# Datasets, exact ranking, baselines and evaluation protocols.
braid_test(unit.dataset test_dataset.c LIBRARIES model)
braid_test(unit.topn test_topn.c LIBRARIES model)
braid_test(unit.baselines test_baselines.c LIBRARIES model)
braid_test(unit.evaluation test_evaluation.c LIBRARIES model m)
braid_test(unit.interest_ranker test_interest_ranker.c LIBRARIES model)
braid_test(unit.log_dataset test_log_dataset.c LIBRARIES stream)
