/*
 * export_interests.h - every user's interests as of a moment, as a file.
 *
 * Users are read from the history log, a file or a topic, share by share (history_users.h), folded
 * under one generation, and read: what is written equals what the job published, or would have, when
 * the user had as many behaviors. The job may run meanwhile. Nothing is changed.
 *
 * As of a time a user is what its behaviors before the first one later than that time make it. A
 * history keeps no more than state.history_max behaviors, so users of whom those before that time
 * are gone are counted, and not written.
 */
#ifndef STREAM_QUERY_EXPORT_INTERESTS_H
#define STREAM_QUERY_EXPORT_INTERESTS_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "model/checkpoint.h"
#include "stream/query/moment.h"
#include "stream/query/vectors_file.h"

struct export_options {
    const char *path; /* of the file or folder to write */
    enum vectors_form form;
    int64_t as_of_ms;  /* MOMENT_NOW: all of every history */
    const char *users; /* a file of ids, one a line, that are wanted; NULL: all */
};

struct export_report {
    uint64_t users;     /* written, */
    uint64_t behaviors; /* and folded for them */
    uint64_t later;     /* users that came after the moment, */
    uint64_t cut;       /* whose behaviors of then are gone, */
    uint64_t gone;      /* that were erased or expired, */
    uint64_t unknown;   /* and wanted ones that the log does not have: not written */
    uint64_t shares;    /* that the users were read in */
};

/*
 * Writes the interests of the job's users under `checkpoint`. Keeps nothing. STATUS_INVALID: nothing
 * was committed, one user's history does not fit into job.memory, or what vectors_file_open says.
 */
MUST_CHECK enum status export_interests(const struct config *config,
                                        const struct checkpoint *checkpoint,
                                        const struct export_options *options,
                                        struct export_report *report, struct error *error);

#endif
