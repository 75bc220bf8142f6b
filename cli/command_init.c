/* command_init.c - `braid init`: generation 1 of a model from a log. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/dim_options.h"
#include "stream/learn/init.h"

static const char help[] =
    "usage: braid init [--config FILE] [--KEY=VALUE ...] [OPTION=VALUE ...]\n\n"
    "Makes generation 1: reads the source log once, gives its most frequent items rows in the\n"
    "item dictionary, draws the parameters from a seed, and writes model.checkpoint, which must\n"
    "not exist yet, or if none is set the first generation of model.dir. The same log and\n"
    "options make the same file.\n\n"
    "  braid init --config braid.yaml\n"
    "  braid init --source.path=clicks.jsonl --model.checkpoint=generation-1.safetensors\n"
    "  braid init --config braid.yaml --d=32 --interests=8 --seed=7\n"
    "  braid init --config braid.yaml --model=gdelta --heads=2\n"
    "  braid init --config braid.yaml --model=ledger --items-from generation-2.safetensors\n"
    "      clusters of the item vectors that another model was trained to\n"
    "  braid init --config braid.yaml --count-min=5 --items-max=50000\n"
    "      rare items share --oov rows; their users are still told apart by everything else\n\n"
    "  --model=NAME        which model, with dimensions of its own where none are given:\n"
    "      limarec  linear attention, its sums are the state (what init makes if not told)\n"
    "      gdelta   the same over memories that fade in time and overwrite\n"
    "      mimn     a memory of slots, each an interest\n"
    "      hpmn     levels of memory, each slower than the one below, each an interest\n"
    "      mind     dynamic routing over the last behaviors; more of them, more interests\n"
    "      comirec-dr  dynamic routing with a matrix of its own for each interest\n"
    "      comirec-sa  attention over the last behaviors and how old they are, a head for each\n"
    "               interest; without --positions over all of them\n"
    "      sine     a few of many prototypes, and what the user is after now, its intent\n"
    "      octopus  channels by keys that all users share, as many as a user has used\n"
    "      lru      a linear recurrence in complex numbers; one vector, the newest\n"
    "      ledger   clusters of items, as many as a user needs; nothing to train\n"
    "      single   one vector, the baseline\n"
    "  --d=N               width of embeddings and interests\n"
    "  --interests=N       vectors read of a user, at most; of mimn its slots, of\n"
    "                      octopus its channels\n"
    "  --use-gap=BOOL      absorb the time between behaviors, in --gap-buckets=N\n"
    "  --use-category=BOOL absorb the items' categories\n"
    "  --tags=BOOL         all of an item's categories, up to 8; else its first\n"
    "  --profile-buckets=N of mind and single: read what profile.fields says of a user\n"
    "  --cosine=BOOL       publish vectors of length 1, for search by cosine, trained with\n"
    "                      --temperature=X\n"
    "  limarec, gdelta:    --blocks=N layers, --heads=N of attention, --ffn=N width between\n"
    "                      them, --extract-heads=N of the extraction, --conditional=BOOL: read\n"
    "                      in view of the latest item\n"
    "  lru:                --blocks=N layers, --width=N coordinates of each, --ffn=N\n"
    "                      width between them; with --extract-heads=N several --interests,\n"
    "                      --conditional=BOOL\n"
    "  limarec, gdelta, mimn, hpmn, lru: --select=BOOL: publish only those interests that there "
    "is\n"
    "                      evidence of, --evidence-min=X (0.1) of the usual, and that differ,\n"
    "                      --residual-min=X (0.3) of each outside the span of the others\n"
    "  mimn:               --induction-top=N slots that an event advances, --utilization=BOOL:\n"
    "                      balance writes, --penalty-weight=X of unbalanced ones in training\n"
    "  hpmn:               --interests=N levels, --steps=LIST: how many updates of one make one\n"
    "                      of the next, as 4,4,8, the last number for all above; also\n"
    "                      --penalty-weight=X of levels that are alike\n"
    "  sine:               --window=N behaviors, --prototypes=N that all users share, --tau=X\n"
    "                      temperature of intent, --intent-cosine=BOOL: by cosines, which trains\n"
    "                      better, --penalty-weight=X of prototypes that are alike\n"
    "  octopus:            --penalty-weight=X of keys that are alike in training\n"
    "  comirec-dr:         --window=N behaviors, --iterations=N of routing\n"
    "  comirec-sa:         --attention=N width of the scores, --positions=BOOL: over --window=N\n"
    "                      behaviors by age; false: over all of a life, in one step an event\n"
    "  mind:               --window=N behaviors, --iterations=N of routing, --mlp=N width after,\n"
    "                      --fixed-interests=BOOL: as many as behaviors, not log2 of them\n"
    "  single:             --half-life-days=X of a behavior (0: all count alike),\n"
    "                      --project=BOOL: a linear layer after the mean\n"
    "  ledger:             --items-from FILE: the dictionary and item vectors of a trained\n"
    "                      checkpoint instead of the log's; --entries=N kept, and the options\n"
    "                      of models.md 7.1: --half-life-days=X, --new-cosine=X,\n"
    "                      --merge-cosine=X, --drop-mass=X, --publish-mass=X, --split-mass=X,\n"
    "                      --split-scatter=X, --split-share=X\n"
    "  --oov=N             rows that unknown items share; 0: they are not absorbed\n"
    "  --items-max=N, --count-min=N   which items get a row of their own\n"
    "  --seed=N\n\n"
    "Exit codes: 0 made; 1 the operating system failed; 2 usage, configuration, no usable event;\n"
    "3 refused: the checkpoint exists.\n";

static enum status take_options(struct arguments *arguments, struct init_options *options,
                                struct error *error)
{
    const char *model;
    struct dim_options dims;
    TRY(arguments_option(arguments, "--model", &model, error));
    if (model) TRY(init_options_model(options, model, error));
    TRY(dim_options_take(&dims, DIMS_ALL, arguments, error));
    TRY(dim_options_apply(&dims, options->model, &options->dims, error));
    TRY(arguments_count32(arguments, "--oov", 0, 1 << 20, &options->oov, error));
    TRY(arguments_count32(arguments, "--items-max", 0, UINT32_MAX - 1, &options->items_max, error));
    TRY(arguments_count(arguments, "--count-min", 0, UINT64_MAX, &options->count_min, error));
    return arguments_count(arguments, "--seed", 0, UINT64_MAX, &options->seed, error);
}

static void print_made(const struct init_summary *summary, const char *path)
{
    char events[PROGRESS_NUMBER_MAX];
    char items[PROGRESS_NUMBER_MAX];
    printf("%s: %s of %" PRIu32 " items and %" PRIu32 " categories have a row, from %s events\n",
           path, progress_number(summary->items, items), summary->items_seen, summary->categories,
           progress_number(summary->log.accepted, events));
    if (summary->unknown) {
        log_note("init",
                 "%" PRIu64 " of %" PRIu64
                 " events are of items without a row (--items-max, --count-min)",
                 summary->unknown, summary->log.accepted);
    }
    event_log_report(&summary->log, "init");
}

static enum status run_init(struct arguments *arguments, struct config *config, struct error *error)
{
    struct init_options options;
    struct init_summary summary;
    struct progress progress;
    const char *items_from;
    init_options_defaults(&options);
    TRY(take_options(arguments, &options, error));
    TRY(arguments_option(arguments, "--items-from", &items_from, error));
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    const char *path = *config->model.checkpoint ? config->model.checkpoint : NULL;
    const char *where = path ? path : config->model.dir;
    options.dir = config->model.dir;
    if (!*where) {
        return error_set(error, STATUS_INVALID,
                         "model.checkpoint or model.dir must be set: the file to write, such as "
                         "--model.checkpoint=generation-1.safetensors, or where it goes");
    }
    if (items_from) {
        TRY(init_on_items(&options, items_from, path, error));
        printf("%s: a %s on the items of %s\n", where, options.model, items_from);
        return STATUS_OK;
    }
    progress_start(&progress, "init", "events", config->log.quiet);
    enum status status = init_checkpoint(config, &options, path, &progress, &summary, error);
    progress_end(&progress);
    if (status == STATUS_OK) print_made(&summary, where);
    return status;
}

const struct command command_init = {
    .name = "init",
    .summary = "make generation 1 of a model from a log",
    .help = help,
    .settings = true,
    .run = run_init,
};
