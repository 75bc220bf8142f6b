/* history_users.c - a pass over a log into a hash trie of users with lists of chunks. */
#include "stream/query/history_users.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

enum status history_users_open(struct history_users *users, size_t size, struct error *error)
{
    *users = (struct history_users){.size = size, .memory = malloc(size)};
    if (users->memory) return STATUS_OK;
    return error_set(error, STATUS_IO, "out of memory: %zu bytes for histories; lower job.memory",
                     size);
}

void history_users_close(struct history_users *users)
{
    free(users->memory);
    *users = (struct history_users){0};
}

static void *take_zeroed(struct history_users *users, size_t size)
{
    size = (size + 7) / 8 * 8;
    if (size > users->size - users->used) return NULL;
    void *at = users->memory + users->used;
    users->used += size;
    return memset(at, 0, size);
}

const struct history_user *history_users_find(const struct history_users *users, struct bytes id,
                                              uint64_t hash)
{
    const struct history_user *user = users->root;
    for (uint64_t path = hash; user; path <<= 2) {
        if (user->hash == hash && bytes_equal(user->id, id)) return user->newest ? user : NULL;
        user = user->child[path >> 62];
    }
    return NULL;
}

/* The user, which is added at its first appearance; NULL if there is no room. */
static struct history_user *find_or_add(struct history_users *users, struct bytes id, uint64_t hash)
{
    struct history_user **at = &users->root;
    for (uint64_t path = hash; *at; path <<= 2) {
        if ((*at)->hash == hash && bytes_equal((*at)->id, id)) return *at;
        at = &(*at)->child[path >> 62];
    }
    struct history_user *user = take_zeroed(users, sizeof *user + id.size);
    if (!user) return NULL;
    memcpy(user + 1, id.at, id.size);
    user->id = (struct bytes){user + 1, id.size};
    user->hash = hash;
    *at = user;
    *users->last_user = user;
    users->last_user = &user->next;
    users->count++;
    return user;
}

/*
 * Where the chunk that begins at `first` is, or where it would be put; *beforep is the one before it.
 * A log has a user's chunks nearly in their order, so that is mostly at the end.
 */
static struct user_chunk **chunk_place(struct history_user *user, uint64_t first,
                                       struct user_chunk **beforep)
{
    struct user_chunk **at = &user->oldest;
    *beforep = NULL;
    if (user->newest && user->newest->history.first < first) {
        *beforep = user->newest;
        return &user->newest->next;
    }
    for (; *at && (*at)->history.first < first; at = &(*at)->next) {
        *beforep = *at;
    }
    return at;
}

static bool keep_user_chunk(struct history_users *users, struct history_user *user,
                            const struct history *history)
{
    struct user_chunk *before;
    struct user_chunk **at = chunk_place(user, history->first, &before);
    if (!*at || (*at)->history.first != history->first) {
        struct user_chunk *chunk = users->removed;
        if (chunk) {
            users->removed = chunk->next;
        } else {
            chunk = take_zeroed(users, sizeof *chunk);
        }
        if (!chunk) return false;
        chunk->next = *at;
        *at = chunk;
        if (!chunk->next) user->newest = chunk;
    }
    (*at)->history = *history;
    return true;
}

static void remove_user_chunk(struct history_users *users, struct history_user *user,
                              uint64_t first)
{
    struct user_chunk *before;
    struct user_chunk **at = chunk_place(user, first, &before), *chunk = *at;
    if (!chunk || chunk->history.first != first) return;
    *at = chunk->next;
    if (user->newest == chunk) user->newest = before;
    chunk->next = users->removed;
    users->removed = chunk;
}

static bool is_wanted(const struct name_set *wanted, struct bytes id)
{
    if (!wanted) return true;
    const struct name *name = name_set_find(wanted, identity_of(id.at, id.size));
    if (!name) return false;
    return bytes_equal(id, (struct bytes){wanted->bytes + name->at, name->size});
}

/* STATUS_BUSY: there is no room for it. */
static enum status add_record(struct history_users *users, const struct record *record,
                              const struct name_set *wanted, struct error *error)
{
    struct bytes id;
    uint64_t number;
    struct history history;
    TRY(history_key_decode(record->key, &id, &number, error));
    /* FNV's low bits choose the partition, so that they say little within one: mixed once more. */
    const uint64_t hash = splitmix64(identity_of(id.at, id.size));
    if ((hash & (((uint64_t)1 << users->bits) - 1)) != users->suffix) return STATUS_OK;
    if (!is_wanted(wanted, id)) return STATUS_OK;
    struct history_user *user = find_or_add(users, id, hash);
    if (!user) return STATUS_BUSY;
    if (number == HISTORY_USER_GONE) return STATUS_OK; /* each of its chunks was deleted before */
    if (!record->value.at) {
        remove_user_chunk(users, user, number * HISTORY_CHUNK_BEHAVIORS);
        return STATUS_OK;
    }
    TRY(history_decode(&history, record->value, error));
    return keep_user_chunk(users, user, &history) ? STATUS_OK : STATUS_BUSY;
}

/* Who was erased is nobody's user any more. */
static void leave_out_erased(struct history_users *users)
{
    struct history_user **at = &users->first_user;
    while (*at) {
        if ((*at)->newest) {
            at = &(*at)->next;
            continue;
        }
        *at = (*at)->next;
        users->count--;
    }
    users->last_user = at;
}

enum status history_users_load(struct history_users *users, const struct log_input_ops *ops,
                               struct log_input *input, uint32_t partition, uint64_t suffix,
                               unsigned bits, const struct name_set *wanted, struct error *error)
{
    *users = (struct history_users){
        .memory = users->memory, .size = users->size, .suffix = suffix, .bits = bits};
    users->last_user = &users->first_user;
    TRY(ops->begin(input, LOG_HISTORY, partition, error));
    for (;;) {
        struct record record;
        const enum status status = ops->history(input, &record, error);
        if (status == STATUS_END) break;
        TRY(status);
        TRY(add_record(users, &record, wanted, error));
    }
    leave_out_erased(users);
    return STATUS_OK;
}
