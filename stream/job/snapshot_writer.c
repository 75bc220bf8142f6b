/* snapshot_writer.c - batches of encoded states, written store by store. */
#include "stream/job/snapshot_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/metrics.h"
#include "state/snapshot.h"

enum {
    GATHERED_MAX = 64,     /* snapshots of one write */
    CLOSED_MAX = 256,      /* copies of states while their changeset is committed, */
    CLOSED_SIZE = 4 << 20, /* and bytes that they may take, if they are more than one */
};

struct pending {
    uint32_t partition;
    bool written;
    uint32_t user_size;
    size_t value_size;
};

struct snapshot_batch {
    uint8_t *memory; /* [capacity][slot_size] */
    struct pending pending[CLOSED_MAX];
    uint32_t count, capacity;
};

struct snapshot_writer {
    const struct config *config;
    const struct store_ops *stores;
    const struct assignment *assignment;
    uint64_t fingerprint; /* of what folds the states */
    size_t state_size;
    size_t slot_size;               /* a user id, then a value */
    struct snapshot_batch gathered; /* of users that are clean */
    struct snapshot_batch closed;   /* of users of the closed changeset */
    uint32_t closed_next;           /* where in a changeset to go on copying */
    double allowance;               /* bytes that may be written without an eviction */
    int64_t allowed_ns;
    struct metric *written;
    struct error failure; /* of a write that an eviction caused */
};

static size_t slot_size(const struct config *config, const struct interest_model *model)
{
    return config->source.id_size_max + SNAPSHOT_OVERHEAD + interest_model_state_size(model);
}

static uint32_t closed_capacity(size_t slot)
{
    size_t fit = CLOSED_SIZE / slot;
    return fit > CLOSED_MAX ? CLOSED_MAX : fit > 1 ? (uint32_t)fit : 1;
}

size_t snapshot_writer_size(const struct config *config, const struct interest_model *model)
{
    size_t slot = slot_size(config, model);
    return sizeof(struct snapshot_writer) + (GATHERED_MAX + closed_capacity(slot)) * slot;
}

enum status snapshot_writer_open(struct snapshot_writer **writerp, const struct config *config,
                                 const struct interest_model *model, const struct store_ops *stores,
                                 const struct assignment *assignment, struct error *error)
{
    *writerp = NULL;
    struct snapshot_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return error_set(error, STATUS_IO, "out of memory: a snapshot writer");
    writer->config = config;
    writer->fingerprint = interest_model_state_fingerprint(model);
    writer->stores = stores;
    writer->assignment = assignment;
    writer->state_size = interest_model_state_size(model);
    writer->slot_size = slot_size(config, model);
    writer->written = metrics_get("braid_snapshots_total", "use", "written");
    writer->gathered = (struct snapshot_batch){.capacity = GATHERED_MAX};
    writer->closed = (struct snapshot_batch){.capacity = closed_capacity(writer->slot_size)};
    writer->gathered.memory = malloc(GATHERED_MAX * writer->slot_size);
    writer->closed.memory = malloc(writer->closed.capacity * writer->slot_size);
    if (!writer->gathered.memory || !writer->closed.memory) {
        snapshot_writer_close(writer);
        return error_set(error, STATUS_IO, "out of memory: a snapshot writer");
    }
    *writerp = writer;
    return STATUS_OK;
}

void snapshot_writer_close(struct snapshot_writer *writer)
{
    if (!writer) return;
    free(writer->gathered.memory);
    free(writer->closed.memory);
    free(writer);
}

/* Writes those of the partition that the first unwritten snapshot belongs to. */
static enum status write_of_partition(struct snapshot_writer *writer, struct snapshot_batch *batch,
                                      uint32_t first, struct error *error)
{
    struct store_key keys[CLOSED_MAX];
    struct bytes values[CLOSED_MAX];
    size_t used = 0;
    const uint32_t partition = batch->pending[first].partition;
    for (uint32_t i = first; i < batch->count; i++) {
        struct pending *pending = &batch->pending[i];
        if (pending->written || pending->partition != partition) continue;
        const uint8_t *slot = batch->memory + i * writer->slot_size;
        keys[used] = (struct store_key){.user = {slot, pending->user_size}};
        values[used++] = (struct bytes){slot + pending->user_size, pending->value_size};
        pending->written = true;
    }
    const struct task *task = assignment_task(writer->assignment, partition);
    if (!task) return STATUS_OK; /* given up since */
    return writer->stores->put_snapshots(task->store, keys, values, used, error);
}

static enum status write_batch(struct snapshot_writer *writer, struct snapshot_batch *batch,
                               struct error *error)
{
    if (batch->count == 0) return STATUS_OK;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (!batch->pending[i].written) TRY(write_of_partition(writer, batch, i, error));
    }
    metric_add(writer->written, batch->count);
    batch->count = 0;
    FAULT_POINT("snapshots_written");
    return STATUS_OK;
}

static void add_snapshot(struct snapshot_writer *writer, struct snapshot_batch *batch,
                         const struct cached_user *user)
{
    uint8_t *slot = batch->memory + batch->count * writer->slot_size;
    struct pending *pending = &batch->pending[batch->count++];
    const struct snapshot_stamp stamp = {
        .generation = user->history.generation,
        .fingerprint = writer->fingerprint,
        .from = user->state_from,
        .events = user->state_events,
        .absorbed = user->state_absorbed,
        .last_ms = user->last_ms,
    };
    memcpy(slot, user->user.at, user->user.size);
    pending->partition = user->partition;
    pending->written = false;
    pending->user_size = (uint32_t)user->user.size;
    pending->value_size =
        snapshot_encode(&stamp, user->state, writer->state_size, slot + user->user.size);
}

static bool is_behind(const struct snapshot_writer *writer, const struct cached_user *user)
{
    return cached_user_behind(user) >= writer->config->state.snapshot_every;
}

void snapshot_writer_evicted(void *context, const struct cached_user *user)
{
    struct snapshot_writer *writer = context;
    struct snapshot_batch *batch = &writer->gathered;
    if (writer->failure.status != STATUS_OK || !is_behind(writer, user)) return;
    add_snapshot(writer, batch, user);
    if (batch->count == batch->capacity) (void)write_batch(writer, batch, &writer->failure);
}

enum status snapshot_writer_flush(struct snapshot_writer *writer, struct error *error)
{
    if (writer->failure.status != STATUS_OK) {
        if (error) *error = writer->failure;
        return writer->failure.status;
    }
    return write_batch(writer, &writer->gathered, error);
}

/* The budget grows with time; a pause saves up no burst. */
static void allow(struct snapshot_writer *writer, int64_t now_ns)
{
    double rate = (double)writer->config->state.snapshot_rate / writer->config->job.workers;
    double seconds = writer->allowed_ns ? (double)(now_ns - writer->allowed_ns) / 1e9 : 0;
    writer->allowed_ns = now_ns;
    writer->allowance += rate * seconds;
    if (writer->allowance > rate) writer->allowance = rate;
}

void snapshot_writer_copy(struct snapshot_writer *writer, const struct changeset *set,
                          int64_t now_ns)
{
    struct snapshot_batch *batch = &writer->closed;
    REQUIRE(batch->count == 0);
    allow(writer, now_ns);
    for (uint32_t i = 0; i < set->count; i++) {
        if (batch->count == batch->capacity || writer->allowance <= 0) break;
        struct cached_user *user = set->changes[writer->closed_next++ % set->count].user;
        if (!is_behind(writer, user)) continue;
        add_snapshot(writer, batch, user);
        user->snapshot_events = user->state_events;
        writer->allowance -= (double)writer->slot_size;
    }
}

enum status snapshot_writer_write_copies(struct snapshot_writer *writer, struct error *error)
{
    return write_batch(writer, &writer->closed, error);
}

void snapshot_writer_forget_copies(struct snapshot_writer *writer)
{
    writer->closed.count = 0;
}

enum status snapshot_writer_background(struct snapshot_writer *writer, struct state_cache *cache,
                                       int64_t now_ns, struct error *error)
{
    struct snapshot_batch *batch = &writer->gathered;
    allow(writer, now_ns);
    while (writer->allowance > 0) {
        struct cached_user *user = cache_next_behind(cache, writer->config->state.snapshot_every);
        if (!user) break;
        add_snapshot(writer, batch, user);
        user->snapshot_events = user->state_events;
        writer->allowance -= (double)writer->slot_size;
        if (batch->count == batch->capacity) TRY(write_batch(writer, batch, error));
    }
    return write_batch(writer, batch, error);
}
