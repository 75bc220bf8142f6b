/*
 * bytes.h - byte strings, and bounds-checked little-endian reading and writing.
 *
 * A `struct bytes` borrows: it says where bytes lie and how many, and owns nothing. Readers and
 * writers carry a sticky failure flag, so that a codec is written as a straight list of fields and
 * checks once at its end. The casts let the C++ of base/json.cc include this too.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const void *at;
    size_t size;
};

/* The bytes of a C string without its end. */
static inline struct bytes bytes_of(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

/* Whether the first and the last `word` bytes of both are the same; `word` is a constant. */
static inline bool bytes_ends_equal(struct bytes a, struct bytes b, size_t word)
{
    uint64_t first[2] = {0, 0}, last[2] = {0, 0};
    memcpy(&first[0], a.at, word);
    memcpy(&first[1], b.at, word);
    memcpy(&last[0], (const char *)a.at + a.size - word, word);
    memcpy(&last[1], (const char *)b.at + b.size - word, word);
    return first[0] == first[1] && last[0] == last[1];
}

/* Names and ids are short: a call of memcmp for each would cost more than they do. */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    if (a.size != b.size || a.size == 0) return a.size == b.size;
    if (a.size > 16) return memcmp(a.at, b.at, a.size) == 0;
    if (a.size >= 8) return bytes_ends_equal(a, b, 8);
    if (a.size >= 4) return bytes_ends_equal(a, b, 4);
    return bytes_ends_equal(a, b, 1) &&
           ((const char *)a.at)[a.size / 2] == ((const char *)b.at)[a.size / 2];
}

struct byte_reader {
    const uint8_t *at;
    size_t left;
    bool failed; /* sticky: a read past the end gives zeros from then on */
};

static inline struct byte_reader byte_reader_of(struct bytes bytes)
{
    return (struct byte_reader){(const uint8_t *)bytes.at, bytes.size, false};
}

/* The next `size` bytes in place, or NULL (and failed) if there are not so many. */
static inline const void *read_raw(struct byte_reader *reader, size_t size)
{
    if (reader->failed || reader->left < size) {
        reader->failed = true;
        return NULL;
    }
    const void *at = reader->at;
    reader->at += size;
    reader->left -= size;
    return at;
}

static inline uint64_t read_unsigned(struct byte_reader *reader, unsigned size)
{
    const uint8_t *at = (const uint8_t *)read_raw(reader, size);
    uint64_t value = 0;
    if (!at) return 0;
    for (unsigned i = size; i-- > 0;) {
        value = value << 8 | at[i];
    }
    return value;
}

static inline uint8_t read_u8(struct byte_reader *reader)
{
    return (uint8_t)read_unsigned(reader, 1);
}

static inline uint32_t read_u32(struct byte_reader *reader)
{
    return (uint32_t)read_unsigned(reader, 4);
}

static inline uint64_t read_u64(struct byte_reader *reader)
{
    return read_unsigned(reader, 8);
}

static inline int64_t read_i64(struct byte_reader *reader)
{
    return (int64_t)read_unsigned(reader, 8);
}

struct byte_writer {
    uint8_t *at;
    size_t size; /* capacity */
    size_t used;
    bool failed; /* sticky: what does not fit is not written */
};

static inline struct byte_writer byte_writer_of(void *at, size_t size)
{
    return (struct byte_writer){(uint8_t *)at, size, 0, false};
}

static inline void write_raw(struct byte_writer *writer, const void *from, size_t size)
{
    if (writer->failed || writer->size - writer->used < size) {
        writer->failed = true;
        return;
    }
    if (size) memcpy(writer->at + writer->used, from, size);
    writer->used += size;
}

static inline void write_unsigned(struct byte_writer *writer, uint64_t value, unsigned size)
{
    uint8_t raw[8];
    for (unsigned i = 0; i < size; i++) {
        raw[i] = (uint8_t)(value >> (8 * i));
    }
    write_raw(writer, raw, size);
}

static inline void write_u8(struct byte_writer *writer, uint8_t value)
{
    write_unsigned(writer, value, 1);
}

static inline void write_u32(struct byte_writer *writer, uint32_t value)
{
    write_unsigned(writer, value, 4);
}

static inline void write_u64(struct byte_writer *writer, uint64_t value)
{
    write_unsigned(writer, value, 8);
}

static inline void write_i64(struct byte_writer *writer, int64_t value)
{
    write_unsigned(writer, (uint64_t)value, 8);
}

/* What has been written so far. */
static inline struct bytes written(const struct byte_writer *writer)
{
    return (struct bytes){writer->at, writer->used};
}

#endif
