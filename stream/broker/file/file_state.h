/*
 * file_state.h - what a file job has on disk: lock, commit file, and each partition's files.
 *
 * Opening is where a job that cannot go on is refused: a second job on the same state.dir, another
 * partition count, files shorter than committed. Files longer than committed are cut.
 */
#ifndef STREAM_BROKER_FILE_FILE_STATE_H
#define STREAM_BROKER_FILE_FILE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/broker/file/append_file.h"
#include "stream/broker/broker.h"
#include "stream/broker/file/commit_file.h"
#include "stream/broker/file/file_reader.h"

struct partition_files {
    struct append_file kind[RECORD_KINDS];
    uint64_t log;  /* number of the history log that is appended to, */
    uint64_t base; /* and the bytes it had when it was made by a rewrite */
};

struct file_state {
    const struct config *config;
    int lock; /* held while the job lives */
    struct commit commit;
    bool is_new;                        /* there is no commit file yet */
    struct partition_files *partitions; /* [commit.partitions] */
};

/*
 * Takes the lock and reads the commit file. Nothing is written yet that a later start would be
 * bound by. Keeps `config`. Legal to close after a failure.
 */
MUST_CHECK enum status file_state_open(struct file_state *state, const struct config *config,
                                       struct error *error);

/* The input is there: writes a new job's commit file, and opens every file at its length. */
MUST_CHECK enum status file_state_begin(struct file_state *state, struct error *error);

/*
 * Enters into the commit file how far the source was read, and where a new job has begun. The identity of a file grows with what was read of it.
 */
MUST_CHECK enum status file_state_set_position(struct file_state *state,
                                               const struct file_reader *reader,
                                               const struct source_position *position,
                                               struct error *error);

/* Appends a record to the file of its kind and partition: a line, or a frame of the history log. */
MUST_CHECK enum status file_state_add(struct file_state *state, const struct record *record,
                                      struct error *error);

void file_state_close(struct file_state *state);

/* Bytes of buffers that the files take at most, for the memory plan. */
size_t file_state_size(const struct config *config);

#endif
