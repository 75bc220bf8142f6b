/* json_writer.c - each value first makes sure of the room that it can need, then writes. */
#include "base/json_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/escape.h"
#include "base/hex.h"
#include "base/number_text.h"

enum { REAL_TEXT_MAX = 32, GROWN_LEAST = 1024 };

struct json_writer json_writer_at(void *at, size_t size)
{
    return (struct json_writer){.at = at, .room = size};
}

struct json_writer json_writer_growing(void)
{
    return (struct json_writer){.grows = true};
}

static void grow(struct json_writer *json, size_t size)
{
    const size_t room = 2 * json->room + size + GROWN_LEAST;
    char *at = realloc(json->at, room);
    json->failed = !at;
    if (!at) return;
    json->at = at;
    json->room = room;
}

/* Where the next value goes, with its comma written if it needs one; NULL: no room for `size`. */
static char *begin_value(struct json_writer *json, size_t size)
{
    if (json->failed) return NULL;
    if (json->grows && json->room - json->used < size + 1) grow(json, size + 1);
    if (json->room - json->used < size + json->comma) json->failed = true;
    if (json->failed) return NULL;
    char *to = json->at + json->used;
    if (json->comma) *to++ = ',';
    json->comma = true;
    return to;
}

static void end_value(struct json_writer *json, const char *behind)
{
    json->used = (size_t)(behind - json->at);
}

void json_begin(struct json_writer *json, char bracket)
{
    char *to = begin_value(json, 1);
    if (!to) return;
    *to = bracket;
    end_value(json, to + 1);
    json->comma = false;
}

void json_end(struct json_writer *json, char bracket)
{
    json->comma = false;
    char *to = begin_value(json, 1);
    if (!to) return;
    *to = bracket;
    end_value(json, to + 1);
}

void json_key(struct json_writer *json, const char *key)
{
    const size_t size = strlen(key);
    char *to = begin_value(json, size + 3);
    if (!to) return;
    *to++ = '"';
    memcpy(to, key, size);
    memcpy(to + size, "\":", 2);
    end_value(json, to + size + 2);
    json->comma = false;
}

/* A text between quotes, and `behind` after them; measured only if it may not fit. */
static void write_quoted(struct json_writer *json, struct bytes text, const char *behind)
{
    const size_t frame = 2 + strlen(behind);
    size_t size = ESCAPE_MAX * text.size + frame;
    if (!json->grows && size >= json->room - json->used) size = escaped_size(text) + frame;
    char *to = begin_value(json, size);
    if (!to) return;
    *to++ = '"';
    to = put_escaped(to, text);
    *to++ = '"';
    memcpy(to, behind, frame - 2);
    end_value(json, to + frame - 2);
}

void json_text(struct json_writer *json, struct bytes text)
{
    write_quoted(json, text, "");
}

void json_text_key(struct json_writer *json, struct bytes key)
{
    write_quoted(json, key, ":");
    json->comma = false;
}

void json_unsigned(struct json_writer *json, uint64_t value)
{
    char *to = begin_value(json, NUMBER_TEXT_MAX);
    if (to) end_value(json, put_unsigned(to, value));
}

static void put_word(struct json_writer *json, const char *word)
{
    const struct bytes text = bytes_of(word);
    char *to = begin_value(json, text.size);
    if (!to) return;
    memcpy(to, text.at, text.size);
    end_value(json, to + text.size);
}

void json_null(struct json_writer *json)
{
    put_word(json, "null");
}

void json_bool(struct json_writer *json, bool value)
{
    put_word(json, value ? "true" : "false");
}

void json_signed(struct json_writer *json, int64_t value)
{
    char *to = begin_value(json, NUMBER_TEXT_MAX);
    if (to) end_value(json, put_signed(to, value));
}

void json_real(struct json_writer *json, double value, int digits)
{
    char *to = begin_value(json, REAL_TEXT_MAX);
    if (!to) return;
    const int size = isfinite(value) ? snprintf(to, REAL_TEXT_MAX, "%.*g", digits, value)
                                     : snprintf(to, REAL_TEXT_MAX, "null");
    end_value(json, to + size);
}

/* A negative zero has a fraction: most readers would make -0 an integer, which has no sign. */
void json_float(struct json_writer *json, float value)
{
    char *to = begin_value(json, FLOAT_TEXT_MAX);
    if (!to) return;
    to = put_float(to, value);
    if (value == 0 && signbit(value)) {
        memcpy(to, ".0", 2);
        to += 2;
    }
    end_value(json, to);
}

void json_hex(struct json_writer *json, uint64_t value)
{
    char *to = begin_value(json, 18);
    if (!to) return;
    *to++ = '"';
    to = put_hex(to, value, 16);
    *to++ = '"';
    end_value(json, to);
}

void json_base64(struct json_writer *json, struct bytes bytes)
{
    char *to = begin_value(json, base64_size(bytes.size) + 2);
    if (!to) return;
    *to++ = '"';
    to += base64_encode(bytes, to);
    *to++ = '"';
    end_value(json, to);
}
