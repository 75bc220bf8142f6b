/* recovery.c - from the store's position to the last seal, batch by batch. */
#include "stream/job/recovery.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "stream/job/seal_check.h"

enum {
    BATCH_RECORDS = 512, /* applied as one batch of the store */
    PATIENCE_MS =
        1000,      /* with a log of which nothing comes; then other partitions have their turn */
    PAUSE_MS = 20, /* between two looks at it */
    REPORT_EVERY_NS = 2000000000,
};

static enum status open_store(struct recovery *recovery, struct error *error)
{
    struct store_identity identity = {
        .source = recovery->ops->source_identity(recovery->broker),
        .partition = recovery->partition,
        .partitions = recovery->ops->partitions(recovery->broker),
    };
    /* STATUS_BUSY: a worker that has lost the partition may not have noticed yet. */
    TRY(recovery->stores->open(&recovery->store, recovery->path, &identity, recovery->options,
                               error));
    recovery->position = recovery->stores->position(recovery->store);
    return STATUS_OK;
}

/* The log no longer holds the records after this store's position: rebuild from offset 0. */
static enum status begin_from_zero(struct recovery *recovery, struct error *error)
{
    log_warn("store rebuilt from the history log: its position is not in the log any more",
             log_int("partition", recovery->partition), log_text("store", recovery->path));
    recovery->stores->close(recovery->store);
    recovery->store = NULL;
    TRY(recovery->stores->destroy(recovery->path, error));
    return open_store(recovery, error);
}

static enum status open_log(struct recovery *recovery, struct history_reader **readerp,
                            struct committed_position *committed, struct error *error)
{
    const struct broker_ops *ops = recovery->ops;
    TRY(ops->history_open(readerp, recovery->broker, recovery->partition, &recovery->position,
                          committed, error));
    if (!committed->rebuild) return STATUS_OK;
    ops->history_close(*readerp);
    *readerp = NULL;
    TRY(begin_from_zero(recovery, error));
    return ops->history_open(readerp, recovery->broker, recovery->partition, &recovery->position,
                             committed, error);
}

/*
 * A record is the user's newest (in log order its open chunk comes last), and if its chunk is full
 * it is that chunk for good. No value deletes a chunk, or says that the user is gone; what follows of
 * such a user is a new history. Returns how many writes it makes, at most two.
 */
static enum status translate(const struct record *record, struct store_write *writes,
                             size_t *countp, struct error *error)
{
    struct store_key key;
    struct history history;
    TRY(history_key_decode(record->key, &key.user, &key.chunk, error));
    *countp = 0;
    if (key.chunk == HISTORY_USER_GONE) {
        writes[(*countp)++] = (struct store_write){.space = STORE_USERS, .key = key};
        return STATUS_OK;
    }
    if (!record->value.at) {
        writes[(*countp)++] = (struct store_write){.space = STORE_CHUNKS, .key = key};
        return STATUS_OK;
    }
    TRY(history_decode(&history, record->value, error));
    if (history_full(&history)) {
        writes[(*countp)++] = (struct store_write){STORE_CHUNKS, key, record->value, 0};
    }
    writes[(*countp)++] = (struct store_write){STORE_USERS, key, record->value, 0};
    return STATUS_OK;
}

/* The snapshots of those who are gone with the writes, whatever is killed, before these are there. */
static enum status forget_gone(struct recovery *recovery, const struct store_write *writes,
                               size_t count, struct error *error)
{
    struct store_key keys[BATCH_RECORDS] = {0};
    size_t gone = 0;
    for (size_t i = 0; i < count; i++) {
        if (writes[i].key.chunk == HISTORY_USER_GONE) keys[gone++] = writes[i].key;
    }
    recovery->gone += gone;
    if (gone == 0) return STATUS_OK;
    return recovery->stores->forget_snapshots(recovery->store, keys, gone, error);
}

static enum status apply_records(struct recovery *recovery, const struct record *records,
                                 uint32_t count, const struct store_position *position,
                                 struct error *error)
{
    struct store_write writes[2 * BATCH_RECORDS];
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t made;
        enum status status = translate(&records[i], writes + used, &made, error);
        if (status != STATUS_OK) {
            error_prefix(error,
                         "history log of partition %u before position %lld: ", recovery->partition,
                         (long long)position->next);
            return status;
        }
        used += made;
    }
    TRY(forget_gone(recovery, writes, used, error));
    TRY(recovery->stores->commit(recovery->store, writes, used, position, error));
    recovery->position = *position;
    recovery->records += count;
    metric_add(metrics_get("braid_restored_records_total", NULL, NULL), count);
    return STATUS_OK;
}

/* What is left to read of this log, in the gauge of all restores. */
static void show_left(struct recovery *recovery, int64_t left)
{
    metric_add(metrics_get("braid_restore_left_offsets", NULL, NULL), left - recovery->left);
    recovery->left = left;
}

static void report(const struct recovery *recovery, const struct committed_position *committed,
                   int64_t *reported_ns)
{
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns - *reported_ns < REPORT_EVERY_NS) return;
    *reported_ns = now_ns;
    log_info("restoring partition", log_int("partition", recovery->partition),
             log_int("records", (int64_t)recovery->records), log_int("at", recovery->position.next),
             log_int("end", committed->end));
}

/* Applies the log up to its last seal. */
static enum status catch_up(struct recovery *recovery, struct history_reader *reader,
                            const struct committed_position *committed, struct error *error)
{
    const struct broker_ops *ops = recovery->ops;
    struct record records[BATCH_RECORDS];
    int64_t reported_ns = clock_monotonic_ns(), heard_ns = reported_ns;
    while (!atomic_load(recovery->cancel)) {
        uint32_t count;
        enum status status = ops->history_next(reader, records, BATCH_RECORDS, &count, error);
        if (status == STATUS_BUSY &&
            clock_monotonic_ns() - heard_ns < (int64_t)PATIENCE_MS * 1000000) {
            clock_sleep_ms(PAUSE_MS);
            continue;
        }
        TRY(status);
        heard_ns = clock_monotonic_ns();
        struct store_position position = ops->history_position(reader);
        if (count == 0 && position.next == recovery->position.next) return STATUS_OK;
        TRY(apply_records(recovery, records, count, &position, error));
        if (count == 0) return STATUS_OK;
        const int64_t left = committed->end - recovery->position.next;
        show_left(recovery, left > 0 ? left : 0);
        report(recovery, committed, &reported_ns);
    }
    return STATUS_END;
}

/* Whether the job may go on from the seal, and may do so now. */
static enum status check_recovered_seal(struct recovery *recovery, const struct history_seal *seal,
                                        struct error *error)
{
    recovery->seal = *seal;
    if (recovery->waits && seal->target > recovery->own->target) {
        return error_set(error, STATUS_BUSY,
                         "waiting for generation %" PRIu64 ", which folds partition %" PRIu32
                         " and has not been read from the topic of generations yet",
                         seal->target, recovery->partition);
    }
    return seal_check(recovery->config, recovery->partition, seal, recovery->own, error);
}

enum status recovery_run(struct recovery *recovery, struct error *error)
{
    struct history_reader *reader = NULL;
    struct committed_position committed;
    int64_t begun_ns = clock_monotonic_ns();
    recovery->store = NULL;
    recovery->records = recovery->gone = 0;
    recovery->seal = (struct history_seal){0};
    TRY(open_store(recovery, error));
    enum status status = open_log(recovery, &reader, &committed, error);
    if (status == STATUS_OK) status = check_recovered_seal(recovery, &committed.seal, error);
    if (status == STATUS_OK) status = catch_up(recovery, reader, &committed, error);
    if (status == STATUS_OK && recovery->ops->cuts) {
        status = recovery->ops->cuts(recovery->broker, recovery->partition,
                                     recovery->seal.next_erasure, &recovery->cuts, error);
    }
    show_left(recovery, 0);
    recovery->ops->history_close(reader);
    TRY(status);
    if (recovery->records > 0) {
        log_info("partition restored", log_int("partition", recovery->partition),
                 log_int("records", (int64_t)recovery->records),
                 log_real("seconds", (double)(clock_monotonic_ns() - begun_ns) / 1e9));
    }
    return STATUS_OK;
}
