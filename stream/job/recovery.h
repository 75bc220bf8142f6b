/*
 * recovery.h - brings a partition's store up to the end of its history log.
 *
 * Opens the store and applies every record after its position, up to the last committed seal. A
 * store that is lost or no longer joins the log is rebuilt from zero. Runs on a restore thread,
 * never on a polling one.
 */
#ifndef STREAM_JOB_RECOVERY_H
#define STREAM_JOB_RECOVERY_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/status.h"
#include "state/store.h"
#include "stream/broker/broker.h"
#include "stream/source/erasure/cuts.h"

struct recovery {
    const struct config *config;
    const struct history_seal *own; /* what the job's seals say: it must be able to go on */
    const struct broker_ops *ops;
    struct broker *broker;
    const struct store_ops *stores;
    const struct store_options *options;
    const char *path; /* of the store */
    uint32_t partition;
    bool waits; /* for a later generation than the job's, which others have published */
    const atomic_bool *cancel; /* give up early; what was applied stays */

    /* out: */
    struct store *store; /* open, also after a failure or a cancellation; the caller's to close */
    struct history_seal seal; /* the last committed one: number 0 if none is */
    struct store_position position;
    struct cuts cuts; /* of users who were erased; the caller's to close, also after a failure */
    uint64_t records; /* applied, */
    uint64_t gone;    /* and users whose end was among them */
    int64_t left;     /* its part of what /metrics shows of restores; 0 before and after */
};

/*
 * STATUS_END: canceled. STATUS_BUSY: something is not to be had now, the store or the log; call again
 * after a while, nothing is lost by it. STATUS_REFUSED and STATUS_CORRUPT say what to do.
 */
MUST_CHECK enum status recovery_run(struct recovery *recovery, struct error *error);

#endif
