/* dim_options.c - one table of the dimensions that can be given. */
#include "cli/dim_options.h"

#include <float.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "model/interest_select.h"

enum dim_kind { DIM_COUNT, DIM_FLAG, DIM_REAL };

#define DIM(kind, field) offsetof(struct model_dims, field), DIM_##kind
#define ATTENTION        "limarec gdelta"
#define SELECTABLE       "limarec gdelta mimn"

/* A dimension as an option. */
static const struct dim_option {
    const char *name;
    size_t at;
    enum dim_kind kind;
    uint32_t most;      /* of a count */
    const char *models; /* that have it; NULL: all */
    bool read_side;
} option_table[] = {
    {"--d", DIM(COUNT, d), 4096, NULL, false},
    {"--interests", DIM(COUNT, interests), 256, NULL, false},
    {"--use-gap", DIM(FLAG, use_gap), 0, NULL, false},
    {"--gap-buckets", DIM(COUNT, gap_buckets), 1024, NULL, false},
    {"--use-category", DIM(FLAG, use_category), 0, NULL, false},
    {"--cosine", DIM(FLAG, cosine), 0, NULL, false},
    {"--temperature", DIM(REAL, temperature), 0, NULL, false},
    {"--heads", DIM(COUNT, heads), 256, ATTENTION, false},
    {"--blocks", DIM(COUNT, blocks), 64, ATTENTION, false},
    {"--ffn", DIM(COUNT, ffn), 65536, ATTENTION, false},
    {"--extract-heads", DIM(COUNT, extract_heads), 256, ATTENTION, false},
    {"--conditional", DIM(FLAG, conditional), 0, ATTENTION, false},
    {"--induction-top", DIM(COUNT, induction_top), 256, "mimn", false},
    {"--utilization", DIM(FLAG, utilization), 0, "mimn", false},
    {"--penalty-weight", DIM(REAL, penalty_weight), 0, "mimn", false},
    {"--window", DIM(COUNT, window), 65536, "mind", false},
    {"--iterations", DIM(COUNT, iterations), 256, "mind", false},
    {"--mlp", DIM(COUNT, mlp), 65536, "mind", false},
    {"--fixed-interests", DIM(FLAG, fixed_interests), 0, "mind", false},
    {"--half-life-days", DIM(REAL, half_life_days), 0, "single ledger", false},
    {"--project", DIM(FLAG, project), 0, "single", false},
    {"--select", DIM(FLAG, select), 0, SELECTABLE, true},
    {"--evidence-min", DIM(REAL, evidence_min), 0, SELECTABLE, true},
    {"--residual-min", DIM(REAL, residual_min), 0, SELECTABLE, true},
    {"--entries", DIM(COUNT, entries), 64, "ledger", false},
    {"--new-cosine", DIM(REAL, new_cosine), 0, "ledger", false},
    {"--merge-cosine", DIM(REAL, merge_cosine), 0, "ledger", false},
    {"--drop-mass", DIM(REAL, drop_mass), 0, "ledger", false},
    {"--publish-mass", DIM(REAL, publish_mass), 0, "ledger", true},
    {"--split-mass", DIM(REAL, split_mass), 0, "ledger", false},
    {"--split-scatter", DIM(REAL, split_scatter), 0, "ledger", false},
    {"--split-share", DIM(REAL, split_share), 0, "ledger", false},
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

static enum status parse_flag(const char *name, const char *text, bool *flag, struct error *error)
{
    *flag = strcmp(text, "true") == 0;
    if (*flag || strcmp(text, "false") == 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s=%s: true or false is expected", name, text);
}

static enum status parse_real(const char *name, const char *text, float *value, struct error *error)
{
    char *end;
    *value = strtof(text, &end);
    if (*text && !*end && *value >= 0 && *value <= FLT_MAX) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s=%s: a number from 0 on is expected", name, text);
}

/* Whether `name` is one of the words of `models`. */
static bool is_among(const char *name, const char *models)
{
    const size_t size = strlen(name);
    const char *at = strstr(models, name);
    return at && (at == models || at[-1] == ' ') && (at[size] == ' ' || at[size] == 0);
}

static enum status apply(const struct dim_option *option, const char *text, const char *model,
                         struct model_dims *dims, struct error *error)
{
    uint64_t number;
    void *at = (char *)dims + option->at;
    if (option->models && !is_among(model, option->models)) {
        return error_set(error, STATUS_INVALID, "%s=%s: a dimension of %s, not of %s", option->name,
                         text, option->models, model);
    }
    if (option->kind == DIM_FLAG) return parse_flag(option->name, text, at, error);
    if (option->kind == DIM_REAL) return parse_real(option->name, text, at, error);
    TRY(parse_number(option->name, text, option->most, &number, error));
    *(uint32_t *)at = (uint32_t)number;
    return STATUS_OK;
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
        TRY(apply(&option_table[i], options->text[i], model, dims, error));
        begin_or_end_selection(dims, selected);
    }
    return STATUS_OK;
}
