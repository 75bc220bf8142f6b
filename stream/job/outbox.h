/*
 * outbox.h - dead letters and item names that wait until their transaction may begin.
 *
 * They arise while events are read, when the transaction before may still be under commit. Copies
 * of them lie here, in order, in memory that is taken at open.
 *
 * Thread: one owner.
 */
#ifndef STREAM_JOB_OUTBOX_H
#define STREAM_JOB_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/broker/broker.h"

enum {
    OUTBOX_SIZE = 1 << 20, /* bytes of waiting records, beside room for one of the largest */
    OUTBOX_HEADERS_MAX = 8 /* of a record */
};

struct outbox {
    uint8_t *bytes;
    size_t size, used;
};

/* Bytes of the largest record that may have to wait. */
size_t outbox_record_max(const struct config *config);

MUST_CHECK enum status outbox_open(struct outbox *outbox, const struct config *config,
                                   struct error *error);
void outbox_close(struct outbox *outbox);

/* Bytes that it takes, for the memory plan. */
size_t outbox_size(const struct config *config);

/*
 * Copies a record with up to OUTBOX_HEADERS_MAX headers, whose names live as long as the program.
 * False: there is no room until outbox_send.
 */
bool outbox_add(struct outbox *outbox, const struct record *record);

/* Sends everything, into the transaction that is open, and is empty then. */
MUST_CHECK enum status outbox_send(struct outbox *outbox, const struct broker_ops *ops,
                                   struct session *session, struct error *error);

/* Forgets everything. */
void outbox_clear(struct outbox *outbox);

#endif
