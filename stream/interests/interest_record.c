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
#include "base/escape.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/number_text.h"

enum {
    FIXED_SIZE_MAX = 512,                 /* all names, punctuation and integers of a record */
    NUMBER_SIZE_MAX = FLOAT_TEXT_MAX + 1, /* of one float and the comma before it */
    CHECKSUM_DIGITS = 16,
    INTENT_VERSION = 2, /* of the checksum's layout, with an intent */
};

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
    INTENT, /* the only one that a record may do without */
    CHECKSUM,
    GONE, /* of a tombstone, beside the user alone */
    MEMBERS
};

static const char *const member_names[MEMBERS] = {
    "user",  "generation", "from",    "events",  "event_time_ms", "partition", "offset",
    "count", "width",      "weights", "vectors", "intent",        "checksum",  "gone"};

uint64_t interest_record_checksum(const struct interest_record *record)
{
    uint8_t size[4], fields[52], version[4];
    struct byte_writer size_writer = byte_writer_of(size, sizeof size);
    struct byte_writer writer = byte_writer_of(fields, sizeof fields);
    struct byte_writer version_writer = byte_writer_of(version, sizeof version);
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
    write_u32(&version_writer, INTENT_VERSION);
    const struct bytes parts[] = {
        written(&size_writer),
        record->user,
        written(&writer),
        {record->vectors, floats * sizeof(float)},
        {record->weights, record->count * sizeof(float)},
        written(&version_writer),
        {record->intent, record->width * sizeof(float)},
    };
    const size_t count = sizeof parts / sizeof parts[0];
    return checksum_of_parts(parts, record->intent ? count : count - 2);
}

size_t interest_record_size_max(uint32_t user_size, uint32_t count, uint32_t width,
                                enum config_vectors vectors)
{
    const size_t floats = (count + (size_t)1) * width; /* and an intent */
    const size_t vectors_size = vectors == CONFIG_VECTORS_BASE64
                                    ? base64_size(floats * sizeof(float))
                                    : floats * NUMBER_SIZE_MAX + (count + (size_t)1) * 3;
    return FIXED_SIZE_MAX + (size_t)user_size * ESCAPE_MAX + count * (size_t)NUMBER_SIZE_MAX +
           vectors_size;
}

static void write_floats(struct json_writer *json, const float *floats, size_t count)
{
    json_begin(json, '[');
    for (size_t i = 0; i < count; i++) {
        json_float(json, floats[i]);
    }
    json_end(json, ']');
}

static void write_vectors(struct json_writer *json, const struct interest_record *record,
                          enum config_vectors vectors)
{
    const size_t floats = (size_t)record->count * record->width;
    if (vectors == CONFIG_VECTORS_BASE64) {
        json_base64(json, (struct bytes){record->vectors, floats * sizeof(float)});
        return;
    }
    json_begin(json, '[');
    for (uint32_t k = 0; k < record->count; k++) {
        write_floats(json, record->vectors + (size_t)k * record->width, record->width);
    }
    json_end(json, ']');
}

static void write_intent(struct json_writer *json, const struct interest_record *record,
                         enum config_vectors vectors)
{
    if (vectors == CONFIG_VECTORS_BASE64) {
        json_base64(json, (struct bytes){record->intent, record->width * sizeof(float)});
    } else {
        write_floats(json, record->intent, record->width);
    }
}

size_t interest_tombstone_encode_json(struct bytes user, void *to)
{
    struct json_writer json = json_writer_at(
        to, interest_record_size_max((uint32_t)user.size, 0, 0, CONFIG_VECTORS_BASE64));
    json_begin(&json, '{');
    json_key(&json, member_names[USER]);
    json_text(&json, user);
    json_key(&json, member_names[GONE]);
    json_bool(&json, true);
    json_end(&json, '}');
    REQUIRE(!json.failed);
    return json.used;
}

size_t interest_record_encode_json(const struct interest_record *record,
                                   enum config_vectors vectors, void *to)
{
    struct json_writer json =
        json_writer_at(to, interest_record_size_max((uint32_t)record->user.size, record->count,
                                                    record->width, vectors));
    json_begin(&json, '{');
    json_key(&json, member_names[USER]);
    json_text(&json, record->user);
    json_key(&json, member_names[GENERATION]);
    json_unsigned(&json, record->generation);
    json_key(&json, member_names[FROM]);
    json_unsigned(&json, record->from);
    json_key(&json, member_names[EVENTS]);
    json_unsigned(&json, record->events);
    json_key(&json, member_names[EVENT_TIME]);
    json_signed(&json, record->event_ms);
    json_key(&json, member_names[PARTITION]);
    json_unsigned(&json, record->partition);
    json_key(&json, member_names[OFFSET]);
    json_signed(&json, record->offset);
    json_key(&json, member_names[COUNT]);
    json_unsigned(&json, record->count);
    json_key(&json, member_names[WIDTH]);
    json_unsigned(&json, record->width);
    json_key(&json, member_names[WEIGHTS]);
    write_floats(&json, record->weights, record->count);
    json_key(&json, member_names[VECTORS]);
    write_vectors(&json, record, vectors);
    if (record->intent) {
        json_key(&json, member_names[INTENT]);
        write_intent(&json, record, vectors);
    }
    json_key(&json, member_names[CHECKSUM]);
    json_hex(&json, interest_record_checksum(record));
    json_end(&json, '}');
    REQUIRE(!json.failed);
    return json.used;
}

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
    const bool gone = members->at[GONE].type == JSON_BOOL && members->at[GONE].integer;
    if (!gone && members->at[GONE].type != JSON_ABSENT) return wrong(members, GONE, "is not true");
    for (enum member which = 0; which < GONE; which++) {
        const bool absent = members->at[which].type == JSON_ABSENT;
        if (gone && !absent && which != USER) return wrong(members, which, "in a tombstone");
        if (absent && which != INTENT && !gone) {
            return wrong(members, which, "is missing");
        }
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

static bool read_intent(const struct json_value *value, uint32_t width, float *floats)
{
    if (value->type != JSON_STRING) return read_floats(value, width, floats);
    return base64_decode(value->text, floats, width * sizeof(float));
}

/* One without a user is what erasure leaves of a line. */
static enum status read_tombstone(const struct members *members, void *arena_at, size_t arena_size,
                                  struct interest_record *record)
{
    const struct json_value *user = &members->at[USER];
    const bool erased = user->type == JSON_ABSENT;
    if (!erased && (user->type != JSON_STRING || user->text.size > arena_size)) {
        return wrong(members, USER, "is not a text");
    }
    const size_t size = erased ? 0 : user->text.size;
    if (size) memcpy(arena_at, user->text.at, size);
    *record = (struct interest_record){.user = {arena_at, size}, .offset = -1, .gone = true};
    return STATUS_OK;
}

/* Floats first, so that they are aligned as the arena is; behind them the user's bytes. */
static enum status read_record(const struct members *members, void *arena_at, size_t arena_size,
                               struct interest_record *record)
{
    const struct json_value *user = &members->at[USER], *checksum = &members->at[CHECKSUM];
    if (members->at[GONE].type != JSON_ABSENT) {
        return read_tombstone(members, arena_at, arena_size, record);
    }
    record->gone = false;
    TRY(read_integers(members, record));
    if (user->type != JSON_STRING) return wrong(members, USER, "is not a text");
    if (checksum->type != JSON_STRING || checksum->text.size != CHECKSUM_DIGITS ||
        !parse_hex(checksum->text, &record->checksum)) {
        return wrong(members, CHECKSUM, "is not 16 hexadecimal digits");
    }
    const bool has_intent = members->at[INTENT].type != JSON_ABSENT;
    const uint64_t floats = (uint64_t)record->count * record->width;
    const uint64_t more = (uint64_t)record->count + (has_intent ? record->width : 0);
    if (user->text.size > arena_size || floats > SIZE_MAX / sizeof(float) / 2 ||
        floats + more > (arena_size - user->text.size) / sizeof(float)) {
        return wrong(members, COUNT, "times width is more than the line can hold");
    }
    float *vectors = arena_at;
    float *weights = vectors + floats;
    float *intent = weights + record->count;
    char *id = (char *)(weights + more);
    if (!read_vectors(&members->at[VECTORS], record, vectors)) {
        return wrong(members, VECTORS, "are not count times width floats");
    }
    if (!read_floats(&members->at[WEIGHTS], record->count, weights)) {
        return wrong(members, WEIGHTS, "are not as many floats as count says");
    }
    if (has_intent && !read_intent(&members->at[INTENT], record->width, intent)) {
        return wrong(members, INTENT, "is not width floats");
    }
    if (user->text.size) memcpy(id, user->text.at, user->text.size);
    record->user = (struct bytes){id, user->text.size};
    record->vectors = vectors;
    record->weights = weights;
    record->intent = has_intent ? intent : NULL;
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
