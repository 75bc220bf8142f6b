/*
 * interest_record.c - the published record: its checksum, and its form as a line of JSON.
 *
 * Encoding is on the hot path, once per changed user and transaction: it writes straight into the
 * caller's memory, and the vectors are base64 unless the configuration asks for numbers. Decoding
 * serves verify, inspect and tests; it believes nothing, since a line may be anything.
 */
#include "stream/interests/interest_record.h"

#include <math.h>
#include <string.h>

#include "base/base64.h"
#include "base/checksum.h"
#include "base/json.h"
#include "base/number_text.h"

enum {
    FIXED_SIZE_MAX = 512,                 /* all names, punctuation and integers of a record */
    ESCAPED_SIZE_MAX = 6,                 /* of one byte of a user id: \u001f */
    NUMBER_SIZE_MAX = FLOAT_TEXT_MAX + 1, /* of one float and the comma before it */
    CHECKSUM_DIGITS = 16,
};

uint64_t interest_record_checksum(const struct interest_record *record)
{
    uint8_t size[4], fields[52];
    struct byte_writer size_writer = byte_writer_of(size, sizeof size);
    struct byte_writer writer = byte_writer_of(fields, sizeof fields);
    const size_t floats = (size_t)record->count * record->width;
    write_u32(&size_writer, (uint32_t)record->user.size);
    write_u64(&writer, record->generation);
    write_u64(&writer, record->from);
    write_u64(&writer, record->events);
    write_i64(&writer, record->event_ms);
    write_u32(&writer, record->partition);
    write_i64(&writer, record->offset);
    write_u32(&writer, record->count);
    write_u32(&writer, record->width);
    const struct bytes parts[] = {
        written(&size_writer),
        record->user,
        written(&writer),
        {record->vectors, floats * sizeof(float)},
        {record->weights, record->count * sizeof(float)},
    };
    return checksum_of_parts(parts, sizeof parts / sizeof parts[0]);
}

size_t interest_record_size_max(uint32_t user_size, uint32_t count, uint32_t width,
                                enum config_vectors vectors)
{
    const size_t floats = (size_t)count * width;
    const size_t vectors_size = vectors == CONFIG_VECTORS_BASE64
                                    ? base64_size(floats * sizeof(float))
                                    : floats * NUMBER_SIZE_MAX + count * (size_t)3;
    return FIXED_SIZE_MAX + (size_t)user_size * ESCAPED_SIZE_MAX + count * (size_t)NUMBER_SIZE_MAX +
           vectors_size;
}

/* The functions below write at `to` and return where they have come. */

static char *put_text(char *to, const char *text)
{
    const size_t size = strlen(text);
    memcpy(to, text, size);
    return to + size;
}

static char *put_unsigned(char *to, uint64_t value)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count) {
        *to++ = digits[--count];
    }
    return to;
}

static char *put_signed(char *to, int64_t value)
{
    if (value >= 0) return put_unsigned(to, (uint64_t)value);
    *to++ = '-';
    return put_unsigned(to, -(uint64_t)value);
}

static char *put_hex(char *to, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        *to++ = "0123456789abcdef"[value >> (4 * i) & 15];
    }
    return to;
}

static char *put_escaped(char *to, struct bytes text)
{
    const uint8_t *at = text.at;
    for (size_t i = 0; i < text.size; i++) {
        if (at[i] < 0x20) {
            to = put_hex(put_text(to, "\\u"), at[i], 4);
        } else {
            if (at[i] == '"' || at[i] == '\\') *to++ = '\\';
            *to++ = (char)at[i];
        }
    }
    return to;
}

/* A negative zero has a fraction: most readers would make -0 an integer, which has no sign. */
static char *put_floats(char *to, const float *floats, size_t count)
{
    *to++ = '[';
    for (size_t i = 0; i < count; i++) {
        if (i) *to++ = ',';
        to = floats[i] == 0 && signbit(floats[i]) ? put_text(to, "-0.0") : put_float(to, floats[i]);
    }
    *to++ = ']';
    return to;
}

static char *put_vectors(char *to, const struct interest_record *record,
                         enum config_vectors vectors)
{
    if (vectors == CONFIG_VECTORS_BASE64) {
        const size_t size = (size_t)record->count * record->width * sizeof(float);
        *to++ = '"';
        to += base64_encode((struct bytes){record->vectors, size}, to);
        *to++ = '"';
        return to;
    }
    *to++ = '[';
    for (uint32_t k = 0; k < record->count; k++) {
        if (k) *to++ = ',';
        to = put_floats(to, record->vectors + (size_t)k * record->width, record->width);
    }
    *to++ = ']';
    return to;
}

size_t interest_record_encode_json(const struct interest_record *record,
                                   enum config_vectors vectors, void *to)
{
    char *at = to;
    at = put_escaped(put_text(at, "{\"user\":\""), record->user);
    at = put_unsigned(put_text(at, "\",\"generation\":"), record->generation);
    at = put_unsigned(put_text(at, ",\"from\":"), record->from);
    at = put_unsigned(put_text(at, ",\"events\":"), record->events);
    at = put_signed(put_text(at, ",\"event_time_ms\":"), record->event_ms);
    at = put_unsigned(put_text(at, ",\"partition\":"), record->partition);
    at = put_signed(put_text(at, ",\"offset\":"), record->offset);
    at = put_unsigned(put_text(at, ",\"count\":"), record->count);
    at = put_unsigned(put_text(at, ",\"width\":"), record->width);
    at = put_floats(put_text(at, ",\"weights\":"), record->weights, record->count);
    at = put_vectors(put_text(at, ",\"vectors\":"), record, vectors);
    at = put_hex(put_text(at, ",\"checksum\":\""), interest_record_checksum(record),
                 CHECKSUM_DIGITS);
    at = put_text(at, "\"}");
    return (size_t)(at - (char *)to);
}

enum member {
    USER,
    GENERATION,
    FROM,
    EVENTS,
    EVENT_TIME,
    PARTITION,
    OFFSET,
    COUNT,
    WIDTH,
    WEIGHTS,
    VECTORS,
    CHECKSUM,
    MEMBERS
};

static const char *const member_names[MEMBERS] = {
    "user",   "generation", "from",  "events",  "event_time_ms", "partition",
    "offset", "count",      "width", "weights", "vectors",       "checksum"};

/* The members of a line, each there once, and the failure to say what is wrong with one. */
struct members {
    struct json_value at[MEMBERS];
    struct error *error;
};

static enum status wrong(const struct members *members, enum member which, const char *why)
{
    error_set(members->error, STATUS_CORRUPT, "interest record: \"%s\" %s", member_names[which],
              why);
    return STATUS_CORRUPT;
}

static enum status read_members(const struct json_value *root, struct members *members)
{
    if (root->type != JSON_OBJECT) {
        return error_set(members->error, STATUS_CORRUPT, "interest record: not an object");
    }
    struct json_cursor cursor = json_walk(root);
    struct bytes key;
    struct json_value value;
    while (json_next(&cursor, &key, &value)) {
        enum member which = 0;
        while (which < MEMBERS && !bytes_equal(key, bytes_of(member_names[which]))) {
            which++;
        }
        if (which == MEMBERS) {
            return error_set(members->error, STATUS_CORRUPT, "interest record: unknown \"%.*s\"",
                             (int)key.size, (const char *)key.at);
        }
        if (members->at[which].type != JSON_ABSENT) return wrong(members, which, "occurs twice");
        members->at[which] = value;
    }
    for (enum member which = 0; which < MEMBERS; which++) {
        if (members->at[which].type == JSON_ABSENT) return wrong(members, which, "is missing");
    }
    return STATUS_OK;
}

static enum status read_integer(const struct members *members, enum member which, int64_t least,
                                int64_t most, int64_t *valuep)
{
    const struct json_value *value = &members->at[which];
    if (value->type != JSON_INTEGER || value->integer < least || value->integer > most) {
        return wrong(members, which, "is not an integer of its range");
    }
    *valuep = value->integer;
    return STATUS_OK;
}

static enum status read_integers(const struct members *members, struct interest_record *record)
{
    int64_t generation, from, events, partition, count, width;
    TRY(read_integer(members, GENERATION, 0, INT64_MAX, &generation));
    TRY(read_integer(members, FROM, 0, INT64_MAX, &from));
    TRY(read_integer(members, EVENTS, 0, INT64_MAX, &events));
    TRY(read_integer(members, EVENT_TIME, INT64_MIN, INT64_MAX, &record->event_ms));
    TRY(read_integer(members, PARTITION, 0, UINT32_MAX, &partition));
    TRY(read_integer(members, OFFSET, INT64_MIN, INT64_MAX, &record->offset));
    TRY(read_integer(members, COUNT, 0, UINT32_MAX, &count));
    TRY(read_integer(members, WIDTH, 0, UINT32_MAX, &width));
    record->generation = (uint64_t)generation;
    record->from = (uint64_t)from;
    record->events = (uint64_t)events;
    record->partition = (uint32_t)partition;
    record->count = (uint32_t)count;
    record->width = (uint32_t)width;
    return STATUS_OK;
}

/* Reads an array of exactly `count` numbers that are floats. */
static bool read_floats(const struct json_value *array, uint32_t count, float *floats)
{
    if (array->type != JSON_ARRAY) return false;
    struct json_cursor cursor = json_walk(array);
    struct json_value value;
    uint32_t read = 0;
    while (json_next(&cursor, NULL, &value)) {
        const bool number = value.type == JSON_INTEGER || value.type == JSON_REAL;
        if (!number || read == count || !isfinite((float)value.real)) return false;
        floats[read++] = (float)value.real;
    }
    return read == count;
}

static bool read_vectors(const struct json_value *value, const struct interest_record *record,
                         float *floats)
{
    if (value->type == JSON_STRING) {
        const size_t size = (size_t)record->count * record->width * sizeof(float);
        return base64_decode(value->text, floats, size);
    }
    if (value->type != JSON_ARRAY) return false;
    struct json_cursor cursor = json_walk(value);
    struct json_value vector;
    uint32_t read = 0;
    while (json_next(&cursor, NULL, &vector)) {
        if (read == record->count) return false;
        if (!read_floats(&vector, record->width, floats + (size_t)read * record->width)) {
            return false;
        }
        read++;
    }
    return read == record->count;
}

static bool read_checksum(struct bytes text, uint64_t *checksum)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = text.at;
    *checksum = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *digit = at[i] ? strchr(digits, at[i]) : NULL;
        if (!digit) return false;
        *checksum = *checksum << 4 | (uint64_t)(digit - digits);
    }
    return text.size == CHECKSUM_DIGITS;
}

/* Floats first, so that they are aligned as the arena is; behind them the user's bytes. */
static enum status read_record(const struct members *members, void *arena_at, size_t arena_size,
                               struct interest_record *record)
{
    const struct json_value *user = &members->at[USER], *checksum = &members->at[CHECKSUM];
    TRY(read_integers(members, record));
    if (user->type != JSON_STRING) return wrong(members, USER, "is not a text");
    if (checksum->type != JSON_STRING || !read_checksum(checksum->text, &record->checksum)) {
        return wrong(members, CHECKSUM, "is not 16 hexadecimal digits");
    }
    const uint64_t floats = (uint64_t)record->count * record->width;
    if (user->text.size > arena_size ||
        floats + record->count > (arena_size - user->text.size) / sizeof(float)) {
        return wrong(members, COUNT, "times width is more than the line can hold");
    }
    float *vectors = arena_at;
    float *weights = vectors + floats;
    char *id = (char *)(weights + record->count);
    if (!read_vectors(&members->at[VECTORS], record, vectors)) {
        return wrong(members, VECTORS, "are not count times width floats");
    }
    if (!read_floats(&members->at[WEIGHTS], record->count, weights)) {
        return wrong(members, WEIGHTS, "are not as many floats as count says");
    }
    if (user->text.size) memcpy(id, user->text.at, user->text.size);
    record->user = (struct bytes){id, user->text.size};
    record->vectors = vectors;
    record->weights = weights;
    return STATUS_OK;
}

enum status interest_record_decode_json(struct bytes line, void *arena_at, size_t arena_size,
                                        struct interest_record *record, struct error *error)
{
    struct json_document *document;
    TRY(json_document_open(&document, error));
    struct members members = {.error = error};
    struct json_value root;
    struct error why;
    enum status status = json_document_parse(document, line, &root, &why);
    if (status != STATUS_OK) {
        status = error_set(error, status, "interest record: not JSON: %s", why.text);
    } else {
        status = read_members(&root, &members);
    }
    if (status == STATUS_OK) status = read_record(&members, arena_at, arena_size, record);
    json_document_close(document);
    return status;
}
