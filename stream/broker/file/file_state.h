/*
 * file_state.h - what a file job has on disk: lock, commit file, and each partition's files.
 *
 * Opening is where a job that cannot go on is refused: a second job on the same state.dir, another
 * input, another partition count, files shorter than committed. Files longer than committed are
 * cut.
 */
#ifndef STREAM_BROKER_FILE_FILE_STATE_H
#define STREAM_BROKER_FILE_FILE_STATE_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/broker/file/append_file.h"
#include "stream/broker/broker.h"
#include "stream/broker/file/commit_file.h"

struct partition_files {
    struct append_file kind[RECORD_KINDS];
    uint64_t log;  /* number of the history log that is appended to, */
    uint64_t base; /* and the bytes it had when it was made by a rewrite */
};

struct file_state {
    const struct config *config;
    int lock; /* held while the job lives */
    struct commit_file commit;
    struct partition_files *partitions; /* [commit.partitions] */
};

/* Keeps `config`. Legal to close after a failure. */
MUST_CHECK enum status file_state_open(struct file_state *state, const struct config *config,
                                       struct error *error);
void file_state_close(struct file_state *state);

/* Bytes of buffers that the files take at most, for the memory plan. */
size_t file_state_size(const struct config *config);

#endif
