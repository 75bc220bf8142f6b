/*
 * append_file.h - a file that only grows, of which a known length is committed.
 *
 * Writes go through a buffer to the end of the file. What lies beyond the committed length when a
 * file is opened was never committed and is cut off.
 *
 *     append_file_open -> (append_file_add ... append_file_sync) ... -> append_file_close
 */
#ifndef STREAM_BROKER_FILE_APPEND_FILE_H
#define STREAM_BROKER_FILE_APPEND_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

struct append_file {
    char *path; /* owned */
    int file;
    uint64_t length; /* bytes added so far, those in the buffer included */
    size_t buffered;
    size_t buffer_size;
    uint8_t *buffer; /* taken at the first add */
    bool unsynced;
};

/*
 * Opens `path`, creating it if `committed` is 0, and cuts it to `committed` bytes. STATUS_REFUSED
 * if it is shorter. Legal to close after a failure.
 */
MUST_CHECK enum status append_file_open(struct append_file *file, const char *path,
                                        uint64_t committed, size_t buffer_size,
                                        struct error *error);

/* Legal on a zeroed file. What is still buffered is dropped. */
void append_file_close(struct append_file *file);

MUST_CHECK enum status append_file_add(struct append_file *file, struct bytes bytes,
                                       struct error *error);

/* Hands the buffer to the operating system and lets it begin to write. */
MUST_CHECK enum status append_file_flush(struct append_file *file, struct error *error);

/* Makes everything added durable. */
MUST_CHECK enum status append_file_sync(struct append_file *file, struct error *error);

/* Drops everything beyond `length`, which was the length at some earlier moment. */
MUST_CHECK enum status append_file_cut(struct append_file *file, uint64_t length,
                                       struct error *error);

/* Makes the entries of a directory durable: a new file's name, a rename. */
MUST_CHECK enum status append_file_sync_directory(const char *path, struct error *error);

#endif
