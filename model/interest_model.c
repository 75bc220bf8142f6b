/*
 * interest_model.c - opens models, and cuts any batch into tiles that stay in the cache.
 *
 * A tile is some consecutive events of a ragged batch, of however many users; it goes through all
 * layers before the next begins. It has TILE_EVENTS, or fewer if the model's dimensions are so large
 * that its tensors would be beyond any cache: so what a pass needs is bounded for every model. Where tiles are cut changes no byte: every row of
 * a product is computed alike, and the recurrences run in event order on the users' states. While a
 * tile is worked off, the item rows and the states of the next are on their way from memory: a poll
 * touches more states than any cache holds.
 */
#include "model/interest_ops.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "model/tensor/float_mode.h"
#include "model/kernel/kernel.h"

enum {
    TILE_EVENTS = 48, /* whole tiles of the matrix kernel; all its activations fit the L2 cache */
    TILE_USERS = 48,
    TILE_REALS = 1 << 20,   /* of the largest tensors of a tile; larger models have smaller tiles */
    MEASURE_SIZE = 1 << 24, /* bytes, of the pass that measures; more if it needs more */
};

_Static_assert((int)INTERESTS_MAX <= (int)INTEREST_SELECT_MAX, "selection reads all interests");

struct interest_scratch {
    struct arena arena;
    real *states[TILE_EVENTS];
    uint32_t offsets[TILE_EVENTS + 1];
};

void state_layout_add(struct state_layout *layout, size_t count, const char *name_format, ...)
{
    REQUIRE(layout->count < STATE_PARTS_MAX);
    struct state_part *part = &layout->parts[layout->count++];
    va_list arguments;
    va_start(arguments, name_format);
    int length = vsnprintf(part->name, sizeof(part->name), name_format, arguments);
    va_end(arguments);
    REQUIRE(length > 0 && length <= STATE_NAME_MAX);
    part->at = layout->size;
    part->count = count;
    layout->size += count;
}

void state_layout_start(struct state_layout *layout, real value)
{
    REQUIRE(layout->count > 0);
    layout->parts[layout->count - 1].start = value;
}

size_t state_layout_at(const struct state_layout *layout, const char *name_format, ...)
{
    char name[STATE_NAME_MAX + 1];
    va_list arguments;
    va_start(arguments, name_format);
    vsnprintf(name, sizeof(name), name_format, arguments);
    va_end(arguments);
    for (uint32_t i = 0; i < layout->count; i++) {
        if (strcmp(layout->parts[i].name, name) == 0) return layout->parts[i].at;
    }
    require_failed(name, __FILE__, __LINE__);
}

static uint64_t dictionary_fingerprint(const struct item_table *items)
{
    uint64_t chain = item_table_oov(items);
    for (uint32_t row = 0; row < item_table_rows(items); row++) {
        struct bytes id = item_table_id(items, row);
        uint64_t link[] = {chain, identity_of(id.at, id.size), item_table_category_of(items, row)};
        chain = checksum_of(link, sizeof(link));
    }
    if (item_table_lists_count(items) == 0) return chain;
    const struct bytes parts[] = {
        {&chain, sizeof chain},
        {item_table_item_categories(items), item_table_items(items) * sizeof(uint32_t)},
        {item_table_lists(items), item_table_lists_count(items) * sizeof(struct category_list)},
    };
    return checksum_of_parts(parts, sizeof parts / sizeof parts[0]);
}

/* Over all that the bytes of a state depend on. */
static uint64_t fingerprint_states(const struct interest_model *model)
{
    const struct model_dims *dims = &model->dims;
    const float ledger[] = {dims->new_cosine, dims->merge_cosine,  dims->drop_mass,
                            dims->split_mass, dims->split_scatter, dims->split_share};
    uint32_t half_life;
    memcpy(&half_life, &dims->half_life_days, sizeof half_life);
    uint64_t link[] = {
        INTEREST_NUMERICS,
        identity_of(model->ops->name, strlen(model->ops->name)),
        dims->d,
        dims->heads,
        dims->blocks,
        dims->ffn,
        dims->extract_heads,
        dims->conditional,
        dims->window,
        dims->induction_top,
        half_life,
        dims->entries,
        checksum_of(ledger, sizeof ledger),
        param_set_fingerprint(model->checkpoint->params, PARAMS_STATE_PRODUCING),
        dictionary_fingerprint(model->checkpoint->items),
    };
    /* A dimension that models have had later leaves no trace where it is 0. */
    const uint32_t later[] = {dims->steps, dims->positions};
    uint64_t chain = checksum_of(link, sizeof(link));
    for (uint32_t i = 0; i < sizeof later / sizeof *later; i++) {
        const uint64_t next[] = {chain, i, later[i]};
        if (later[i]) chain = checksum_of(next, sizeof next);
    }
    return chain;
}

static uint32_t less(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t more(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* How many rows of so many reals a tile has room for, `most` at most and one at least. */
static uint32_t tile_rows(uint32_t reals, uint32_t most)
{
    return more(1, less(most, TILE_REALS / reals));
}

/* An event may move all slots of a memory; a read has a row for each behavior of a window. */
static void set_tiles(struct interest_model *model)
{
    const struct model_dims *dims = &model->dims;
    const uint32_t all = dims->interests * dims->d; /* of one event or of one user */
    const uint32_t hidden = more(more(dims->ffn, dims->attention), 2 * dims->width);
    const uint32_t rows = more(dims->interests, dims->window);
    const uint32_t cols = more(dims->d, more(dims->mlp, dims->attention));
    model->tile_events = tile_rows(more(all, hidden), TILE_EVENTS);
    model->tile_users =
        tile_rows(more(more(rows * cols, dims->window * all), dims->prototypes), TILE_USERS);
}

/*
 * A tile of padding, of one user or of as many as it has events. Whatever a model does every so many
 * events is due at each of them.
 */
static void absorb_padding(struct tape *tape, const struct interest_model *model, real *state,
                           uint32_t users)
{
    struct behavior padding[TILE_EVENTS];
    real *states[TILE_EVENTS];
    uint32_t offsets[TILE_EVENTS + 1] = {0};
    for (uint32_t i = 0; i < TILE_EVENTS; i++) {
        padding[i] = (struct behavior){.ordinal = ORDINAL_OF_ALL};
    }
    for (uint32_t user = 0; user < users; user++) {
        states[user] = state;
        offsets[user + 1] = model->tile_events / users * (user + 1);
    }
    const struct behavior_batch batch = {padding, offsets, users};
    model->ops->absorb(tape, model, states, &batch);
    arena_release(tape->arena, 0);
}

/* Room for interest_select; NULL if the model does not select. */
static double *take_basis(struct tape *tape, const struct interest_model *model)
{
    const size_t size = (size_t)model->dims.interests * model->dims.d * sizeof(double);
    return model->prior ? arena_take(tape->arena, size) : NULL;
}

/* A model that is measured, in an arena that grows, with one state for all users. */
struct measuring {
    const struct interest_model *model;
    struct arena arena;
    real *state;
};

/* Full tiles of absorbing, deep and wide, and of reading full windows. */
static void pass_once(void *context)
{
    struct measuring *measuring = context;
    const struct interest_model *model = measuring->model;
    struct tape tape = {.arena = &measuring->arena};
    const real *states[TILE_USERS];
    for (uint32_t user = 0; user < TILE_USERS; user++) {
        states[user] = measuring->state;
    }
    interest_state_init(model, measuring->state);
    absorb_padding(&tape, model, measuring->state, model->tile_events);
    for (uint32_t seen = 0; seen <= model->dims.window; seen += model->tile_events) {
        absorb_padding(&tape, model, measuring->state, 1);
    }
    model->ops->read(&tape, model, states, model->tile_users);
    take_basis(&tape, model);
}

/* The most memory that a pass takes. */
static enum status measure_scratch(struct interest_model *model, struct error *error)
{
    struct measuring measuring = {.model = model, .state = calloc(model->state.size, sizeof(real))};
    if (!measuring.state) return error_set(error, STATUS_IO, "out of memory for a state");
    enum status status = arena_open_growing(&measuring.arena, MEASURE_SIZE, error);
    if (status == STATUS_OK) status = arena_try(&measuring.arena, pass_once, &measuring, error);
    model->scratch_size = measuring.arena.peak;
    arena_close(&measuring.arena);
    free(measuring.state);
    return status;
}

enum status interest_model_open(struct interest_model **modelp, const struct checkpoint *checkpoint,
                                struct error *error)
{
    *modelp = NULL;
    const struct interest_ops *ops = interest_ops_find(checkpoint->model);
    if (!ops) {
        return error_set(error, STATUS_INVALID, "there is no model named \"%s\"",
                         checkpoint->model);
    }
    struct interest_model *model = calloc(1, sizeof(*model));
    if (!model) return error_set(error, STATUS_IO, "out of memory for the model");
    const struct param_set *params = checkpoint->params;
    model->ops = ops;
    model->checkpoint = checkpoint;
    model->dims = checkpoint->dims;
    model->select = (struct interest_select){.evidence_min = (double)model->dims.evidence_min,
                                             .residual_min = (double)model->dims.residual_min};
    model->prior = param_set_find(params, "select.prior");
    model->profile = param_set_find(params, "profile.embedding");
    ops->layout(&model->state, &model->dims);
    set_tiles(model);
    model->tables = (struct embedding_tables){
        .item = param_set_get(params, "item.embedding"),
        .category = param_set_find(params, "category.embedding"),
        .gap = param_set_find(params, "gap.embedding"),
        .lists = item_table_lists(checkpoint->items),
        .width = model->dims.d,
    };
    model->state_fingerprint = fingerprint_states(model);
    enum status status = ops->open(model, error);
    if (status == STATUS_OK) {
        status = measure_scratch(model, error);
        if (status == STATUS_OK) {
            *modelp = model;
            return STATUS_OK;
        }
        ops->close(model);
    }
    free(model);
    return status;
}

void interest_model_close(struct interest_model *model)
{
    if (!model) return;
    model->ops->close(model);
    free(model);
}

const char *interest_model_name(const struct interest_model *model)
{
    return model->ops->name;
}

uint32_t interest_model_width(const struct interest_model *model)
{
    return model->dims.d;
}

uint32_t interest_model_count(const struct interest_model *model)
{
    return model->dims.interests;
}

bool interest_model_has_intent(const struct interest_model *model)
{
    return model->ops->has_intent;
}

bool interest_model_takes_profile(const struct interest_model *model)
{
    return model->profile != NULL;
}

uint64_t interest_model_generation(const struct interest_model *model)
{
    return model->checkpoint->generation;
}

uint64_t interest_model_fingerprint(const struct interest_model *model)
{
    return model->checkpoint->fingerprint;
}

uint64_t interest_model_state_fingerprint(const struct interest_model *model)
{
    return model->state_fingerprint;
}

const struct item_table *interest_model_items(const struct interest_model *model)
{
    return model->checkpoint->items;
}

size_t interest_model_state_size(const struct interest_model *model)
{
    return model->state.size * sizeof(real);
}

void interest_state_init(const struct interest_model *model, void *state)
{
    real *reals = state;
    for (uint32_t i = 0; i < model->state.count; i++) {
        const struct state_part *part = &model->state.parts[i];
        for (size_t at = part->at; at < part->at + part->count; at++) {
            reals[at] = part->start;
        }
    }
}

enum status interest_scratch_open(struct interest_scratch **scratchp,
                                  const struct interest_model *model, struct error *error)
{
    *scratchp = NULL;
    struct interest_scratch *scratch = calloc(1, sizeof(*scratch));
    if (!scratch) return error_set(error, STATUS_IO, "out of memory for scratch");
    enum status status = arena_open(&scratch->arena, model->scratch_size, error);
    if (status != STATUS_OK) {
        free(scratch);
        return status;
    }
    *scratchp = scratch;
    return STATUS_OK;
}

void interest_scratch_close(struct interest_scratch *scratch)
{
    if (!scratch) return;
    arena_close(&scratch->arena);
    free(scratch);
}

size_t interest_scratch_size(const struct interest_scratch *scratch)
{
    return sizeof(*scratch) + scratch->arena.size;
}

/* Where a walk over a ragged batch stands. */
struct cursor {
    uint32_t event;
    uint32_t user; /* the one that `event` belongs to, or an earlier one without events left */
};

/* Cuts the next tile out of `batch` into the scratch's arrays. */
static struct behavior_batch tile_next(const struct interest_model *model,
                                       struct interest_scratch *scratch, struct cursor *cursor,
                                       void *const *states, const struct behavior_batch *batch)
{
    struct behavior_batch tile = {batch->at + cursor->event, scratch->offsets, 0};
    uint32_t rows = 0;
    scratch->offsets[0] = 0;
    while (rows < model->tile_events && cursor->user < batch->users) {
        uint32_t left = batch->offsets[cursor->user + 1] - cursor->event;
        uint32_t take = less(left, model->tile_events - rows);
        if (take > 0) {
            scratch->states[tile.users++] = states[cursor->user];
            rows += take;
            cursor->event += take;
            scratch->offsets[tile.users] = rows;
        }
        if (take == left) cursor->user++;
    }
    return tile;
}

/* Asks for the item rows of the tile that begins at `event`. */
static void prefetch_items(const struct interest_model *model, const struct behavior_batch *batch,
                           uint32_t event)
{
    const size_t size = model->dims.d * sizeof(real);
    const char *table = (const char *)model->tables.item->data;
    uint32_t end = batch->offsets[batch->users];
    if (end - event > model->tile_events) end = event + model->tile_events;
    for (; event < end; event++) {
        for (size_t line = 0; line < size; line += ARENA_ALIGNMENT) {
            __builtin_prefetch(table + batch->at[event].item * size + line);
        }
    }
}

/* The states of the tile that begins at the cursor. */
static struct prefetch states_after(const struct interest_model *model, const struct cursor *cursor,
                                    void *const *states, const struct behavior_batch *batch)
{
    uint32_t end = cursor->user;
    while (end < batch->users && batch->offsets[end] < cursor->event + model->tile_events) {
        end++;
    }
    return prefetch_of((const void *const *)states + cursor->user, end - cursor->user, 0,
                       interest_model_state_size(model));
}

void interest_absorb(const struct interest_model *model, struct interest_scratch *scratch,
                     void *const *states, const struct behavior_batch *batch)
{
    const unsigned mode = float_mode_enter();
    const uint32_t events = batch->offsets[batch->users];
    struct cursor cursor = {0, 0};
    struct tape tape = {.arena = &scratch->arena};
    while (cursor.event < events) {
        struct behavior_batch tile = tile_next(model, scratch, &cursor, states, batch);
        prefetch_items(model, batch, cursor.event);
        tape.prefetch = states_after(model, &cursor, states, batch);
        model->ops->absorb(&tape, model, scratch->states, &tile);
        arena_release(&scratch->arena, 0);
    }
    float_mode_leave(mode);
}

/* Shares of the evidence over the live interests; without any evidence (NULL, or 0) equal ones. */
static void set_weights(real *weights, const real *evidence, uint32_t live, uint32_t interests)
{
    real sum = 0;
    for (uint32_t k = 0; evidence && k < live; k++) {
        sum += evidence[k];
    }
    for (uint32_t k = 0; k < interests; k++) {
        weights[k] = k >= live ? 0 : sum > 0 ? evidence[k] / sum : 1 / (real)live;
    }
}

struct user_read interest_user_read(struct tape *tape, const struct interest_model *model,
                                    const struct interest_reads *reads, uint32_t user,
                                    uint64_t events)
{
    const size_t interests = model->dims.interests;
    return (struct user_read){
        .vectors = reads->vectors->data + user * interests * model->dims.d,
        .evidence = reads->evidence ? reads->evidence->data + user * interests : NULL,
        .live = reads->live ? reads->live[user] : model->ops->live(&model->dims, events),
        .events = events,
        .basis = take_basis(tape, model),
    };
}

uint32_t interest_choose(const struct interest_model *model, const struct user_read *user,
                         uint32_t *chosen, real *weights)
{
    const uint32_t d = model->dims.d, interests = model->dims.interests;
    if (!model->prior) {
        for (uint32_t k = 0; k < user->live; k++) {
            chosen[k] = k;
        }
        set_weights(weights, user->evidence, user->live, interests);
        return user->live;
    }
    real share[INTERESTS_MAX];
    set_weights(share, user->evidence, interests, interests);
    const struct interest_select_read read = {user->vectors, share, model->prior->data,
                                              interests,     d,     user->events};
    memset(weights, 0, interests * sizeof *weights);
    return interest_select(&model->select, &read, user->basis, chosen, weights);
}

static void finish_user(const struct interest_model *model, const struct user_read *read,
                        struct interest_sets *sets, uint32_t user)
{
    const uint32_t d = model->dims.d, interests = model->dims.interests;
    real *out = sets->vectors + (size_t)user * interests * d;
    uint32_t chosen[INTERESTS_MAX];
    const uint32_t count =
        interest_choose(model, read, chosen, sets->weights + (size_t)user * interests);
    for (uint32_t k = 0; k < count; k++) {
        memcpy(out + (size_t)k * d, read->vectors + (size_t)chosen[k] * d, d * sizeof(real));
    }
    memset(out + (size_t)count * d, 0, (size_t)(interests - count) * d * sizeof(real));
    if (model->dims.cosine) kernel_unit(out, count, d);
    sets->count[user] = count;
}

static void finish_intent(const struct interest_model *model, const struct interest_reads *reads,
                          uint32_t at, const struct interest_sets *sets, uint32_t user)
{
    const uint32_t d = model->dims.d;
    real *out = sets->intent + (size_t)user * d;
    if (sets->count[user] == 0) {
        memset(out, 0, d * sizeof *out);
        return;
    }
    memcpy(out, reads->intent->data + (size_t)at * d, d * sizeof *out);
    if (model->dims.cosine) kernel_unit(out, 1, d);
}

void interest_read(const struct interest_model *model, struct interest_scratch *scratch,
                   const void *const *states, const uint64_t *events,
                   const struct user_profile *profiles, uint32_t users, struct interest_sets *sets)
{
    const unsigned mode = float_mode_enter();
    struct tape tape = {.arena = &scratch->arena};
    const size_t unread = model->state.read_from * sizeof(real);
    for (uint32_t first = 0; first < users; first += model->tile_users) {
        const real *tile[TILE_USERS];
        uint32_t count = less(users - first, model->tile_users);
        for (uint32_t user = 0; user < count; user++) {
            tile[user] = states[first + user];
        }
        uint32_t next = less(users - first - count, model->tile_users);
        tape.prefetch = prefetch_of(states + first + count, next, unread,
                                    interest_model_state_size(model) - unread);
        tape.profiles = profiles ? profiles + first : NULL;
        struct interest_reads reads = model->ops->read(&tape, model, tile, count);
        for (uint32_t user = 0; user < count; user++) {
            const size_t mark = arena_mark(tape.arena);
            const struct user_read read =
                interest_user_read(&tape, model, &reads, user, events[first + user]);
            finish_user(model, &read, sets, first + user);
            if (sets->intent && reads.intent) {
                finish_intent(model, &reads, user, sets, first + user);
            }
            arena_release(tape.arena, mark);
        }
        arena_release(&scratch->arena, 0);
    }
    float_mode_leave(mode);
}

void interest_shares(const struct interest_model *model, struct interest_scratch *scratch,
                     const void *state, real *shares)
{
    const unsigned mode = float_mode_enter();
    const uint32_t interests = model->dims.interests;
    const real *states[] = {state};
    struct tape tape = {.arena = &scratch->arena};
    const struct interest_reads reads = model->ops->read(&tape, model, states, 1);
    const real *evidence = reads.evidence ? reads.evidence->data : NULL;
    set_weights(shares, evidence, interests, interests);
    arena_release(&scratch->arena, 0);
    float_mode_leave(mode);
}

struct interest_reads interest_steps(struct tape *tape, const struct interest_model *model,
                                     const struct behavior_batch *batch,
                                     const struct read_points *points)
{
    tape->profiles = points->profiles;
    struct interest_reads reads = model->ops->steps(tape, model, batch, points);
    if (reads.live) return reads;
    reads.live = arena_take(tape->arena, points->count * sizeof(*reads.live));
    uint32_t user = 0;
    for (uint32_t i = 0; i < points->count; i++) {
        while (batch->offsets[user + 1] <= points->events[i]) {
            user++;
        }
        uint32_t events = points->events[i] - batch->offsets[user] + 1;
        reads.live[i] = model->ops->live(&model->dims, events);
    }
    return reads;
}
