/*
 * seed_files.h - which files a job was, or is to be, seeded from, as `seed` and `verify` are told.
 *
 * Thread: one.
 */
#ifndef CLI_SEED_FILES_H
#define CLI_SEED_FILES_H

#include <stdint.h>

#include "cli/command.h"
#include "config/config.h"
#include "stream/source/cut_reader.h"

struct seed_files {
    const char *path;     /* --files; NULL: not given */
    const char *settings; /* --files-config; NULL: they are read as the job reads its topic */
    struct cut cut;       /* --cut, -1: not given; --cut-field */
    struct config config; /* how they are read, once they were opened */
};

/* Takes the four options. */
MUST_CHECK enum status seed_files_arguments(struct seed_files *files, struct arguments *arguments,
                                            struct error *error);

/*
 * Makes `config` of the job's, with which it shares its texts: close the job's alone. STATUS_INVALID:
 * one of both is no configuration of a seed.
 */
MUST_CHECK enum status seed_files_open(struct seed_files *files, struct config *job,
                                       struct error *error);

#endif
