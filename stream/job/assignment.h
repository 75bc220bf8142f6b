/*
 * assignment.h - the partitions that a worker owns now, each a task with its store.
 *
 * A partition that is assigned is first restored, on this assignment's own thread and one at a
 * time, while the worker goes on with the others. One whose store or log is not to be had now goes
 * behind the others and is tried again. A partition that is given up closes its store; a restore
 * under way is canceled, keeps what it has applied, and is not waited for.
 *
 *     assignment_take -> (assignment_restored ...) -> assignment_task ... -> assignment_drop
 *
 * Threads: the worker's, except for the restore thread inside.
 */
#ifndef STREAM_JOB_ASSIGNMENT_H
#define STREAM_JOB_ASSIGNMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "state/store.h"
#include "stream/broker/broker.h"
#include "stream/job/changeset.h"
#include "stream/job/job_shared.h"
#include "stream/source/erasure/cuts.h"

/* One partition's work. */
struct task {
    uint32_t partition;
    struct store *store;
    struct store_lease
        *lease;               /* of a live one whose store may be read beside the worker, or NULL */
    bool live;                /* restored, and noticed by the worker */
    struct history_seal seal; /* the last committed one */
    struct store_position position; /* that the store's last commit recorded */
    bool unswept;               /* users may be of an older generation than the one that serves */
    int64_t clock_ms;           /* the partition's (stream/source/partition_clock.h), and */
    int64_t scan_ms;            /* what it was when the last scan for leavers began, */
    bool scanning;              /* which is not over, */
    bool early;                 /* and began before all that users did was in the store */
    int64_t next_offset;        /* after the last event processed, committed or not, */
    int64_t next_profile;       /* the last record of a topic of profiles, */
    int64_t next_erasure;       /* and of erasures */
    struct cuts cuts;           /* of its users who were erased; */
    int64_t sought_from;        /* the first record that says so of those at CUT_SOUGHT, */
    int64_t seeking_from;       /* and at CUT_SEEKING, for whom */
    bool seeking;               /* the partition's users are being looked through; */
    bool receipts;              /* of some are in the open transaction; */
    bool unpurged;              /* its restore has deleted users; */
    int64_t purged_ns;          /* and when the store's files were last written anew for them */
    struct change_list changes; /* of the open transaction */
    struct store_write *writes; /* the same as writes, during a commit */
    size_t writes_count;
    int64_t flushed_ns;            /* when the store was last flushed, */
    struct store_position flushed; /* and its position then */
    uint32_t tries;                /* restores so far for which something was not to be had, */
    int64_t retry_ns;              /* and when the next one is due */
};

struct assignment;

/* Keeps `shared`. */
MUST_CHECK enum status assignment_open(struct assignment **assignmentp,
                                       const struct job_shared *shared, struct error *error);

/* Cancels restores and closes the stores, flushing them. Legal on NULL. */
void assignment_close(struct assignment *assignment);

/* Begins to restore partitions. */
MUST_CHECK enum status assignment_take(struct assignment *assignment, const uint32_t *partitions,
                                       uint32_t count, struct error *error);

/*
 * A task whose restore has finished since the last call, now live, or NULL; only one whose seal
 * names no later generation than `generation`, which the worker serves. Fails with the restore's
 * error.
 */
MUST_CHECK enum status assignment_restored(struct assignment *assignment, uint64_t generation,
                                           struct task **taskp, struct error *error);

/* Gives partitions up: cancels their restore, or flushes and closes their stores. Does not wait. */
void assignment_drop(struct assignment *assignment, const uint32_t *partitions, uint32_t count);

/* Up to where erasures are done with: those whose user is still sought are not. */
int64_t task_next_erasure(const struct task *task);

/* Whom a record from its seal on names under a hash alone is to be sought, all of them anew. */
void task_seek_anew(struct task *task);

/* Its lease, if it has one, says what its seal says now. */
void task_show_seal(struct task *task);

/* The live task of a partition, or NULL. */
struct task *assignment_task(const struct assignment *assignment, uint32_t partition);

/* All live tasks. */
struct task *const *assignment_live(const struct assignment *assignment, uint32_t *countp);

#endif
