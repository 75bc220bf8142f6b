/*
 * job_program.h - runs a job as a program: with its learner or without, and answers meanwhile.
 *
 * What `braid run` and `braid replay` share. Thread: main.
 */
#ifndef CLI_JOB_PROGRAM_H
#define CLI_JOB_PROGRAM_H

#include "base/status.h"
#include "config/config.h"
#include "model/generations.h"
#include "stream/job/job.h"

/*
 * Runs a job that is configured and checked until it ends or is stopped. It serves `generations`,
 * which stay the caller's; NULL: those that the configuration says.
 */
MUST_CHECK enum status job_program_run(const struct config *config, struct generations *generations,
                                       struct job_summary *summary, struct error *error);

/*
 * Prints what it did, its last line for scripts, beginning with `command`. STATUS_INVALID: there
 * were events, and not one could be used.
 */
MUST_CHECK enum status job_program_report(const char *command, const struct job_summary *summary,
                                          struct error *error);

#endif
