# The heart of the stream: fold, transaction, commit and history files, the job as a whole.
braid_test(unit.fold test_fold.c LIBRARIES stream)
braid_test(unit.transaction test_transaction.c LIBRARIES stream)
braid_test(unit.commit_file test_commit_file.c LIBRARIES stream)
braid_test(unit.history_file test_history_file.c LIBRARIES stream)
braid_test(unit.memory_plan test_memory_plan.c job_fixture.c LIBRARIES stream)
braid_test(unit.recovery test_recovery.c job_fixture.c LIBRARIES stream)
braid_test(unit.job test_job.c job_fixture.c LIBRARIES stream)
braid_test(unit.verify_slice test_verify_slice.c LIBRARIES stream)
