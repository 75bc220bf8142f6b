/* snapshot_writer.c - a batch of encoded states, written store by store. */
#include "stream/job/snapshot_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/metrics.h"
#include "state/snapshot.h"

enum { BATCH = 64 /* snapshots of one write */ };

struct pending {
    uint32_t partition;
    bool written;
    uint32_t user_size;
    size_t value_size;
};

struct snapshot_writer {
    const struct config *config;
    const struct interest_model *model;
    const struct store_ops *stores;
    const struct assignment *assignment;
    size_t state_size;
    size_t slot_size; /* of `memory`: a user id, then a value */
    uint8_t *memory;  /* [BATCH][slot_size] */
    struct pending pending[BATCH];
    uint32_t count;
    double allowance; /* bytes that the background may write */
    int64_t allowed_ns;
    struct metric *written;
    struct error failure; /* of a write that an eviction caused */
};

static size_t slot_size(const struct config *config, const struct interest_model *model)
{
    return config->source.id_size_max + SNAPSHOT_OVERHEAD + interest_model_state_size(model);
}

size_t snapshot_writer_size(const struct config *config, const struct interest_model *model)
{
    return sizeof(struct snapshot_writer) + BATCH * slot_size(config, model);
}

enum status snapshot_writer_open(struct snapshot_writer **writerp, const struct config *config,
                                 const struct interest_model *model, const struct store_ops *stores,
                                 const struct assignment *assignment, struct error *error)
{
    *writerp = NULL;
    struct snapshot_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return error_set(error, STATUS_IO, "out of memory: a snapshot writer");
    writer->config = config;
    writer->model = model;
    writer->stores = stores;
    writer->assignment = assignment;
    writer->state_size = interest_model_state_size(model);
    writer->slot_size = slot_size(config, model);
    writer->written = metrics_get("braid_snapshots_total", "use", "written");
    writer->memory = malloc(BATCH * writer->slot_size);
    if (!writer->memory) {
        snapshot_writer_close(writer);
        return error_set(error, STATUS_IO, "out of memory: a snapshot writer");
    }
    *writerp = writer;
    return STATUS_OK;
}

void snapshot_writer_close(struct snapshot_writer *writer)
{
    if (!writer) return;
    free(writer->memory);
    free(writer);
}

/* Writes those of the partition that the first unwritten snapshot belongs to. */
static enum status write_of_partition(struct snapshot_writer *writer, uint32_t first,
                                      struct error *error)
{
    struct store_key keys[BATCH];
    struct bytes values[BATCH];
    size_t used = 0;
    const uint32_t partition = writer->pending[first].partition;
    for (uint32_t i = first; i < writer->count; i++) {
        struct pending *pending = &writer->pending[i];
        if (pending->written || pending->partition != partition) continue;
        const uint8_t *slot = writer->memory + i * writer->slot_size;
        keys[used] = (struct store_key){.user = {slot, pending->user_size}};
        values[used++] = (struct bytes){slot + pending->user_size, pending->value_size};
        pending->written = true;
    }
    const struct task *task = assignment_task(writer->assignment, partition);
    if (!task) return STATUS_OK; /* given up since */
    return writer->stores->put_snapshots(task->store, keys, values, used, error);
}

static enum status write_batch(struct snapshot_writer *writer, struct error *error)
{
    if (writer->count == 0) return STATUS_OK;
    for (uint32_t i = 0; i < writer->count; i++) {
        if (!writer->pending[i].written) TRY(write_of_partition(writer, i, error));
    }
    metric_add(writer->written, writer->count);
    writer->count = 0;
    FAULT_POINT("snapshots_written");
    return STATUS_OK;
}

static void add_snapshot(struct snapshot_writer *writer, const struct cached_user *user)
{
    uint8_t *slot = writer->memory + writer->count * writer->slot_size;
    struct pending *pending = &writer->pending[writer->count++];
    const struct snapshot_stamp stamp = {
        .generation = user->history.generation,
        .fingerprint = interest_model_state_fingerprint(writer->model),
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

void snapshot_writer_evicted(void *context, const struct cached_user *user)
{
    struct snapshot_writer *writer = context;
    uint64_t since =
        user->snapshot_events > user->state_from ? user->snapshot_events : user->state_from;
    if (user->state_events < since + writer->config->state.snapshot_every) return;
    if (writer->failure.status != STATUS_OK) return;
    add_snapshot(writer, user);
    if (writer->count == BATCH) (void)write_batch(writer, &writer->failure);
}

enum status snapshot_writer_flush(struct snapshot_writer *writer, struct error *error)
{
    if (writer->failure.status != STATUS_OK) {
        if (error) *error = writer->failure;
        return writer->failure.status;
    }
    return write_batch(writer, error);
}

enum status snapshot_writer_background(struct snapshot_writer *writer, struct state_cache *cache,
                                       int64_t now_ns, struct error *error)
{
    double rate = (double)writer->config->state.snapshot_rate / writer->config->job.workers;
    double seconds = writer->allowed_ns ? (double)(now_ns - writer->allowed_ns) / 1e9 : 0;
    writer->allowed_ns = now_ns;
    writer->allowance += rate * seconds;
    if (writer->allowance > rate) writer->allowance = rate; /* a pause saves up no burst */

    while (writer->allowance > 0) {
        struct cached_user *user = cache_next_behind(cache, writer->config->state.snapshot_every);
        if (!user) break;
        add_snapshot(writer, user);
        user->snapshot_events = user->state_events;
        writer->allowance -= (double)writer->slot_size;
        if (writer->count == BATCH) TRY(write_batch(writer, error));
    }
    return write_batch(writer, error);
}
