/*
 * processor_parts.h - what the files of a worker share: its memory, and the steps that its loop
 * (processor.c) takes, file by file. Calls go one way: the loop calls adoption.c, expiry.c and those of
 * erasure/, where seeking.c and purge.c call requests.c; all call processor_steps.c, and that calls
 * erasure/stages.c. For them alone; everybody else includes processor.h.
 *
 * Thread: the worker's.
 */
#ifndef STREAM_JOB_PROCESSOR_PARTS_H
#define STREAM_JOB_PROCESSOR_PARTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/checksum.h"
#include "stream/job/absorb.h"
#include "stream/job/assignment.h"
#include "stream/source/erasure/erase_request.h"
#include "stream/source/item_names.h"
#include "stream/job/job_shared.h"
#include "stream/job/log_compaction.h"
#include "stream/job/processor.h"
#include "stream/job/snapshot_writer.h"
#include "stream/job/sweeper.h"
#include "stream/job/transaction.h"
#include "stream/job/user_loader.h"

enum { POLL_MS_MAX = 20 };

/* What a worker counts; gauges hold the sum of all workers, so each adds what has changed. */
struct worker_metrics {
    struct metric *hits, *misses; /* users of a poll that were in memory, or not */
    struct metric *users, *aborts;
    struct metric *assigned, *revoked, *lost; /* rebalances */
    struct histogram *freshness_ms;           /* age of its oldest event, by the broker's time */
    struct histogram *age_ns;                 /* of a transaction when it was committed */
    int64_t users_shown;                      /* this worker's part of the gauge */
};

/* How many users a sweep may still move, of a rate. */
struct sweep_rate {
    double allowance;
    int64_t since_ns;
};

/* A thread that writes a store's files anew, without those who were erased. */
struct purge {
    pthread_t thread;
    bool running;
    atomic_bool ready;
    const struct store_ops *stores;
    struct store *store;
    uint32_t partition;
    int64_t begun_ns;
    enum status status;
    struct error error;
};

struct processor {
    const struct job_shared *shared;
    const struct config *config;
    const struct broker_ops *ops;
    struct history_rules rules;
    struct session *session;
    struct worker_metrics metrics;
    struct metric *assigned_count; /* workers that the broker has given their partitions, */
    bool assigned;                 /* and whether this one is among them */
    struct assignment *assignment;
    struct state_cache *cache;
    struct user_loader *loader;
    struct snapshot_writer *snapshots;
    struct item_names *names;
    struct log_compaction *compaction;
    struct absorber *absorber;
    struct transaction *transaction;
    struct generation *generation;      /* that serves this worker's partitions */
    const struct interest_model *model; /* its */

    /* of a job that sweeps: */
    struct sweeper *sweeper; /* else NULL */
    bool sweeping;           /* users of a partition may be of an older generation */
    uint32_t behind;         /* partitions of which that is so, as the metric was told */
    uint32_t poll_ms; /* that a poll waits for events: less where more users may soon be moved */
    struct sweep_rate sweep_rate;

    struct sweeper *leavers; /* of a job whose users expire, else NULL */
    struct sweep_rate expiry_rate;
    struct sweeper *seeker; /* of a job that erases users, else NULL */
    struct purge purge;

    /* of the poll under way: */
    uint64_t polls;             /* its number; a user's `mark` says in which it was last seen */
    uint64_t *hashes;           /* [poll_events_max] of the user of each event that names one */
    struct cached_user **users; /* [poll_events_max] of each accepted event */
    struct history_behavior *behaviors; /* [poll_events_max] */
    int64_t *offsets;                   /* [poll_events_max] source offset of each accepted event */
    int64_t *clocks;                    /* [poll_events_max] and its partition's clock with it */
    uint64_t (*profiles)[EVENT_FEATURES]; /* [poll_events_max] what each says of its user */
    uint32_t features;                    /* that an event says; 0: nothing is asked for */
    uint32_t whole_features;              /* and that a profile does */
    uint32_t accepted;
    uint32_t *named; /* [poll_events_max] events that name who is to be erased (source.erase) */
    struct change **changed; /* [poll_events_max] each user of the poll once */
    uint32_t changed_count;
    bool needs_stored;       /* a fold needs what the commit under way brings to the stores */
    struct change **missing; /* [poll_events_max] those of them that were not in memory */
    uint32_t missing_count;

    uint8_t *record;    /* a dead letter or an item record */
    bool warned;        /* of the first bad event, */
    bool warned_of_odd; /* and the first odd category */
    struct late_event worst_late;
};

/* worker_metrics.c: registers them; before a poll's events are taken in; when its users are known;
 * when a changeset is committed; and when the worker ends. */
void worker_metrics_open(struct worker_metrics *metrics);
void worker_metrics_begin(struct processor *processor, const struct poll *poll);
void worker_metrics_grouped(struct processor *processor);
void worker_metrics_committed(struct processor *processor, const struct changeset *set);
void worker_metrics_close(struct worker_metrics *metrics);

/* ---- processor_steps.c ---- */

/* Begins a new batch of users: `changed` and `missing` are empty. */
void processor_begin_batch(struct processor *processor);

/* Finds a user or inserts it, makes it part of the changeset and, once, of the batch. */
struct cached_user *processor_admit(struct processor *processor, struct task *task, struct bytes id,
                                    uint64_t hash);

/* What it is found by. */
static inline uint64_t user_hash(struct bytes user)
{
    return identity_of(user.at, user.size);
}

/* Takes notice of a commit that is finished, or waits for the one under way. */
enum patience { LOOK, WAIT };
MUST_CHECK enum status processor_finish(struct processor *processor, enum patience patience,
                                        struct error *error);

/* Sends a record that goes beside the interests and histories of the open changeset. */
MUST_CHECK enum status processor_send(struct processor *processor, const struct record *record,
                                      struct error *error);

/* Closes the open changeset; its commit goes on while the next one gathers. */
MUST_CHECK enum status processor_commit(struct processor *processor, struct error *error);

/*
 * Opens what depends on the generation. Nothing may be open or under commit. Closing it may keep
 * the states, for a generation that folds the same ones.
 */
MUST_CHECK enum status processor_open_model(struct processor *processor, struct error *error);
void processor_close_model(struct processor *processor, bool keep_states);

/* Partitions came or went, or a transaction was dropped: who is to be moved is to be found anew. */
void unswept_mark(struct processor *processor);

/* A commit is over: tells when everybody has been moved. */
void unswept_committed(struct processor *processor, const struct changeset *set);

/* So many partitions of this worker are behind the generation that serves: tells the metric. */
void unswept_note(struct processor *processor, uint32_t behind);

/* ---- adoption.c ---- */

/* One look: is there another generation? It is taken as soon as nothing is open. */
MUST_CHECK enum status adoption_look(struct processor *processor, struct error *error);

/* After a commit was begun: waits for it, should another generation serve. */
MUST_CHECK enum status adoption_after_commit(struct processor *processor, struct error *error);

/*
 * How many users may be moved now, at most `step`, of so many a second by all workers (0: any
 * number). A pause saves up no more than a step.
 */
uint32_t sweep_allowed(struct sweep_rate *rate, const struct config *config, uint64_t per_second,
                       uint32_t step);

/* Moves some users beside the stream, as many as config_sweep_rate allows by now. */
MUST_CHECK enum status adoption_step(struct processor *processor, struct error *error);

/* A POLL_HOLD: a round of training, and if it gave another generation, everybody moves to it. */
MUST_CHECK enum status adoption_hold(struct processor *processor, const struct poll *poll,
                                     struct error *error);

/* ---- expiry.c ---- */

/* Partitions came or went, or a transaction was dropped: who left is to be found anew. */
void expiry_mark(struct processor *processor);

/* Forgets some of those who left. */
MUST_CHECK enum status expiry_step(struct processor *processor, struct error *error);

/* ---- erasure/requests.c ---- */

/* Erases whom the poll's records of source.erase name. Before the poll's events are taken in. */
MUST_CHECK enum status erasure_take(struct processor *processor, const struct poll *poll,
                                    struct error *error);

/*
 * Erases a user of the open changeset, if it has anything up to its cut, and says so under its hash; if
 * it is asked for, also that there was nothing. No commit is under way, its snapshot is forgotten.
 */
MUST_CHECK enum status erasure_of_user(struct processor *processor, struct task *task,
                                       struct change *change, struct user_cut *cut, bool is_asked,
                                       struct error *error);

/*
 * Whether the user may have a snapshot. Who has nothing has none, and its id is not to come into a file
 * by deleting one.
 */
bool erasure_has_snapshot(const struct cached_user *user);

/* Puts a record under a hash into the topic of erasures. */
MUST_CHECK enum status erasure_tell(struct processor *processor, uint32_t partition,
                                    const struct erase_record *told, struct error *error);

/* ---- erasure/seeking.c ---- */

/* Partitions came or went, or a transaction was dropped: who is sought is to be found anew. */
void seeking_mark(struct processor *processor);

/* Looks through some users for those whom another job has erased, and erases them. */
MUST_CHECK enum status seeking_step(struct processor *processor, struct error *error);

/* ---- erasure/purge.c ---- */

/* Begins a purge, or sends the receipts of one that has ended. */
MUST_CHECK enum status purge_step(struct processor *processor, struct error *error);

/* Partitions are given up: no purge of their stores may be under way any more. Or of any. */
void purge_drop(struct processor *processor, const uint32_t *partitions, uint32_t count);
void purge_end(struct processor *processor);

/* ---- erasure/stages.c ---- */

/* The open changeset is about to be closed; a closed one was committed; both were dropped. */
void erasure_closed(struct processor *processor);
void erasure_committed(struct processor *processor, const struct changeset *set);
void erasure_undo(struct processor *processor);

#endif
