/*
 * item_vector.h - what Braid publishes of a generation's items: one record each, and one at the end.
 *
 * Interests are compared with item vectors of their own generation alone. The score of an item is
 * the inner product; where a model compares by cosine, vectors have length 1. The end says how many
 * vectors there are and what their checksums sum to, so that a subscriber knows when it has all of
 * them, and the right ones, in whatever order they came.
 *
 * A vector's checksum is XXH3-64 over this little-endian layout:
 *
 *     u64 generation | u32 item size | item | u32 category size | category | u32 width
 *     | width float32, and where there are several categories | u32 how many | (u32 size | category)
 *     each
 *
 * Key: generation, 8 bytes big-endian | item id. The end's key has no id. Protobuf:
 * item_vector.proto. JSON: {"generation":1,"item":"i1","category":"","width":64,
 *   "vector":"<base64 of width float32>","checksum":"<16 hex digits>"}   and at the end
 *   {"generation":1,"items":280,"width":64,"checksum":"<16 hex digits>","complete":false}
 * with output.vectors=numbers: "vector":[...]; of several categories all are in "categories":["..."].
 *
 * Threads: any; a checkpoint that is read does not change.
 */
#ifndef STREAM_INTERESTS_ITEM_VECTOR_H
#define STREAM_INTERESTS_ITEM_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "config/config.h"
#include "model/checkpoint.h"

enum { ITEM_KEY_GENERATION_SIZE = 8 };

struct item_vector {
    uint64_t generation;
    struct bytes item;
    struct bytes category;           /* the name of its first; empty: none */
    struct bytes more[TAGS_MAX - 1]; /* the names of the others, in order */
    uint32_t more_count;
    uint32_t width;
    const float *vector; /* [width] */
};

struct items_end {
    uint64_t generation;
    uint64_t items;
    uint32_t width;
    uint64_t checksum; /* sum of those of the vectors */
    bool complete;     /* no user is left of an older generation */
};

/* Items of a checkpoint's dictionary, and floats of each vector. */
uint32_t item_vectors_count(const struct checkpoint *checkpoint);
uint32_t item_vectors_width(const struct checkpoint *checkpoint);

/* Item `index` of the dictionary; its vector is put into `room` [width], its texts are borrowed. */
struct item_vector item_vector_at(const struct checkpoint *checkpoint, uint32_t index, float *room);

/* The checksum of the layout above. */
uint64_t item_vector_checksum(const struct item_vector *vector);

/* The end of no vectors yet, and one more in it. */
struct items_end items_end_begin(const struct checkpoint *checkpoint);
void items_end_add(struct items_end *end, const struct item_vector *vector);

/* Writes a key, of an empty `item` the end's; returns its size. */
size_t item_key_encode(uint64_t generation, struct bytes item, void *to);

/* The generation of a key; false: it is no such key. */
bool item_key_decode(struct bytes key, uint64_t *generation);

/* Upper bound of the size of an encoded vector, and of any whose texts have `texts_size` bytes. */
size_t item_vector_size(const struct item_vector *vector);
size_t item_vector_size_max(size_t texts_size, uint32_t width);

/* The messages of item_vector.proto, or JSON objects without line end; return the size. */
size_t item_vector_encode(const struct item_vector *vector, enum config_record form,
                          enum config_vectors vectors, void *to);
size_t items_end_encode(const struct items_end *end, enum config_record form, void *to);

#endif
