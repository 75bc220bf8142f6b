/* verify_users.c - an open-addressing table of hashes, and passes over the source by share. */
#include "stream/verify/verify_users.h"

#include <stdlib.h>

#include "base/checksum.h"

/* Two hashes of the id, 96 bits: no two users will have the same. */
struct verify_users_entry {
    uint64_t hash; /* 0: free */
    uint32_t more; /* of the second hash */
    uint16_t partition;
    bool split; /* it was seen in another one, too */
};

_Static_assert(POLL_PARTITIONS_MAX < UINT16_MAX, "a partition fits");
enum { NOT_SEEN = UINT16_MAX };

enum status verify_users_open(struct verify_users *users, size_t size, verify_split_user *found,
                              void *context, struct error *error)
{
    REQUIRE(size >= VERIFY_USERS_MIN);
    *users = (struct verify_users){.found = found, .context = context, .room = 1};
    while (2 * users->room * sizeof *users->entries <= size) {
        users->room *= 2;
    }
    users->entries = calloc(users->room, sizeof *users->entries);
    if (users->entries) return STATUS_OK;
    return error_set(error, STATUS_IO, "out of memory: %zu bytes to verify with; lower job.memory",
                     size);
}

void verify_users_close(struct verify_users *users)
{
    free(users->entries);
    *users = (struct verify_users){0};
}

static uint64_t hash_of(struct bytes user)
{
    uint64_t hash = checksum_of(user.at, user.size);
    return hash ? hash : 1;
}

static uint32_t second_hash_of(struct bytes user)
{
    return (uint32_t)identity_of(user.at, user.size);
}

static bool in_share(const struct verify_users *users, uint64_t hash)
{
    return (hash & (((uint64_t)1 << users->bits) - 1)) == users->suffix;
}

/* The entry of a user, or the free one where it would be. The upper bits choose where to look. */
static struct verify_users_entry *entry_of(struct verify_users *users, uint64_t hash, uint32_t more)
{
    size_t at = (size_t)(hash >> 20) & (users->room - 1);
    while (users->entries[at].hash &&
           (users->entries[at].hash != hash || users->entries[at].more != more)) {
        at = (at + 1) & (users->room - 1);
    }
    return &users->entries[at];
}

/* Begins a share anew. */
static void begin_share(struct verify_users *users, uint64_t suffix, unsigned bits)
{
    for (size_t i = 0; i < users->room; i++) {
        users->entries[i].hash = 0;
    }
    users->count = users->splits = 0;
    users->suffix = suffix;
    users->bits = bits;
}

/* Halves the share: takes every entry out, and those that stay in again. */
static void halve_share(struct verify_users *users)
{
    users->bits++;
    users->count = users->splits = 0;
    size_t start = 0; /* behind a free entry: no run of entries reaches across it */
    while (users->entries[start].hash) {
        start++;
    }
    for (size_t i = 1; i <= users->room; i++) {
        struct verify_users_entry *at = &users->entries[(start + i) & (users->room - 1)];
        struct verify_users_entry entry = *at;
        if (!entry.hash) continue;
        at->hash = 0;
        if (!in_share(users, entry.hash)) continue;
        *entry_of(users, entry.hash, entry.more) = entry;
        users->count++;
        users->splits += entry.split;
    }
}

void verify_users_add(struct verify_users *users, struct bytes user, uint32_t partition)
{
    uint64_t hash = hash_of(user);
    uint32_t more = second_hash_of(user);
    if (!in_share(users, hash)) return;
    struct verify_users_entry *entry = entry_of(users, hash, more);
    if (entry->hash) {
        users->splits += entry->partition != partition && !entry->split;
        entry->split |= entry->partition != partition;
        return;
    }
    *entry = (struct verify_users_entry){hash, more, (uint16_t)partition, false};
    users->count++;
    while (users->count > users->room / 4 * 3) {
        halve_share(users);
    }
}

/* Reports a user that is known to be split, once for each further partition. */
static void report_if_split(struct verify_users *users, struct bytes user, uint32_t partition)
{
    uint64_t hash = hash_of(user);
    if (!in_share(users, hash)) return;
    struct verify_users_entry *entry = entry_of(users, hash, second_hash_of(user));
    if (!entry->split || entry->partition == partition) return;
    if (entry->partition != NOT_SEEN) {
        users->found(users->context, user, partition, entry->partition);
    }
    entry->partition = (uint16_t)partition;
}

typedef void take_user(struct verify_users *users, struct bytes user, uint32_t partition);

/* One pass over the source's accepted events. */
static enum status read_source(struct verify_users *users, take_user *take,
                               const struct log_input_ops *ops, struct log_input *input,
                               struct error *error)
{
    for (uint32_t part = 0; part < ops->parts(input, LOG_SOURCE); part++) {
        TRY(ops->begin(input, LOG_SOURCE, part, error));
        for (;;) {
            struct event event;
            enum status status = ops->event(input, &event, error);
            if (status == STATUS_END) break;
            TRY(status);
            if (event.verdict == EVENT_ACCEPTED) {
                take(users, event.user, event.partition);
            }
        }
    }
    return STATUS_OK;
}

/* The table holds hashes: the split users of a finished share get their names in another pass. */
static enum status report_share(struct verify_users *users, const struct log_input_ops *ops,
                                struct log_input *input, struct error *error)
{
    if (users->splits == 0) return STATUS_OK;
    for (size_t i = 0; i < users->room; i++) {
        users->entries[i].partition = NOT_SEEN;
    }
    return read_source(users, report_if_split, ops, input, error);
}

/* The shares that were left out since the table held (suffix, bits). */
static enum status read_other_shares(struct verify_users *users, uint64_t suffix, unsigned bits,
                                     const struct log_input_ops *ops, struct log_input *input,
                                     struct error *error)
{
    unsigned kept = users->bits;
    for (unsigned bit = bits; bit < kept; bit++) {
        uint64_t other = suffix | (uint64_t)1 << bit;
        begin_share(users, other, bit + 1);
        TRY(read_source(users, verify_users_add, ops, input, error));
        TRY(report_share(users, ops, input, error));
        TRY(read_other_shares(users, other, bit + 1, ops, input, error));
    }
    return STATUS_OK;
}

enum status verify_users_finish(struct verify_users *users, const struct log_input_ops *ops,
                                struct log_input *input, struct error *error)
{
    TRY(report_share(users, ops, input, error));
    return read_other_shares(users, 0, 0, ops, input, error);
}
