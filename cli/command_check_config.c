/* command_check_config.c - `braid check-config`: checks a configuration and prints it. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/generation.h"
#include "stream/broker/broker.h"

static const char help[] =
    "usage: braid check-config [--config FILE] [--KEY=VALUE ...]\n"
    "       braid check-config --reference\n\n"
    "Reads a configuration as the other commands would, checks it, and prints every setting in\n"
    "effect. Nothing is opened or created. Secrets are printed as ***.\n\n"
    "  braid check-config --config braid.yaml              what would run?\n"
    "  BRAID_JOB_WORKERS=4 braid check-config --config braid.yaml\n"
    "  braid check-config --reference > config/REFERENCE.md\n\n"
    "Exit codes: 0 it can be used; 2 it cannot, and the message says where and why.\n";

static enum status run_check_config(struct arguments *arguments, struct config *config,
                                    struct error *error)
{
    if (arguments_flag(arguments, "--reference")) {
        config_print_reference(stdout);
        return STATUS_OK;
    }
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    if (!*config->model.checkpoint) generation_choose_dir(config); /* as a job does */
    TRY(config_check(config, error));
    const struct broker_ops *broker = broker_ops_of(config);
    if (broker->check) TRY(broker->check(config, error));
    return config_print(config, stdout, error);
}

const struct command command_check_config = {
    .name = "check-config",
    .summary = "check a configuration and print what is in effect",
    .help = help,
    .settings = true,
    .run = run_check_config,
};
