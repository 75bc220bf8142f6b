/* inspect_user.c - one user: its counts, its behaviors, the state they fold to, its interests. */
#include <inttypes.h>
#include <math.h>

#include "base/arena.h"
#include "base/escape.h"
#include "base/iso8601.h"
#include "model/checkpoint.h"
#include "model/interest_model.h"
#include "model/item_table.h"
#include "stream/query/catalogue.h"
#include "stream/interests/fold.h"
#include "stream/query/inspect.h"
#include "stream/query/item_log.h"
#include "stream/source/decoding.h"

enum { SHOWN_VALUES = 6 }; /* of each interest vector */

struct inspection {
    const struct config *config;
    struct user_history history;
    struct checkpoint *checkpoint;
    struct interest_model *model;
    struct interest_scratch *scratch;
    struct fold *fold;
    struct item_log *items;
    struct catalogue *catalogue; /* NULL: no titles */
    struct arena arena;
    struct fold_progress progress;
    void *state;
    FILE *out;
};

static void print_counts(const struct inspection *inspection, const char *user)
{
    char time[ISO8601_SIZE];
    const struct history *newest = &inspection->history.newest;
    uint64_t events = history_events(newest);
    fputs("user ", inspection->out);
    print_escaped(inspection->out, bytes_of(user));
    fputc('\n', inspection->out);
    fprintf(inspection->out, "  partition   %u\n", inspection->history.partition);
    fprintf(inspection->out, "  events      %" PRIu64 ", folded from %" PRIu64 "\n", events,
            newest->from);
    fprintf(inspection->out, "  generation  %" PRIu64 "\n", newest->generation);
    if (newest->tombstone) fputs("  erased or expired\n", inspection->out);
    if (newest->count == 0) return;
    fprintf(inspection->out, "  latest      %s, source offset %" PRId64 "\n",
            iso8601_print(history_time_ms(newest->at[newest->count - 1]), time),
            newest->source_offset);
}

static void print_behavior(const struct inspection *inspection, uint64_t ordinal,
                           struct history_behavior behavior)
{
    char time[ISO8601_SIZE];
    uint8_t action = history_action(behavior);
    char number[24] = "";
    const char *name = number;
    if (action > 0) snprintf(number, sizeof number, "action %u", action);
    if (action > 0 && action <= inspection->config->actions_count &&
        decoding_same_actions(inspection->config, inspection->history.seal.decoding)) {
        name = inspection->config->actions[action - 1].name;
    }
    const struct item_table *known = interest_model_items(inspection->model);
    struct bytes id = item_table_id(known, item_table_find(known, behavior.item));
    if (id.size == 0) id = item_log_id(inspection->items, behavior.item);
    struct bytes title = catalogue_title(inspection->catalogue, behavior.item);
    fprintf(inspection->out, "  %6" PRIu64 "  %s  %-8s", ordinal + 1,
            iso8601_print(history_time_ms(behavior), time), name);
    if (id.size > 0) {
        fputs("  ", inspection->out);
        print_escaped(inspection->out, id);
    } else {
        fprintf(inspection->out, "  item %016" PRIx64, behavior.item);
    }
    if (title.size > 0) fputs("  ", inspection->out);
    print_escaped(inspection->out, title);
    fputc('\n', inspection->out);
}

static void print_behaviors(const struct inspection *inspection, uint32_t last)
{
    const struct history *newest = &inspection->history.newest;
    uint64_t events = history_events(newest);
    uint64_t first = events - newest->from > last ? events - last : newest->from;
    fprintf(inspection->out, "history, the latest %" PRIu64 "\n", events - first);
    for (uint64_t ordinal = first; ordinal < events; ordinal++) {
        struct history_behavior behavior;
        if (user_history_at(&inspection->history, ordinal, &behavior)) {
            print_behavior(inspection, ordinal, behavior);
        }
    }
}

/* state = fold(generation, history[from .. n)) */
static enum status fold_history(struct inspection *inspection, struct error *error)
{
    const struct history *newest = &inspection->history.newest;
    inspection->progress = (struct fold_progress){.last_ms = HISTORY_NO_TIME};
    interest_state_init(inspection->model, inspection->state);
    for (uint64_t ordinal = newest->from; ordinal < history_events(newest); ordinal++) {
        struct history_behavior behavior;
        if (!user_history_at(&inspection->history, ordinal, &behavior)) {
            return error_set(error, STATUS_CORRUPT, "behavior %" PRIu64 " is not in the log",
                             ordinal);
        }
        fold_begin(inspection->fold);
        REQUIRE(fold_user(inspection->fold, inspection->state, &inspection->progress));
        REQUIRE(fold_behavior(inspection->fold, ordinal, behavior));
        fold_run(inspection->fold);
    }
    return STATUS_OK;
}

/* Its length and its first values, behind what it is called. */
static void print_vector(FILE *out, const float *vector, uint32_t width)
{
    double square = 0;
    for (uint32_t i = 0; i < width; i++) {
        square += (double)vector[i] * (double)vector[i];
    }
    fprintf(out, "  length %.3f  [", sqrt(square));
    for (uint32_t i = 0; i < width && i < SHOWN_VALUES; i++) {
        fprintf(out, "%s%.4f", i ? " " : "", (double)vector[i]);
    }
    fprintf(out, "%s]\n", width > SHOWN_VALUES ? " ..." : "");
}

/* interests = read(generation, state) */
static void print_interests(struct inspection *inspection)
{
    const struct interest_model *model = inspection->model;
    uint32_t width = interest_model_width(model);
    uint32_t most = interest_model_count(model);
    uint32_t count;
    struct interest_sets sets = {
        .vectors = arena_take(&inspection->arena, most * width * sizeof(float)),
        .weights = arena_take(&inspection->arena, most * sizeof(float)),
        .count = &count,
    };
    if (interest_model_has_intent(model)) {
        sets.intent = arena_take(&inspection->arena, width * sizeof(float));
    }
    const void *state = inspection->state;
    interest_read(model, inspection->scratch, &state, &inspection->progress.absorbed, 1, &sets);
    fprintf(inspection->out,
            "state, folded anew\n  %s generation %" PRIu64 ": %" PRIu64
            " behaviors absorbed into %zu bytes\n",
            interest_model_name(model), inspection->checkpoint->generation,
            inspection->progress.absorbed, interest_model_state_size(model));
    fprintf(inspection->out, "interests now, %u of width %u\n", count, width);
    for (uint32_t i = 0; i < count; i++) {
        fprintf(inspection->out, "  %u  weight %.3f", i + 1, (double)sets.weights[i]);
        print_vector(inspection->out, sets.vectors + (size_t)i * width, width);
    }
    if (sets.intent && count > 0) {
        fprintf(inspection->out, "  intent       ");
        print_vector(inspection->out, sets.intent, width);
    }
}

static enum status open_inspected_model(struct inspection *inspection, struct error *error)
{
    TRY(checkpoint_open(&inspection->checkpoint, inspection->config->model.checkpoint, error));
    TRY(interest_model_open(&inspection->model, inspection->checkpoint, error));
    TRY(interest_scratch_open(&inspection->scratch, inspection->model, error));
    TRY(fold_open(&inspection->fold, inspection->model, 1, 1, error));
    const size_t width = interest_model_width(inspection->model); /* the last is of an intent */
    const size_t floats = (width + 1) * interest_model_count(inspection->model) + width;
    size_t state = interest_model_state_size(inspection->model);
    TRY(arena_open(&inspection->arena, state + floats * sizeof(float) + 5 * ARENA_ALIGNMENT,
                   error));
    inspection->state = arena_take(&inspection->arena, state);
    return STATUS_OK;
}

static enum status read_and_print(struct inspection *inspection, const char *user,
                                  const char *catalogue, uint32_t last, struct error *error)
{
    TRY(user_history_read(&inspection->history, inspection->config, user, error));
    TRY(open_inspected_model(inspection, error));
    TRY(item_log_open(&inspection->items, inspection->config, error));
    if (catalogue) TRY(catalogue_open(&inspection->catalogue, catalogue, NULL, NULL, error));
    TRY(fold_history(inspection, error));
    print_counts(inspection, user);
    print_behaviors(inspection, last);
    print_interests(inspection);
    return STATUS_OK;
}

enum status inspect_user(const struct config *config, const char *user, const char *catalogue,
                         uint32_t last, FILE *out, struct error *error)
{
    struct inspection inspection = {.config = config, .out = out};
    enum status status = read_and_print(&inspection, user, catalogue, last, error);
    catalogue_close(inspection.catalogue);
    item_log_close(inspection.items);
    arena_close(&inspection.arena);
    fold_close(inspection.fold);
    interest_scratch_close(inspection.scratch);
    interest_model_close(inspection.model);
    checkpoint_close(inspection.checkpoint);
    user_history_close(&inspection.history);
    return status;
}
