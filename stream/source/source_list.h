/*
 * source_list.h - the files that source.path means.
 *
 * A path is one file, - standard input, a directory, or several files separated by commas. Of a
 * directory the regular files count whose names do not begin with a dot or an underscore. They are
 * ordered by their names, byte by byte.
 *
 * One file that is followed may be renamed while another one gets its name. So the files beside it
 * whose names go on with a dot or a hyphen (log.1, log-20240501.gz) can be had as well.
 */
#ifndef STREAM_SOURCE_SOURCE_LIST_H
#define STREAM_SOURCE_SOURCE_LIST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

enum { SOURCE_FILES_MAX = 65536 };

struct source_entry {
    char *path; /* to open it; owned */
    const char
        *name;    /* what tells it from the others: inside a directory its name there, of several
                       * files the path that was given, of one file its last part */
    int64_t size; /* bytes, as they lie there; -1: not a regular file */
    dev_t device; /* which file it is, whatever its name, */
    ino_t inode;
    int64_t modified_ns; /* and when it was written last */
    bool beside;         /* not meant by the path: beside the one file that is */
    bool known;          /* for whoever has the list; false at first */
};

struct source_list {
    struct source_entry *at;
    uint32_t count;
};

/*
 * Lists them. STATUS_INVALID: one cannot be found, or a directory has none. On failure there is
 * nothing to close.
 */
MUST_CHECK enum status source_list_open(struct source_list *list, const char *path,
                                        struct error *error);

/*
 * The same, and of one file those beside it as well. It may be missing for a moment, between being
 * renamed and another one's getting its name.
 */
MUST_CHECK enum status source_list_open_followed(struct source_list *list, const char *path,
                                                 struct error *error);
void source_list_close(struct source_list *list);

/* The file of that name, also if one of both was compressed (.gz) since; NULL: there is none. */
struct source_entry *source_list_find(const struct source_list *list, const char *name);

#endif
