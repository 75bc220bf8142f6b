/* command_init.c - `braid init`: generation 1 of a model from a log. */
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
    "  braid init --config braid.yaml --count-min=5 --items-max=50000\n"
    "      rare items share --oov rows; their users are still told apart by everything else\n\n"
    "  --model=NAME        limarec\n"
    "  --d=N               width of embeddings and interests\n"
    "  --blocks=N          layers; --heads=N attention heads; --ffn=N width between them\n"
    "  --interests=N       vectors read of a user; --extract-heads=N of their extraction\n"
    "  --conditional=BOOL  read conditioned on the latest item\n"
    "  --use-gap=BOOL      absorb the time between behaviors, in --gap-buckets=N\n"
    "  --use-category=BOOL absorb the items' categories\n"
    "  --cosine=BOOL       publish vectors of length 1, for search by cosine\n"
    "  --oov=N             rows that unknown items share; 0: they are not absorbed\n"
    "  --items-max=N, --count-min=N   who gets a row of his own\n"
    "  --seed=N\n\n"
    "Exit codes: 0 made; 1 the operating system failed; 2 usage, configuration, no usable event;\n"
    "3 refused: the checkpoint exists.\n";

struct number_option {
    const char *name;
    uint32_t *value;
    uint32_t most;
};

/* Takes "--NAME=N" if it is there. */
static enum status take_number(struct arguments *arguments, const char *name, uint64_t most,
                               uint64_t *numberp, struct error *error)
{
    const char *text;
    char *end;
    TRY(arguments_option(arguments, name, &text, error));
    if (!text) return STATUS_OK;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number > most) {
        return error_set(error, STATUS_INVALID, "%s=%s: a number up to %" PRIu64 " is expected",
                         name, text, most);
    }
    *numberp = number;
    return STATUS_OK;
}

static enum status take_flag(struct arguments *arguments, const char *name, bool *flag,
                             struct error *error)
{
    const char *text;
    TRY(arguments_option(arguments, name, &text, error));
    if (!text) return STATUS_OK;
    *flag = strcmp(text, "true") == 0;
    if (*flag || strcmp(text, "false") == 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s=%s: true or false is expected", name, text);
}

static enum status take_options(struct arguments *arguments, struct init_options *options,
                                struct error *error)
{
    struct model_dims *dims = &options->dims;
    const struct number_option numbers[] = {
        {"--d", &dims->d, 4096},
        {"--heads", &dims->heads, 256},
        {"--blocks", &dims->blocks, 64},
        {"--ffn", &dims->ffn, 65536},
        {"--interests", &dims->interests, 256},
        {"--extract-heads", &dims->extract_heads, 256},
        {"--gap-buckets", &dims->gap_buckets, 1024},
        {"--oov", &options->oov, 1 << 20},
        {"--items-max", &options->items_max, UINT32_MAX - 1},
    };
    const char *model;
    TRY(arguments_option(arguments, "--model", &model, error));
    if (model) options->model = model;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t value = *numbers[i].value;
        TRY(take_number(arguments, numbers[i].name, numbers[i].most, &value, error));
        *numbers[i].value = (uint32_t)value;
    }
    TRY(take_number(arguments, "--count-min", UINT64_MAX, &options->count_min, error));
    TRY(take_number(arguments, "--seed", UINT64_MAX, &options->seed, error));
    TRY(take_flag(arguments, "--conditional", &dims->conditional, error));
    TRY(take_flag(arguments, "--use-gap", &dims->use_gap, error));
    TRY(take_flag(arguments, "--use-category", &dims->use_category, error));
    return take_flag(arguments, "--cosine", &dims->cosine, error);
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
