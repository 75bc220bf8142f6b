/* round.c - the steps of a round, each in a function; memory of one round lies in `struct work`. */
#include "stream/learn/round.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "model/checkpoint_grow.h"
#include "model/generations.h"
#include "model/interest_ops.h"
#include "model/train/prior.h"
#include "stream/learn/dictionary.h"

enum {
    WINDOW_CUTS = 8, /* steps of a sequence that are samples, of models that keep a window */
    GATE_EVENTS_MAX = 10000,
    BEHAVIORS_MIN = 100, /* less is no log */
    CONTEXT_MAX = 50,    /* behaviors before what is new that a later round absorbs */
    NEWCOMER_EVENTS = 5,
    RETURN_GAP_S = 30 * 86400,
    ITEMS_SPARE = 64, /* this part of the items fewer than their mean size says: sizes differ */
};

struct work {
    const struct round_options *options;
    const struct round_input *input;
    struct round_result *result;
    struct history_sample sample;
    struct name_set *items; /* the learner's, */
    const struct name_set *categories;
    struct dataset *known;   /* the sample as the current generation resolves it, or NULL */
    struct dataset *dataset; /* as the candidate does */
    uint32_t *until;         /* [users] behaviors to learn from, */
    uint32_t *context;       /* [users] and the first of them that are learned from no more */
};

struct round_options round_options_defaults(void)
{
    struct round_options options = {
        .model = "gdelta",
        .dims = interest_ops_find("gdelta")->defaults,
        .behaviors_max = 2000000,
        .rehearsal = 0,
        .minibatch = 512,
        .item_min = 2,
        .items_max = NAMES_MAX,
        .first = train_options_defaults(),
        .next = train_options_defaults(),
        .gate = {GATE_EVENTS_MIN, GATE_EVENTS_MAX, 0, {NEWCOMER_EVENTS, RETURN_GAP_S}},
        .seed = 1,
    };
    options.first.rate = options.next.rate = 0.003;
    options.first.epochs = 16;
    options.next.epochs = 4;
    options.first.validation_users = options.next.validation_users = 0; /* the gate judges */
    options.next.warm = true;
    return options;
}

/* ---- what there is ---- */

/*
 * Everybody, as far as memory goes: what is asked about and counted is to be all there is. Who is
 * learned from is decided later.
 */
static enum status read_sample(struct work *work, struct error *error)
{
    const struct round_options *options = work->options;
    const struct history_sample_options draw = {
        .active_since_ms = work->input->learned_ms,
        .rehearsal = 1,
        .behaviors_max = options->behaviors_max,
        .seed = splitmix64(options->seed ^ splitmix64(work->input->number)),
    };
    TRY(history_sample_read(&work->sample, &work->input->stores, &draw, error));
    if (work->input->sampled) work->input->sampled(work->input->sampled_context);
    work->result->users = work->sample.users_count;
    work->result->behaviors = work->sample.behaviors_count;
    work->result->users_left_out = work->sample.users_left_out;
    if (work->sample.behaviors_count >= BEHAVIORS_MIN) return STATUS_OK;
    return error_set(error, STATUS_NOT_FOUND,
                     "%zu events of %" PRIu32 " users are too few to learn",
                     work->sample.behaviors_count, work->sample.users_count);
}

/* How often each item was seen in the sample. */
static void count_items(struct work *work)
{
    const struct history_sample *sample = &work->sample;
    for (uint32_t i = 0; i < work->items->count; i++) {
        work->items->names[i].count = 0;
    }
    for (uint32_t user = 0; user < sample->users_count; user++) {
        const struct sampled_user *of = &sample->users[user];
        for (uint32_t i = 0; i < of->count; i++) {
            struct name *name = name_set_find(work->items, sample->behaviors[of->at + i].item);
            if (name) name->count++;
        }
    }
}

/* ---- the candidate ---- */

/* Of a candidate over `items` that goes on from what serves, or is drawn anew. */
static struct model_dims candidate_dims(const struct work *work, const struct item_table *items)
{
    const struct checkpoint *current = work->input->current;
    struct model_dims dims = current ? current->dims : work->options->dims;
    if (current && !work->options->fresh) return dims;
    if (item_table_categories(items) == 0) dims.use_category = dims.tags = false;
    if (!dims.use_gap) dims.gap_buckets = 0; /* what a model does not have is 0 */
    if (!dims.cosine) dims.temperature = 0;
    return dims;
}

static const char *candidate_model(const struct work *work)
{
    return work->input->current ? work->input->current->model : work->options->model;
}

/* How many items to try with if a generation of so many takes `size`, which is too much. */
static uint32_t fewer_items(uint32_t items, uint64_t size, uint64_t size_max)
{
    const double share = (double)size_max / (double)size;
    const uint32_t fewer = (uint32_t)(items * share), spare = items / ITEMS_SPARE + 1;
    return fewer > spare ? fewer - spare : 1;
}

/* As many items as are allowed, and as memory has room for; counts are of the sample. */
static enum status fit_dictionary(struct work *work, const struct item_table *before,
                                  struct item_table **itemsp, struct error *error)
{
    const struct checkpoint *current = work->input->current;
    const uint64_t size_max = work->input->size_max;
    struct dictionary_options rows = {ROUND_OOV_ROWS, work->options->items_max,
                                      work->options->item_min,
                                      (current ? &current->dims : &work->options->dims)->tags};
    for (;;) {
        uint64_t size;
        TRY(dictionary_open(itemsp, before, work->items, work->categories, &rows, error));
        const uint32_t items = item_table_items(*itemsp);
        const struct model_dims dims = candidate_dims(work, *itemsp);
        const enum status status =
            generation_size_of(candidate_model(work), &dims, *itemsp, &size, error);
        if (status == STATUS_OK && (size_max == 0 || size <= size_max || items <= 1)) {
            return STATUS_OK;
        }
        item_table_close(*itemsp);
        TRY(status);
        rows.items_max = fewer_items(items, size, size_max);
    }
}

static void count_changes(struct round_result *result, const struct item_table *before,
                          const struct item_table *items)
{
    const uint32_t rows = item_table_rows(items);
    result->items = item_table_items(items);
    for (uint32_t row = 1 + item_table_oov(items); row < rows; row++) {
        const struct bytes id = item_table_id(items, row);
        const uint64_t hash = identity_of(id.at, id.size);
        result->items_new += !before || item_table_find(before, hash) == 0;
    }
    if (before) {
        result->items_evicted = item_table_items(before) - (result->items - result->items_new);
    }
}

static enum status open_candidate(struct work *work, struct error *error)
{
    const struct checkpoint *current = work->input->current;
    const struct item_table *before = current && !work->options->fresh ? current->items : NULL;
    const uint64_t number = work->input->number;
    struct item_table *items;
    TRY(work->input->names(work->input->names_context, &work->items, &work->categories, error));
    count_items(work);
    TRY(fit_dictionary(work, before, &items, error));
    count_changes(work->result, before, items);
    if (item_table_items(items) == 0) {
        item_table_close(items);
        return error_set(error, STATUS_NOT_FOUND, "no item has been seen %" PRIu64 " times so far",
                         work->options->item_min);
    }
    if (before) {
        TRY(checkpoint_grow(&work->result->candidate, current, items, number, error));
    } else {
        const struct model_dims dims = candidate_dims(work, items);
        TRY(checkpoint_init(&work->result->candidate, candidate_model(work), &dims, items,
                            work->options->seed, error));
    }
    work->result->candidate->generation = number;
    work->result->candidate->state_generation = number;
    return generation_check_size(work->result->candidate, work->input->size_max, error);
}

static enum status open_datasets(struct work *work, struct error *error)
{
    const struct checkpoint *current = work->input->current;
    uint64_t unknown;
    TRY(history_sample_dataset(&work->sample, work->result->candidate->items, &work->dataset,
                               &work->result->unknown, error));
    if (!current) return STATUS_OK;
    return history_sample_dataset(&work->sample, current->items, &work->known, &unknown, error);
}

/*
 * What was learned from before is context of what is new, unless the user is drawn to be rehearsed.
 * A first generation, or one drawn anew, learns from everything.
 */
static void plan_learning(struct work *work)
{
    const struct dataset *dataset = work->dataset;
    const bool all = work->options->fresh || !work->input->current;
    const uint64_t seed = splitmix64(~work->options->seed ^ splitmix64(work->input->number));
    gate_known(dataset, work->result->learned_ms, work->until);
    if (!all) gate_known(dataset, work->input->learned_ms, work->context);
    for (uint32_t user = 0; user < dataset_users(dataset); user++) {
        const uint64_t draw = splitmix64(dataset_user_hash(dataset, user) ^ seed) >> 11;
        if ((double)draw * 0x1p-53 < work->options->rehearsal) work->context[user] = 0;
        work->result->users_learned += work->until[user] > work->context[user];
    }
}

/* A first generation learns from everything; a later one leaves the newest events to the gate. */
static enum status set_cut(struct work *work, struct error *error)
{
    const struct dataset *dataset = work->dataset;
    const uint32_t users = dataset_users(dataset), wanted = work->options->gate.events_min;
    const int64_t since_ms = work->input->learned_ms;
    int64_t cut_ms;
    TRY(gate_cut(dataset, INT64_MIN, 0, &work->result->measured_ms, error));
    TRY(gate_cut(dataset, since_ms, work->input->current ? wanted : 0, &cut_ms, error));
    if (work->input->current &&
        dataset_behaviors(dataset) - gate_learned(dataset, cut_ms) < wanted) {
        return error_set(error, STATUS_NOT_FOUND,
                         "fewer than %" PRIu32 " events since the last round to judge by", wanted);
    }
    work->result->learned_ms = cut_ms;
    work->until = calloc(users + (size_t)1, sizeof *work->until);
    work->context = calloc(users + (size_t)1, sizeof *work->context);
    if (!work->until || !work->context) {
        return error_set(error, STATUS_IO, "out of memory: a round of training");
    }
    plan_learning(work);
    return STATUS_OK;
}

/* ---- learning ---- */

/* How many pieces of histories have about as many events to find as a minibatch is to have. */
static uint32_t minibatch_sequences(const struct work *work, uint32_t steps_max)
{
    uint64_t pieces = 0, events = 0;
    for (uint32_t user = 0; user < dataset_users(work->dataset); user++) {
        const uint32_t found = work->until[user] - work->context[user];
        pieces += (found + steps_max - 1) / steps_max;
        events += found;
    }
    const uint64_t wanted = events ? work->options->minibatch * pieces / events : 1;
    if (wanted < 1) return 1;
    return wanted < TRAIN_SEQUENCES_MAX ? (uint32_t)wanted : TRAIN_SEQUENCES_MAX;
}

static struct train_options train_options_of(const struct work *work)
{
    const bool first = work->options->fresh || !work->input->current;
    struct train_options options = first ? work->options->first : work->options->next;
    const struct checkpoint *candidate = work->result->candidate;
    const struct interest_ops *ops = interest_ops_find(candidate->model);
    options.retain = first ? 0 : work->options->retain;
    options.retained = candidate->dims.interests;
    options.cuts = interest_keeps_history(ops, &candidate->dims) ? WINDOW_CUTS : 0;
    options.context = work->context;
    options.context_max = CONTEXT_MAX;
    options.sequences = minibatch_sequences(work, options.steps_max);
    options.seed = splitmix64(work->options->seed ^ work->input->number);
    options.cancel = work->input->stores.cancel;
    return options;
}

static enum status train_candidate(struct work *work, struct error *error)
{
    const struct train_options options = train_options_of(work);
    struct checkpoint *candidate = work->result->candidate;
    const int64_t begun_ns = clock_process_ns();
    struct trainer *trainer;
    enum status status =
        trainer_open(&trainer, candidate, work->dataset, work->until, &options, error);
    /* Without one sample there is nothing to learn yet. */
    if (status == STATUS_INVALID) return error->status = STATUS_NOT_FOUND;
    TRY(status);
    while (status == STATUS_OK && trainer_more(trainer)) {
        struct train_epoch epoch;
        status = trainer_epoch(trainer, NULL, &epoch, error);
        work->result->samples += trainer_samples(trainer);
        work->result->loss = epoch.loss;
    }
    if (status == STATUS_OK) status = trainer_finish(trainer, error);
    trainer_close(trainer);
    work->result->train_seconds = (double)(clock_process_ns() - begun_ns) * 1e-9;
    TRY(status);
    return prior_measure(candidate, work->dataset, work->until, error);
}

static enum status judge_candidate(struct work *work, struct error *error)
{
    struct round_result *result = work->result;
    const atomic_bool *cancel = work->input->stores.cancel;
    const struct gate_arm current = {work->input->current, work->known, cancel};
    const struct gate_arm candidate = {result->candidate, work->dataset, cancel};
    TRY(gate_judge(&current, &candidate, result->learned_ms, &work->options->gate, &result->gate,
                   error));
    if (!work->input->current) return STATUS_OK;
    return gate_measure(&current, work->dataset, work->input->measured_ms, &work->options->gate,
                        &result->served, error);
}

static enum status run_steps(struct work *work, struct error *error)
{
    static enum status (*const steps[])(struct work *, struct error *) = {
        read_sample, open_candidate, open_datasets, set_cut, train_candidate, judge_candidate};
    const atomic_bool *cancel = work->input->stores.cancel;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (cancel && atomic_load(cancel)) return error_set(error, STATUS_END, "canceled");
        TRY(steps[i](work, error));
    }
    return STATUS_OK;
}

enum status round_run(const struct round_options *options, const struct round_input *input,
                      struct round_result *result, struct error *error)
{
    struct error own;
    *result =
        (struct round_result){.learned_ms = input->learned_ms, .measured_ms = input->measured_ms};
    struct work work = {.options = options, .input = input, .result = result};
    enum status status = run_steps(&work, error ? error : &own);
    free(work.until);
    free(work.context);
    dataset_close(work.dataset);
    dataset_close(work.known);
    history_sample_close(&work.sample);
    if (status != STATUS_OK) {
        checkpoint_close(result->candidate);
        result->candidate = NULL;
    }
    return status;
}
