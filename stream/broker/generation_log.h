/*
 * generation_log.h - the seam to what the members of a group share of their generations: two logs,
 * each of one partition, one of parameters and one of item vectors.
 *
 * Anyone reads what is committed. Who holds the seat writes, in transactions; there is one seat in
 * a group, and taking it shuts out whoever had it before:
 *
 *     open -> (read -> next ... until STATUS_END) ... -> close
 *             take_seat -> (begin -> send ... -> commit | abort) ... -> leave_seat
 *
 * A transaction is visible in all logs before the next one of the same seat begins to be.
 *
 * Threads: one call at a time.
 */
#ifndef STREAM_BROKER_GENERATION_LOG_H
#define STREAM_BROKER_GENERATION_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"

struct generation_log;

enum shared_log { SHARED_MODELS, SHARED_ITEM_VECTORS };

struct shared_record {
    struct bytes key;
    struct bytes value; /* at = NULL: a tombstone */
};

struct generation_log_ops {
    /*
     * Keeps `config`. `creates`: logs that are missing, if the configuration allows it.
     * STATUS_REFUSED: there are no such logs, or of the wrong kind.
     */
    enum status (*open)(struct generation_log **logp, const struct config *config, bool creates,
                        struct error *error);
    void (*close)(struct generation_log *log);

    /* Bytes that a key and its value may have together. */
    uint32_t (*record_size_max)(const struct generation_log *log);

    /*
     * Begins to read `which` from position `from` (0: its first record) up to what is committed now,
     * *endp: where to go on another time.
     */
    enum status (*read)(struct generation_log *log, enum shared_log which, int64_t from,
                        int64_t *endp, struct error *error);
    /* The next record, valid until the next call; STATUS_END after the last. */
    enum status (*next)(struct generation_log *log, struct shared_record *record,
                        struct error *error);

    /*
     * The oldest generation that users may still be of: the least of all partitions' last seals;
     * UINT64_MAX if nothing was committed.
     */
    enum status (*oldest)(struct generation_log *log, uint64_t *generationp, struct error *error);

    /*
     * Takes the seat; what a former holder had begun and not committed is aborted. The others:
     * STATUS_FENCED: the seat is gone, because another has taken it or the broker lost the
     * transaction, and whether a commit was carried out only reading tells. STATUS_IO: the
     * transaction is aborted, the seat is kept.
     */
    enum status (*take_seat)(struct generation_log *log, struct error *error);
    void (*leave_seat)(struct generation_log *log);
    enum status (*begin)(struct generation_log *log, struct error *error);
    enum status (*send)(struct generation_log *log, enum shared_log which,
                        const struct shared_record *record, struct error *error);
    enum status (*commit)(struct generation_log *log, struct error *error);
    void (*abort)(struct generation_log *log);
};

#endif
