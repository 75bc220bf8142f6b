/* shared_generation.c - keys and values of the topic of models, and a sorted table of what they say. */
#include "stream/exchange/shared_generation.h"

#include <string.h>

#include "base/checksum.h"

enum { MANIFEST_VERSION = 1 };

/* ---- the table ---- */

void shared_table_clear(struct shared_table *table)
{
    table->count = 0;
    table->highest = 0;
}

/* Where the number is or would be. */
static uint32_t shared_place(const struct shared_table *table, uint64_t number)
{
    uint32_t place = table->count;
    while (place > 0 && table->at[place - 1].number >= number) {
        place--;
    }
    return place;
}

struct shared_generation *shared_table_find(struct shared_table *table, uint64_t number)
{
    const uint32_t place = shared_place(table, number);
    return place < table->count && table->at[place].number == number ? &table->at[place] : NULL;
}

struct shared_generation *shared_table_at(struct shared_table *table, uint64_t number)
{
    struct shared_generation *found = shared_table_find(table, number);
    if (found || table->count == SHARED_GENERATIONS_MAX) return found;
    const uint32_t place = shared_place(table, number);
    memmove(&table->at[place + 1], &table->at[place], (table->count - place) * sizeof *table->at);
    table->count++;
    table->at[place] = (struct shared_generation){.number = number};
    return &table->at[place];
}

void shared_table_tidy(struct shared_table *table)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct shared_generation *one = &table->at[i];
        if (one->announced || one->listed || one->complete_ms) table->at[kept++] = *one;
    }
    table->count = kept;
}

const struct shared_generation *shared_table_newest(const struct shared_table *table, uint64_t most)
{
    for (uint32_t i = table->count; i-- > 0;) {
        if (table->at[i].whole && table->at[i].number <= most) return &table->at[i];
    }
    return NULL;
}

const struct shared_generation *shared_table_complete(const struct shared_table *table,
                                                      int64_t by_ms)
{
    for (uint32_t i = table->count; i-- > 0;) {
        const struct shared_generation *one = &table->at[i];
        if (one->listed && one->complete_ms && one->complete_ms <= by_ms) return one;
    }
    return NULL;
}

/* ---- keys ---- */

void shared_key_encode(uint64_t generation, uint32_t part, uint8_t to[SHARED_KEY_SIZE])
{
    for (unsigned i = 0; i < 8; i++) {
        to[i] = (uint8_t)(generation >> (56 - 8 * i));
    }
    for (unsigned i = 0; i < 4; i++) {
        to[8 + i] = (uint8_t)(part >> (24 - 8 * i));
    }
}

bool shared_key_decode(struct bytes key, uint64_t *generation, uint32_t *part)
{
    const uint8_t *at = key.at;
    if (key.size != SHARED_KEY_SIZE) return false;
    *generation = 0;
    *part = 0;
    for (unsigned i = 0; i < 8; i++) {
        *generation = *generation << 8 | at[i];
    }
    for (unsigned i = 8; i < SHARED_KEY_SIZE; i++) {
        *part = *part << 8 | at[i];
    }
    return *generation > 0 && *generation < INT64_MAX;
}

/* ---- values ---- */

size_t manifest_encode(const struct manifest *manifest, uint8_t to[SHARED_VALUE_MAX])
{
    struct byte_writer writer = byte_writer_of(to, SHARED_VALUE_MAX);
    write_u8(&writer, MANIFEST_VERSION);
    write_u64(&writer, manifest->size);
    write_u32(&writer, manifest->chunks);
    write_u64(&writer, manifest->checksum);
    write_u64(&writer, manifest->fingerprint);
    write_u64(&writer, manifest->parent);
    return written(&writer).size;
}

bool manifest_decode(struct bytes value, struct manifest *manifest)
{
    struct byte_reader reader = byte_reader_of(value);
    const uint8_t version = read_u8(&reader);
    manifest->size = read_u64(&reader);
    manifest->chunks = read_u32(&reader);
    manifest->checksum = read_u64(&reader);
    manifest->fingerprint = read_u64(&reader);
    manifest->parent = read_u64(&reader);
    return !reader.failed && reader.left == 0 && version == MANIFEST_VERSION;
}

size_t announcement_encode(const struct items_end *items, uint8_t to[SHARED_VALUE_MAX])
{
    struct byte_writer writer = byte_writer_of(to, SHARED_VALUE_MAX);
    write_u64(&writer, items->items);
    write_u32(&writer, items->width);
    write_u64(&writer, items->checksum);
    return written(&writer).size;
}

bool announcement_decode(struct bytes value, uint64_t generation, struct items_end *items)
{
    struct byte_reader reader = byte_reader_of(value);
    *items = (struct items_end){.generation = generation};
    items->items = read_u64(&reader);
    items->width = read_u32(&reader);
    items->checksum = read_u64(&reader);
    return !reader.failed && reader.left == 0;
}

size_t completion_encode(int64_t time_ms, uint8_t to[SHARED_VALUE_MAX])
{
    struct byte_writer writer = byte_writer_of(to, SHARED_VALUE_MAX);
    write_i64(&writer, time_ms);
    return written(&writer).size;
}

bool completion_decode(struct bytes value, int64_t *time_ms)
{
    struct byte_reader reader = byte_reader_of(value);
    *time_ms = read_i64(&reader);
    return !reader.failed && reader.left == 0 && *time_ms > 0;
}

uint64_t shared_checksum(uint64_t before, struct bytes chunk)
{
    uint8_t head[8];
    struct byte_writer writer = byte_writer_of(head, sizeof head);
    write_u64(&writer, before);
    const struct bytes parts[] = {written(&writer), chunk};
    return checksum_of_parts(parts, 2);
}
