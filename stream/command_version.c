/* command_version.c - `braid version`: what exactly is running here. */
#include <stdio.h>

#include "base/fault.h"
#include "stream/command.h"

static const char help[] =
    "usage: braid version [--faults]\n\n"
    "Prints the version, how this program was built, and the libraries it was built against.\n\n"
    "  braid version\n"
    "  braid version --faults      the points at which BRAID_FAULT=NAME:N kills a test build\n";

static void print_faults(void)
{
    for (const char *const *name = fault_names; *name; name++) {
        puts(*name);
    }
}

static int run(int count, char **words)
{
    struct arguments arguments = {count, words};
    struct error error;
    bool faults = arguments_flag(&arguments, "--faults");
    if (arguments_end(&arguments, &error)) return command_failed(&command_version, &error);
    if (faults) {
        print_faults();
        return 0;
    }
    puts("braid " BRAID_VERSION);
    puts("built with " BRAID_BUILD);
    puts("libraries " BRAID_LIBRARIES);
    return 0;
}

const struct command command_version = {
    .name = "version",
    .summary = "print version, build flags and library versions",
    .help = help,
    .run = run,
};
