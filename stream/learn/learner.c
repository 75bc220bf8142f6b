/* learner.c - a round, its verdict, and what becomes of the candidate. */
#include "stream/learn/learner.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "model/interest_ops.h"
#include "model/model_dir.h"
#include "stream/exchange/exchange.h"
#include "stream/learn/figures.h"
#include "stream/learn/known_items.h"
#include "stream/learn/report.h"
#include "stream/learn/round.h"

enum {
    NAMES_SHARE = 4,   /* of train.memory: names of items, also between rounds */
    ROUND_BYTES = 192, /* of a behavior in a round: its history, two datasets, a gate's clock */
};

struct learner {
    const struct config *config;
    struct round_options options;
    struct exchange *exchange;
    bool seated;              /* this process trains for its group */
    bool failing;             /* and the last look at the exchange failed */
    uint64_t refused;         /* the last generation of others that was too large; 0: none */
    struct known_items known; /* of the rounds so far */
    struct generations *generations;
    struct generation *serving; /* during a round: the one that serves, */
    struct checkpoint *current; /* and its checkpoint */
    uint64_t measured;          /* the generation that was measured, */
    int64_t measured_ms;        /* up to here */
};

/* ---- opening ---- */

static struct round_options learner_options(const struct config *config)
{
    static const enum readout readouts[] = {[CONFIG_READOUT_HARD] = READOUT_HARD,
                                            [CONFIG_READOUT_LABEL_AWARE] = READOUT_LABEL_AWARE,
                                            [CONFIG_READOUT_MAX] = READOUT_MAX};
    struct round_options options = round_options_defaults();
    options.behaviors_max =
        (config->train.memory - config->train.memory / NAMES_SHARE) / ROUND_BYTES;
    options.rehearsal = config->train.rehearsal;
    options.retain = config->train.retain;
    options.minibatch = config->train.minibatch;
    options.item_min = config->train.item_min;
    if (config->train.items_max) options.items_max = config->train.items_max;
    options.fresh = config->train.fresh;
    options.seed = config->train.seed;
    options.gate.events_min = config->train.gate_events;
    options.gate.margin = config->train.margin;
    options.gate.kinds.events = config->train.newcomer_events;
    options.gate.kinds.return_gap_s = config->train.return_gap_ms / 1000;
    options.first.epochs = config->train.first_epochs;
    options.next.epochs = config->train.epochs;
    for (struct train_options *train = &options.first; train;
         train = train == &options.first ? &options.next : NULL) {
        train->rate = config->train.rate;
        train->dropout = config->train.dropout;
        train->readout = readouts[config->train.readout];
        train->shards = config->train.threads;
        for (uint32_t i = 0; i < config->actions_count; i++) {
            train->action_weight[i + 1] = (real)config->actions[i].weight;
        }
    }
    return options;
}

/* The model of a first generation. */
static enum status choose_model(struct learner *learner, struct error *error)
{
    const struct config *config = learner->config;
    const struct interest_ops *ops = interest_ops_find(config->train.model);
    if (!ops || !ops->steps) {
        return error_set(error, STATUS_INVALID,
                         "train.model=%s: no model of that name can be trained",
                         config->train.model);
    }
    learner->options.model = ops->name;
    learner->options.dims = ops->defaults;
    return model_dims_set(&learner->options.dims, "train.dimensions", config->train.dimensions,
                          error);
}

/* Generation 0. */
static enum status open_nothing(const struct learner *learner, struct checkpoint **newestp,
                                struct error *error)
{
    struct model_dims dims = learner->options.dims;
    struct item_table *items;
    dims.use_category = dims.tags = false;
    TRY(item_table_open(&items, NULL, 0, NULL, 0, ROUND_OOV_ROWS, error));
    TRY(checkpoint_init(newestp, learner->options.model, &dims, items, learner->config->train.seed,
                        error));
    (*newestp)->generation = (*newestp)->state_generation = 0;
    return STATUS_OK;
}

static enum status open_generation(const struct learner *learner, uint64_t number,
                                   struct checkpoint **checkpointp, struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    TRY(model_dir_path(learner->config->model.dir, number, path, error));
    return config_trains(learner->config) ? checkpoint_open_to_train(checkpointp, path, error)
                                          : checkpoint_open(checkpointp, path, error);
}

static enum status open_newest_generation(struct learner *learner, struct checkpoint **newestp,
                                          struct error *error)
{
    uint64_t newest;
    TRY(model_dir_make(learner->config->model.dir, error));
    TRY(exchange_open(&learner->exchange, learner->config, error));
    TRY(exchange_sync(learner->exchange, &newest, error));
    TRY(exchange_check_vectors(learner->exchange, newest, error));
    if (newest == 0) return open_nothing(learner, newestp, error);
    return open_generation(learner, newest, newestp, error);
}

/* 0 stands for a generation of which it is not known. */
static int64_t learned_until(const struct checkpoint *checkpoint)
{
    const int64_t until_ms = checkpoint->training.cut.event_time_ms;
    return until_ms ? until_ms : INT64_MIN;
}

enum status learner_open(struct learner **learnerp, const struct config *config,
                         struct error *error)
{
    struct learner *learner = calloc(1, sizeof *learner);
    *learnerp = learner;
    if (!learner) return error_set(error, STATUS_IO, "out of memory: a learner");
    learner->config = config;
    learner->options = learner_options(config);
    learner->known.size_max = config->train.memory / NAMES_SHARE;
    figures_begin();
    struct checkpoint *newest;
    enum status status = choose_model(learner, error);
    if (status == STATUS_OK) status = open_newest_generation(learner, &newest, error);
    if (status == STATUS_OK) status = generations_open(&learner->generations, newest, error);
    if (status == STATUS_OK) return STATUS_OK;
    learner_close(learner);
    *learnerp = NULL;
    return status;
}

void learner_close(struct learner *learner)
{
    if (!learner) return;
    exchange_close(learner->exchange);
    generations_close(learner->generations);
    known_items_close(&learner->known);
    free(learner);
}

struct generations *learner_generations(const struct learner *learner)
{
    return learner->generations;
}

/* ---- what a round found ---- */

static enum status learner_names(void *context, struct name_set **itemsp,
                                 const struct name_set **categoriesp, struct error *error)
{
    struct learner *learner = context;
    *itemsp = &learner->known.items;
    *categoriesp = &learner->known.categories;
    TRY(known_items_read(&learner->known, learner->config, error));
    if (learner->known.left_out) {
        log_warn("a quarter of train.memory has no room for the names of more items: these have no "
                 "row; more train.memory lets a restarted job learn them",
                 log_int("names", learner->known.items.count),
                 log_int("left_out", (int64_t)learner->known.left_out));
    }
    return STATUS_OK;
}

/* Up to where the generation that serves was measured: as far as it has learned, if it never was. */
static int64_t measured_until(const struct learner *learner)
{
    if (learner->measured != learner->current->generation) return learned_until(learner->current);
    return learner->measured_ms;
}

static void tell(const struct learner *learner, const struct learner_place *place,
                 const struct round_result *result, double seconds)
{
    const struct report report = {
        .model_dir = learner->config->model.dir,
        .position = place->position,
        .served = learner->current,
        .since_ms = measured_until(learner),
        .seconds = seconds,
    };
    figures_round(result);
    report_round(&report, result);
}

/* ---- what others train ---- */

static void leave_seat(struct learner *learner)
{
    exchange_leave_seat(learner->exchange);
    learner->seated = false;
}

/* One that memory has no room for is not asked for again: the one that serves goes on. */
static enum status take_over(struct learner *learner, uint64_t number, struct error *error)
{
    struct checkpoint *checkpoint;
    TRY(open_generation(learner, number, &checkpoint, error));
    const enum status status = generations_add(learner->generations, checkpoint, error);
    if (status == STATUS_INVALID) {
        learner->refused = number;
        log_warn("a generation is refused, and the one that serves goes on",
                 log_int("generation", (int64_t)number), log_text("why", error->text));
        return STATUS_OK;
    }
    TRY(status);
    log_info("generation taken over", log_int("generation", (int64_t)number));
    return STATUS_OK;
}

static enum status look_at_exchange(struct learner *learner, struct error *error)
{
    uint64_t newest;
    TRY(exchange_sync(learner->exchange, &newest, error));
    if (newest > generations_number(learner->generations) && newest != learner->refused) {
        TRY(take_over(learner, newest, error));
    }
    return learner->seated ? exchange_tend(learner->exchange, error) : STATUS_OK;
}

void learner_tend(struct learner *learner, bool seat)
{
    struct error error = {.status = STATUS_OK};
    const bool wants = seat;
    enum status status = STATUS_OK;
    if (learner->seated && !wants) leave_seat(learner);
    if (!learner->seated && wants) {
        status = exchange_take_seat(learner->exchange, &error);
        learner->seated = status == STATUS_OK;
    }
    if (status == STATUS_OK) status = look_at_exchange(learner, &error);
    if (status == STATUS_FENCED) leave_seat(learner);
    if (status != STATUS_OK && !learner->failing) {
        log_warn("generations of the group are not at hand; it is tried again every few seconds",
                 log_text("why", error.text));
    }
    learner->failing = status != STATUS_OK;
}

/* ---- a round ---- */

/* What the candidate says of where it comes from. */
static enum status seal_candidate(struct learner *learner, const struct learner_place *place,
                                  const struct round_result *result, struct error *error)
{
    struct checkpoint_training *training = &result->candidate->training;
    const struct gate_result *gate = &result->gate;
    training->parent = learner->current->generation;
    training->parent_fingerprint = learner->current->fingerprint;
    training->cut.event_time_ms = result->learned_ms;
    training->cut.offsets = calloc(place->partitions, sizeof *training->cut.offsets);
    if (!training->cut.offsets) return error_set(error, STATUS_IO, "out of memory: a generation");
    memcpy(training->cut.offsets, place->offsets,
           place->partitions * sizeof *training->cut.offsets);
    training->cut.partitions = place->partitions;
    training->verdict.events = gate->candidate.events;
    training->verdict.ndcg_current = gate->current.ndcg;
    training->verdict.ndcg_candidate = gate->candidate.ndcg;
    training->verdict.ndcg_transitions = gate->transitions.ndcg;
    training->verdict.difference_bound = gate->bound;
    snprintf(training->verdict.text, sizeof training->verdict.text, "%s",
             verdict_name(gate->verdict));
    FAULT_POINT("generation_trained");
    TRY(model_dir_write(learner->config->model.dir, result->candidate, error));
    FAULT_POINT("generation_sealed");
    return STATUS_OK;
}

/* Before it is adopted. Who has lost the seat drops what it has trained. */
static enum status publish_candidate(struct learner *learner, const struct checkpoint *candidate,
                                     struct error *error)
{
    const enum status status = exchange_publish(learner->exchange, candidate->generation, error);
    if (status == STATUS_FENCED) leave_seat(learner);
    return status;
}

static enum status add_candidate(struct learner *learner, struct round_result *result,
                                 struct error *error)
{
    const uint64_t active[] = {result->candidate->generation, learner->current->generation};
    struct checkpoint *candidate = result->candidate;
    result->candidate = NULL;
    TRY(generations_add(learner->generations, candidate, error));
    return model_dir_prune(learner->config->model.dir, learner->config->model.keep, active, 2,
                           error);
}

/* After a restart at the same place. */
static bool has_learned(const struct learner *learner, const struct learner_place *place)
{
    const struct training_cut *cut = &learner->current->training.cut;
    return cut->partitions == 1 && cut->offsets[0] >= place->position;
}

static enum status learner_run(struct learner *learner, const struct learner_place *place,
                               struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    const struct round_input input = {
        .stores = place->stores,
        .sampled = place->sampled,
        .sampled_context = place->sampled_context,
        .names = learner_names,
        .names_context = learner,
        .current = learner->current->generation > 0 ? learner->current : NULL,
        .learned_ms = learned_until(learner->current),
        .measured_ms = measured_until(learner),
        .number = learner->current->generation + 1,
        .size_max = generations_size_max(learner->generations),
    };
    struct round_result result;
    TRY(round_run(&learner->options, &input, &result, error));
    enum status status = STATUS_OK;
    tell(learner, place, &result, (double)(clock_monotonic_ns() - begun_ns) * 1e-9);
    if (verdict_adopts(result.gate.verdict)) {
        status = seal_candidate(learner, place, &result, error);
        if (status == STATUS_OK) status = publish_candidate(learner, result.candidate, error);
        if (status == STATUS_OK) status = add_candidate(learner, &result, error);
    }
    learner->measured_ms = result.measured_ms;
    learner->measured = generations_number(learner->generations);
    checkpoint_close(result.candidate);
    return status;
}

/* With the serving generation taken: a round, if there is anything to learn. */
static enum status learner_try(struct learner *learner, const struct learner_place *place,
                               struct error *error)
{
    if (config_shares(learner->config) && !learner->seated) {
        return error_set(error, STATUS_NOT_FOUND, "another process of the group trains");
    }
    if (has_learned(learner, place)) return STATUS_OK;
    if (place->last && learner->current->generation > 0) return STATUS_OK;
    return learner_run(learner, place, error);
}

enum status learner_round(struct learner *learner, const struct learner_place *place,
                          struct error *error)
{
    struct error own = {.status = STATUS_OK};
    (void)error;
    learner->serving = generations_take(learner->generations);
    learner->current = learner->serving->checkpoint;
    const enum status status = learner_try(learner, place, &own);
    generations_release(learner->generations, learner->serving);
    if (status == STATUS_NOT_FOUND || status == STATUS_END) {
        log_info("no round of training", log_text("why", own.text),
                 log_int("position", place->position));
    } else if (status != STATUS_OK) {
        figures_failure();
        log_warn("a round of training failed; the generation that serves goes on",
                 log_text("why", own.text), log_int("position", place->position));
    }
    return STATUS_OK;
}
