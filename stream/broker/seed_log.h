/*
 * seed_log.h - the seam to the companions of a job that has not begun: histories that come from
 * elsewhere are written into them, once, and the job starts behind a cut of its source.
 *
 *     open -> look -> claim -> (send ... commit) ... -> seal -> close
 *
 * What was sent is committed with how many steps of each partition are done, in the place where the
 * job will have its offsets. So a job cannot begin before the seal, and who was killed goes on
 * behind the last commit. The seal makes that place the job's: it goes on at the cut.
 *
 * After STATUS_ABORTABLE nothing since the last commit has happened: close, and open again.
 * STATUS_FENCED: another has taken over. Thread: one; partition_of may be called from any.
 */
#ifndef STREAM_BROKER_SEED_LOG_H
#define STREAM_BROKER_SEED_LOG_H

#include "stream/broker/broker.h"

struct seed_log;

struct seed_log_ops {
    /*
     * Finds the job's source and companions; keeps `config`. STATUS_REFUSED: the source is not
     * keyed by user, or not by the partitioner that partition_of knows.
     */
    enum status (*open)(struct seed_log **logp, const struct config *config, struct error *error);
    void (*close)(struct seed_log *log);

    uint32_t (*partitions)(const struct seed_log *log);
    uint32_t (*partition_of)(const struct seed_log *log, struct bytes user);

    /* Whether a seed of any input might claim: what claim refuses, before its files are read. */
    enum status (*look)(struct seed_log *log, int64_t cut_ms, struct error *error);

    /*
     * Takes the companions for the seed of that `input`, cut at the first event of each partition whose
     * record is of `cut_ms` or later. *sealedp: this very seed is over. STATUS_REFUSED: the job has
     * begun, another seed has, the companions hold something, or the source has lost events behind
     * the cut.
     */
    enum status (*claim)(struct seed_log *log, uint64_t input, int64_t cut_ms, bool *sealedp,
                         struct error *error);

    /* Who was erased of a partition (source.erase), into zeroes; ends with cuts_close. */
    enum status (*cuts)(struct seed_log *log, uint32_t partition, struct cuts *cuts,
                        struct error *error);

    /* Steps of a partition that are committed. */
    uint64_t (*done)(const struct seed_log *log, uint32_t partition);

    /* Sends a history or an item; copies it. */
    enum status (*send)(struct seed_log *log, const struct record *record, struct error *error);

    /* Commits what was sent: now `done` [partitions] steps are. */
    enum status (*commit)(struct seed_log *log, const uint64_t *done, struct error *error);

    /* Ends it: each partition gets a seal like `seal`, with number, source and cut of its own. */
    enum status (*seal)(struct seed_log *log, const struct history_seal *seal, struct error *error);
};

extern const struct seed_log_ops seed_log_kafka;

#endif
