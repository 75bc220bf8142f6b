/* dim_options.c - one table of the dimensions that can be given. */
#include "cli/dim_options.h"

#include <string.h>

#include "model/interest_select.h"

#define ATTENTION  "limarec gdelta"
#define LAYERS     "limarec gdelta lru"
#define SELECTABLE "limarec gdelta mimn hpmn comirec-sa lru"

/* A dimension as an option; what it may be is said in model_dims.c. */
static const struct dim_option {
    const char *name;
    const char *key;    /* of the dimension */
    const char *models; /* that have it; NULL: all */
    bool read_side;
} option_table[] = {
    {"--d", "d", NULL, false},
    {"--interests", "K", NULL, true}, /* where K is no part of a state */
    {"--use-gap", "use_gap", NULL, false},
    {"--gap-buckets", "gap_buckets", NULL, false},
    {"--use-category", "use_category", NULL, false},
    {"--tags", "tags", NULL, false},
    {"--profile-buckets", "profile_buckets", "mind single", true},
    {"--cosine", "cosine", NULL, false},
    {"--temperature", "temperature", NULL, false},
    {"--heads", "H", ATTENTION, false},
    {"--blocks", "blocks", LAYERS, false},
    {"--ffn", "ffn", LAYERS, false},
    {"--extract-heads", "extract_heads", LAYERS, false},
    {"--conditional", "conditional", LAYERS, false},
    {"--induction-top", "induction_top", "mimn", false},
    {"--utilization", "utilization", "mimn", false},
    {"--penalty-weight", "penalty_weight", "mimn hpmn octopus sine", false},
    {"--steps", "steps", "hpmn", false},
    {"--window", "window", "mind comirec-dr comirec-sa sine", false},
    {"--iterations", "iterations", "mind comirec-dr", false},
    {"--attention", "attention", "comirec-sa", false},
    {"--positions", "positions", "comirec-sa", false},
    {"--mlp", "mlp", "mind", false},
    {"--fixed-interests", "fixed_interests", "mind", false},
    {"--half-life-days", "half_life_days", "single ledger", false},
    {"--project", "project", "single", false},
    {"--select", "select", SELECTABLE, true},
    {"--evidence-min", "evidence_min", SELECTABLE, true},
    {"--residual-min", "residual_min", SELECTABLE, true},
    {"--entries", "entries", "ledger", false},
    {"--new-cosine", "new_cosine", "ledger", false},
    {"--merge-cosine", "merge_cosine", "ledger", false},
    {"--drop-mass", "drop_mass", "ledger", false},
    {"--publish-mass", "publish_mass", "ledger", true},
    {"--split-mass", "split_mass", "ledger", false},
    {"--split-scatter", "split_scatter", "ledger", false},
    {"--split-share", "split_share", "ledger", false},
    {"--width", "width", "lru", false},
    {"--prototypes", "prototypes", "sine", false},
    {"--tau", "tau", "sine", false},
    {"--intent-cosine", "intent_cosine", "sine", false},
};

enum { OPTIONS = sizeof option_table / sizeof option_table[0] };
_Static_assert(OPTIONS <= (int)DIM_OPTIONS_MAX, "struct dim_options has no room for the table");

enum status dim_options_take(struct dim_options *options, enum dim_part part,
                             struct arguments *arguments, struct error *error)
{
    *options = (struct dim_options){{NULL}};
    for (int i = 0; i < OPTIONS; i++) {
        if (part == DIMS_READ_SIDE && !option_table[i].read_side) continue;
        TRY(arguments_option(arguments, option_table[i].name, &options->text[i], error));
    }
    return STATUS_OK;
}

/* Whether `name` is one of the words of `models`. */
static bool is_among(const char *name, const char *models)
{
    const size_t size = strlen(name);
    const char *at = strstr(models, name);
    return at && (at == models || at[-1] == ' ') && (at[size] == ' ' || at[size] == 0);
}

static enum status apply_option(const struct dim_option *option, const char *text,
                                const char *model, struct model_dims *dims, struct error *error)
{
    if (option->models && !is_among(model, option->models)) {
        return error_set(error, STATUS_INVALID, "%s=%s: a dimension of %s, not of %s", option->name,
                         text, option->models, model);
    }
    return model_dim_parse(dims, model_dim_find(option->key), option->name, text, error);
}

/* The thresholds there are before any is given. */
static void begin_or_end_selection(struct model_dims *dims, bool selected)
{
    const struct interest_select defaults = interest_select_defaults();
    if (dims->select == selected) return;
    dims->evidence_min = dims->select ? (float)defaults.evidence_min : 0;
    dims->residual_min = dims->select ? (float)defaults.residual_min : 0;
}

enum status dim_options_apply(const struct dim_options *options, const char *model,
                              struct model_dims *dims, struct error *error)
{
    for (int i = 0; i < OPTIONS; i++) {
        const bool selected = dims->select;
        if (!options->text[i]) continue;
        TRY(apply_option(&option_table[i], options->text[i], model, dims, error));
        begin_or_end_selection(dims, selected);
    }
    return STATUS_OK;
}
