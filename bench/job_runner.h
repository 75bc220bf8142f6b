/*
 * job_runner.h - runs a file job in a process of its own, so that its memory and processor time are
 * its own too.
 *
 *     runner_open -> runner_log -> runner_run ... -> runner_close
 */
#ifndef BENCH_JOB_RUNNER_H
#define BENCH_JOB_RUNNER_H

#include <stdint.h>
#include <sys/types.h>

#include "bench/log_generator.h"
#include "config/config.h"
#include "stream/job/job.h"

struct runner {
    char dir[64];
    char log[96], checkpoint[96], state[96], output[96];
    struct config config;
};

/* What a run took. */
struct run_result {
    struct job_summary summary;
    double cpu_s;  /* user and system */
    double rss_mb; /* at its peak */
};

/*
 * Makes a directory (below BRAID_BENCH_DIR, else /tmp) and a configuration. Ends the program if it
 * can't.
 */
void runner_open(struct runner *runner);

/* Deletes the directory. */
void runner_close(struct runner *runner);

/* Writes generation 1 of LimaRec with its defaults from the log. */
void runner_checkpoint(const struct runner *runner);

/* Writes a log of `events`, and generation 1 from it. */
void runner_log(struct runner *runner, const struct log_options *options, uint64_t events);

/* Starts the job in a process, which the caller kills and waits for. */
pid_t runner_start(const struct runner *runner);

/* Runs the job to the end of the log. */
struct run_result runner_run(const struct runner *runner);

/* MB of this process that were resident at their peak. */
double runner_rss_mb(void);

/* Events per second of reading and decoding the log and nothing else. */
double runner_decode_rate(const struct runner *runner);

/* Ends the program with the error's text if `status` is a failure. */
void runner_check(enum status status, const struct error *error);

#endif
