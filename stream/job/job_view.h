/*
 * job_view.h - what a thread beside the workers may see of a running job.
 *
 * Nothing of a worker's memory is in it: the generation that serves, and the stores of the live
 * partitions, which hold what was committed and may be borrowed (store_leases.h).
 */
#ifndef STREAM_JOB_JOB_VIEW_H
#define STREAM_JOB_JOB_VIEW_H

#include <stdint.h>

#include "config/config.h"
#include "model/generations.h"
#include "state/store.h"
#include "stream/broker/broker.h"

struct recent_items;
struct store_leases;

struct job_view {
    const struct config *config;
    struct generations *generations;
    const struct store_ops *stores;
    struct store_leases *leases;
    struct recent_items *recent; /* ids of items that the generation does not know */
    const struct broker_ops *ops;
    struct broker *broker; /* for what `ops` calls any thread's */
    uint32_t partitions;   /* of the source */
    size_t answers_size;   /* bytes that states kept to answer with may take */
};

/* Who looks at a job while it runs. */
struct job_viewer {
    void *context;
    void (*begin)(void *context, const struct job_view *view); /* `view` is valid until: */
    void (*end)(void *context); /* returns when nobody looks any more and all is given back */
};

#endif
