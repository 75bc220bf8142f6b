/* command_export.c - `braid export items`: the item vectors of a generation, as a file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/generation.h"
#include "model/checkpoint.h"
#include "model/model_dir.h"
#include "stream/exchange/items_file.h"

static const char help[] =
    "usage: braid export items [--generation N] --out FILE [--config FILE] [--KEY=VALUE ...]\n\n"
    "Writes what interests of a generation are compared with: a JSON line for each item of its\n"
    "dictionary, with id, category and vector, and at the end how many there are and what their\n"
    "checksums sum to, so that a reader knows when it has all of them. FILE is replaced at once, "
    "or\n"
    "not at all. Without a number it is the generation that a job would serve: model.checkpoint, "
    "or\n"
    "the newest of model.dir. output.vectors is the form of the vectors.\n\n"
    "  braid export items --config braid.yaml --out items.jsonl\n"
    "  braid export items --state.dir=state --generation 3 --out items.jsonl "
    "--output.vectors=numbers\n\n"
    "The last line is for scripts: export generation=N items=N width=N path=FILE\n\n"
    "Exit codes: 0 written; 1 the operating system or a broker failed; 2 usage, configuration, no\n"
    "such generation; 3 refused: damage, a newer format.\n";

/* The file of generation `number`, or of the one that a job would serve if that is 0. */
static enum status find_generation(const struct config *config, uint64_t number,
                                   char path[MODEL_DIR_PATH_MAX], struct error *error)
{
    if (!number) {
        if (*config->model.checkpoint) {
            snprintf(path, MODEL_DIR_PATH_MAX, "%s", config->model.checkpoint);
            return STATUS_OK;
        }
        return error_set(error, STATUS_INVALID,
                         "of which model? model.checkpoint, model.dir or state.dir says so");
    }
    if (!*config->model.dir) {
        return error_set(error, STATUS_INVALID, "--generation %" PRIu64 ": of which model.dir?",
                         number);
    }
    TRY(model_dir_path(config->model.dir, number, path, error));
    if (model_dir_is_whole(path, number)) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s: no generation %" PRIu64 " there",
                     config->model.dir, number);
}

static enum status run_export(struct arguments *arguments, struct config *config,
                              struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    const char *out;
    uint64_t number = 0;
    struct checkpoint *checkpoint;
    TRY(arguments_option(arguments, "--out", &out, error));
    TRY(arguments_count(arguments, "--generation", 1, INT64_MAX, &number, error));
    TRY(arguments_config(arguments, config, error));
    if (arguments->count != 1 || strcmp(arguments->at[0], "items") != 0) {
        return error_set(error, STATUS_INVALID, "export what? items");
    }
    if (!out) return error_set(error, STATUS_INVALID, "to which file? --out FILE");
    TRY(generation_choose(config, false, error));
    TRY(find_generation(config, number, path, error));
    TRY(checkpoint_open(&checkpoint, path, error));
    const enum status status = items_file_write(out, checkpoint, config->output.vectors, error);
    if (status == STATUS_OK) {
        printf("export generation=%" PRIu64 " items=%" PRIu32 " width=%" PRIu32 " path=%s\n",
               checkpoint->generation, item_table_items(checkpoint->items), checkpoint->dims.d,
               out);
    }
    checkpoint_close(checkpoint);
    return status;
}

const struct command command_export = {
    .name = "export",
    .summary = "write the item vectors of a generation",
    .help = help,
    .settings = true,
    .run = run_export,
};
