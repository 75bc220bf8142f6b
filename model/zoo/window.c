/* window.c - a ring of behaviors in a state, and windows over what is unrolled of it. */
#include "model/zoo/window.h"

#include <string.h>

/* A behavior as the state keeps it. */
struct slot {
    uint32_t item;
    uint32_t category;
    uint32_t bucket; /* of the gap, without an upper limit */
    uint32_t phase;  /* ordinal mod window */
};

/* What a state row holds. Behavior i of the fold is at[i % window]. */
struct ring {
    uint64_t count; /* ever absorbed */
    struct slot at[];
};

bool window_keeps_history(const struct model_dims *dims)
{
    (void)dims;
    return true;
}

void window_layout(struct state_layout *layout, const struct model_dims *dims)
{
    const size_t size = sizeof(struct ring) + dims->window * sizeof(struct slot);
    state_layout_add(layout, size / sizeof(real), "window");
}

struct window window_of(const struct interest_model *model)
{
    return (struct window){model->dims.window, state_layout_at(&model->state, "window")};
}

uint32_t window_fill(uint32_t size, uint64_t events)
{
    return events < size ? (uint32_t)events : size;
}

/* The bucket of a gap if there were no last one, and a gap of that bucket. */
static uint32_t bucket_of(int64_t gap_s)
{
    return gap_bucket(gap_s, UINT32_MAX);
}

static int64_t gap_of(uint32_t bucket)
{
    return bucket == 0 ? -1 : (int64_t)((UINT64_C(1) << (bucket - 1)) - 1);
}

void window_absorb(const struct window *window, real *const *states,
                   const struct behavior_batch *batch)
{
    for (uint32_t user = 0; user < batch->users; user++) {
        struct ring *ring = (void *)(states[user] + window->at);
        for (uint32_t i = batch->offsets[user]; i < batch->offsets[user + 1]; i++) {
            const struct behavior *behavior = &batch->at[i];
            ring->at[ring->count++ % window->size] = (struct slot){
                .item = behavior->item,
                .category = behavior->category,
                .bucket = bucket_of(behavior->gap_s),
                .phase = (uint32_t)(behavior->ordinal % window->size),
            };
        }
    }
}

const struct behavior_batch *window_unroll(struct tape *tape, const struct window *window,
                                           const real *const *states, uint32_t users)
{
    const uint32_t size = window->size;
    struct behavior_batch *batch = arena_take(tape->arena, sizeof *batch);
    struct behavior *at = arena_take(tape->arena, (size_t)users * size * sizeof *at);
    uint32_t *offsets = arena_take(tape->arena, (users + (size_t)1) * sizeof *offsets);
    uint32_t end = 0;
    for (uint32_t user = 0; user < users; user++) {
        const struct ring *ring = (const void *)(states[user] + window->at);
        offsets[user] = end;
        for (uint64_t i = ring->count - window_fill(size, ring->count); i < ring->count; i++) {
            const struct slot *slot = &ring->at[i % size];
            at[end++] = (struct behavior){.item = slot->item,
                                          .category = slot->category,
                                          .gap_s = gap_of(slot->bucket),
                                          .ordinal = slot->phase};
        }
    }
    offsets[users] = end;
    *batch = (struct behavior_batch){at, offsets, users};
    return batch;
}

const struct windows *window_whole(struct tape *tape, const struct interest_model *model,
                                   const struct behavior_batch *batch)
{
    struct windows *windows = arena_take(tape->arena, sizeof *windows);
    uint32_t *live = arena_take(tape->arena, batch->users * sizeof *live);
    const uint32_t *offsets = batch->offsets;
    for (uint32_t user = 0; user < batch->users; user++) {
        live[user] = model->ops->live(&model->dims, offsets[user + 1] - offsets[user]);
    }
    *windows = (struct windows){batch->at, offsets, offsets + 1, live, batch->users};
    return windows;
}

const struct windows *window_points(struct tape *tape, const struct interest_model *model,
                                    const struct behavior_batch *batch,
                                    const struct read_points *points)
{
    struct windows *windows = arena_take(tape->arena, sizeof *windows);
    uint32_t *first = arena_take(tape->arena, points->count * sizeof *first);
    uint32_t *end = arena_take(tape->arena, points->count * sizeof *end);
    uint32_t *live = arena_take(tape->arena, points->count * sizeof *live);
    uint32_t user = 0;
    for (uint32_t i = 0; i < points->count; i++) {
        const uint32_t event = points->events[i];
        while (batch->offsets[user + 1] <= event) {
            user++;
        }
        const uint32_t seen = event + 1 - batch->offsets[user];
        end[i] = event + 1;
        first[i] = event + 1 - window_fill(model->dims.window, seen);
        live[i] = model->ops->live(&model->dims, seen);
    }
    *windows = (struct windows){batch->at, first, end, live, points->count};
    return windows;
}

/* Behaviors before the window weigh nothing. */
static void window_weigh(struct tape *tape, const struct interest_model *model, const real *state,
                         const struct explain_notes *notes, real *weights)
{
    const uint32_t interests = model->dims.interests;
    const struct interest_reads reads = model->ops->read(tape, model, &state, 1);
    const struct tensor *shares = reads.shares;
    const size_t before = notes->count - shares->rows;
    for (uint32_t i = 0; i < shares->rows; i++) {
        memcpy(weights + (before + i) * interests, shares->data + (size_t)i * shares->cols,
               shares->cols * sizeof *weights);
    }
}

const struct explain_ops *window_explain(const struct model_dims *dims)
{
    static const struct explain_ops ops = {.weigh = window_weigh};
    (void)dims;
    return &ops;
}
