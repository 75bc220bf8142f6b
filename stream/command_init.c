/* command_init.c - `braid init`: generation 1 of a model from a log. */
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/command.h"
#include "stream/init.h"
#include "stream/progress.h"

static const char help[] =
    "usage: braid init [--config FILE] [--KEY=VALUE ...] [OPTION=VALUE ...]\n\n"
    "Makes generation 1: reads the source log once, gives its most frequent items rows in the\n"
    "item dictionary, draws the parameters from a seed, and writes model.checkpoint, which must\n"
    "not exist yet. The same log and options make the same file.\n\n"
    "  braid init --config braid.yaml\n"
    "  braid init --source.path=clicks.jsonl --model.checkpoint=generation-1.safetensors\n"
    "  braid init --config braid.yaml --d=32 --interests=8 --seed=7\n"
    "  braid init --config braid.yaml --model=gdelta --heads=2\n"
    "  braid init --config braid.yaml --count-min=5 --items-max=50000\n"
    "      rare items share --oov rows; their users are still told apart by everything else\n\n"
    "  --model=NAME        which model, with dimensions of its own where none are given:\n"
    "      limarec  linear attention, its sums are the state (what init makes if not told)\n"
    "      gdelta   the same over memories that fade in time and overwrite\n"
    "      mimn     a memory of slots, each an interest\n"
    "      mind     dynamic routing over the last behaviors; more of them, more interests\n"
    "      ledger   clusters of items, as many as a user needs; nothing to train\n"
    "      single   one vector, the baseline\n"
    "  --d=N               width of embeddings and interests\n"
    "  --interests=N       vectors read of a user, at most; of mimn, its slots\n"
    "  --use-gap=BOOL      absorb the time between behaviors, in --gap-buckets=N\n"
    "  --use-category=BOOL absorb the items' categories\n"
    "  --cosine=BOOL       publish vectors of length 1, for search by cosine, trained with\n"
    "                      --temperature=X\n"
    "  limarec, gdelta:    --blocks=N layers, --heads=N of attention, --ffn=N width between\n"
    "                      them, --extract-heads=N of the extraction, --conditional=BOOL: read\n"
    "                      in view of the latest item\n"
    "  mimn:               --induction-top=N slots that an event advances, --utilization=BOOL:\n"
    "                      balance writes, --penalty-weight=X of unbalanced ones in training\n"
    "  mind:               --window=N behaviors, --iterations=N of routing, --mlp=N width after\n"
    "  single:             --half-life-days=X of a behavior (0: all count alike),\n"
    "                      --project=BOOL: a linear layer after the mean\n"
    "  --oov=N             rows that unknown items share; 0: they are not absorbed\n"
    "  --items-max=N, --count-min=N   who gets a row of his own\n"
    "  --seed=N\n\n"
    "Exit codes: 0 made; 1 the operating system failed; 2 usage, configuration, no usable event;\n"
    "3 refused: the checkpoint exists.\n";

enum option_kind { OPTION_COUNT, OPTION_FLAG, OPTION_REAL };

/* A dimension as an option. */
struct dim_option {
    const char *name;
    enum option_kind kind;
    void *value;        /* uint32_t, bool or float */
    uint32_t most;      /* of a count */
    const char *models; /* that have it; NULL: all */
};

static enum status parse_number(const char *name, const char *text, uint64_t most,
                                uint64_t *numberp, struct error *error)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number > most) {
        return error_set(error, STATUS_INVALID, "%s=%s: a number up to %" PRIu64 " is expected",
                         name, text, most);
    }
    *numberp = number;
    return STATUS_OK;
}

/* Takes "--NAME=N" if it is there. */
static enum status take_number(struct arguments *arguments, const char *name, uint64_t most,
                               uint64_t *numberp, struct error *error)
{
    const char *text;
    TRY(arguments_option(arguments, name, &text, error));
    return text ? parse_number(name, text, most, numberp, error) : STATUS_OK;
}

static enum status parse_dim(const struct dim_option *option, const char *text, struct error *error)
{
    uint64_t number = 0;
    float real;
    char *end;
    switch (option->kind) {
    case OPTION_COUNT:
        TRY(parse_number(option->name, text, option->most, &number, error));
        *(uint32_t *)option->value = (uint32_t)number;
        return STATUS_OK;
    case OPTION_FLAG:
        *(bool *)option->value = strcmp(text, "true") == 0;
        if (*(bool *)option->value || strcmp(text, "false") == 0) return STATUS_OK;
        return error_set(error, STATUS_INVALID, "%s=%s: true or false is expected", option->name,
                         text);
    default:
        real = strtof(text, &end);
        *(float *)option->value = real;
        if (*text && !*end && real >= 0 && real <= FLT_MAX) return STATUS_OK;
        return error_set(error, STATUS_INVALID, "%s=%s: a number from 0 on is expected",
                         option->name, text);
    }
}

/* Whether `name` is one of the words of `models`. */
static bool is_among(const char *name, const char *models)
{
    const size_t size = strlen(name);
    const char *at = strstr(models, name);
    return at && (at == models || at[-1] == ' ') && (at[size] == ' ' || at[size] == 0);
}

static enum status take_dim(struct arguments *arguments, const char *model,
                            const struct dim_option *option, struct error *error)
{
    const char *text;
    TRY(arguments_option(arguments, option->name, &text, error));
    if (!text) return STATUS_OK;
    if (option->models && !is_among(model, option->models)) {
        return error_set(error, STATUS_INVALID, "%s=%s: a dimension of %s, not of %s", option->name,
                         text, option->models, model);
    }
    return parse_dim(option, text, error);
}

static enum status take_dims(struct arguments *arguments, struct init_options *options,
                             struct error *error)
{
    struct model_dims *dims = &options->dims;
    static const char attention[] = "limarec gdelta";
    const struct dim_option table[] = {
        {"--d", OPTION_COUNT, &dims->d, 4096, NULL},
        {"--interests", OPTION_COUNT, &dims->interests, 256, NULL},
        {"--use-gap", OPTION_FLAG, &dims->use_gap, 0, NULL},
        {"--gap-buckets", OPTION_COUNT, &dims->gap_buckets, 1024, NULL},
        {"--use-category", OPTION_FLAG, &dims->use_category, 0, NULL},
        {"--cosine", OPTION_FLAG, &dims->cosine, 0, NULL},
        {"--temperature", OPTION_REAL, &dims->temperature, 0, NULL},
        {"--heads", OPTION_COUNT, &dims->heads, 256, attention},
        {"--blocks", OPTION_COUNT, &dims->blocks, 64, attention},
        {"--ffn", OPTION_COUNT, &dims->ffn, 65536, attention},
        {"--extract-heads", OPTION_COUNT, &dims->extract_heads, 256, attention},
        {"--conditional", OPTION_FLAG, &dims->conditional, 0, attention},
        {"--induction-top", OPTION_COUNT, &dims->induction_top, 256, "mimn"},
        {"--utilization", OPTION_FLAG, &dims->utilization, 0, "mimn"},
        {"--penalty-weight", OPTION_REAL, &dims->penalty_weight, 0, "mimn"},
        {"--window", OPTION_COUNT, &dims->window, 65536, "mind"},
        {"--iterations", OPTION_COUNT, &dims->iterations, 256, "mind"},
        {"--mlp", OPTION_COUNT, &dims->mlp, 65536, "mind"},
        {"--half-life-days", OPTION_REAL, &dims->half_life_days, 0, "single"},
        {"--project", OPTION_FLAG, &dims->project, 0, "single"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        TRY(take_dim(arguments, options->model, &table[i], error));
    }
    return STATUS_OK;
}

static enum status take_options(struct arguments *arguments, struct init_options *options,
                                struct error *error)
{
    const char *model;
    uint64_t oov = options->oov, items_max = options->items_max;
    TRY(arguments_option(arguments, "--model", &model, error));
    if (model) TRY(init_options_model(options, model, error));
    TRY(take_dims(arguments, options, error));
    TRY(take_number(arguments, "--oov", 1 << 20, &oov, error));
    TRY(take_number(arguments, "--items-max", UINT32_MAX - 1, &items_max, error));
    TRY(take_number(arguments, "--count-min", UINT64_MAX, &options->count_min, error));
    options->oov = (uint32_t)oov;
    options->items_max = (uint32_t)items_max;
    return take_number(arguments, "--seed", UINT64_MAX, &options->seed, error);
}

static void print_summary(const struct init_summary *summary, const char *path)
{
    char events[PROGRESS_NUMBER_MAX];
    char items[PROGRESS_NUMBER_MAX];
    printf("%s: %s of %" PRIu32 " items and %" PRIu32 " categories have a row, from %s events\n",
           path, progress_number(summary->items, items), summary->items_seen, summary->categories,
           progress_number(summary->accepted, events));
    if (summary->bad) {
        printf("%" PRIu64 " bad events were passed over, the first: %s\n", summary->bad,
               summary->bad_why);
    }
    if (summary->dropped) {
        printf("%" PRIu64 " events of unlisted actions were passed over\n", summary->dropped);
    }
}

static void show(void *context, double share, uint64_t events)
{
    progress_show(context, share, events);
}

static enum status init(struct arguments *arguments, struct config *config, struct error *error)
{
    struct init_options options;
    struct init_summary summary;
    struct progress bar;
    init_options_defaults(&options);
    TRY(take_options(arguments, &options, error));
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    if (!*config->model.checkpoint) {
        return error_set(error, STATUS_INVALID,
                         "model.checkpoint must be set: the file to write, such as "
                         "--model.checkpoint=generation-1.safetensors");
    }
    struct init_progress progress = {show, &bar};
    progress_start(&bar, "init", "events", config->log.quiet);
    enum status status =
        init_checkpoint(config, &options, config->model.checkpoint, &progress, &summary, error);
    progress_end(&bar);
    if (status == STATUS_OK) print_summary(&summary, config->model.checkpoint);
    return status;
}

static int run(int count, char **words)
{
    struct arguments arguments = {count, words};
    static struct config config;
    struct error error;
    int code = 0;
    if (init(&arguments, &config, &error) != STATUS_OK) {
        code = command_failed(&command_init, &error);
    }
    config_close(&config);
    return code;
}

const struct command command_init = {
    .name = "init",
    .summary = "make generation 1 of a model from a log",
    .help = help,
    .settings = true,
    .run = run,
};
