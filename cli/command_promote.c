/*
 * command_promote.c - `braid promote` and `braid rollback`: a generation of model.dir becomes the
 * newest by hand.
 *
 * Numbers only rise, so its parameters are written again under a new one. The group, or the next
 * start of a job on files, takes it as it takes any other.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/generation.h"

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

static enum status promote(struct config *config, uint64_t parent, struct error *error)
{
    uint64_t number;
    TRY(generation_promote(config, 0, &parent, &number, error));
    printf("generation %" PRIu64 " has the parameters of generation %" PRIu64 "\n"
           "promote generation=%" PRIu64 " parent=%" PRIu64 "\n",
           number, parent, number, parent);
    return STATUS_OK;
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
    return promote(config, GENERATION_BEFORE, error);
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
