# The heart of the stream: fold, transaction, commit and history files, the job as a whole.
braid_test(unit.job test_job.c job_fixture.c LIBRARIES stream)
