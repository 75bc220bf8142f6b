/* command_inspect.c - `braid inspect user | store | checkpoint | curve`: prints what a job keeps. */
#include <stdio.h>
#include <string.h>

#include "model/checkpoint.h"
#include "model/model_dir.h"
#include "cli/command.h"
#include "cli/generation.h"
#include "stream/query/inspect.h"

static const char help[] =
    "usage: braid inspect user USER [--last N] [--as-of TIME] [--catalogue FILE] [--explain]\n"
    "                              [--json] [--config FILE] [--KEY=VALUE]\n"
    "       braid inspect store [--config FILE] [--KEY=VALUE]\n"
    "       braid inspect checkpoint FILE\n"
    "       braid inspect curve [FILE] [--columns X,A,B,...] [--plot SVG] [--config FILE]\n\n"
    "user: its history out of the log, the state that it folds to, its interests now. The job may\n"
    "run meanwhile. --last N shows the latest N behaviors (20), --catalogue FILE titles beside\n"
    "the items' ids: a csv or tsv whose first line names the columns item and title. --explain:\n"
    "each behavior's share in each interest, and what each is made of most (not of hpmn, mimn and\n"
    "lru without heads, whose reads are no sums over behaviors). --json: all of it as one object.\n"
    "--as-of TIME: what it was then, from the behaviors before the first later one.\n"
    "store: each partition's committed position and the size of its store. The job must not run.\n"
    "checkpoint: the generation, dimensions and parameters of a model file.\n"
    "curve: how well each generation predicted what came, beside what counting reaches, out of\n"
    "model.dir/curve.csv or FILE; as a picture with --plot.\n\n"
    "  braid inspect user 196 --config braid.yaml\n"
    "  braid inspect user 196 --config braid.yaml --last 5 --catalogue titles.tsv\n"
    "  braid inspect user 196 --config braid.yaml --explain --json\n"
    "  braid inspect user 196 --config braid.yaml --as-of 2024-05-01T12:00Z\n"
    "  braid inspect store --state.dir=state\n"
    "  braid inspect checkpoint generation-1.safetensors\n"
    "  braid inspect curve --state.dir=state --plot curve.svg\n\n"
    "Exit codes: 0 shown; 1 no such user, or the operating system failed; 2 usage or\n"
    "configuration; 3 refused: damage, a newer format.\n";

enum { LAST = 20, LAST_MAX = 1000000, CURVE_PATH_MAX = MODEL_DIR_PATH_MAX + 16 };

/* The word behind what is inspected. */
static enum status take_word(struct arguments *arguments, const char *what, const char **wordp,
                             struct error *error)
{
    if (arguments->count < 2) return error_set(error, STATUS_INVALID, "which %s?", what);
    *wordp = arguments->at[1];
    arguments->at += 2;
    arguments->count -= 2;
    return arguments_end(arguments, error);
}

static enum status show_user(struct arguments *arguments, struct config *config,
                             struct error *error)
{
    struct inspect_user_options options = {.last = LAST, .as_of_ms = MOMENT_NOW};
    options.explain = arguments_flag(arguments, "--explain");
    options.json = arguments_flag(arguments, "--json");
    TRY(arguments_option(arguments, "--catalogue", &options.catalogue, error));
    TRY(arguments_count32(arguments, "--last", 0, LAST_MAX, &options.last, error));
    TRY(arguments_moment(arguments, "--as-of", &options.as_of_ms, error));
    TRY(arguments_config(arguments, config, error));
    TRY(take_word(arguments, "user", &options.user, error));
    TRY(generation_choose(config, false, error));
    TRY(config_check(config, error));
    return inspect_user(config, &options, stdout, error);
}

static enum status show_store(struct arguments *arguments, struct config *config,
                              struct error *error)
{
    TRY(arguments_config(arguments, config, error));
    arguments->at++;
    arguments->count--;
    TRY(arguments_end(arguments, error));
    if (!*config->state.dir) return error_set(error, STATUS_INVALID, "state.dir must be set");
    if (config->source.broker == CONFIG_BROKER_KAFKA) TRY(config_check(config, error));
    return inspect_store(config, stdout, error);
}

static enum status show_checkpoint(struct arguments *arguments, struct error *error)
{
    const char *path = NULL;
    struct checkpoint *checkpoint;
    TRY(take_word(arguments, "checkpoint", &path, error));
    TRY(checkpoint_open(&checkpoint, path, error));
    checkpoint_print(checkpoint, stdout);
    checkpoint_close(checkpoint);
    return STATUS_OK;
}

static enum status show_curve(struct arguments *arguments, struct config *config,
                              struct error *error)
{
    const char *columns, *svg, *path = NULL;
    char own[CURVE_PATH_MAX];
    TRY(arguments_option(arguments, "--columns", &columns, error));
    TRY(arguments_option(arguments, "--plot", &svg, error));
    TRY(arguments_config(arguments, config, error));
    if (arguments->count > 1) {
        TRY(take_word(arguments, "curve", &path, error));
        return inspect_curve(path, columns, svg, stdout, error);
    }
    TRY(generation_choose(config, false, error));
    if (!*config->model.dir) {
        return error_set(error, STATUS_INVALID, "which curve? A file, or that of model.dir");
    }
    snprintf(own, sizeof own, "%s/curve.csv", config->model.dir);
    return inspect_curve(own, columns, svg, stdout, error);
}

static enum status run_inspect(struct arguments *arguments, struct config *config,
                               struct error *error)
{
    const char *what = arguments->count > 0 ? arguments->at[0] : "";
    if (strcmp(what, "user") == 0) return show_user(arguments, config, error);
    if (strcmp(what, "store") == 0) return show_store(arguments, config, error);
    if (strcmp(what, "checkpoint") == 0) return show_checkpoint(arguments, error);
    if (strcmp(what, "curve") == 0) return show_curve(arguments, config, error);
    return error_set(error, STATUS_INVALID, "inspect what? user, store, checkpoint or curve");
}

const struct command command_inspect = {
    .name = "inspect",
    .summary = "look at a user, the store, or a checkpoint",
    .help = help,
    .settings = true,
    .run = run_inspect,
};
