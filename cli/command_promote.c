/*
 * command_promote.c - `braid promote` and `braid rollback`: a generation of model.dir becomes the
 * newest by hand.
 *
 * Numbers only rise, so its parameters are written again under a new one. The group, or the next
 * start of a job on files, takes it as it takes any other.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/generation.h"
#include "model/model_dir.h"
#include "stream/exchange/exchange.h"

static const char promote_help[] =
    "usage: braid promote --generation N [--config FILE] [--KEY=VALUE ...]\n\n"
    "Makes the parameters of generation N of model.dir the newest generation, with a number of "
    "its\n"
    "own, whatever a gate said of them. On Kafka it is published to the group's members, who "
    "adopt\n"
    "it while they run; one that is training drops what it had begun. A job on files adopts it "
    "when\n"
    "it starts again.\n\n"
    "  braid promote --generation 12 --config braid.yaml\n\n"
    "The last line is for scripts: promote generation=N parent=N\n\n"
    "Exit codes: 0 done; 1 the operating system or a broker failed; 2 usage or configuration;\n"
    "3 refused: damage, a newer format.\n";

static const char rollback_help[] =
    "usage: braid rollback [--config FILE] [--KEY=VALUE ...]\n\n"
    "Goes back to the generation before the newest one of model.dir: promotes it (braid promote\n"
    "--help). A second time undoes the first; braid promote --generation N goes back further.\n\n"
    "  braid rollback --config braid.yaml\n\n"
    "The last line is for scripts: promote generation=N parent=N\n\n"
    "Exit codes: 0 done; 1 the operating system or a broker failed; 2 usage or configuration;\n"
    "3 refused: damage, a newer format.\n";

/* The one before `newest` that opens. */
static enum status find_before(const char *dir, uint64_t newest, uint64_t *numberp,
                               struct error *error)
{
    struct model_dir_list list;
    enum status status = STATUS_OK;
    *numberp = 0;
    TRY(model_dir_list_open(&list, dir, error));
    for (uint32_t i = list.count; i-- > 0 && *numberp == 0 && status == STATUS_OK;) {
        char path[MODEL_DIR_PATH_MAX];
        if (list.numbers[i] >= newest) continue;
        status = model_dir_path(dir, list.numbers[i], path, error);
        if (status == STATUS_OK && model_dir_is_whole(path, list.numbers[i])) {
            *numberp = list.numbers[i];
        }
    }
    model_dir_list_close(&list);
    TRY(status);
    if (*numberp) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s: no generation before %" PRIu64, dir, newest);
}

/* Writes the parameters of `parent` as the next generation. */
static enum status write_again(const char *dir, uint64_t parent, uint64_t *numberp,
                               struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    struct checkpoint *checkpoint;
    TRY(model_dir_path(dir, parent, path, error));
    TRY(checkpoint_open_to_train(&checkpoint, path, error));
    struct checkpoint_training *training = &checkpoint->training;
    training->parent = parent;
    training->parent_fingerprint = checkpoint->fingerprint;
    training->verdict = (struct training_verdict){.events = 0};
    snprintf(training->verdict.text, sizeof training->verdict.text, "forced: as %" PRIu64, parent);
    const enum status status = model_dir_write(dir, checkpoint, error);
    *numberp = checkpoint->generation;
    checkpoint_close(checkpoint);
    return status;
}

/* `parent` 0: the one before the newest. */
static enum status promote_with(struct exchange *exchange, const char *dir, uint64_t parent,
                                struct error *error)
{
    uint64_t newest, number;
    TRY(exchange_take_seat(exchange, error));
    TRY(exchange_sync(exchange, &newest, error));
    if (!parent && !newest) {
        return error_set(error, STATUS_INVALID, "%s: no generation serves yet", dir);
    }
    if (!parent) TRY(find_before(dir, newest, &parent, error));
    TRY(write_again(dir, parent, &number, error));
    TRY(exchange_publish(exchange, number, error));
    printf("generation %" PRIu64 " has the parameters of generation %" PRIu64 "\n"
           "promote generation=%" PRIu64 " parent=%" PRIu64 "\n",
           number, parent, number, parent);
    return STATUS_OK;
}

static enum status promote(struct config *config, uint64_t parent, struct error *error)
{
    struct exchange *exchange;
    generation_choose_dir(config);
    if (!*config->model.dir) {
        return error_set(error, STATUS_INVALID, "model.dir must be set: it has the generations");
    }
    TRY(exchange_open(&exchange, config, error));
    const enum status status = promote_with(exchange, config->model.dir, parent, error);
    exchange_close(exchange);
    return status;
}

static enum status run_promote(struct arguments *arguments, struct config *config,
                               struct error *error)
{
    uint64_t number = 0;
    TRY(arguments_count(arguments, "--generation", 1, INT64_MAX - 1, &number, error));
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    if (!number) return error_set(error, STATUS_INVALID, "which one? --generation N");
    return promote(config, number, error);
}

static enum status run_rollback(struct arguments *arguments, struct config *config,
                                struct error *error)
{
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    return promote(config, 0, error);
}

const struct command command_promote = {
    .name = "promote",
    .summary = "make a generation the newest by hand",
    .help = promote_help,
    .settings = true,
    .run = run_promote,
};

const struct command command_rollback = {
    .name = "rollback",
    .summary = "go back to the generation before",
    .help = rollback_help,
    .settings = true,
    .run = run_rollback,
};
