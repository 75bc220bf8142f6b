/*
 * file_erase.h - erases users from what a stopped job on files keeps (braid erase).
 *
 * The cut of a user is the first event that the job has not processed yet. It is written into
 * state.dir/erased (stream/source/erasure/erased.h) before anything is deleted, so that whoever reads the log
 * again drops the events before it; from then on the job is refused until nothing is pending any
 * more. Then, each step leaving what a repetition needs:
 *
 *     the user's lines in interests-PPPP.jsonl become {"gone":true} and spaces, byte for byte;
 *     the partition's history log is written anew without the user, and the commit file names it;
 *     the old log and the partition's store, which is a view of it, are deleted;
 *     a receipt is appended to output.dir/erasures.jsonl.
 */
#ifndef STREAM_BROKER_FILE_FILE_ERASE_H
#define STREAM_BROKER_FILE_FILE_ERASE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"

struct erase_report {
    uint32_t users;      /* of whom everything is gone now, */
    uint32_t resumed;    /* those of an earlier call that was interrupted among them */
    uint32_t partitions; /* that they were in */
    uint64_t records;    /* of their histories that were in the logs, */
    uint64_t lines;      /* and lines of theirs in the outputs */
    int64_t cut;         /* offset before which their events do not count any more */
};

/*
 * Erases the users, and those of whom an earlier call has left something. STATUS_REFUSED: the job
 * runs. STATUS_INVALID: state.dir is no job's.
 */
MUST_CHECK enum status file_erase(const struct config *config, const struct bytes *users,
                                  uint32_t count, struct erase_report *report, struct error *error);

#endif
