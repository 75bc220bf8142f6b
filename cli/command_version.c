/* command_version.c - `braid version`: version, build flags and libraries. */
#include <stdio.h>

#include "base/fault.h"
#include "cli/command.h"
#include "model/kernel/kernel_width.h"

static const char help[] =
    "usage: braid version [--faults]\n\n"
    "Prints the version, how this program was built, the libraries it was built against, and how\n"
    "wide the vector instructions are that models are computed with on this processor.\n\n"
    "  braid version\n"
    "  braid version --faults      the points at which BRAID_FAULT=NAME:N kills a test build\n";

static void print_faults(void)
{
    for (const char *const *name = fault_names; *name; name++) {
        puts(*name);
    }
}

static enum status run_version(struct arguments *arguments, struct config *config,
                               struct error *error)
{
    (void)config;
    const bool faults = arguments_flag(arguments, "--faults");
    TRY(arguments_end(arguments, error));
    if (faults) {
        print_faults();
        return STATUS_OK;
    }
    puts("braid " BRAID_VERSION);
    puts("built with " BRAID_BUILD);
    puts("libraries " BRAID_LIBRARIES);
    printf("vectors of %u bits\n", kernel_width());
    return STATUS_OK;
}

const struct command command_version = {
    .name = "version",
    .summary = "print version, build flags and library versions",
    .help = help,
    .run = run_version,
};
