/* command_export.c - `braid export items | interests`: vectors of items or of users, as a file. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/generation.h"
#include "model/checkpoint.h"
#include "model/model_dir.h"
#include "stream/exchange/items_file.h"
#include "stream/query/export_interests.h"

static const char help[] =
    "usage: braid export items     --out FILE [--generation N] [--config FILE] [--KEY=VALUE ...]\n"
    "       braid export interests --out PATH [--as-of TIME] [--users FILE] [--form FORM]\n"
    "                              [--generation N] [--config FILE] [--KEY=VALUE ...]\n\n"
    "items: what interests of a generation are compared with: a JSON line for each item of its\n"
    "dictionary, with id, category and vector, and at the end how many there are and what their\n"
    "checksums sum to, so that a reader knows when it has all of them.\n"
    "interests: those of every user whose history the job keeps, equal to what it published; the\n"
    "job may run meanwhile. --as-of 2024-05-01T12:00Z: as they were then, from the behaviors "
    "before\n"
    "the first later one of each user. --users FILE: of the ids in it, one a line, alone.\n"
    "--form jsonl: records as they are published, but with offset -1 where it is not kept "
    "(default);\n"
    "npy: a folder with arrays for NumPy and users.jsonl; safetensors: one file with the same "
    "arrays.\n\n"
    "What is written is there as a whole, or not at all. Without --generation it is the one that "
    "a\n"
    "job would serve: model.checkpoint, or the newest of model.dir. output.vectors is the form of\n"
    "vectors in JSON.\n\n"
    "  braid export items --config braid.yaml --out items.jsonl\n"
    "  braid export items --state.dir=state --generation 3 --out items.jsonl "
    "--output.vectors=numbers\n"
    "  braid export interests --config braid.yaml --out interests.jsonl\n"
    "  braid export interests --config braid.yaml --as-of 2024-05-01 --form npy --out may\n\n"
    "The last line is for scripts: export generation=N items=N width=N path=FILE\n"
    "or: export generation=N users=N behaviors=N later=N cut=N gone=N unknown=N path=PATH\n"
    "(not written: users that came later, whose behaviors of then are gone, who were erased or\n"
    "expired, ids that no user has)\n\n"
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

static enum status export_items(const char *out, const struct checkpoint *checkpoint,
                                const struct config *config, struct error *error)
{
    TRY(items_file_write(out, checkpoint, config->output.vectors, error));
    printf("export generation=%" PRIu64 " items=%" PRIu32 " width=%" PRIu32 " path=%s\n",
           checkpoint->generation, item_table_items(checkpoint->items), checkpoint->dims.d, out);
    return STATUS_OK;
}

static enum status export_users(const struct export_options *options,
                                const struct checkpoint *checkpoint, const struct config *config,
                                struct error *error)
{
    struct export_report report;
    TRY(export_interests(config, checkpoint, options, &report, error));
    printf("export generation=%" PRIu64 " users=%" PRIu64 " behaviors=%" PRIu64 " later=%" PRIu64
           " cut=%" PRIu64 " gone=%" PRIu64 " unknown=%" PRIu64 " path=%s\n",
           checkpoint->generation, report.users, report.behaviors, report.later, report.cut,
           report.gone, report.unknown, options->path);
    return STATUS_OK;
}

static enum status take_form(struct arguments *arguments, enum vectors_form *formp,
                             struct error *error)
{
    const char *name;
    TRY(arguments_option(arguments, "--form", &name, error));
    if (!name) return STATUS_OK;
    for (enum vectors_form form = 0; form < VECTORS_FORMS; form++) {
        *formp = form;
        if (strcmp(name, vectors_form_names[form]) == 0) return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID, "--form=%s: jsonl, npy or safetensors is expected",
                     name);
}

static enum status run_export(struct arguments *arguments, struct config *config,
                              struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    struct export_options options = {.as_of_ms = MOMENT_NOW};
    uint64_t number = 0;
    struct checkpoint *checkpoint;
    TRY(arguments_option(arguments, "--out", &options.path, error));
    TRY(arguments_option(arguments, "--users", &options.users, error));
    TRY(arguments_moment(arguments, "--as-of", &options.as_of_ms, error));
    TRY(take_form(arguments, &options.form, error));
    TRY(arguments_count(arguments, "--generation", 1, INT64_MAX, &number, error));
    TRY(arguments_config(arguments, config, error));
    const char *what = arguments->count == 1 ? arguments->at[0] : "";
    const bool items = strcmp(what, "items") == 0;
    if (!items && strcmp(what, "interests") != 0) {
        return error_set(error, STATUS_INVALID, "export what? items or interests");
    }
    if (items && (options.users || options.form || options.as_of_ms != MOMENT_NOW)) {
        return error_set(error, STATUS_INVALID,
                         "--as-of, --users and --form are of `braid export interests`");
    }
    if (!options.path) return error_set(error, STATUS_INVALID, "to which file? --out FILE");
    TRY(generation_choose(config, false, error));
    TRY(find_generation(config, number, path, error));
    TRY(checkpoint_open(&checkpoint, path, error));
    const enum status status = items ? export_items(options.path, checkpoint, config, error)
                                     : export_users(&options, checkpoint, config, error);
    checkpoint_close(checkpoint);
    return status;
}

const struct command command_export = {
    .name = "export",
    .summary = "write the item vectors of a generation, or the interests of all users",
    .help = help,
    .settings = true,
    .run = run_export,
};
