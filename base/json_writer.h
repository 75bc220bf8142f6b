/*
 * json_writer.h - JSON written value by value, into memory that is given or that grows.
 *
 * Commas are the writer's. Which value may stand where is the caller's: a key in an object before
 * each value, as many ends as begins. Failure is sticky, as that of struct byte_writer: a value that
 * does not fit is not written, nor any after it. Check `failed` once, at the end.
 *
 *     struct json_writer json = json_writer_at(line, sizeof line);
 *     json_begin(&json, '{');
 *     json_key(&json, "user");
 *     json_text(&json, user);
 *     json_end(&json, '}');
 */
#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct json_writer {
    char *at;
    size_t room; /* bytes at `at` */
    size_t used;
    bool comma; /* the next key or element needs one before it */
    bool grows;
    bool failed;
};

/* Writes to `size` bytes at `at`. */
struct json_writer json_writer_at(void *at, size_t size);

/* Writes to memory from the heap, which the caller frees (`at`); failed: there is no more of it. */
struct json_writer json_writer_growing(void);

void json_begin(struct json_writer *json, char bracket); /* { or [ */
void json_end(struct json_writer *json, char bracket);   /* } or ] */

/* The name of the member whose value comes next; written as it is, so no data. */
void json_key(struct json_writer *json, const char *key);

/* Any bytes, escaped as base/escape.h says. */
void json_text(struct json_writer *json, struct bytes text);

/* The same as the name of a member. */
void json_text_key(struct json_writer *json, struct bytes key);

void json_null(struct json_writer *json);
void json_bool(struct json_writer *json, bool value);
void json_unsigned(struct json_writer *json, uint64_t value);
void json_signed(struct json_writer *json, int64_t value);

/* With `digits` significant digits; null if it is not finite. */
void json_real(struct json_writer *json, double value, int digits);

/* The shortest form that reads back as the same finite float. */
void json_float(struct json_writer *json, float value);

/* The 16 hexadecimal digits of `value`, as a text. */
void json_hex(struct json_writer *json, uint64_t value);

/* Bytes in base64, as a text. */
void json_base64(struct json_writer *json, struct bytes bytes);

/* What has been written so far. */
static inline struct bytes json_written(const struct json_writer *json)
{
    return (struct bytes){json->at, json->used};
}

#endif
