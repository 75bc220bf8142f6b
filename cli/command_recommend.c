/* command_recommend.c - `braid recommend`: the best items for one user. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "stream/query/recommend.h"

static const char help[] =
    "usage: braid recommend --user USER [--top N] [--interests] [--catalogue FILE] [--log]\n"
    "                       [--diversity X [--pool N]] [--seen] [--config FILE]\n"
    "                       [--KEY=VALUE ...]\n\n"
    "Prints the items of model.checkpoint that rank best for a user: an item's score is its best\n"
    "over the user's interests. The user's history comes from the job's state.dir, also while it\n"
    "runs; without state.dir, or with --log, from the source log. Items that the user has had are\n"
    "left out.\n\n"
    "  braid recommend --user 196 --config braid.yaml\n"
    "  braid recommend --user 196 --config braid.yaml --top 20 --catalogue titles.tsv\n"
    "      with titles: a csv or tsv whose first line names the columns item and title\n"
    "  braid recommend --user 196 --config braid.yaml --interests --top 5\n"
    "      the nearest items of each interest by itself\n"
    "  braid recommend --user 196 --config braid.yaml --diversity 0.5\n"
    "      each place to the item with the best score + X for every item before it that has\n"
    "      another category, out of the --pool N (100) best\n"
    "  braid recommend --user 196 --log --source.path=clicks.jsonl "
    "--model.checkpoint=g2.safetensors\n\n"
    "  --top N      10\n"
    "  --seen       items that the user has had may be listed again\n\n"
    "Exit codes: 0 shown; 1 no such user, or the operating system failed; 2 usage or\n"
    "configuration; 3 refused: damage, a newer format.\n";

enum { TOP = 10, POOL = 100 };

static enum status take_count(struct arguments *arguments, const char *name, uint32_t *value,
                              struct error *error)
{
    const char *text;
    char *end;
    TRY(arguments_option(arguments, name, &text, error));
    if (!text) return STATUS_OK;
    const unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number < 1 || number > RECOMMEND_TOP_MAX) {
        return error_set(error, STATUS_INVALID, "%s %s: a number from 1 to %d is expected", name,
                         text, RECOMMEND_TOP_MAX);
    }
    *value = (uint32_t)number;
    return STATUS_OK;
}

static enum status take_diversity(struct arguments *arguments, double *value, struct error *error)
{
    const char *text;
    char *end;
    TRY(arguments_option(arguments, "--diversity", &text, error));
    if (!text) return STATUS_OK;
    *value = strtod(text, &end);
    if (*text && !*end && *value >= 0 && *value <= 1e6) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "--diversity %s: a weight from 0 on is expected", text);
}

static enum status run_recommend(struct arguments *arguments, struct config *config,
                                 struct error *error)
{
    struct recommend_options options = {.top = TOP, .pool = POOL};
    options.from_log = arguments_flag(arguments, "--log");
    options.each_interest = arguments_flag(arguments, "--interests");
    options.seen = arguments_flag(arguments, "--seen");
    TRY(arguments_option(arguments, "--user", &options.user, error));
    TRY(arguments_option(arguments, "--catalogue", &options.catalogue, error));
    TRY(take_count(arguments, "--top", &options.top, error));
    TRY(take_count(arguments, "--pool", &options.pool, error));
    TRY(take_diversity(arguments, &options.diversity, error));
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    if (!options.user) return error_set(error, STATUS_INVALID, "--user USER must be given");
    if (!*config->model.checkpoint) {
        return error_set(error, STATUS_INVALID, "model.checkpoint must be set");
    }
    options.from_log = options.from_log || !*config->state.dir;
    return recommend(config, &options, stdout, error);
}

const struct command command_recommend = {
    .name = "recommend",
    .summary = "the best items for a user, or for each of its interests",
    .help = help,
    .settings = true,
    .run = run_recommend,
};
