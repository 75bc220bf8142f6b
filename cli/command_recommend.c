/* command_recommend.c - `braid recommend`: the best items for one user. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/generation.h"
#include "stream/query/recommend.h"

static const char help[] =
    "usage: braid recommend --user USER [--top N] [--interests] [--catalogue FILE] [--log]\n"
    "                       [--by WHAT] [--diversity X [--pool N]] [--seen]\n"
    "                       [--config FILE] [--KEY=VALUE ...]\n\n"
    "Prints the items of model.checkpoint that rank best for a user: an item's score is its best\n"
    "over the user's interests, or that of the intent vector if the model has one; --by intent or\n"
    "--by interests chooses. The user's history comes from the job's state.dir, also while it\n"
    "runs; without state.dir, or with --log, from the source log. Items that the user has had are "
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

/* Chooses what is ranked by; NULL: as the model would. */
static enum status choose_by(struct recommend_options *options, const char *name,
                             struct error *error)
{
    options->by_intent = name && strcmp(name, "intent") == 0;
    options->by_interests = name && strcmp(name, "interests") == 0;
    if (!name || options->by_intent || options->by_interests) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "--by %s: must be intent or interests", name);
}

enum { TOP = 10, POOL = 100, DIVERSITY_MAX = 1000000 };

static enum status run_recommend(struct arguments *arguments, struct config *config,
                                 struct error *error)
{
    struct recommend_options options = {.top = TOP, .pool = POOL};
    options.from_log = arguments_flag(arguments, "--log");
    options.each_interest = arguments_flag(arguments, "--interests");
    options.seen = arguments_flag(arguments, "--seen");
    const char *by;
    TRY(arguments_option(arguments, "--by", &by, error));
    TRY(choose_by(&options, by, error));
    TRY(arguments_option(arguments, "--user", &options.user, error));
    TRY(arguments_option(arguments, "--catalogue", &options.catalogue, error));
    TRY(arguments_count32(arguments, "--top", 1, RECOMMEND_TOP_MAX, &options.top, error));
    TRY(arguments_count32(arguments, "--pool", 1, RECOMMEND_TOP_MAX, &options.pool, error));
    TRY(arguments_real(arguments, "--diversity", 0, DIVERSITY_MAX, &options.diversity, error));
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    if (!options.user) return error_set(error, STATUS_INVALID, "--user USER must be given");
    TRY(generation_choose(config, false, error));
    if (!*config->model.checkpoint) {
        return error_set(error, STATUS_INVALID, "model.checkpoint or model.dir must be set");
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
