/* verify_slice.c - one pass after the other, into lists and two hash tries. */
#include "stream/verify/verify_slice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "stream/source/intake.h"
#include "stream/source/partition_clock.h"

enum status verify_slice_open(struct verify_slice *slice, const struct config *config,
                              const struct verify_seed *seed, size_t size, struct error *error)
{
    *slice = (struct verify_slice){
        .config = config, .seed = *seed, .size = size, .memory = malloc(size)};
    if (slice->memory) return STATUS_OK;
    return error_set(error, STATUS_IO, "out of memory: %zu bytes to verify with; lower job.memory",
                     size);
}

void verify_slice_close(struct verify_slice *slice)
{
    free(slice->memory);
    *slice = (struct verify_slice){0};
}

/* Zeroed memory of the slice, or NULL if it is used up. */
static void *take_slice_memory(struct verify_slice *slice, size_t size)
{
    size = (size + 7) / 8 * 8;
    if (size > slice->size - slice->used) return NULL;
    void *at = slice->memory + slice->used;
    slice->used += size;
    return memset(at, 0, size);
}

static bool belongs(const struct verify_slice *slice, uint64_t hash)
{
    return (hash & (((uint64_t)1 << slice->bits) - 1)) == slice->suffix;
}

static uint64_t number_hash(int64_t number)
{
    return splitmix64((uint64_t)number);
}

/* FNV's low bits choose the partition, so that they say little within one: mixed once more. */
static uint64_t hash_of_user(struct bytes user)
{
    return splitmix64(identity_of(user.at, user.size));
}

/* The user, which is added at its first appearance; NULL if there is no room. */
static struct verify_user *user_of(struct verify_slice *slice, struct bytes id, uint64_t hash)
{
    struct verify_user **at = &slice->root;
    for (uint64_t path = hash; *at; path <<= 2) {
        if ((*at)->hash == hash && bytes_equal((*at)->id, id)) return *at;
        at = &(*at)->child[path >> 62];
    }
    struct verify_user *user = take_slice_memory(slice, sizeof *user + id.size);
    if (!user) return NULL;
    memcpy(user + 1, id.at, id.size);
    user->id = (struct bytes){user + 1, id.size};
    user->hash = hash;
    *at = user;
    *slice->last_user = user;
    slice->last_user = &user->next;
    return user;
}

/* Where the bad event of that offset is, or where it would be put. */
static struct verify_bad_event **bad_at(struct verify_slice *slice, int64_t offset)
{
    struct verify_bad_event **at = &slice->bad_root;
    for (uint64_t path = number_hash(offset); *at && (*at)->place.number != offset; path <<= 2) {
        at = &(*at)->child[path >> 62];
    }
    return at;
}

/*
 * Whether the user's history takes the event, as the job's did; false, too, if there is no room.
 * *leftp: before it came, when the partition's clock stood at `before_ms`, the user had left.
 */
static bool takes(struct verify_slice *slice, struct verify_user *user, const struct event *event,
                  int64_t before_ms, bool *leftp, bool *fitsp)
{
    const struct history_rules rules = intake_rules(slice->config);
    *fitsp = true;
    *leftp = false;
    if (intake_takes_all(&rules)) return true;
    if (!user->history) {
        user->history = take_slice_memory(slice, sizeof *user->history);
        *fitsp = user->history != NULL;
        if (!*fitsp) return false;
        history_init(user->history, 0);
    }
    const struct history_behavior behavior =
        history_behavior_of(event->item_hash, event->time_ms, event->action);
    *leftp = rules.ttl_ms > 0 && history_left(user->history, before_ms, rules.ttl_ms);
    const enum history_intake intake =
        history_admit(user->history, behavior, slice->clock_ms[event->partition], &rules);
    slice->flooded += intake == HISTORY_FLOODED;
    slice->duplicates += intake == HISTORY_DUPLICATE;
    if (intake != HISTORY_TAKES) return false;
    (void)history_append(user->history, behavior, event->offset, slice->config->state.history_max);
    return true;
}

/*
 * What is known of the user from now on: an event says something beside what was known, a profile
 * all of it. False if there is no room.
 */
static bool learn_profile(struct verify_slice *slice, struct verify_user *user,
                          const struct event *event)
{
    static const struct user_profile nothing = {{0}};
    const struct user_profile *before = user->profile ? user->profile : &nothing;
    struct user_profile now = event->verdict == EVENT_PROFILE ? nothing : *before;
    for (uint32_t i = 0; i < event->features; i++) {
        if (event_feature(event, i)) now.hash[i] = event_feature(event, i);
    }
    if (memcmp(&now, before, sizeof now) == 0) return true;
    struct user_profile *kept = take_slice_memory(slice, sizeof *kept);
    if (kept) *kept = now;
    user->profile = kept;
    return kept != NULL;
}

static bool add_profile(struct verify_slice *slice, const struct event *event)
{
    const uint64_t hash = hash_of_user(event->user);
    if (!belongs(slice, hash)) return true;
    struct verify_user *user = user_of(slice, event->user, hash);
    if (!user) return false;
    slice->profiles++;
    slice->odd_categories += event->odd_category;
    return learn_profile(slice, user, event);
}

/* An accepted event, before which the partition's clock stood at `before_ms`. */
static bool add_accepted(struct verify_slice *slice, const struct event *event, int64_t before_ms)
{
    uint64_t hash = hash_of_user(event->user);
    bool fits, left;
    if (!belongs(slice, hash)) return true;
    struct verify_user *user = user_of(slice, event->user, hash);
    if (!user) return false;
    if (!takes(slice, user, event, before_ms, &left, &fits)) return fits;
    struct verify_event *added = take_slice_memory(slice, sizeof *added);
    if (!added) return false;
    added->behavior = history_behavior_of(event->item_hash, event->time_ms, event->action);
    added->offset = event->offset;
    added->left = left;
    added->start = user->history ? user->history->start : 0;
    const struct verify_event *before = user->last_event;
    const bool lives_on = !before || before->start == added->start;
    if (!lives_on && !*slice->config->source.profile) user->profile = NULL;
    if (!learn_profile(slice, user, event)) return false;
    added->profile = user->profile;
    *(user->last_event ? &user->last_event->next : &user->first_event) = added;
    user->last_event = added;
    user->partition = event->partition;
    user->events++;
    slice->accepted++;
    slice->odd_categories += event->odd_category;
    return true;
}

/* The part whose seeded events a slice takes. */
struct seeding {
    struct verify_slice *slice;
    const struct log_input_ops *ops;
    const struct log_input *input;
    uint32_t part;
};

/* An event of a seed, whose histories have neither offsets nor clocks nor profiles. */
static bool add_seeded(void *context, const struct event *event)
{
    const struct seeding *seeding = context;
    struct event seeded = *event;
    bool certain;
    seeded.partition = seeding->ops->partition_of(seeding->input, event->user, &certain);
    seeded.offset = -1;
    seeded.features = 0;
    const int64_t cut_ms =
        seeding->ops->cut ? seeding->ops->cut(seeding->input, event->user) : HISTORY_NO_TIME;
    return seeded.partition != seeding->part || event->time_ms <= cut_ms ||
           add_accepted(seeding->slice, &seeded, HISTORY_NO_TIME);
}

static enum status load_seed(struct verify_slice *slice, const struct log_input_ops *ops,
                             struct log_input *input, uint32_t part, struct error *error)
{
    struct seeding seeding = {slice, ops, input, part};
    TRY(verify_seed_read(&slice->seed, add_seeded, &seeding, error));
    for (struct verify_user *user = slice->first_user; user; user = user->next) {
        user->seeded = user->events;
    }
    slice->seeded = slice->accepted;
    slice->flooded = slice->duplicates = 0; /* they are none of the topic's events */
    return STATUS_OK;
}

static bool add_bad(struct verify_slice *slice, const struct event *event)
{
    struct verify_bad_event **at = bad_at(slice, event->offset);
    struct verify_bad_event *bad = take_slice_memory(slice, sizeof *bad);
    if (!bad) return false;
    bad->place = (struct log_place){event->partition, event->offset};
    bad->verdict = event->verdict;
    *at = bad;
    *slice->last_bad = bad;
    slice->last_bad = &bad->next;
    slice->bad++;
    return true;
}

/* What a topic of profiles says. */
static bool add_version(struct verify_slice *slice, const struct event *event)
{
    const uint64_t hash = hash_of_user(event->user);
    if (event->verdict != EVENT_PROFILE || !belongs(slice, hash)) return true;
    struct verify_user *user = user_of(slice, event->user, hash);
    struct verify_profile *version = take_slice_memory(slice, sizeof *version);
    if (!user || !version) return false;
    for (uint32_t i = 0; i < event->features; i++) {
        version->profile.hash[i] = event_feature(event, i);
    }
    *(user->last_profile ? &user->last_profile->next : &user->first_profile) = version;
    user->last_profile = version;
    slice->features = event->features;
    slice->profiles++;
    slice->odd_categories += event->odd_category;
    return true;
}

/* An event of the source; its user was erased up to `cut_ms`, HISTORY_NO_TIME: it was not. */
static bool add_event(struct verify_slice *slice, const struct event *event, int64_t cut_ms)
{
    int64_t *clock_ms = &slice->clock_ms[event->partition];
    const int64_t before_ms = *clock_ms;
    *clock_ms = partition_clock_with(before_ms, event, slice->config);
    if (event->verdict == EVENT_ACCEPTED && event->time_ms > cut_ms) {
        return add_accepted(slice, event, before_ms);
    }
    if (event->verdict == EVENT_PROFILE) return add_profile(slice, event);
    if (!belongs(slice, number_hash(event->offset))) return true;
    if (event_is_bad(event->verdict)) return add_bad(slice, event);
    slice->dropped += event->verdict == EVENT_DROPPED || event->verdict == EVENT_ACCEPTED;
    slice->blank += event->verdict == EVENT_BLANK;
    return true;
}

static bool add_published(struct verify_slice *slice, const struct interest_record *record,
                          int64_t cut_ms, struct log_place place)
{
    uint64_t hash = hash_of_user(record->user);
    if (!belongs(slice, hash)) return true;
    struct verify_user *user = user_of(slice, record->user, hash);
    struct verify_published *added = take_slice_memory(slice, sizeof *added);
    if (!user || !added) return false;
    added->generation = record->generation;
    added->from = record->from;
    added->events = record->events;
    added->event_ms = record->event_ms;
    added->offset = record->offset;
    added->partition = record->partition;
    added->gone = record->gone;
    added->checksum = record->gone ? 0 : interest_record_checksum(record);
    added->erased = !record->gone && record->event_ms <= cut_ms;
    user->erased = cut_ms != HISTORY_NO_TIME;
    added->damaged = added->checksum != record->checksum;
    added->place = place;
    *(user->last_published ? &user->last_published->next : &user->first_published) = added;
    user->last_published = added;
    slice->records++;
    return true;
}

/*
 * Keeps what is wrong with the record or dead letter at `place`, if `number`, its own or that of
 * its event, belongs to this slice.
 */
static bool add_anomaly(struct verify_slice *slice, struct verify_anomaly **list, int64_t number,
                        struct log_place place, const char *why)
{
    if (!belongs(slice, number_hash(number))) return true;
    struct verify_anomaly *anomaly = take_slice_memory(slice, sizeof *anomaly);
    if (!anomaly) return false;
    anomaly->place = place;
    snprintf(anomaly->why, sizeof anomaly->why, "%s", why);
    anomaly->next = *list;
    *list = anomaly;
    return true;
}

/* Counts a dead letter against its bad event, or keeps it as unexpected. */
static bool add_dead_letter(struct verify_slice *slice, int64_t offset, struct bytes reason,
                            struct log_place place)
{
    struct verify_bad_event *bad = *bad_at(slice, offset);
    if (bad && bad->place.partition == place.partition &&
        bytes_equal(reason, bytes_of(event_verdict_name(bad->verdict)))) {
        bad->dead_letters++;
        return true;
    }
    char why[VERIFY_WHY_MAX];
    snprintf(why, sizeof why, "dead letter of event %" PRId64 " (%.*s), which is %s", offset,
             (int)reason.size, (const char *)reason.at,
             bad ? event_verdict_name(bad->verdict) : "not a bad event");
    return add_anomaly(slice, &slice->unexpected, offset, place, why);
}

static void reset_slice(struct verify_slice *slice, uint64_t suffix, unsigned bits)
{
    *slice = (struct verify_slice){.config = slice->config,
                                   .seed = slice->seed,
                                   .memory = slice->memory,
                                   .size = slice->size,
                                   .suffix = suffix,
                                   .bits = bits,
                                   .features = HISTORY_FEATURES};
    slice->last_user = &slice->first_user;
    slice->last_bad = &slice->first_bad;
    for (uint32_t p = 0; p < POLL_PARTITIONS_MAX; p++) {
        slice->clock_ms[p] = HISTORY_NO_TIME;
    }
}

static enum status load_source(struct verify_slice *slice, const struct log_input_ops *ops,
                               struct log_input *input, struct error *error)
{
    for (;;) {
        struct event event;
        enum status status = ops->event(input, &event, error);
        if (status == STATUS_END) return STATUS_OK;
        TRY(status);
        const bool accepted = event.verdict == EVENT_ACCEPTED;
        const int64_t cut_ms = ops->cut && accepted ? ops->cut(input, event.user) : HISTORY_NO_TIME;
        if (!add_event(slice, &event, cut_ms)) return STATUS_BUSY;
    }
}

static enum status load_profiles(struct verify_slice *slice, const struct log_input_ops *ops,
                                 struct log_input *input, struct error *error)
{
    for (int64_t next = 0;;) {
        struct event event;
        enum status status = ops->event(input, &event, error);
        if (status == STATUS_END) return STATUS_OK;
        TRY(status);
        if (event.offset != next) slice->profiles_gone = true;
        next = event.offset + 1;
        if (!add_version(slice, &event)) return STATUS_BUSY;
    }
}

/* What the newest record of a chunk says of its profile is what counts. */
static bool add_logged_chunk(struct verify_slice *slice, struct bytes id, uint64_t first,
                             const struct history *history)
{
    const uint64_t hash = hash_of_user(id);
    if (!belongs(slice, hash)) return true;
    struct verify_user *user = user_of(slice, id, hash);
    if (!user) return false;
    struct verify_chunk **at = &user->newest_chunk; /* mostly: a log has chunks nearly in order */
    while (*at && (*at)->first > first) {
        at = &(*at)->older;
    }
    if (!*at || (*at)->first != first) {
        struct verify_chunk *added = take_slice_memory(slice, sizeof *added);
        if (!added) return false;
        *added = (struct verify_chunk){.older = *at, .first = first};
        *at = added;
    }
    (*at)->count = history ? history->count : 0;
    if (history) (*at)->profile = history->profile;
    return true;
}

static enum status load_chunks(struct verify_slice *slice, const struct log_input_ops *ops,
                               struct log_input *input, struct error *error)
{
    for (;;) {
        struct record record;
        struct bytes user;
        struct history history;
        uint64_t chunk;
        const enum status status = ops->history(input, &record, error);
        if (status == STATUS_END) return STATUS_OK;
        TRY(status);
        TRY(history_key_decode(record.key, &user, &chunk, error));
        if (chunk == HISTORY_USER_GONE) continue; /* each chunk was deleted before */
        if (record.value.at) TRY(history_decode(&history, record.value, error));
        if (!add_logged_chunk(slice, user, chunk * HISTORY_CHUNK_BEHAVIORS,
                              record.value.at ? &history : NULL)) {
            return STATUS_BUSY;
        }
    }
}

static enum status load_records(struct verify_slice *slice, const struct log_input_ops *ops,
                                struct log_input *input, struct error *error)
{
    for (;;) {
        struct interest_record record;
        struct error why;
        enum status status = ops->record(input, &record, &why);
        bool fits = true;
        if (status == STATUS_END) return STATUS_OK;
        if (status == STATUS_OK) {
            const int64_t cut_ms = ops->cut ? ops->cut(input, record.user) : HISTORY_NO_TIME;
            fits = add_published(slice, &record, cut_ms, ops->place(input));
        } else if (status == STATUS_CORRUPT) {
            struct log_place place = ops->place(input);
            fits = add_anomaly(slice, &slice->unreadable, place.number, place, why.text);
        } else {
            return error_set(error, status, "%s", why.text);
        }
        if (!fits) return STATUS_BUSY;
    }
}

static enum status load_dead_letters(struct verify_slice *slice, const struct log_input_ops *ops,
                                     struct log_input *input, struct error *error)
{
    for (;;) {
        int64_t offset;
        struct bytes reason;
        struct error why;
        enum status status = ops->dead_letter(input, &offset, &reason, &why);
        bool fits = true;
        if (status == STATUS_END) return STATUS_OK;
        if (status == STATUS_OK) {
            fits = add_dead_letter(slice, offset, reason, ops->place(input));
        } else if (status == STATUS_CORRUPT) {
            struct log_place place = ops->place(input);
            fits = add_anomaly(slice, &slice->unexpected, place.number, place, why.text);
        } else {
            return error_set(error, status, "%s", why.text);
        }
        if (!fits) return STATUS_BUSY;
    }
}

/*
 * How many of a user's events a source that begins at `first` has forgotten. Its records tell: one
 * of an event that is left says its ordinal; if there is none, the older ones say how many there
 * were.
 */
static uint64_t forgotten_of(const struct verify_user *user, int64_t first)
{
    const struct verify_event *event = user->first_event;
    uint64_t before = 0; /* events that are left before `event` */
    uint64_t forgotten = 0;
    for (const struct verify_published *published = user->first_published; published;
         published = published->next) {
        if (published->damaged || published->erased) continue;
        if (published->offset < first) {
            if (published->events > forgotten) forgotten = published->events;
            continue;
        }
        for (; event && event->offset < published->offset; event = event->next) {
            before++;
        }
        if (event && event->offset == published->offset && published->events > before) {
            return published->events - 1 - before;
        }
    }
    return forgotten;
}

enum status verify_slice_load(struct verify_slice *slice, const struct log_input_ops *ops,
                              struct log_input *input, uint32_t part, uint64_t suffix,
                              unsigned bits, struct error *error)
{
    reset_slice(slice, suffix, bits);
    const struct history_rules rules = intake_rules(slice->config);
    TRY(ops->begin(input, LOG_SOURCE, part, error));
    if (ops->first(input) > 0 && !intake_takes_all(&rules)) {
        return error_set(
            error, STATUS_INVALID,
            "the source begins at offset %" PRId64
            ": which of the events that are left were taken (source.user_events_max, "
            "source.deduplicate, state.ttl) depends on those that are gone, so it cannot be "
            "verified",
            ops->first(input));
    }
    TRY(load_seed(slice, ops, input, part, error));
    TRY(load_source(slice, ops, input, error));
    if (slice->config->output.publish != CONFIG_PUBLISH_NONE) { /* else they are another job's */
        TRY(ops->begin(input, LOG_RECORDS, part, error));
        TRY(load_records(slice, ops, input, error));
    }
    int64_t first = ops->first(input);
    for (struct verify_user *user = slice->first_user; user && first; user = user->next) {
        user->forgotten = forgotten_of(user, first);
    }
    if (config_has_profile_topic(slice->config)) {
        TRY(ops->begin(input, LOG_PROFILES, part, error));
        TRY(load_profiles(slice, ops, input, error));
        TRY(ops->begin(input, LOG_HISTORY, part, error));
        TRY(load_chunks(slice, ops, input, error));
    }
    TRY(ops->begin(input, LOG_DEAD_LETTERS, part, error));
    return load_dead_letters(slice, ops, input, error);
}
