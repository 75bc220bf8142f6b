/* runs_collect.c - a hash table of users, each with a list of blocks of behaviors that grow. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/checksum.h"
#include "stream/replay/runs.h"
#include "stream/replay/runs_order.h"

enum {
    BLOCK_LEAST = 2, /* behaviors of a user's first block; each next one is twice as long */
    BLOCK_MOST = 64,
    BYTES_A_USER = 160, /* by which the table is sized */
    WRITE_BUFFER = 1 << 20,
};

struct behavior_block {
    struct behavior_block *next;
    uint32_t count, room;
    struct history_behavior at[];
};

struct collected_user {
    uint64_t hash;
    const uint8_t *id; /* in the block */
    uint32_t size, partition;
    uint64_t behaviors;
    struct behavior_block *first, *last;
};

struct collector {
    const char *dir;
    uint32_t name, runs;
    uint8_t *block;
    size_t size, used;
    struct collected_user *users;
    uint32_t count, users_max;
    uint32_t *slots; /* open addressing: number + 1, 0: free */
    uint32_t slots_mask;
    char *buffer; /* of the file */
};

void run_path(const char *dir, uint32_t name, uint32_t number, char path[RUN_PATH_MAX])
{
    snprintf(path, RUN_PATH_MAX, "%s/run-%04u-%04u", dir, name, number);
}

enum status collector_open(struct collector **collectorp, const char *dir, uint32_t name,
                           uint64_t size, struct error *error)
{
    struct collector *collector = calloc(1, sizeof *collector);
    *collectorp = collector;
    if (!collector) return error_set(error, STATUS_IO, "out of memory");
    const uint64_t users_max = size / BYTES_A_USER;
    collector->dir = dir;
    collector->name = name;
    collector->users_max = users_max < UINT32_MAX / 8 ? (uint32_t)users_max : UINT32_MAX / 8;
    uint32_t slots = 1024;
    while (slots < 2 * collector->users_max) {
        slots *= 2;
    }
    const uint64_t tables =
        collector->users_max * sizeof *collector->users + slots * sizeof *collector->slots;
    REQUIRE(tables < size);
    collector->slots_mask = slots - 1;
    collector->size = size - tables;
    collector->block = arena_block(collector->size);
    collector->users = calloc(collector->users_max, sizeof *collector->users);
    collector->slots = calloc(slots, sizeof *collector->slots);
    collector->buffer = malloc(WRITE_BUFFER);
    if (collector->block && collector->users && collector->slots && collector->buffer) {
        return STATUS_OK;
    }
    collector_close(collector);
    *collectorp = NULL;
    return error_set(error, STATUS_IO, "out of memory: %llu bytes of histories",
                     (unsigned long long)size);
}

void collector_close(struct collector *collector)
{
    if (!collector) return;
    free(collector->block);
    free(collector->users);
    free(collector->slots);
    free(collector->buffer);
    free(collector);
}

uint32_t collector_runs(const struct collector *collector)
{
    return collector->runs;
}

static void *block_take(struct collector *collector, size_t size)
{
    void *at = collector->block + collector->used;
    collector->used += (size + 7) / 8 * 8;
    return at;
}

/* Room for a new user with its first block, or for the largest next one. */
static bool has_room(const struct collector *collector, size_t id_size)
{
    const size_t most = sizeof(struct behavior_block) + BLOCK_MOST * HISTORY_BEHAVIOR_SIZE;
    return collector->count < collector->users_max &&
           collector->size - collector->used >= id_size + most + 16;
}

static struct collected_user *find_collected(struct collector *collector, uint32_t partition,
                                             struct bytes user)
{
    const uint64_t hash = checksum_of(user.at, user.size);
    uint32_t slot = (uint32_t)hash & collector->slots_mask;
    for (; collector->slots[slot]; slot = (slot + 1) & collector->slots_mask) {
        struct collected_user *found = &collector->users[collector->slots[slot] - 1];
        if (found->hash == hash && bytes_equal((struct bytes){found->id, found->size}, user)) {
            return found;
        }
    }
    struct collected_user *added = &collector->users[collector->count++];
    uint8_t *id = block_take(collector, user.size);
    memcpy(id, user.at, user.size);
    *added = (struct collected_user){
        .hash = hash, .id = id, .size = (uint32_t)user.size, .partition = partition};
    collector->slots[slot] = collector->count;
    return added;
}

static void add_block(struct collector *collector, struct collected_user *user)
{
    const uint32_t before = user->last ? user->last->room : BLOCK_LEAST / 2;
    const uint32_t room = before < BLOCK_MOST ? 2 * before : BLOCK_MOST;
    struct behavior_block *block =
        block_take(collector, sizeof *block + room * sizeof block->at[0]);
    *block = (struct behavior_block){.room = room};
    if (user->last) {
        user->last->next = block;
    } else {
        user->first = block;
    }
    user->last = block;
}

enum status collector_add(struct collector *collector, uint32_t partition, struct bytes user,
                          struct history_behavior behavior, struct error *error)
{
    if (!has_room(collector, user.size)) TRY(collector_spill(collector, error));
    if (!has_room(collector, user.size)) {
        return error_set(error, STATUS_INVALID, "job.memory is too small to sort histories in");
    }
    struct collected_user *found = find_collected(collector, partition, user);
    if (!found->last || found->last->count == found->last->room) add_block(collector, found);
    found->last->at[found->last->count++] = behavior;
    found->behaviors++;
    return STATUS_OK;
}

static int compare_users(const void *left, const void *right)
{
    const struct collected_user *a = left, *b = right;
    return run_order(a->partition, (struct bytes){a->id, a->size}, b->partition,
                     (struct bytes){b->id, b->size});
}

static bool write_collected(const struct collected_user *user, FILE *file)
{
    const struct run_user head = {user->partition, user->size, user->behaviors};
    if (fwrite(&head, sizeof head, 1, file) != 1) return false;
    if (fwrite(user->id, 1, user->size, file) != user->size) return false;
    for (const struct behavior_block *block = user->first; block; block = block->next) {
        if (fwrite(block->at, sizeof block->at[0], block->count, file) != block->count) {
            return false;
        }
    }
    return true;
}

enum status collector_spill(struct collector *collector, struct error *error)
{
    char path[RUN_PATH_MAX];
    if (collector->count == 0) return STATUS_OK;
    run_path(collector->dir, collector->name, collector->runs, path);
    FILE *file = fopen(path, "wb");
    if (!file) {
        return error_set(error, STATUS_IO, "making %s: %s", path, strerror(errno));
    }
    setvbuf(file, collector->buffer, _IOFBF, WRITE_BUFFER);
    qsort(collector->users, collector->count, sizeof *collector->users, compare_users);
    bool whole = true;
    for (uint32_t i = 0; i < collector->count && whole; i++) {
        whole = write_collected(&collector->users[i], file);
    }
    if (fclose(file) != 0 || !whole) {
        return error_set(error, STATUS_IO, "writing %s: %s", path, strerror(errno));
    }
    memset(collector->slots, 0, ((size_t)collector->slots_mask + 1) * sizeof *collector->slots);
    collector->count = 0;
    collector->used = 0;
    collector->runs++;
    return STATUS_OK;
}
