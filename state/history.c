/*
 * history.c - how a user's history grows, and its bytes in the log and the store.
 *
 * Records are read strictly: what history_encode could not have written is corrupt, so a record
 * that was read is one that the rest of the program may trust. Every format version ends with four
 * bytes of checksum, which lets an old build tell a newer format from damage.
 */
#include "state/history.h"

#include <string.h>

#include "base/checksum.h"

enum {
    RECORD_VERSION = 5,         /* what lies before the life is left out; a clock ahead of it */
    RECORD_VERSION_WAITING = 4, /* a profile of which changes wait for the next behavior */
    RECORD_VERSION_PROFILE = 3, /* hours, and what is known of the user */
    RECORD_VERSION_HOURS = 2,   /* hours alone */
    RECORD_VERSION_PLAIN = 1,   /* neither */
    SEAL_VERSION_PROFILE = 4,   /* how far source.profile was read */
    SEAL_VERSION_ERASURE = 5,   /* how far source.erase was read */
    SEAL_VERSION = 6,           /* up to when files were taken */
    SEAL_VERSION_RANGE = 3,
    CHECKSUM_SIZE = 4,
    VARINT_MAX = 10, /* bytes of a 64-bit varint */
    PROFILE_SIZE_MAX = 2 + 8 * HISTORY_FEATURES + 9 * HISTORY_CHANGES, /* bytes, encoded */
};

/* No user comes near it, and below it no sum of ordinals overflows. */
#define CHUNK_ORDINAL_MAX ((uint64_t)1 << 48)

_Static_assert(HISTORY_HEADER_MAX == 3 + 9 * VARINT_MAX + PROFILE_SIZE_MAX + CHECKSUM_SIZE,
               "the widest header");

void history_init(struct history *history, uint64_t generation)
{
    *history = (struct history){
        .before_ms = HISTORY_NO_TIME,
        .generation = generation,
        .source_offset = -1,
        .event_ms = HISTORY_NO_TIME,
        .clock_ms = HISTORY_NO_TIME,
    };
}

/* How many behaviors of the chunk lie before the life. */
static uint32_t before_life(const struct history *history)
{
    if (history->start <= history->first) return 0;
    const uint64_t before = history->start - history->first;
    return before < history->count ? (uint32_t)before : history->count;
}

int64_t history_last_ms(const struct history *history)
{
    int64_t last_ms = history->before_ms;
    for (uint32_t i = before_life(history); i < history->count; i++) {
        int64_t time_ms = history_time_ms(history->at[i]);
        if (time_ms > last_ms) last_ms = time_ms;
    }
    return last_ms;
}

/* The oldest `count` changes count as made before the chunk. */
static void merge_oldest(struct history_profile *profile, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        profile->before[profile->feature[i]] = profile->value[i];
    }
    profile->changes -= count;
    memmove(profile->value, profile->value + count, profile->changes * sizeof *profile->value);
    memmove(profile->feature, profile->feature + count, profile->changes);
    memmove(profile->at, profile->at + count, profile->changes);
}

/* What is in force at the end of the chunk is so before the next, with whose first what waits comes. */
static void keep_profile(struct history_profile *profile)
{
    merge_oldest(profile, profile->changes - profile->waiting);
    memset(profile->at, 0, profile->waiting);
}

void history_profile_at(const struct history *history, uint64_t events,
                        uint64_t values[HISTORY_FEATURES])
{
    const struct history_profile *profile = &history->profile;
    memcpy(values, profile->before, sizeof profile->before);
    for (uint32_t i = 0; i < profile->changes && history->first + profile->at[i] < events; i++) {
        values[profile->feature[i]] = profile->value[i];
    }
}

/* There is room for those that wait: they are of different features. */
static void add_change(struct history_profile *profile, uint32_t feature, uint64_t value,
                       uint32_t at)
{
    if (profile->changes == HISTORY_CHANGES) merge_oldest(profile, 1);
    profile->value[profile->changes] = value;
    profile->feature[profile->changes] = (uint8_t)feature;
    profile->at[profile->changes++] = (uint8_t)at;
}

void history_set_feature(struct history *history, uint32_t feature, uint64_t value)
{
    struct history_profile *profile = &history->profile;
    uint64_t now[HISTORY_FEATURES];
    REQUIRE(feature < HISTORY_FEATURES && history->count > 0);
    history_profile_at(history, history_events(history), now);
    if (now[feature] == value) return;
    add_change(profile, feature, value, history->count - 1);
}

void history_set_profile(struct history *history, const uint64_t values[HISTORY_FEATURES])
{
    struct history_profile *profile = &history->profile;
    uint64_t now[HISTORY_FEATURES];
    profile->changes -= profile->waiting;
    profile->waiting = 0;
    history_profile_at(history, history_events(history), now);
    for (uint32_t feature = 0; feature < HISTORY_FEATURES; feature++) {
        if (now[feature] == values[feature]) continue;
        add_change(profile, feature, values[feature], history->count);
        profile->waiting++;
    }
}

bool history_append(struct history *history, struct history_behavior behavior,
                    int64_t source_offset, uint32_t history_max)
{
    if (history_full(history)) {
        history->before_ms = history_last_ms(history);
        keep_profile(&history->profile);
        history->first += HISTORY_CHUNK_BEHAVIORS;
        history->count = 0;
    }
    history->at[history->count++] = behavior;
    history->profile.waiting = 0;
    history->source_offset = source_offset;
    history->event_ms = history_time_ms(behavior);
    history->tombstone = false;

    uint64_t from = history_from(history->start, history_events(history), history_max);
    if (from <= history->from) return false;
    history->from = from;
    return true;
}

struct history history_closed(const struct history *history)
{
    struct history chunk = *history;
    chunk.from = chunk.start > chunk.first ? chunk.start : chunk.first;
    chunk.before_ms = chunk.clock_ms = HISTORY_NO_TIME;
    chunk.hour_events = 0;
    chunk.profile.changes -= chunk.profile.waiting;
    chunk.profile.waiting = 0;
    return chunk;
}

/*
 * The first jump is at start + max, each later one at from + max: `from` moves in steps of 3/4 max.
 */
uint64_t history_from(uint64_t start, uint64_t events, uint32_t history_max)
{
    uint64_t left = history_max / 4;
    uint64_t step = history_max - left;
    uint64_t life = events - start;
    return life < left ? start : start + (life - left) / step * step;
}

static void write_varint(struct byte_writer *writer, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        write_u8(writer, (uint8_t)(value | 0x80));
    }
    write_u8(writer, (uint8_t)value);
}

static uint64_t read_varint(struct byte_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = read_u8(reader);
        value |= (byte & 0x7F) << shift;
        if (byte & 0x80) continue;
        bool spare = byte == 0 && shift > 0;
        bool overflows = shift == 63 && byte > 1;
        if (spare || overflows) break;
        return value;
    }
    reader->failed = true;
    return 0;
}

/* Times are at least 0, or none: written with one added, none as 0. */
static uint64_t time_code(int64_t time_ms)
{
    return time_ms == HISTORY_NO_TIME ? 0 : (uint64_t)time_ms + 1;
}

static int64_t time_of_code(uint64_t code)
{
    return code == 0 ? HISTORY_NO_TIME : (int64_t)(code - 1);
}

/* What no history can be; NULL if it is sound. */
static const char *contradiction(const struct history *history)
{
    uint64_t events = history_events(history);
    int64_t before_ms = history->before_ms;
    if (history->first % HISTORY_CHUNK_BEHAVIORS) return "a chunk begins between chunks";
    if (history->count > HISTORY_CHUNK_BEHAVIORS) return "more behaviors than a chunk holds";
    if (history->count == 0 && events > 0) return "an empty chunk after full ones";
    if (history->start > history->from) return "its fold begins before the user's life";
    if (history->from > events) return "its fold begins after its last behavior";
    if (before_ms == HISTORY_NO_TIME ? history->from < history->first
                                     : history->start >= history->first) {
        return "the time before its chunk disagrees with where its fold begins";
    }
    if (before_ms != HISTORY_NO_TIME && (before_ms < 0 || before_ms > HISTORY_TIME_MAX_MS)) {
        return "a time out of range";
    }
    if (history->clock_ms != HISTORY_NO_TIME && history->start == events) {
        return "a clock of a life that has not begun";
    }
    if (history->source_offset < -1) return "a negative source offset";
    for (uint32_t i = 0; i < history->count; i++) {
        if (history->at[i].stamp & 0xFF) return "a behavior's reserved bits are set";
    }
    return NULL;
}

static void write_checksum(struct byte_writer *writer)
{
    write_u32(writer, (uint32_t)checksum_of(writer->at, writer->used));
}

/*
 * Opens a checked encoding: verifies its last four bytes, then its version. `what` names it in the
 * error. On success `reader` stands behind the version and ends before the checksum.
 */
static enum status open_checked(struct bytes bytes, uint8_t version, const char *what,
                                struct byte_reader *reader, struct error *error)
{
    if (bytes.size < 1 + CHECKSUM_SIZE) {
        return error_set(error, STATUS_CORRUPT, "%s: only %zu bytes", what, bytes.size);
    }
    size_t size = bytes.size - CHECKSUM_SIZE;
    struct byte_reader tail =
        byte_reader_of((struct bytes){(const uint8_t *)bytes.at + size, CHECKSUM_SIZE});
    if (read_u32(&tail) != (uint32_t)checksum_of(bytes.at, size)) {
        return error_set(error, STATUS_CORRUPT, "%s: its checksum fails (%zu bytes)", what,
                         bytes.size);
    }
    *reader = byte_reader_of((struct bytes){bytes.at, size});
    uint8_t found = read_u8(reader);
    if (found > version) {
        return error_set(error, STATUS_REFUSED,
                         "%s: format %u is newer than this build reads (%u): run the version of "
                         "Braid that wrote it, or a later one",
                         what, found, version);
    }
    if (found < 1) return error_set(error, STATUS_CORRUPT, "%s: format 0", what);
    return STATUS_OK;
}

static bool is_known(const struct history_profile *profile)
{
    bool known = profile->changes > 0;
    for (uint32_t i = 0; i < HISTORY_FEATURES; i++) {
        known |= profile->before[i] != 0;
    }
    return known;
}

/* A place and a feature are one byte: a chunk has 32 places, a profile 8 features. */
static void write_profile(struct byte_writer *writer, const struct history_profile *profile)
{
    uint8_t present = 0;
    for (uint32_t i = 0; i < HISTORY_FEATURES; i++) {
        if (profile->before[i]) present |= (uint8_t)(1u << i);
    }
    write_u8(writer, present);
    for (uint32_t i = 0; i < HISTORY_FEATURES; i++) {
        if (profile->before[i]) write_u64(writer, profile->before[i]);
    }
    write_u8(writer, (uint8_t)(profile->waiting << 4 | profile->changes));
    for (uint32_t i = 0; i < profile->changes; i++) {
        const bool waits = i >= profile->changes - profile->waiting;
        write_u8(writer, (uint8_t)((waits ? 0 : profile->at[i]) << 3 | profile->feature[i]));
        write_u64(writer, profile->value[i]);
    }
}

/* False if it makes no sense. */
static bool read_profile(struct byte_reader *reader, uint32_t count,
                         struct history_profile *profile)
{
    const uint8_t present = read_u8(reader);
    for (uint32_t i = 0; i < HISTORY_FEATURES; i++) {
        if (present >> i & 1) profile->before[i] = read_u64(reader);
    }
    const uint8_t changes = read_u8(reader);
    profile->changes = changes & 15;
    profile->waiting = changes >> 4;
    if (profile->changes > HISTORY_CHANGES || profile->waiting > profile->changes) return false;
    for (uint32_t i = 0; i < profile->changes; i++) {
        const bool waits = i >= profile->changes - profile->waiting;
        const uint8_t place = read_u8(reader);
        profile->at[i] = waits ? (uint8_t)count : place >> 3;
        profile->feature[i] = place & 7;
        profile->value[i] = read_u64(reader);
        if (waits ? place > 7 : profile->at[i] >= count) return false;
        if (i > 0 && profile->at[i] < profile->at[i - 1]) return false;
    }
    return true;
}

/* How far the clock stood behind the latest time of the life. */
static uint64_t clock_ahead(const struct history *history)
{
    const int64_t last_ms = history_last_ms(history);
    const bool ahead = last_ms != HISTORY_NO_TIME && history->clock_ms > last_ms;
    return ahead ? (uint64_t)(history->clock_ms - last_ms) : 0;
}

/* The oldest that says all of it. */
static uint8_t version_of(const struct history *history)
{
    if (before_life(history) > 0 || clock_ahead(history) > 0) return RECORD_VERSION;
    if (history->profile.waiting) return RECORD_VERSION_WAITING;
    if (is_known(&history->profile)) return RECORD_VERSION_PROFILE;
    return history->hour_events > 0 ? RECORD_VERSION_HOURS : RECORD_VERSION_PLAIN;
}

size_t history_encode(const struct history *history, void *to)
{
    REQUIRE(contradiction(history) == NULL);
    struct byte_writer writer = byte_writer_of(to, HISTORY_RECORD_MAX);
    const uint8_t version = version_of(history);
    write_u8(&writer, version);
    write_u8(&writer, history->tombstone);
    write_u8(&writer, (uint8_t)history->count);
    write_varint(&writer, history->first / HISTORY_CHUNK_BEHAVIORS);
    write_varint(&writer, history->start);
    write_varint(&writer, history->from - history->start);
    write_varint(&writer, time_code(history->before_ms));
    write_varint(&writer, history->generation);
    write_varint(&writer, (uint64_t)history->source_offset + 1);
    if (version >= RECORD_VERSION_HOURS) {
        write_varint(&writer, history->hour_events > 0 ? history->hour : 0);
        write_varint(&writer, history->hour_events);
    }
    if (version >= RECORD_VERSION_PROFILE) write_profile(&writer, &history->profile);
    const bool lives = version == RECORD_VERSION;
    if (lives) write_varint(&writer, clock_ahead(history));
    for (uint32_t i = lives ? before_life(history) : 0; i < history->count; i++) {
        write_u64(&writer, history->at[i].item);
        write_u64(&writer, history->at[i].stamp);
    }
    write_checksum(&writer);
    return writer.used;
}

/* What stands before the behaviors from version 2 on; *aheadp: by how much the clock is. */
static bool read_extras(struct byte_reader *reader, uint8_t version, struct history *history,
                        uint64_t *aheadp)
{
    *aheadp = 0;
    if (version < RECORD_VERSION_HOURS) return true;
    history->hour = read_varint(reader);
    const uint64_t hour_events = read_varint(reader);
    history->hour_events = (uint32_t)hour_events;
    const bool none = hour_events == 0 && history->hour == 0;
    if (hour_events > UINT32_MAX || (hour_events == 0 && !none)) return false;
    if (version == RECORD_VERSION_HOURS) return !none;
    if (!read_profile(reader, history->count, &history->profile)) return false;
    const bool waits = history->profile.waiting > 0;
    if (version != RECORD_VERSION) {
        return is_known(&history->profile) && waits == (version == RECORD_VERSION_WAITING);
    }
    *aheadp = read_varint(reader);
    return *aheadp <= (uint64_t)HISTORY_TIME_MAX_MS;
}

enum status history_decode(struct history *history, struct bytes record, struct error *error)
{
    struct byte_reader reader;
    TRY(open_checked(record, RECORD_VERSION, "history record", &reader, error));
    history_init(history, 0);
    uint8_t tombstone = read_u8(&reader);
    history->tombstone = tombstone != 0;
    history->count = read_u8(&reader);
    uint64_t chunk = read_varint(&reader);
    history->first = chunk * HISTORY_CHUNK_BEHAVIORS;
    history->start = read_varint(&reader);
    history->from = history->start + read_varint(&reader);
    uint64_t before = read_varint(&reader);
    history->before_ms = time_of_code(before);
    history->generation = read_varint(&reader);
    history->source_offset = (int64_t)(read_varint(&reader) - 1);
    const uint8_t version = *(const uint8_t *)record.at;
    uint64_t ahead;
    reader.failed |= !read_extras(&reader, version, history, &ahead);
    const uint32_t skipped = version == RECORD_VERSION ? before_life(history) : 0;
    if (reader.failed || tombstone > 1 || chunk > CHUNK_ORDINAL_MAX ||
        before > time_code(HISTORY_TIME_MAX_MS) || history->count > HISTORY_CHUNK_BEHAVIORS ||
        reader.left != (history->count - skipped) * (size_t)HISTORY_BEHAVIOR_SIZE) {
        return error_set(error, STATUS_CORRUPT, "history record: malformed (%zu bytes)",
                         record.size);
    }
    for (uint32_t i = skipped; i < history->count; i++) {
        history->at[i].item = read_u64(&reader);
        history->at[i].stamp = read_u64(&reader);
    }
    if (history->count > skipped) {
        history->event_ms = history_time_ms(history->at[history->count - 1]);
    }
    if (ahead > 0) history->clock_ms = history_last_ms(history) + (int64_t)ahead;
    const char *wrong = contradiction(history);
    if (!wrong && version == RECORD_VERSION && version_of(history) != version) {
        wrong = "an older format says as much";
    }
    if (wrong) return error_set(error, STATUS_CORRUPT, "history record: %s", wrong);
    return STATUS_OK;
}

static void write_big_endian(struct byte_writer *writer, uint64_t value, unsigned size)
{
    while (size-- > 0) {
        write_u8(writer, (uint8_t)(value >> (8 * size)));
    }
}

static uint64_t read_big_endian(struct byte_reader *reader, unsigned size)
{
    uint64_t value = 0;
    while (size-- > 0) {
        value = value << 8 | read_u8(reader);
    }
    return value;
}

size_t history_key_encode(struct bytes user, uint64_t chunk, void *to)
{
    REQUIRE(user.size <= HISTORY_USER_SIZE_MAX);
    struct byte_writer writer = byte_writer_of(to, HISTORY_KEY_MAX);
    write_big_endian(&writer, user.size, 2);
    write_raw(&writer, user.at, user.size);
    write_big_endian(&writer, chunk, 8);
    return writer.used;
}

enum status history_key_decode(struct bytes key, struct bytes *userp, uint64_t *chunkp,
                               struct error *error)
{
    struct byte_reader reader = byte_reader_of(key);
    size_t size = read_big_endian(&reader, 2);
    const void *at = read_raw(&reader, size);
    uint64_t chunk = read_big_endian(&reader, 8);
    if (reader.failed || reader.left || size > HISTORY_USER_SIZE_MAX) {
        return error_set(error, STATUS_CORRUPT, "history key: malformed (%zu bytes)", key.size);
    }
    *userp = (struct bytes){at, size};
    *chunkp = chunk;
    return STATUS_OK;
}

/* Ten bytes are the least that a chunk's key has. */
const uint8_t history_seal_key[HISTORY_SEAL_KEY_SIZE] = {0xFF, 0xFF};

bool history_is_seal(struct bytes key)
{
    return bytes_equal(key, (struct bytes){history_seal_key, sizeof history_seal_key});
}

size_t history_seal_encode(const struct history_seal *seal, void *to)
{
    struct byte_writer writer = byte_writer_of(to, HISTORY_SEAL_MAX);
    const uint8_t version = seal->range.cut_ms   ? SEAL_VERSION
                            : seal->next_erasure ? SEAL_VERSION_ERASURE
                            : seal->next_profile ? SEAL_VERSION_PROFILE
                                                 : SEAL_VERSION_RANGE;
    write_u8(&writer, version);
    write_u64(&writer, seal->number);
    write_u64(&writer, seal->source_identity);
    write_u32(&writer, seal->partitions);
    write_i64(&writer, seal->next_offset);
    write_u64(&writer, seal->generation);
    write_u64(&writer, seal->target);
    write_u64(&writer, seal->sweep);
    write_i64(&writer, seal->watermark_ms);
    write_u64(&writer, seal->lost);
    write_u64(&writer, seal->checkpoint);
    uint8_t count = HISTORY_DECODING_MAX;
    while (count > 0 && seal->decoding[count - 1] == 0) {
        count--;
    }
    write_u8(&writer, count);
    for (uint8_t i = 0; i < count; i++) {
        write_u32(&writer, seal->decoding[i]);
    }
    write_i64(&writer, seal->range.first);
    write_i64(&writer, seal->range.end);
    write_u32(&writer, seal->range.bound);
    if (version >= SEAL_VERSION_PROFILE) write_i64(&writer, seal->next_profile);
    if (version >= SEAL_VERSION_ERASURE) write_i64(&writer, seal->next_erasure);
    if (version >= SEAL_VERSION) write_i64(&writer, seal->range.cut_ms);
    write_checksum(&writer);
    REQUIRE(!writer.failed);
    return writer.used;
}

/* What version 2 added. */
static void read_version_2(struct byte_reader *reader, struct history_seal *seal)
{
    seal->lost = read_u64(reader);
    seal->checkpoint = read_u64(reader);
    uint8_t count = read_u8(reader);
    for (uint8_t i = 0; i < count; i++) {
        uint32_t fingerprint = read_u32(reader);
        if (i < HISTORY_DECODING_MAX) seal->decoding[i] = fingerprint;
    }
}

/* What version 3 added. */
static void read_version_3(struct byte_reader *reader, struct history_range *range)
{
    range->first = read_i64(reader);
    range->end = read_i64(reader);
    range->bound = read_u32(reader);
}

enum status history_seal_decode(struct history_seal *seal, struct bytes record, struct error *error)
{
    struct byte_reader reader;
    TRY(open_checked(record, SEAL_VERSION, "seal", &reader, error));
    uint8_t version = *(const uint8_t *)record.at;
    *seal = (struct history_seal){0};
    seal->number = read_u64(&reader);
    seal->source_identity = read_u64(&reader);
    seal->partitions = read_u32(&reader);
    seal->next_offset = read_i64(&reader);
    seal->generation = read_u64(&reader);
    seal->target = read_u64(&reader);
    seal->sweep = read_u64(&reader);
    seal->watermark_ms = read_i64(&reader);
    if (version >= 2) read_version_2(&reader, seal);
    if (version >= 3) read_version_3(&reader, &seal->range);
    if (version >= 4) seal->next_profile = read_i64(&reader);
    if (version >= 5) seal->next_erasure = read_i64(&reader);
    if (version >= 6) seal->range.cut_ms = read_i64(&reader);
    if (reader.failed || reader.left) {
        return error_set(error, STATUS_CORRUPT, "seal: malformed (%zu bytes)", record.size);
    }
    if (seal->number == 0 || seal->next_offset < 0 || seal->partitions == 0 ||
        seal->next_profile < 0 || seal->next_erasure < 0) {
        return error_set(error, STATUS_CORRUPT,
                         "seal: number %llu, next offset %lld, %u partitions contradict each other",
                         (unsigned long long)seal->number, (long long)seal->next_offset,
                         seal->partitions);
    }
    return STATUS_OK;
}
