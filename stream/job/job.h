/*
 * job.h - the main job as a whole: opens what it needs, runs the workers, reports, closes.
 *
 *     job_run: config -> checkpoint, broker, memory plan -> workers until input end or job_stop
 *
 * Progress goes to standard error (a bar on a terminal, plain lines otherwise) unless log.quiet.
 * One job at a time in a process.
 */
#ifndef STREAM_JOB_JOB_H
#define STREAM_JOB_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/job/job_learner.h"
#include "stream/job/job_view.h"
#include "stream/source/disorder.h"

/* What a job did, all workers together; only what was committed counts. */
struct job_summary {
    uint64_t events;              /* accepted, dropped, blank and bad ones, profiles */
    uint64_t accepted;            /* absorbed into histories */
    uint64_t dropped;             /* action not listed */
    uint64_t blank;               /* blank lines, tombstones */
    uint64_t flooded;             /* beyond source.user_events_max */
    uint64_t duplicates;          /* source.deduplicate */
    uint64_t profiles;            /* of users, that source.profile said */
    uint64_t dead_letters;        /* bad events */
    uint64_t late;                /* accepted, but before an earlier one of their user */
    struct late_event worst_late; /* the one of those that came latest */
    uint64_t unknown;             /* accepted, their item newer than the generation's dictionary */
    uint64_t odd_categories;      /* accepted without their category, which cannot be used */
    uint64_t records;             /* interest records published */
    uint64_t commits;             /* transactions, each worker's counted */
    double seconds;               /* that the workers ran, recovery included */
    bool stopped;                 /* by job_stop, before the input's end */
};

/*
 * Runs the job until the input ends or job_stop is called; both finish the open transaction, flush
 * the stores and return STATUS_OK. `learner` gives the generation and trains the next ones; NULL: the
 * job serves model.checkpoint. `viewer` is shown the job while it runs, or is NULL. `summary` is
 * filled in either case.
 */
MUST_CHECK enum status job_run(const struct config *config, const struct job_learner *learner,
                               const struct job_viewer *viewer, struct job_summary *summary,
                               struct error *error);

/* Begins to end the running job, if there is one. Any thread; async-signal-safe. */
void job_stop(void);

#endif
