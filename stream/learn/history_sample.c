/*
 * history_sample.c - three scans of each store: how much there is, who is drawn, and their chunks.
 *
 * Users are drawn by comparing a hash of their id and the seed with the share that is wanted, so
 * the second scan decides as the first one planned, without a list in between. The open chunks are
 * taken in the second scan and the full ones in the third: a chunk that was filled in between is
 * then longer than the user's count says, and only what belongs to the count is taken.
 */
#include "stream/learn/history_sample.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "stream/interests/profile.h"

enum {
    NO_USER = UINT32_MAX,
    USERS_FIRST = 1024,
    LOOK_EVERY = 256, /* entries between two looks at the clock and at what ends a scan */
};

static const int64_t VIEW_MAX_NS = 500000000; /* a view holds on to deleted files while it lasts */

struct reading {
    struct history_sample *sample;
    const struct history_sample_options *options;
    struct error *error;
    enum status status;

    uint64_t active_behaviors, other_behaviors; /* of the first scan */
    double active_share, other_share;           /* that are drawn */

    /* of the scan under way: */
    store_visit *visit;
    const atomic_bool *gone, *cancel; /* what ends it, or NULL */
    struct store_key last;            /* the entry that was visited last, its user in `user` */
    uint8_t user[HISTORY_USER_SIZE_MAX];
    bool started, paused;
    uint32_t visits;
    int64_t view_ns; /* when its view was opened */

    size_t behaviors_room, users_room;
    uint32_t *slots; /* open addressing over the users' hashes: index or NO_USER */
    uint32_t slots_mask;
};

static bool reading_failed(struct reading *reading, enum status status)
{
    reading->status = status;
    return false;
}

static bool no_memory(struct reading *reading)
{
    return reading_failed(reading, error_set(reading->error, STATUS_IO,
                                             "out of memory: a sample of %" PRIu64 " users",
                                             (uint64_t)reading->sample->users_count));
}

static bool sample_is_active(const struct reading *reading, const struct history *history)
{
    return history_last_ms(history) > reading->options->active_since_ms ||
           reading->options->active_since_ms == INT64_MIN;
}

static uint64_t sample_length(const struct history *history)
{
    return history_events(history) - history->from;
}

/* Decodes a user's record; false ends the scan. Of who is gone nothing is left to learn from. */
static bool sample_record(struct reading *reading, struct bytes value, struct history *history)
{
    enum status status = history_decode(history, value, reading->error);
    if (status != STATUS_OK) return reading_failed(reading, status);
    if (history->tombstone) history->from = history_events(history);
    return true;
}

/* First scan: what there is. */
static bool count_user(void *context, const struct store_key *key, struct bytes value)
{
    struct reading *reading = context;
    struct history history;
    (void)key;
    if (!sample_record(reading, value, &history)) return false;
    const uint64_t length = sample_length(&history);
    if (length == 0) return true;
    const bool active = sample_is_active(reading, &history);
    reading->sample->users_seen++;
    reading->sample->users_active += active;
    reading->sample->behaviors_seen += length;
    if (active) {
        reading->active_behaviors += length;
    } else {
        reading->other_behaviors += length;
    }
    return true;
}

/* The active ones come first; what they leave of the bound is for the others. */
static void plan_shares(struct reading *reading)
{
    const double room = (double)reading->options->behaviors_max;
    const double active = (double)reading->active_behaviors;
    const double others = (double)reading->other_behaviors * reading->options->rehearsal;
    reading->active_share = active > room ? room / active : 1;
    const double left = room - active * reading->active_share;
    reading->other_share = reading->options->rehearsal * (others > left ? left / others : 1);
}

static bool is_drawn(const struct reading *reading, uint64_t hash, bool active)
{
    const double at =
        (double)(splitmix64(hash ^ splitmix64(reading->options->seed)) >> 11) * 0x1p-53;
    return at < (active ? reading->active_share : reading->other_share);
}

static bool grow_behaviors(struct reading *reading, size_t more)
{
    struct history_sample *sample = reading->sample;
    if (more <= reading->behaviors_room - sample->behaviors_count) return true;
    const size_t room = 2 * reading->behaviors_room + more + USERS_FIRST;
    struct history_behavior *behaviors = realloc(sample->behaviors, room * sizeof *behaviors);
    if (!behaviors) return no_memory(reading);
    sample->behaviors = behaviors;
    reading->behaviors_room = room;
    return true;
}

static bool sample_grow_users(struct reading *reading)
{
    struct history_sample *sample = reading->sample;
    if (sample->users_count < reading->users_room) return true;
    const size_t room = 2 * reading->users_room + USERS_FIRST;
    struct sampled_user *users = realloc(sample->users, room * sizeof *users);
    if (!users || room >= NO_USER) return no_memory(reading);
    sample->users = users;
    reading->users_room = room;
    return true;
}

static bool sample_profile(struct reading *reading, size_t at, const struct user_profile *profile)
{
    struct history_sample *sample = reading->sample;
    if (sample->profiles_count == sample->profiles_room) {
        const size_t room = 2 * sample->profiles_room + USERS_FIRST;
        struct sampled_profile *profiles = realloc(sample->profiles, room * sizeof *profiles);
        if (!profiles) return no_memory(reading);
        sample->profiles = profiles;
        sample->profiles_room = room;
    }
    sample->profiles[sample->profiles_count++] = (struct sampled_profile){at, *profile};
    return true;
}

/*
 * Puts the behaviors of a chunk that belong to the user where their ordinals say, and what was known
 * of it with the first and whenever that changed.
 */
static bool take_chunk(struct reading *reading, struct sampled_user *user,
                       const struct history *chunk)
{
    struct history_sample *sample = reading->sample;
    struct user_profile known = {{0}};
    for (uint32_t i = 0; i < chunk->count; i++) {
        const uint64_t ordinal = chunk->first + i;
        if (ordinal < user->from || ordinal - user->from >= user->count) continue;
        const size_t at = user->at + (ordinal - user->from);
        const struct user_profile now = profile_of(chunk, ordinal + 1);
        if (memcmp(&now, &known, sizeof now) != 0 && !sample_profile(reading, at, &now)) {
            return false;
        }
        known = now;
        sample->behaviors[at] = chunk->at[i];
        user->found++;
    }
    return true;
}

/* The draw meets its bound in the mean; an eighth more is for what chance and growth add. */
static uint64_t behaviors_bound(const struct history_sample_options *options)
{
    const uint64_t most = options->behaviors_max, more = most / 8;
    return most > UINT64_MAX - more ? UINT64_MAX : most + more;
}

/* Second scan: who is drawn, and the open chunks. */
static bool draw_user(void *context, const struct store_key *key, struct bytes value)
{
    struct reading *reading = context;
    struct history_sample *sample = reading->sample;
    struct history history;
    if (!sample_record(reading, value, &history)) return false;
    const uint64_t length = sample_length(&history);
    const uint64_t hash = identity_of(key->user.at, key->user.size);
    if (length == 0 || !is_drawn(reading, hash, sample_is_active(reading, &history))) return true;
    if (sample->behaviors_count + length > behaviors_bound(reading->options)) {
        sample->users_left_out++;
        return true;
    }
    if (!sample_grow_users(reading) || !grow_behaviors(reading, length)) return false;
    struct sampled_user *user = &sample->users[sample->users_count++];
    *user = (struct sampled_user){hash, history.from, sample->behaviors_count, (uint32_t)length, 0};
    sample->behaviors_count += length;
    return take_chunk(reading, user, &history);
}

static enum status index_users(struct reading *reading)
{
    const struct history_sample *sample = reading->sample;
    uint32_t slots = USERS_FIRST;
    while (slots / 2 < sample->users_count) {
        slots *= 2;
    }
    reading->slots = malloc(slots * sizeof *reading->slots);
    if (!reading->slots) {
        no_memory(reading);
        return reading->status;
    }
    memset(reading->slots, 0xFF, slots * sizeof *reading->slots);
    reading->slots_mask = slots - 1;
    for (uint32_t i = 0; i < sample->users_count; i++) {
        uint32_t slot = (uint32_t)splitmix64(sample->users[i].hash) & reading->slots_mask;
        while (reading->slots[slot] != NO_USER) {
            slot = (slot + 1) & reading->slots_mask;
        }
        reading->slots[slot] = i;
    }
    return STATUS_OK;
}

static struct sampled_user *find_user(const struct reading *reading, uint64_t hash)
{
    uint32_t slot = (uint32_t)splitmix64(hash) & reading->slots_mask;
    while (reading->slots[slot] != NO_USER) {
        struct sampled_user *user = &reading->sample->users[reading->slots[slot]];
        if (user->hash == hash) return user;
        slot = (slot + 1) & reading->slots_mask;
    }
    return NULL;
}

/* Third scan: full chunks of those who are drawn. */
static bool read_chunk(void *context, const struct store_key *key, struct bytes value)
{
    struct reading *reading = context;
    struct sampled_user *user = find_user(reading, identity_of(key->user.at, key->user.size));
    if (!user || user->found == user->count) return true;
    struct history chunk;
    enum status status = history_decode(&chunk, value, reading->error);
    if (status != STATUS_OK) return reading_failed(reading, status);
    return take_chunk(reading, user, &chunk);
}

static bool flag_is_set(const atomic_bool *flag)
{
    return flag && atomic_load(flag);
}

/* Whether the scan is not wanted any more; then it has failed. */
static bool is_over(struct reading *reading)
{
    if (!flag_is_set(reading->cancel) && !flag_is_set(reading->gone)) return false;
    (void)reading_failed(
        reading, error_set(reading->error, STATUS_END, "the stores are not to be read any more"));
    return true;
}

/* Ends the view when it is old, and the scan when it is over. */
static bool may_go_on(struct reading *reading, const struct store_key *key)
{
    if (++reading->visits % LOOK_EVERY) return true;
    if (is_over(reading)) return false;
    if (clock_monotonic_ns() - reading->view_ns < VIEW_MAX_NS) return true;
    REQUIRE(key->user.size <= sizeof reading->user);
    memcpy(reading->user, key->user.at, key->user.size);
    reading->last = (struct store_key){{reading->user, key->user.size}, key->chunk};
    reading->started = reading->paused = true;
    return false;
}

static bool is_last(const struct reading *reading, const struct store_key *key)
{
    return reading->started && key->chunk == reading->last.chunk &&
           key->user.size == reading->last.user.size &&
           memcmp(key->user.at, reading->last.user.at, key->user.size) == 0;
}

static bool visit_entry(void *context, const struct store_key *key, struct bytes value)
{
    struct reading *reading = context;
    if (is_last(reading, key)) return true;
    return reading->visit(reading, key, value) && may_go_on(reading, key);
}

/* View by view, each from where the last one ended. */
static enum status scan_store(struct reading *reading, const struct store_ops *ops,
                              struct store *store, enum store_space space)
{
    reading->started = false;
    do {
        if (is_over(reading)) return reading->status;
        reading->paused = false;
        reading->view_ns = clock_monotonic_ns();
        TRY(ops->scan(store, space, reading->started ? &reading->last : NULL, visit_entry, reading,
                      reading->error));
        if (reading->status != STATUS_OK) return reading->status;
    } while (reading->paused);
    return STATUS_OK;
}

static enum status scan_all(struct reading *reading, const struct history_stores *stores,
                            enum store_space space, store_visit *visit)
{
    reading->visit = visit;
    reading->cancel = stores->cancel;
    for (uint32_t i = 0; i < stores->count; i++) {
        reading->gone = stores->gone ? stores->gone[i] : NULL;
        TRY(scan_store(reading, stores->ops, stores->at[i], space));
    }
    return STATUS_OK;
}

/* A user of whom something is missing would be learned from as nobody would serve it. */
static void leave_out_incomplete(struct history_sample *sample)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < sample->users_count; i++) {
        if (sample->users[i].found == sample->users[i].count) {
            sample->users[kept++] = sample->users[i];
        }
    }
    sample->users_left_out += sample->users_count - kept;
    sample->users_count = kept;
}

static int compare_profiles(const void *a, const void *b)
{
    const struct sampled_profile *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

enum status history_sample_read(struct history_sample *sample, const struct history_stores *stores,
                                const struct history_sample_options *options, struct error *error)
{
    *sample = (struct history_sample){0};
    struct reading reading = {.sample = sample, .options = options, .error = error};
    enum status status = scan_all(&reading, stores, STORE_USERS, count_user);
    plan_shares(&reading);
    if (status == STATUS_OK) status = scan_all(&reading, stores, STORE_USERS, draw_user);
    if (status == STATUS_OK) status = index_users(&reading);
    if (status == STATUS_OK) status = scan_all(&reading, stores, STORE_CHUNKS, read_chunk);
    free(reading.slots);
    TRY(status);
    leave_out_incomplete(sample);
    if (sample->profiles_count) {
        qsort(sample->profiles, sample->profiles_count, sizeof *sample->profiles, compare_profiles);
    }
    return STATUS_OK;
}

void history_sample_close(struct history_sample *sample)
{
    free(sample->users);
    free(sample->behaviors);
    free(sample->profiles);
    *sample = (struct history_sample){0};
}

/* The first profile at or behind a place of the behaviors. */
static size_t find_profile(const struct history_sample *sample, size_t at)
{
    size_t low = 0, high = sample->profiles_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (sample->profiles[middle].at < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum status sample_add_user(struct dataset *dataset, const struct history_sample *sample,
                                   const struct sampled_user *user, const struct item_table *items,
                                   uint64_t *unknownp, struct error *error)
{
    size_t next = find_profile(sample, user->at);
    TRY(dataset_begin_life(dataset, user->hash, user->from, false, error));
    for (uint32_t i = 0; i < user->count; i++) {
        const struct history_behavior behavior = sample->behaviors[user->at + i];
        struct item_resolved row;
        if (next < sample->profiles_count && sample->profiles[next].at == user->at + i) {
            TRY(dataset_know(dataset, user->hash, &sample->profiles[next++].profile, true, error));
        }
        *unknownp += item_table_find(items, behavior.item) == 0;
        if (!item_table_resolve(items, behavior.item, &row)) continue;
        TRY(dataset_add(dataset, user->hash, row.item, row.category, history_time_ms(behavior),
                        history_action(behavior), error));
    }
    return STATUS_OK;
}

enum status history_sample_dataset(const struct history_sample *sample,
                                   const struct item_table *items, struct dataset **datasetp,
                                   uint64_t *unknownp, struct error *error)
{
    struct dataset *dataset;
    *unknownp = 0;
    *datasetp = NULL;
    TRY(dataset_open(&dataset, item_table_rows(items), item_table_oov(items), error));
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < sample->users_count; i++) {
        status = sample_add_user(dataset, sample, &sample->users[i], items, unknownp, error);
    }
    if (status == STATUS_OK) status = dataset_seal(dataset, error);
    if (status != STATUS_OK) {
        dataset_close(dataset);
        return status;
    }
    *datasetp = dataset;
    return STATUS_OK;
}
