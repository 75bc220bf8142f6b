/*
 * job_fixture.h - a small file job in a temporary directory, for tests of what it does as a whole.
 *
 *     fixture_open -> fixture_log (more events) -> fixture_run ... -> fixture_close
 */
#ifndef TESTS_UNIT_JOB_FIXTURE_H
#define TESTS_UNIT_JOB_FIXTURE_H

#include <stdint.h>

#include "config/config.h"
#include "stream/job/job.h"

struct fixture {
    char dir[64];
    char input[96], checkpoint[96], state[96], output[96];
    struct config config;
    uint64_t next_ms; /* of the next event */
    uint64_t random;  /* state of the generator */
};

/* Makes the directory, a checkpoint of a small LimaRec, and a configuration for both. */
void fixture_open(struct fixture *fixture, uint64_t seed);
void fixture_close(struct fixture *fixture);

/* A small model of any registered name takes the place of that checkpoint. */
void fixture_model(const struct fixture *fixture, const char *name);

/* Appends `events` events of `users` users (skewed to the first ones) to the input. */
void fixture_log(struct fixture *fixture, uint32_t events, uint32_t users);

/* Appends a line as it is. */
void fixture_line(struct fixture *fixture, const char *line);

/* Runs the job to the end of the input; the run must succeed. */
struct job_summary fixture_run(struct fixture *fixture);

/* Deletes a file or directory below the fixture's. */
void fixture_delete(const struct fixture *fixture, const char *name);

/*
 * The newest record of every user in all output files, by user, as one text (free it). Two jobs
 * that published the same final vectors have the same text.
 */
char *fixture_newest(const struct fixture *fixture);

/* Records in all output files. */
uint64_t fixture_records(const struct fixture *fixture);

#endif
