/*
 * recommend.c - one user's behaviors from the history log or the source log, its interests, and the
 * items nearest to them.
 */
#include "stream/query/recommend.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/checksum.h"
#include "base/escape.h"
#include "model/checkpoint.h"
#include "model/eval/ranking.h"
#include "model/interest_model.h"
#include "state/history.h"
#include "stream/interests/fold.h"
#include "stream/interests/profile.h"
#include "stream/learn/log_dataset.h"
#include "stream/query/catalogue.h"
#include "stream/query/inspect.h"
#include "stream/query/item_ranks.h"

struct recommendation {
    const struct config *config;
    const struct recommend_options *options;
    struct checkpoint *checkpoint;
    struct interest_model *model;
    struct interest_scratch *scratch;
    struct catalogue *titles; /* NULL: none */
    struct item_ranks *ranks;
    struct item_desk *desk;
    void *state;
    uint64_t absorbed;           /* behaviors in the state */
    struct user_profile profile; /* in force then */
    uint32_t *had; /* [had_count] rows that are left out; ascending and distinct once opened */
    uint32_t had_count;
    real *vectors; /* [K][d] */
    real *weights; /* [K] */
    real *intent;  /* [d]; NULL: the model has none */
    uint32_t count;
    FILE *out;
};

static enum status recommend_out_of_memory(struct error *error)
{
    return error_set(error, STATUS_IO, "not enough memory to recommend");
}

/* ---- the user's state ---- */

static enum status take_had(struct recommendation *work, uint64_t behaviors, struct error *error)
{
    work->had = calloc(behaviors + 1, sizeof *work->had);
    return work->had ? STATUS_OK : recommend_out_of_memory(error);
}

static enum status fold_all(struct recommendation *work, const struct user_history *history,
                            struct fold *fold, struct error *error)
{
    struct fold_progress progress = {.last_ms = HISTORY_NO_TIME};
    const uint64_t from = history->newest.from, end = history_events(&history->newest);
    TRY(take_had(work, end - from, error));
    for (uint64_t ordinal = from; ordinal < end; ordinal++) {
        struct history_behavior behavior;
        if (!user_history_at(history, ordinal, &behavior)) {
            return error_set(error, STATUS_CORRUPT, "behavior %" PRIu64 " is not in the log",
                             ordinal);
        }
        const uint32_t row = item_table_find(work->checkpoint->items, behavior.item);
        if (row) work->had[work->had_count++] = row;
        fold_begin(fold);
        REQUIRE(fold_user(fold, work->state, &progress) && fold_behavior(fold, ordinal, behavior));
        fold_run(fold);
    }
    work->absorbed = progress.absorbed;
    work->profile = profile_of(&history->newest, end);
    return STATUS_OK;
}

static enum status absorb_history(struct recommendation *work, struct error *error)
{
    struct user_history history;
    struct fold *fold;
    TRY(user_history_read(&history, work->config, work->options->user, error));
    enum status status = fold_open(&fold, work->model, 1, 1, error);
    if (status == STATUS_OK) {
        status = fold_all(work, &history, fold, error);
        fold_close(fold);
    }
    user_history_close(&history);
    return status;
}

/* As the job folds a user: of a long history only what is after `from`. */
static enum status absorb_behaviors(struct recommendation *work, struct dataset_sequence sequence,
                                    struct error *error)
{
    const uint64_t from = history_from(0, sequence.count, work->config->state.history_max);
    const uint32_t count = sequence.count - (uint32_t)from, offsets[] = {0, count};
    TRY(take_had(work, count, error));
    struct behavior *at = malloc((count + 1) * sizeof *at);
    if (!at) return recommend_out_of_memory(error);
    memcpy(at, sequence.at + from, count * sizeof *at);
    at[0].gap_s = -1;
    for (uint32_t i = 0; i < count; i++) {
        work->had[work->had_count++] = at[i].item;
    }
    const struct behavior_batch batch = {at, offsets, 1};
    interest_absorb(work->model, work->scratch, &work->state, &batch);
    work->absorbed = count;
    free(at);
    return STATUS_OK;
}

static enum status absorb_sequence(struct recommendation *work, const struct dataset *dataset,
                                   struct error *error)
{
    const char *name = work->options->user;
    const uint64_t hash = identity_of(name, strlen(name));
    uint32_t after = dataset_users(dataset); /* the user's last life */
    while (after > 0 && dataset_user_hash(dataset, after - 1) != hash) {
        after--;
    }
    if (after == 0) {
        return error_set(error, STATUS_NOT_FOUND, "%s has no event of user \"%s\"",
                         work->config->source.path, name);
    }
    const struct dataset_sequence sequence = dataset_sequence(dataset, after - 1);
    work->profile = dataset_known_of(&sequence, sequence.count, dataset);
    return absorb_behaviors(work, sequence, error);
}

static enum status absorb_log(struct recommendation *work, struct error *error)
{
    struct dataset *dataset;
    struct log_dataset_summary summary;
    TRY(log_dataset_open(&dataset, work->config, work->checkpoint->items, NULL, &summary, error));
    const enum status status = absorb_sequence(work, dataset, error);
    dataset_close(dataset);
    return status;
}

/* ---- lists ---- */

static struct bytes title_of(const struct recommendation *work, struct bytes id)
{
    return catalogue_title(work->titles, identity_of(id.at, id.size));
}

/* One of a list that was made from so many interests. */
static void print_item(const struct recommendation *work, uint32_t place,
                       const struct topn_item *item, uint32_t interests)
{
    const struct item_table *table = work->checkpoint->items;
    const struct bytes id = item_table_id(table, item->row), title = title_of(work, id);
    const struct bytes category =
        item_table_category_name(table, item_table_category_of(table, item->row));
    fprintf(work->out, "  %3" PRIu32 "  %7.3f", place, (double)item->score);
    if (interests > 1) {
        fprintf(work->out, "  interest %" PRIu32, item->interest + 1);
    }
    fputs("  ", work->out);
    print_escaped(work->out, id);
    if (title.size > 0) fputs("  ", work->out);
    print_escaped(work->out, title);
    if (category.size > 0) fputs("  (", work->out);
    print_escaped(work->out, category);
    fputs(category.size > 0 ? ")\n" : "\n", work->out);
}

/* The list of `count` interests from `vectors` on. */
static void print_recommended(const struct recommendation *work, const real *vectors,
                              uint32_t count)
{
    const struct recommend_options *options = work->options;
    const struct list_wanted wanted = {
        .vectors = vectors,
        .count = count,
        .excluded = {work->had, options->seen ? 0 : work->had_count},
        .top = options->top,
        .diversity = options->diversity,
        .pool = options->pool,
    };
    const struct topn_list list = item_ranks_list(work->ranks, work->desk, &wanted);
    for (uint32_t i = 0; i < list.count; i++) {
        print_item(work, i + 1, &list.at[i], count);
    }
}

static void print_lists(const struct recommendation *work)
{
    const uint32_t d = interest_model_width(work->model);
    fputs("user ", work->out);
    print_escaped(work->out, bytes_of(work->options->user));
    fprintf(work->out,
            ": %" PRIu64 " behaviors, %" PRIu32 " interest%s, %s generation %" PRIu64 "\n",
            work->absorbed, work->count, work->count == 1 ? "" : "s", work->checkpoint->model,
            work->checkpoint->generation);
    if (!work->options->each_interest) {
        const bool intent = work->intent && work->count > 0;
        if (intent) fputs("by its intent vector\n", work->out);
        print_recommended(work, intent ? work->intent : work->vectors, intent ? 1 : work->count);
        return;
    }
    for (uint32_t k = 0; k < work->count; k++) {
        fprintf(work->out, "interest %" PRIu32 ", weight %.3f\n", k + 1, (double)work->weights[k]);
        print_recommended(work, work->vectors + (size_t)k * d, 1);
    }
}

/* ---- all of it ---- */

static enum status open_items(struct recommendation *work, struct error *error)
{
    if (work->options->diversity > 0 && item_table_categories(work->checkpoint->items) == 0) {
        return error_set(error, STATUS_INVALID,
                         "--diversity: the dictionary of %s has no categories to differ by",
                         work->config->model.checkpoint);
    }
    TRY(item_ranks_open(&work->ranks, work->checkpoint, error));
    return item_desk_open(&work->desk, work->ranks, error);
}

static enum status open_recommending_model(struct recommendation *work, struct error *error)
{
    TRY(checkpoint_open(&work->checkpoint, work->config->model.checkpoint, error));
    TRY(interest_model_open(&work->model, work->checkpoint, error));
    TRY(interest_scratch_open(&work->scratch, work->model, error));
    const size_t interests = interest_model_count(work->model);
    const size_t size = interest_model_state_size(work->model);
    work->state = aligned_alloc(ARENA_ALIGNMENT,
                                (size + ARENA_ALIGNMENT) / ARENA_ALIGNMENT * ARENA_ALIGNMENT);
    work->vectors = calloc(interests * interest_model_width(work->model), sizeof(real));
    work->weights = calloc(interests, sizeof(real));
    const bool has_intent = interest_model_has_intent(work->model) && !work->options->by_interests;
    if (work->options->by_intent && !has_intent) {
        return error_set(error, STATUS_INVALID, "--by intent: %s has no intent vector",
                         interest_model_name(work->model));
    }
    if (has_intent) work->intent = calloc(interest_model_width(work->model), sizeof(real));
    if (!work->state || !work->vectors || !work->weights || (has_intent && !work->intent))
        return recommend_out_of_memory(error);
    interest_state_init(work->model, work->state);
    return STATUS_OK;
}

static enum status open_and_print(struct recommendation *work, struct error *error)
{
    const struct recommend_options *options = work->options;
    TRY(open_recommending_model(work, error));
    TRY(open_items(work, error));
    if (options->catalogue) {
        TRY(catalogue_open(&work->titles, options->catalogue, NULL, NULL, error));
    }
    TRY(options->from_log ? absorb_log(work, error) : absorb_history(work, error));
    work->had_count = ranking_distinct(work->had, work->had_count);
    const void *state = work->state;
    struct interest_sets sets = {work->vectors, work->weights, &work->count, work->intent};
    interest_read(work->model, work->scratch, &state, &work->absorbed, &work->profile, 1, &sets);
    print_lists(work);
    return STATUS_OK;
}

enum status recommend(const struct config *config, const struct recommend_options *options,
                      FILE *out, struct error *error)
{
    struct recommendation work = {.config = config, .options = options, .out = out};
    const enum status status = open_and_print(&work, error);
    item_desk_close(work.desk);
    item_ranks_close(work.ranks);
    catalogue_close(work.titles);
    interest_scratch_close(work.scratch);
    interest_model_close(work.model);
    checkpoint_close(work.checkpoint);
    free(work.state);
    free(work.had);
    free(work.vectors);
    free(work.weights);
    free(work.intent);
    return status;
}
