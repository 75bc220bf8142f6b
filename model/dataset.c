/*
 * dataset.c - a log in two stages: appended as it comes, then ordered by user in one counting pass.
 */
#include "model/dataset.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

enum { CAPACITY_FIRST = 1024, NO_USER = UINT32_MAX };

struct entry {
    int64_t time_ms;
    uint32_t user;
    uint32_t item;
    uint32_t category;
    uint8_t action;
};

struct dataset {
    uint32_t rows;
    uint32_t first_item;

    struct entry *log; /* in the order of the source; kept for its order */
    uint32_t count;
    uint32_t capacity;

    struct user_profile *profiles; /* that users have had; number 0 is nothing */
    uint32_t profiles_count;
    uint32_t profiles_room;
    uint32_t *known;       /* [users] the number in force; NULL: nothing is known of anybody */
    uint32_t *log_profile; /* [capacity] of each behavior of the log; as above */

    uint64_t *hashes;   /* [users] the table has the last of each */
    uint64_t *ordinals; /* [users] of the first behavior */
    uint32_t users;
    uint32_t *slots; /* open addressing over the hashes: user or NO_USER */
    uint32_t slots_count;

    struct behavior *behaviors; /* [count] by user, from sealing on, as are the next two */
    int64_t *time_ms;
    uint8_t *action;
    uint32_t *profile; /* NULL: nothing is known of anybody */
    uint32_t *offsets; /* [users + 1] */
    uint32_t longest;
};

static enum status dataset_no_memory(struct error *error)
{
    return error_set(error, STATUS_IO, "not enough memory for a log of this size");
}

enum status dataset_open(struct dataset **datasetp, uint32_t rows, uint32_t oov,
                         struct error *error)
{
    *datasetp = NULL;
    struct dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset) return dataset_no_memory(error);
    dataset->rows = rows;
    dataset->first_item = 1 + oov;
    *datasetp = dataset;
    return STATUS_OK;
}

void dataset_close(struct dataset *dataset)
{
    if (!dataset) return;
    free(dataset->log);
    free(dataset->profiles);
    free(dataset->known);
    free(dataset->log_profile);
    free(dataset->profile);
    free(dataset->hashes);
    free(dataset->ordinals);
    free(dataset->slots);
    free(dataset->behaviors);
    free(dataset->time_ms);
    free(dataset->action);
    free(dataset->offsets);
    free(dataset);
}

/* The slot that holds a user's number, or the empty one where it belongs. */
static uint32_t user_slot(const struct dataset *dataset, uint64_t hash)
{
    uint32_t mask = dataset->slots_count - 1;
    uint32_t slot = (uint32_t)splitmix64(hash) & mask;
    while (dataset->slots[slot] != NO_USER && dataset->hashes[dataset->slots[slot]] != hash) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

/* `room` numbers, those behind the first `count` 0. */
static bool resize_numbers(uint32_t **numbersp, uint32_t count, size_t room)
{
    uint32_t *numbers = realloc(*numbersp, room * sizeof *numbers);
    if (!numbers) return false;
    memset(numbers + count, 0, (room - count) * sizeof *numbers);
    *numbersp = numbers;
    return true;
}

/* Doubles the table, and the room for hashes with it: at most half of the slots are taken. */
static bool grow_users(struct dataset *dataset)
{
    size_t count = dataset->slots_count ? (size_t)dataset->slots_count * 2 : CAPACITY_FIRST;
    if (count > UINT32_MAX) return false;
    uint64_t *hashes = realloc(dataset->hashes, count / 2 * sizeof *hashes);
    if (!hashes) return false;
    dataset->hashes = hashes;
    uint64_t *ordinals = realloc(dataset->ordinals, count / 2 * sizeof *ordinals);
    if (!ordinals) return false;
    dataset->ordinals = ordinals;
    if (dataset->known && !resize_numbers(&dataset->known, dataset->users, count / 2)) return false;
    uint32_t *slots = malloc(count * sizeof *slots);
    if (!slots) return false;
    free(dataset->slots);
    dataset->slots = slots;
    dataset->slots_count = (uint32_t)count;
    memset(slots, 0xFF, count * sizeof *slots);
    for (uint32_t user = 0; user < dataset->users; user++) {
        slots[user_slot(dataset, hashes[user])] = user;
    }
    return true;
}

static bool grow_log(struct dataset *dataset)
{
    size_t capacity = dataset->capacity ? (size_t)dataset->capacity * 2 : CAPACITY_FIRST;
    if (capacity > DATASET_BEHAVIORS_MAX) capacity = DATASET_BEHAVIORS_MAX;
    struct entry *log = realloc(dataset->log, capacity * sizeof *log);
    if (!log) return false;
    dataset->log = log;
    if (dataset->log_profile && !resize_numbers(&dataset->log_profile, dataset->count, capacity)) {
        return false;
    }
    dataset->capacity = (uint32_t)capacity;
    return true;
}

/* Another number for the user in `slot`. */
static uint32_t add_user(struct dataset *dataset, uint32_t slot, uint64_t hash, uint64_t ordinal)
{
    const uint32_t user = dataset->users++;
    dataset->slots[slot] = user;
    dataset->ordinals[user] = ordinal;
    dataset->hashes[user] = hash;
    return user;
}

/* The number of a user, who joins if it is new. */
static enum status number_user(struct dataset *dataset, uint64_t hash, uint32_t *userp,
                               struct error *error)
{
    *userp = NO_USER;
    if (dataset->users == dataset->slots_count / 2 && !grow_users(dataset)) {
        return dataset_no_memory(error);
    }
    const uint32_t slot = user_slot(dataset, hash), found = dataset->slots[slot];
    *userp = found == NO_USER ? add_user(dataset, slot, hash, 0) : found;
    return STATUS_OK;
}

enum status dataset_begin_life(struct dataset *dataset, uint64_t user_hash, uint64_t ordinal,
                               bool keeps_profile, struct error *error)
{
    REQUIRE(!dataset->offsets);
    if (dataset->users == dataset->slots_count / 2 && !grow_users(dataset)) {
        return dataset_no_memory(error);
    }
    const uint32_t slot = user_slot(dataset, user_hash), before = dataset->slots[slot];
    const uint32_t user = add_user(dataset, slot, user_hash, ordinal);
    if (dataset->known && before != NO_USER && keeps_profile) {
        dataset->known[user] = dataset->known[before];
    }
    return STATUS_OK;
}

enum status dataset_add(struct dataset *dataset, uint64_t user_hash, uint32_t item,
                        uint32_t category, int64_t time_ms, uint8_t action, struct error *error)
{
    uint32_t user;
    REQUIRE(!dataset->offsets && item >= 1 && item < dataset->rows);
    if (dataset->count == DATASET_BEHAVIORS_MAX) {
        return error_set(error, STATUS_INVALID, "the log has more than %u behaviors: use a part",
                         DATASET_BEHAVIORS_MAX);
    }
    if (dataset->count == dataset->capacity && !grow_log(dataset)) return dataset_no_memory(error);
    TRY(number_user(dataset, user_hash, &user, error));
    if (dataset->log_profile) dataset->log_profile[dataset->count] = dataset->known[user];
    dataset->log[dataset->count++] = (struct entry){time_ms, user, item, category, action};
    return STATUS_OK;
}

/* Room for one more profile, and from the first one on for the numbers of users and behaviors. */
static bool grow_profiles(struct dataset *dataset)
{
    if (!dataset->known) {
        if (!resize_numbers(&dataset->known, 0, dataset->slots_count / 2) ||
            !resize_numbers(&dataset->log_profile, 0, dataset->capacity + (size_t)1)) {
            return false;
        }
    }
    if (dataset->profiles_count < dataset->profiles_room) return true;
    const size_t room = (size_t)dataset->profiles_room * 2 + CAPACITY_FIRST;
    struct user_profile *profiles = realloc(dataset->profiles, room * sizeof *profiles);
    if (!profiles || room > UINT32_MAX) return false;
    dataset->profiles = profiles;
    dataset->profiles_room = (uint32_t)room;
    if (dataset->profiles_count == 0)
        profiles[dataset->profiles_count++] = (struct user_profile){0};
    return true;
}

enum status dataset_know(struct dataset *dataset, uint64_t user_hash,
                         const struct user_profile *profile, bool whole, struct error *error)
{
    uint32_t user;
    REQUIRE(!dataset->offsets);
    TRY(number_user(dataset, user_hash, &user, error));
    if (!grow_profiles(dataset)) return dataset_no_memory(error);
    const struct user_profile *before = &dataset->profiles[dataset->known[user]];
    struct user_profile now = *profile;
    for (uint32_t i = 0; i < PROFILE_MAX && !whole; i++) {
        if (now.hash[i] == 0) now.hash[i] = before->hash[i];
    }
    if (memcmp(&now, before, sizeof now) == 0) return STATUS_OK;
    dataset->known[user] = dataset->profiles_count;
    dataset->profiles[dataset->profiles_count++] = now;
    return STATUS_OK;
}

bool dataset_knows(const struct dataset *dataset)
{
    return dataset->known != NULL;
}

const struct user_profile *dataset_profile(const struct dataset *dataset, uint32_t number)
{
    return &dataset->profiles[number];
}

struct user_profile dataset_known_of(const struct dataset_sequence *sequence, uint32_t known,
                                     const struct dataset *dataset)
{
    if (!sequence->profile || known == 0) return (struct user_profile){0};
    return dataset->profiles[sequence->profile[known - 1]];
}

/* Gaps and ordinals of a user's behaviors, from their times (models.md section 2). */
static void set_clock(struct behavior *at, const int64_t *time_ms, uint32_t count, uint64_t ordinal)
{
    int64_t last_ms = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t gap_ms = time_ms[i] - last_ms;
        at[i].gap_s = i == 0 ? -1 : gap_ms > 0 ? gap_ms / 1000 : 0;
        at[i].ordinal = ordinal + i;
        if (i == 0 || gap_ms > 0) last_ms = time_ms[i];
    }
}

enum status dataset_seal(struct dataset *dataset, struct error *error)
{
    size_t count = dataset->count;
    REQUIRE(!dataset->offsets);
    dataset->behaviors = malloc((count + 1) * sizeof *dataset->behaviors);
    dataset->time_ms = malloc((count + 1) * sizeof *dataset->time_ms);
    dataset->action = malloc(count + 1);
    dataset->offsets = calloc((size_t)dataset->users + 2, sizeof *dataset->offsets);
    if (dataset->known && !resize_numbers(&dataset->profile, 0, count + 1)) {
        return dataset_no_memory(error);
    }
    if (!dataset->behaviors || !dataset->time_ms || !dataset->action || !dataset->offsets) {
        return dataset_no_memory(error);
    }
    /* Counts lie two places on, so that after the running sum offsets[u + 1] is where the next
     * behavior of u goes, and in the end where those of u + 1 begin. */
    uint32_t *next = dataset->offsets + 1;
    for (size_t i = 0; i < count; i++) {
        next[dataset->log[i].user + 1]++;
    }
    for (uint32_t user = 0; user < dataset->users; user++) {
        next[user + 1] += next[user];
    }
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = &dataset->log[i];
        uint32_t to = next[entry->user]++;
        dataset->behaviors[to] =
            (struct behavior){.item = entry->item, .category = entry->category};
        dataset->time_ms[to] = entry->time_ms;
        dataset->action[to] = entry->action;
        if (dataset->profile) dataset->profile[to] = dataset->log_profile[i];
    }
    for (uint32_t user = 0; user < dataset->users; user++) {
        uint32_t from = dataset->offsets[user], length = dataset->offsets[user + 1] - from;
        set_clock(dataset->behaviors + from, dataset->time_ms + from, length,
                  dataset->ordinals[user]);
        if (length > dataset->longest) dataset->longest = length;
    }
    return STATUS_OK;
}

uint32_t dataset_rows(const struct dataset *dataset)
{
    return dataset->rows;
}

uint32_t dataset_first_item(const struct dataset *dataset)
{
    return dataset->first_item;
}

uint32_t dataset_users(const struct dataset *dataset)
{
    return dataset->users;
}

uint32_t dataset_behaviors(const struct dataset *dataset)
{
    return dataset->count;
}

uint32_t dataset_longest(const struct dataset *dataset)
{
    return dataset->longest;
}

uint64_t dataset_fingerprint(const struct dataset *dataset)
{
    const size_t count = dataset->count;
    const struct bytes parts[] = {
        {dataset->profiles, dataset->profiles_count * sizeof *dataset->profiles},
        {dataset->profile, dataset->profile ? count * sizeof *dataset->profile : 0},
        {&dataset->rows, sizeof dataset->rows},
        {dataset->behaviors, count * sizeof *dataset->behaviors},
        {dataset->time_ms, count * sizeof *dataset->time_ms},
        {dataset->action, count * sizeof *dataset->action},
        {dataset->offsets, (dataset->users + (size_t)1) * sizeof *dataset->offsets},
        {dataset->hashes, dataset->users * sizeof *dataset->hashes},
    };
    return checksum_of_parts(parts, sizeof parts / sizeof parts[0]);
}

uint64_t dataset_user_hash(const struct dataset *dataset, uint32_t user)
{
    return dataset->hashes[user];
}

struct dataset_sequence dataset_sequence(const struct dataset *dataset, uint32_t user)
{
    uint32_t from = dataset->offsets[user];
    return (struct dataset_sequence){
        .at = dataset->behaviors + from,
        .time_ms = dataset->time_ms + from,
        .action = dataset->action + from,
        .profile = dataset->profile ? dataset->profile + from : NULL,
        .count = dataset->offsets[user + 1] - from,
    };
}

/* A behavior on the replay's clock. */
struct moment {
    int64_t time_ms; /* the latest that its user has seen */
    uint32_t index;  /* in the log */
    struct dataset_point point;
};

static int compare_moments(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    if (x->time_ms != y->time_ms) return x->time_ms < y->time_ms ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

enum status dataset_replay(const struct dataset *dataset, struct dataset_point **pointsp,
                           struct error *error)
{
    *pointsp = NULL;
    size_t count = dataset->count;
    struct moment *moments = malloc((count + 1) * sizeof *moments);
    struct moment *newest = calloc((size_t)dataset->users + 1, sizeof *newest); /* of each user */
    struct dataset_point *points = malloc((count + 1) * sizeof *points);
    if (!moments || !newest || !points) {
        free(moments);
        free(newest);
        free(points);
        return dataset_no_memory(error);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct entry *entry = &dataset->log[i];
        struct moment *last = &newest[entry->user];
        if (last->point.position == 0 || entry->time_ms > last->time_ms) {
            last->time_ms = entry->time_ms;
        }
        moments[i] = (struct moment){last->time_ms, i, {entry->user, last->point.position++}};
    }
    qsort(moments, count, sizeof *moments, compare_moments);
    for (size_t i = 0; i < count; i++) {
        points[i] = moments[i].point;
    }
    free(moments);
    free(newest);
    *pointsp = points;
    return STATUS_OK;
}
