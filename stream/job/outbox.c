/* outbox.c - records one behind the other: what they are, headers, the key's bytes, the value's. */
#include "stream/job/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "stream/source/item_record.h"

/* What lies in front of a record's bytes; its headers follow. Only names and sizes are used. */
struct waiting {
    struct record record;
    bool keyless, deletes; /* it has no key, no value */
};

size_t outbox_record_max(const struct config *config)
{
    size_t dead_letter = broker_ops_of(config)->dead_letter_size(config);
    size_t item = item_record_size_max(config->source.id_size_max);
    return dead_letter > item ? dead_letter : item;
}

size_t outbox_size(const struct config *config)
{
    return OUTBOX_SIZE + sizeof(struct waiting) + sizeof(uint64_t) + outbox_record_max(config);
}

enum status outbox_open(struct outbox *outbox, const struct config *config, struct error *error)
{
    *outbox = (struct outbox){.size = outbox_size(config)};
    outbox->bytes = malloc(outbox->size);
    return outbox->bytes ? STATUS_OK : error_set(error, STATUS_IO, "out of memory: an outbox");
}

void outbox_close(struct outbox *outbox)
{
    free(outbox->bytes);
    *outbox = (struct outbox){0};
}

static void outbox_append(struct outbox *outbox, struct bytes bytes)
{
    if (bytes.size) memcpy(outbox->bytes + outbox->used, bytes.at, bytes.size);
    outbox->used += bytes.size;
}

bool outbox_add(struct outbox *outbox, const struct record *record)
{
    struct waiting waiting = {*record, !record->key.at, !record->value.at};
    struct bytes headers = {record->headers, record->headers_count * sizeof *record->headers};
    size_t size = sizeof waiting + headers.size + record->key.size + record->value.size;
    REQUIRE(record->headers_count <= OUTBOX_HEADERS_MAX);
    for (uint32_t i = 0; i < record->headers_count; i++) {
        size += record->headers[i].value.size;
    }
    REQUIRE(size <= outbox->size);
    if (size > outbox->size - outbox->used) return false;
    outbox_append(outbox, (struct bytes){&waiting, sizeof waiting});
    outbox_append(outbox, headers);
    for (uint32_t i = 0; i < record->headers_count; i++) {
        outbox_append(outbox, record->headers[i].value);
    }
    outbox_append(outbox, record->key);
    outbox_append(outbox, record->value);
    return true;
}

/* Points `bytes` to what was appended, and returns the place behind it. */
static const uint8_t *found_at(const uint8_t *at, struct bytes *bytes)
{
    bytes->at = at;
    return at + bytes->size;
}

enum status outbox_send(struct outbox *outbox, const struct broker_ops *ops,
                        struct session *session, struct error *error)
{
    for (const uint8_t *at = outbox->bytes, *end = at + outbox->used; at < end;) {
        struct waiting waiting;
        struct record_header headers[OUTBOX_HEADERS_MAX];
        struct record *record = &waiting.record;
        memcpy(&waiting, at, sizeof waiting);
        at += sizeof waiting;
        memcpy(headers, at, record->headers_count * sizeof *headers);
        at += record->headers_count * sizeof *headers;
        for (uint32_t i = 0; i < record->headers_count; i++) {
            at = found_at(at, &headers[i].value);
        }
        record->headers = headers;
        at = found_at(at, &record->key);
        at = found_at(at, &record->value);
        if (waiting.keyless) record->key.at = NULL;
        if (waiting.deletes) record->value.at = NULL;
        TRY(ops->send(session, record, error));
    }
    outbox_clear(outbox);
    return STATUS_OK;
}

void outbox_clear(struct outbox *outbox)
{
    outbox->used = 0;
}
