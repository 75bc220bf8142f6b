/* job_shared.h - what all workers of a job share; read-only while they run, but for the metrics. */
#ifndef STREAM_JOB_JOB_SHARED_H
#define STREAM_JOB_JOB_SHARED_H

#include <stdbool.h>

#include "base/metrics.h"
#include "config/config.h"
#include "model/generations.h"
#include "state/store.h"
#include "stream/broker/broker.h"
#include "stream/job/memory_plan.h"
#include "stream/source/event.h"

struct hold;
struct training;
struct store_leases;
struct pace;
struct recent_items;

struct job_shared {
    const struct config *config;
    struct generations *generations; /* the one that serves */
    const struct memory_plan *plan;
    const struct broker_ops *ops;
    struct broker *broker;
    const struct store_ops *stores;
    struct store_leases *leases; /* for who reads beside the workers; NULL: nobody does */
    struct recent_items *recent; /* ids of new items, for the same; NULL: nobody does */
    struct hold *hold;           /* of a job on files that learns, else NULL */
    struct training *training;   /* of a job that learns beside the stream, else NULL */
    struct pace *pace;           /* never NULL */
    bool sweeps;                 /* every user is moved to the generation that serves */
    struct history_seal seal;    /* what every seal of this job says, but for its generations */

    /* Of what is committed: */
    struct metric *events[EVENT_VERDICTS];
    struct metric *late;           /* accepted, but before an earlier one of their user */
    struct metric *unknown;        /* accepted, of an item that the generation does not know */
    struct metric *odd_categories; /* accepted without the category they have */
    struct metric *records;
    struct metric *commits;
    struct metric *swept;   /* users moved to another generation without an event */
    struct metric *expired; /* users who left, each counted when its tombstone is committed, */
    struct metric *erased;  /* and requests to erase one that were committed */
    struct metric *behind;  /* partitions with users of an older generation */
    struct metric *generation, *learned, *adopted; /* which serves, and its times: job_serves */
};

/* Registers the metrics. */
void job_shared_init(struct job_shared *shared);

/* A worker serves that generation from now on: tells the metrics. */
void job_serves(const struct job_shared *shared, const struct generation *generation);

/* What the job would seal now: `seal`, of the generation that serves. */
struct history_seal job_seal(const struct job_shared *shared);

/* Events committed so far by the jobs of this process, of every verdict. */
uint64_t job_events(const struct job_shared *shared);

#endif
