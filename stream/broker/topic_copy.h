/*
 * topic_copy.h - the seam to copying a topic into another one, each record exactly once.
 *
 * Records of a source partition come in their order; which partition is asked next is the caller's.
 * What was sent is committed together with how far the source was read, so a copy that was killed
 * goes on where its last commit was, and a copy of the same target that is opened later shuts out
 * this one.
 *
 *     open -> (next -> send ...) ... -> commit ... -> close
 *
 * After STATUS_ABORTABLE nothing since the last commit has happened: close, and open again.
 * STATUS_FENCED: another has taken over. Thread: one.
 */
#ifndef STREAM_BROKER_TOPIC_COPY_H
#define STREAM_BROKER_TOPIC_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"

struct topic_copy;

struct copy_options {
    const char *target;
    uint32_t partitions; /* of a target that is created; 0: as many as the source has */
    bool follows;        /* does not end where the source ended when the copy was opened */
};

struct copied_record {
    int64_t stamp_ms; /* when it was made, -1: it does not say */
    struct bytes key; /* at = NULL: none */
    struct bytes value;
};

struct topic_copy_ops {
    /*
     * Source is source.topic of `config`; keeps both. Creates the target if it is missing and the
     * configuration allows it. STATUS_REFUSED: a target that holds what no copy has written, or of
     * which records would be lost or out of place, or a source that has lost what was to be copied.
     */
    enum status (*open)(struct topic_copy **copyp, const struct config *config,
                        const struct copy_options *options, struct error *error);
    void (*close)(struct topic_copy *copy);

    uint32_t (*source_partitions)(const struct topic_copy *copy);
    uint32_t (*target_partitions)(const struct topic_copy *copy);

    /* Into which partition of the target every producer puts a key. */
    uint32_t (*partition_of)(const struct topic_copy *copy, struct bytes key);

    /* Share of the source that was sent (0..1), -1: the copy has no end. */
    double (*progress)(const struct topic_copy *copy);

    /*
     * The next record of a source partition, valid until it is asked for another one; the one
     * before has been sent. Waits up to `timeout_ms`. STATUS_BUSY: none has come yet. STATUS_END:
     * there is none now; of a copy that does not follow: nor will there be.
     */
    enum status (*next)(struct topic_copy *copy, uint32_t partition, uint32_t timeout_ms,
                        struct copied_record *record, struct error *error);

    /*
     * Sends the record that `next` gave for the source partition `from` to the partition `to` of
     * the target, with `key` in place of its own; value, timestamp and headers stay. Copies it.
     */
    enum status (*send)(struct topic_copy *copy, uint32_t from, struct bytes key, uint32_t to,
                        struct error *error);

    /* Commits what was sent and passed; STATUS_OK: it is certain. */
    enum status (*commit)(struct topic_copy *copy, struct error *error);
};

extern const struct topic_copy_ops topic_copy_kafka;

#endif
