/*
 * interest_record_protobuf.c - the published record as interest_record.proto describes it.
 *
 * Encoding packs the caller's arrays in place and takes no memory. Decoding lets protobuf-c unpack
 * into the caller's memory through an allocator that only moves a pointer, and believes nothing:
 * arrays that contradict each other are refused.
 */
#include <stdint.h>
#include <string.h>

#include "interest_record.pb-c.h"
#include "stream/interests/interest_record.h"

size_t interest_record_encode_protobuf(const struct interest_record *record, void *to)
{
    /* protobuf-c takes what it does not change through pointers that it could. */
    Braid__InterestRecord message = BRAID__INTEREST_RECORD__INIT;
    message.user.data = (uint8_t *)(uintptr_t)record->user.at;
    message.user.len = record->user.size;
    message.generation = record->generation;
    message.from = record->from;
    message.events = record->events;
    message.event_time_ms = record->event_ms;
    message.partition = record->partition;
    message.offset = record->offset;
    message.width = record->width;
    message.n_weights = record->count;
    message.weights = (float *)(uintptr_t)record->weights;
    message.n_vectors = (size_t)record->count * record->width;
    message.vectors = (float *)(uintptr_t)record->vectors;
    message.n_intent = record->intent ? record->width : 0;
    message.intent = (float *)(uintptr_t)record->intent;
    message.checksum = interest_record_checksum(record);
    return braid__interest_record__pack(&message, to);
}

struct room {
    uint8_t *at;
    size_t left;
};

static void *room_take(void *context, size_t size)
{
    struct room *room = context;
    size = (size + 15) / 16 * 16;
    if (size > room->left) return NULL;
    void *taken = room->at;
    room->at += size;
    room->left -= size;
    return taken;
}

static void room_free(void *context, void *taken)
{
    (void)context;
    (void)taken;
}

enum status interest_record_decode_protobuf(struct bytes value, void *arena_at, size_t arena_size,
                                            struct interest_record *record, struct error *error)
{
    size_t skipped = (16 - (uintptr_t)arena_at % 16) % 16;
    if (arena_size < skipped) return error_set(error, STATUS_CORRUPT, "record: no room");
    struct room room = {(uint8_t *)arena_at + skipped, arena_size - skipped};
    ProtobufCAllocator allocator = {room_take, room_free, &room};
    const Braid__InterestRecord *message =
        braid__interest_record__unpack(&allocator, value.size, value.at);
    if (!message) return error_set(error, STATUS_CORRUPT, "record: not an InterestRecord");
    if (message->n_weights > UINT32_MAX ||
        message->n_vectors != message->n_weights * (uint64_t)message->width) {
        return error_set(error, STATUS_CORRUPT, "record: %zu floats are not %zu vectors of %u",
                         message->n_vectors, message->n_weights, message->width);
    }
    if (message->n_intent != 0 && message->n_intent != message->width) {
        return error_set(error, STATUS_CORRUPT, "record: an intent of %zu floats, not %u",
                         message->n_intent, message->width);
    }
    *record = (struct interest_record){
        .user = {message->user.data, message->user.len},
        .generation = message->generation,
        .from = message->from,
        .events = message->events,
        .event_ms = message->event_time_ms,
        .partition = message->partition,
        .offset = message->offset,
        .count = (uint32_t)message->n_weights,
        .width = message->width,
        .vectors = message->vectors,
        .weights = message->weights,
        .intent = message->n_intent ? message->intent : NULL,
        .checksum = message->checksum,
    };
    return STATUS_OK;
}
