/*
 * broker.h - the seam to what events come from and records go to: files or Kafka.
 *
 * Each back end fills a struct broker_ops; broker_ops_of gives the one that a configuration means.
 * A broker is the job's; a session is one worker's. Each worker runs this loop on its session:
 *
 *     poll -> POLL_EVENTS: process
 *             POLL_COMMIT: begin, send, seal; then commit on another thread, while this one polls on
 *             POLL_ASSIGN: restore the partitions (history_open ... history_close), then resume
 *             POLL_REVOKE, POLL_LOST: give the partitions up
 *             POLL_HOLD:   training is due (files): everything before is committed
 *             POLL_END:    the input is finished (files) or the job stops; nothing is open
 *
 * Kafka: a session is a consumer and a transactional producer, and commits alone. Files: one reader
 * feeds all sessions, and a commit is a barrier over them: outputs, log and dead letters are
 * appended and synced, then the commit file is replaced, which commits for all of them at once.
 *
 * Threads: a session belongs to its worker, but for commit, which another thread may call while the
 * worker calls nothing but poll, resume and want_commit; stop may be called from anywhere (it is
 * async-signal-safe); a history_reader belongs to whoever opened it.
 */
#ifndef STREAM_BROKER_BROKER_H
#define STREAM_BROKER_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"
#include "state/history.h"
#include "state/store.h"
#include "stream/source/erasure/cuts.h"
#include "stream/source/event.h"

struct broker;
struct session;
struct history_reader;
struct history_rewrite;

enum poll_kind {
    POLL_EVENTS, /* decoded events of this session's partitions (possibly none: timed out) */
    POLL_COMMIT, /* close the transaction now (interval, limit, barrier, revocation, end); answer
                  * with commit or abort, after a begin if none is open. One whose interval is over
                  * is not asked for before the commit under way has returned */
    POLL_ASSIGN, /* partitions to restore and then to resume */
    POLL_REVOKE, /* partitions to give up when the commit under way has ended; a POLL_COMMIT has
                  * closed the transaction before */
    POLL_LOST,   /* partitions already another's: end the commit under way, abort, drop */
    POLL_HOLD,   /* of a job that learns from a file: a round is due at this place of the input.
                  * Every session gets it at the same place, after the commit of all before it */
    POLL_END,
};

enum { POLL_PARTITIONS_MAX = 1024 };

struct poll {
    enum poll_kind kind;
    const struct event
        *events; /* POLL_EVENTS: in source order per partition; valid until next poll */
    uint32_t events_count;
    uint32_t partitions[POLL_PARTITIONS_MAX]; /* POLL_ASSIGN, REVOKE, LOST */
    uint32_t partitions_count;
    int64_t position; /* POLL_HOLD: records of the source before it; */
    bool last;        /* the input ends here */
};

/* Where a record goes. Kafka: a topic each; files: a file each per partition. */
enum record_kind {
    RECORD_INTERESTS,
    RECORD_HISTORY,
    RECORD_DEAD_LETTER,
    RECORD_ITEM,
    RECORD_KINDS,
    RECORD_ERASURE = RECORD_KINDS, /* Kafka alone, with source.erase */
};

struct record_header {
    const char *name;
    struct bytes value;
};

struct record {
    enum record_kind kind;
    uint32_t partition;                  /* of the source; companions use the same number */
    struct bytes key;                    /* never empty, except of dead letters; at = NULL: none */
    struct bytes value;                  /* at = NULL: a tombstone */
    const struct record_header *headers; /* Kafka only */
    uint32_t headers_count;
};

/* One partition's part of a commit. */
struct commit_partition {
    uint32_t partition;
    struct history_seal seal; /* number included. next_offset is also the offset to commit; files
                               * replace it by the input position of the barrier. `lost` is the
                               * broker's to fill in */
    struct store_position position; /* out: after the seal; next = -1 if it is not known */
};

/* Up to where a partition is committed when it is taken over. */
struct committed_position {
    struct history_seal seal; /* number 0: nothing was committed; next_offset: the source's first */
    int64_t end;  /* where the log ends, to show how far a restore is: compare position.next */
    bool rebuild; /* the log no longer holds every record after `start`: restore from zero (destroy
                   * the store, open again with next = -1). Kafka: tombstones may have expired */
};

struct generation_log_ops;

struct broker_ops {
    const char *name;

    /* Bytes that the broker takes whatever the budget is, the sessions of all workers included. */
    uint64_t (*memory)(const struct config *config);

    /*
     * Checks and opens everything that is the job's: input, commit file, topics. Keeps `config`.
     * STATUS_REFUSED with the remedy: another input, shorter files, topics of the wrong kind.
     */
    enum status (*open)(struct broker **brokerp, const struct config *config, struct error *error);
    void (*close)(struct broker *broker);

    /*
     * STATUS_INVALID: settings that this back end can't work with, beyond what config_check sees.
     * open checks them as well. Opens nothing. NULL: config_check sees all.
     */
    enum status (*check)(const struct config *config, struct error *error);

    /* Partition count and identity of the source (for store_identity). */
    uint32_t (*partitions)(const struct broker *broker);
    uint64_t (*source_identity)(const struct broker *broker);

    /*
     * Of `partitions` the one that a user's events are in; not certain: where the producer chose,
     * the likeliest.
     */
    uint32_t (*partition_of)(struct bytes user, uint32_t partitions, bool *certainp);

    /*
     * Where the process that has a partition answers over HTTP (kafka.advertise), of at most `room`
     * bytes with its end; false: it is not known, or not yet. Any thread; never waits for a broker:
     * what was told last counts. NULL: there is only one process (files).
     */
    bool (*owner)(struct broker *broker, uint32_t partition, char *to, size_t room);

    /*
     * Up to where a source partition can be read: the offset behind the last record that no open
     * transaction holds back, and as of when that was told (ms since 1970); -1: not known yet. Any
     * thread; never waits for a broker. NULL: the input says no end (files).
     */
    int64_t (*source_end)(struct broker *broker, uint32_t partition, int64_t *as_of_msp);

    /* Begins to end the job: sessions get a COMMIT, then END. Async-signal-safe. */
    void (*stop)(struct broker *broker);

    /*
     * A worker serves that generation, and moves every user to it: a bounded run does not end before
     * all seals say so. NULL: it ends with its input (files). Any worker.
     */
    void (*serves)(struct broker *broker, uint64_t generation);

    /*
     * The record of a bad event. Files: a line of JSON. Kafka: the event's key and value as they
     * came, with headers that say what is wrong. It borrows from `event` and `scratch`, which has
     * dead_letter_size bytes, as many as the largest takes, and is aligned for any type.
     */
    struct record (*dead_letter)(const struct broker *broker, const struct event *event,
                                 void *scratch);
    size_t (*dead_letter_size)(const struct config *config);

    /* Share of the input that is read (0..1), -1 if there is no end. For progress. */
    double (*progress)(const struct broker *broker);

    enum status (*session_open)(struct session **sessionp, struct broker *broker, uint32_t worker,
                                struct error *error);
    void (*session_close)(struct session *session);

    /* Waits up to `timeout_ms` for something to do. */
    enum status (*poll)(struct session *session, uint32_t timeout_ms, struct poll *poll,
                        struct error *error);

    /* An assigned partition is restored up to `seal`: deliver its events from there on. */
    enum status (*resume)(struct session *session, uint32_t partition,
                          const struct history_seal *seal, struct error *error);

    /*
     * The offset in a live partition before which every event has been delivered by poll: there may
     * be none between the last one and it (Kafka: markers, aborted records). Files: -1, there the
     * events alone tell.
     */
    int64_t (*position)(const struct session *session, uint32_t partition);

    /* Asks for a POLL_COMMIT soon: a limit of the transaction is near. */
    void (*want_commit)(struct session *session);

    /* The open changeset holds something that no event brought: a POLL_COMMIT comes in time. */
    void (*gather)(struct session *session);

    /*
     * A transaction: begin, send ..., seal, commit. send copies what it is given. seal writes each
     * partition's seal as the last record of its history, and takes the partitions' next offsets
     * and the session's membership as they are then; nothing can be sent any more, and what is
     * polled from now on belongs to the next transaction. commit may run on another thread. It
     * commits all that, fills in the positions, and returns when it is certain:
     * STATUS_OK = committed. STATUS_ABORTABLE = call abort. STATUS_BUSY = the broker has not said
     * what became of it (Kafka: it was interrupted): call settle, which finds out, on the worker
     * (NULL where that cannot be).
     * STATUS_FENCED, STATUS_IO: leave.
     */
    enum status (*begin)(struct session *session, struct error *error);
    enum status (*send)(struct session *session, const struct record *record, struct error *error);
    enum status (*seal)(struct session *session, struct commit_partition *partitions,
                        uint32_t count, struct error *error);
    enum status (*commit)(struct session *session, struct commit_partition *partitions,
                          uint32_t count, struct error *error);
    enum status (*settle)(struct session *session, struct commit_partition *partitions,
                          uint32_t count, struct error *error);

    /* Ends the transaction, if one is begun, and goes back to the committed offsets. */
    enum status (*abort)(struct session *session, struct error *error);

    /*
     * Reads a partition's committed history log from `start` (next = -1: from its beginning) up to
     * the last committed seal, which it returns in `committed` on open. STATUS_REFUSED: the log
     * ends before the seal, or is another source's. STATUS_BUSY: what is committed is not known yet
     * (Kafka: a dead member's open transaction hides it until it times out); call again, or give up
     * if the job stops. Not called on a polling thread.
     */
    enum status (*history_open)(struct history_reader **readerp, struct broker *broker,
                                uint32_t partition, const struct store_position *start,
                                struct committed_position *committed, struct error *error);
    /*
     * Up to `max` records, key and value, valid until the next call; *countp = 0 after the seal.
     * Seals themselves are not delivered. STATUS_BUSY: none can be read yet (Kafka: a dead member's
     * open transaction hides them until it times out); call again, or give up if the job stops.
     */
    enum status (*history_next)(struct history_reader *reader, struct record *records, uint32_t max,
                                uint32_t *countp, struct error *error);
    /* The position after the last record delivered: what a store that applied it records. */
    struct store_position (*history_position)(const struct history_reader *reader);
    void (*history_close)(struct history_reader *reader);

    /*
     * Rewriting an overgrown history log; all NULL where the broker compacts by itself (Kafka). Its
     * partition's owner opens a new log that joins the old one at `start`, the position of its
     * store (with the seal committed there), adds every live record, finishes it with what was
     * committed since, and between two transactions installs it: with the next commit it is the
     * log. open, add and finish may run on another thread. A rewrite that is not installed is
     * closed.
     */
    bool (*rewrite_due)(const struct session *session, uint32_t partition);
    enum status (*rewrite_open)(struct history_rewrite **rewritep, struct broker *broker,
                                uint32_t partition, const struct store_position *start,
                                struct error *error);
    enum status (*rewrite_add)(struct history_rewrite *rewrite, struct bytes key,
                               struct bytes value, struct error *error);
    enum status (*rewrite_finish)(struct broker *broker, struct history_rewrite *rewrite,
                                  const struct history_seal *seal, struct error *error);
    /* Takes `rewrite`, also on failure. */
    enum status (*rewrite_install)(struct session *session, struct history_rewrite *rewrite,
                                   struct error *error);
    void (*rewrite_close)(struct history_rewrite *rewrite);

    /*
     * Who of a partition's users was erased so far; whatever was committed before is in it. From offset
     * `from` on all is news to the job (its seal's next_erasure): requests count that no job has
     * answered, and whom others have erased is at CUT_SOUGHT; INT64_MAX: neither. Call it after
     * history_open. STATUS_BUSY: not to be had now. Not called on a polling thread. NULL: the source
     * drops their events by itself (files).
     */
    enum status (*cuts)(struct broker *broker, uint32_t partition, int64_t from, struct cuts *cuts,
                        struct error *error);

    /* Where the members of a group share generations; NULL: model.dir is all there is (files). */
    const struct generation_log_ops *generations;
};

extern const struct broker_ops broker_file;
extern const struct broker_ops broker_kafka;

/* The back end that `config` means (source.broker). */
const struct broker_ops *broker_ops_of(const struct config *config);

#endif
