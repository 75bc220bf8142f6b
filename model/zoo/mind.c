/*
 * mind.c - behavior-to-interest dynamic routing over a window (models.md 5.5).
 *
 * The state is the window itself: a user's last behaviors, as rows of the tables, in a ring.
 * Reading embeds them, routes them to at most K capsules, as many as the window can fill, and
 * passes each through two layers. An event keeps its embedding as the window slides, since what is
 * stored of its gap is the bucket that it fell into when it came.
 */
#include <stdlib.h>

#include "model/tensor/op_routing.h"
#include "model/zoo/layers.h"

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

struct mind {
    struct linear bilinear;
    struct routing routing;
    struct linear hidden;
    struct linear output;
    size_t ring_at; /* of the ring in a state */
};

static enum status mind_check(const struct model_dims *dims, struct error *error)
{
    if (dims->window < 1 || dims->iterations < 1 || dims->mlp < 1) {
        return error_set(error, STATUS_INVALID,
                         "window = %u, iterations = %u, mlp = %u: mind needs at least 1 of each",
                         dims->window, dims->iterations, dims->mlp);
    }
    return STATUS_OK;
}

static void mind_declare(struct param_set *params, const struct model_dims *dims)
{
    const uint32_t d = dims->d, mlp = dims->mlp;
    const struct param_spec init = {.init = PARAM_NORMAL,
                                    .spread = 1,
                                    .rank = 2,
                                    .shape = {dims->window, dims->interests},
                                    .constant = true};
    param_declare(params, param_matrix(d, d), "bilinear.weight");
    param_declare(params, init, "routing.init");
    param_declare(params, param_matrix(mlp, d), "output.0.weight");
    param_declare(params, param_vector(PARAM_ZEROS, mlp), "output.0.bias");
    param_declare(params, param_matrix(d, mlp), "output.1.weight");
    param_declare(params, param_vector(PARAM_ZEROS, d), "output.1.bias");
}

static void mind_layout(struct state_layout *layout, const struct model_dims *dims)
{
    const size_t size = sizeof(struct ring) + dims->window * sizeof(struct slot);
    state_layout_add(layout, size / sizeof(real), "window");
}

static void mind_close(struct interest_model *model)
{
    struct mind *mind = model->zoo;
    if (!mind) return;
    linear_close(&mind->bilinear);
    linear_close(&mind->hidden);
    linear_close(&mind->output);
    free(mind);
}

static enum status mind_open_weights(struct mind *mind, const struct param_set *params,
                                     struct error *error)
{
    TRY(layer_open(&mind->bilinear, params, error, "bilinear"));
    TRY(layer_open(&mind->hidden, params, error, "output.0"));
    return layer_open(&mind->output, params, error, "output.1");
}

static enum status mind_open(struct interest_model *model, struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    struct mind *mind = calloc(1, sizeof *mind);
    if (!mind) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = mind;
    mind->routing = (struct routing){.init = param_set_get(params, "routing.init"),
                                     .iterations = model->dims.iterations};
    mind->ring_at = state_layout_at(&model->state, "window");
    enum status status = mind_open_weights(mind, params, error);
    if (status != STATUS_OK) mind_close(model);
    return status;
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

static void mind_absorb(struct tape *tape, const struct interest_model *model, real *const *states,
                        const struct behavior_batch *batch)
{
    const struct mind *mind = model->zoo;
    const uint32_t window = model->dims.window;
    (void)tape;
    for (uint32_t user = 0; user < batch->users; user++) {
        struct ring *ring = (void *)(states[user] + mind->ring_at);
        for (uint32_t i = batch->offsets[user]; i < batch->offsets[user + 1]; i++) {
            const struct behavior *behavior = &batch->at[i];
            ring->at[ring->count++ % window] = (struct slot){
                .item = behavior->item,
                .category = behavior->category,
                .bucket = bucket_of(behavior->gap_s),
                .phase = (uint32_t)(behavior->ordinal % window),
            };
        }
    }
}

static uint32_t fill_of(const struct model_dims *dims, uint64_t events)
{
    return events < dims->window ? (uint32_t)events : dims->window;
}

/* max(1, min(K, floor(log2 n))) of a window of n > 0 behaviors; min(K, n) if K is fixed. */
static uint32_t mind_live(const struct model_dims *dims, uint64_t events)
{
    const uint32_t n = fill_of(dims, events);
    if (dims->fixed_interests) return n < dims->interests ? n : dims->interests;
    if (n < 4) return n > 0;
    const uint32_t log2 = 31 - (uint32_t)__builtin_clz(n);
    return log2 < dims->interests ? log2 : dims->interests;
}

/* The behaviors of all windows, oldest first, as a batch in the tape's arena. */
static struct behavior_batch unroll(struct tape *tape, const struct interest_model *model,
                                    const real *const *states, uint32_t users)
{
    const struct mind *mind = model->zoo;
    const uint32_t window = model->dims.window;
    struct behavior *at = arena_take(tape->arena, (size_t)users * window * sizeof *at);
    uint32_t *offsets = arena_take(tape->arena, (users + (size_t)1) * sizeof *offsets);
    uint32_t end = 0;
    for (uint32_t user = 0; user < users; user++) {
        const struct ring *ring = (const void *)(states[user] + mind->ring_at);
        offsets[user] = end;
        for (uint64_t i = ring->count - fill_of(&model->dims, ring->count); i < ring->count; i++) {
            const struct slot *slot = &ring->at[i % window];
            at[end++] = (struct behavior){.item = slot->item,
                                          .category = slot->category,
                                          .gap_s = gap_of(slot->bucket),
                                          .ordinal = slot->phase};
        }
    }
    offsets[users] = end;
    return (struct behavior_batch){at, offsets, users};
}

/* Interests of windows over the events of `batch`. Both are kept until the backward pass. */
static struct interest_reads mind_interests(struct tape *tape, const struct interest_model *model,
                                            const struct behavior_batch *batch,
                                            const struct windows *windows)
{
    const struct mind *mind = model->zoo;
    struct tensor *x = op_dropout(tape, op_embed(tape, &model->tables, batch));
    struct tensor *projected = op_linear(tape, &mind->bilinear, x);
    struct tensor *capsules = op_route(tape, &mind->routing, projected, windows);
    struct tensor *hidden = op_relu(tape, op_linear(tape, &mind->hidden, capsules));
    return (struct interest_reads){.vectors = op_linear(tape, &mind->output, hidden)};
}

static struct interest_reads mind_read(struct tape *tape, const struct interest_model *model,
                                       const real *const *states, uint32_t users)
{
    const struct behavior_batch batch = unroll(tape, model, states, users);
    uint32_t *live = arena_take(tape->arena, users * sizeof *live);
    for (uint32_t user = 0; user < users; user++) {
        live[user] = mind_live(&model->dims, batch.offsets[user + 1] - batch.offsets[user]);
    }
    const struct windows windows = {batch.at, batch.offsets, batch.offsets + 1, live, users};
    return mind_interests(tape, model, &batch, &windows);
}

/* The window of each point: its event and those before it, of the same user. */
static const struct windows *windows_of(struct tape *tape, const struct model_dims *dims,
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
        first[i] = event + 1 - fill_of(dims, seen);
        live[i] = mind_live(dims, seen);
    }
    *windows = (struct windows){batch->at, first, end, live, points->count};
    return windows;
}

static struct interest_reads mind_steps(struct tape *tape, const struct interest_model *model,
                                        const struct behavior_batch *batch,
                                        const struct read_points *points)
{
    return mind_interests(tape, model, batch, windows_of(tape, &model->dims, batch, points));
}

const struct interest_ops mind_ops = {
    .name = "mind",
    .paper = "Li et al., Multi-Interest Network with Dynamic Routing for Recommendation at Tmall, "
             "CIKM 2019, arXiv 1904.08030",
    .defaults = {.d = 64,
                 .interests = 4,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .temperature = 0.1f,
                 .window = 50,
                 .iterations = 3,
                 .mlp = 256},
    .keeps_history = true,
    .check = mind_check,
    .declare = mind_declare,
    .layout = mind_layout,
    .open = mind_open,
    .close = mind_close,
    .absorb = mind_absorb,
    .read = mind_read,
    .steps = mind_steps,
    .live = mind_live,
};
