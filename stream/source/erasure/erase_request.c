/* erase_request.c - three members of a small object, and a key of hexadecimal digits. */
#include "stream/source/erasure/erase_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/hex.h"
#include "state/history.h"

static const char prefix[] = "erased:";
enum { PREFIX_SIZE = sizeof prefix - 1, HASH_SIZE = 16 };
enum { CUT, GONE, TOPICS_GONE, MEMBERS };

static const char *const member_names[MEMBERS] = {"cut_ms", "gone_ms", "topics_gone_ms"};

/* True if the key is that of a hash. */
static bool read_key(struct bytes key, struct erase_record *record)
{
    const char *at = key.at;
    if (key.size <= ERASE_KEY_SIZE || memcmp(at, prefix, PREFIX_SIZE) != 0) return false;
    record->group = (struct bytes){at + ERASE_KEY_SIZE, key.size - ERASE_KEY_SIZE};
    return at[ERASE_KEY_SIZE - 1] == ':' &&
           parse_hex((struct bytes){at + PREFIX_SIZE, HASH_SIZE}, &record->hash);
}

/* A member that may be missing. */
static bool read_time(const struct json_value *value, int64_t otherwise, int64_t *msp)
{
    *msp = value->type == JSON_INTEGER ? value->integer : otherwise;
    if (value->type == JSON_ABSENT) return *msp >= 0;
    return value->type == JSON_INTEGER && *msp >= 0 && *msp <= HISTORY_TIME_MAX_MS;
}

static enum event_verdict read_value(struct json_decoder *json, struct bytes text, int64_t stamp_ms,
                                     struct erase_record *record, struct event *event)
{
    char padded[ERASE_VALUE_MAX + JSON_PADDING] = {0}, scratch[ERASE_VALUE_MAX];
    struct bytes names[MEMBERS];
    struct json_value values[MEMBERS];
    const char *why;
    if (text.size > ERASE_VALUE_MAX) {
        return event_refuse(event, EVENT_OVERSIZE, "%zu bytes; at most %d make an erasure",
                            text.size, ERASE_VALUE_MAX);
    }
    for (int i = 0; i < MEMBERS; i++) {
        names[i] = bytes_of(member_names[i]);
    }
    memcpy(padded, text.at, text.size);
    if (json_decode(json, (struct bytes){padded, text.size}, names, MEMBERS, scratch, values,
                    &why) != JSON_OK) {
        return event_refuse(event, EVENT_MALFORMED, "an erasure is a JSON object: %s", why);
    }
    if (!read_time(&values[CUT], stamp_ms, &record->cut_ms) ||
        !read_time(&values[GONE], 0, &record->gone_ms) ||
        !read_time(&values[TOPICS_GONE], 0, &record->topics_gone_ms)) {
        return event_refuse(event, EVENT_BAD_TIME,
                            "a time of an erasure is no number of milliseconds since 1970");
    }
    return EVENT_ERASURE;
}

enum event_verdict erase_record_decode(struct json_decoder *json, struct bytes key,
                                       struct bytes value, int64_t stamp_ms, uint32_t id_size_max,
                                       struct erase_record *record, struct event *event)
{
    *record = (struct erase_record){0};
    const bool hashed = read_key(key, record);
    if (!hashed && key.size == 0) {
        return event_refuse(event, EVENT_MISSING_FIELD, "an erasure without a key: its user's id");
    }
    if (!hashed && key.size > id_size_max) {
        return event_refuse(event, EVENT_OVERSIZE, "an id of %zu bytes; at most %u are one",
                            key.size, id_size_max);
    }
    if (!value.at) return EVENT_BLANK;
    const enum event_verdict verdict = read_value(json, value, stamp_ms, record, event);
    if (verdict != EVENT_ERASURE || hashed) return verdict;
    record->user = key;
    record->group = (struct bytes){NULL, 0};
    record->hash = identity_of(key.at, key.size);
    record->gone_ms = record->topics_gone_ms = 0;
    if (record->cut_ms > stamp_ms) record->cut_ms = stamp_ms; /* nobody is erased in advance */
    return EVENT_ERASURE;
}

size_t erase_key_encode(uint64_t hash, struct bytes group, char *to)
{
    return (size_t)snprintf(to, ERASE_KEY_SIZE + group.size + 1, "%s%016" PRIx64 ":%.*s", prefix,
                            hash, (int)group.size, (const char *)group.at);
}

size_t erase_value_encode(const struct erase_record *record, char to[ERASE_VALUE_MAX])
{
    int size = snprintf(to, ERASE_VALUE_MAX, "{\"cut_ms\":%" PRId64, record->cut_ms);
    if (record->gone_ms) {
        size += snprintf(to + size, ERASE_VALUE_MAX - (size_t)size, ",\"gone_ms\":%" PRId64,
                         record->gone_ms);
    }
    if (record->topics_gone_ms) {
        size += snprintf(to + size, ERASE_VALUE_MAX - (size_t)size, ",\"topics_gone_ms\":%" PRId64,
                         record->topics_gone_ms);
    }
    size += snprintf(to + size, ERASE_VALUE_MAX - (size_t)size, "}");
    return (size_t)size;
}
