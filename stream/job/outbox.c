/* outbox.c - records one behind the other: a header, the key's bytes, the value's. */
#include "stream/job/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "stream/source/dead_letter.h"
#include "stream/source/item_record.h"

struct waiting {
    enum record_kind kind;
    uint32_t partition;
    size_t key_size, value_size;
};

size_t outbox_record_max(const struct config *config)
{
    size_t dead_letter = dead_letter_size_max(config->output.dead_letter_payload_max);
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

static void outbox_append(struct outbox *outbox, const void *bytes, size_t size)
{
    if (size) memcpy(outbox->bytes + outbox->used, bytes, size);
    outbox->used += size;
}

bool outbox_add(struct outbox *outbox, const struct record *record)
{
    const struct waiting waiting = {record->kind, record->partition, record->key.size,
                                    record->value.size};
    size_t size = sizeof waiting + waiting.key_size + waiting.value_size;
    REQUIRE(record->headers_count == 0 && size <= outbox->size);
    if (size > outbox->size - outbox->used) return false;
    outbox_append(outbox, &waiting, sizeof waiting);
    outbox_append(outbox, record->key.at, waiting.key_size);
    outbox_append(outbox, record->value.at, waiting.value_size);
    return true;
}

enum status outbox_send(struct outbox *outbox, const struct broker_ops *ops,
                        struct session *session, struct error *error)
{
    for (const uint8_t *at = outbox->bytes, *end = at + outbox->used; at < end;) {
        struct waiting waiting;
        memcpy(&waiting, at, sizeof waiting);
        at += sizeof waiting;
        const struct record record = {
            .kind = waiting.kind,
            .partition = waiting.partition,
            .key = {at, waiting.key_size},
            .value = {at + waiting.key_size, waiting.value_size},
        };
        TRY(ops->send(session, &record, error));
        at += waiting.key_size + waiting.value_size;
    }
    outbox_clear(outbox);
    return STATUS_OK;
}

void outbox_clear(struct outbox *outbox)
{
    outbox->used = 0;
}
