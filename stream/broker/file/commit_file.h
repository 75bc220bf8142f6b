/*
 * commit_file.h - the one small file that decides what is committed (file broker).
 *
 * It says which files the job reads and how far it came in each, and for each partition how long
 * every one of its own files is. Whatever lies beyond those lengths was never committed. A commit
 * replaces the file atomically: the rename is what commits.
 *
 *     braid-commit 3
 *     source 4c03d1e6a7f25b98                                 (names the job in seals and stores)
 *     offset 10000                                            (of the first event to come)
 *     decoding 1b2e88f0 00000000 ...                          (fingerprints: source/decoding.h)
 *     partitions 4
 *     inputs 1
 *     input 9b1c5d0e6f7a8b90 65536 line 10000 byte 812345 clicks.jsonl
 *                                                             (one line for each, in their order)
 *     partition 0 seal 3 generation 1 target 2 checkpoint 5d0e6f7a8b909b1c log 1 base 0
 *         interests 92100 history 40122 dead-letters 0 items 1200     (one line for each)
 *     checksum 0123456789abcdef
 *
 * A file of source.profile has a line that begins with "profiles", and the format is then 5.
 * Until the first commit it names no input and has no fingerprints: nothing binds yet. Format 1,
 * which had one input, no name for it, and no fingerprints, and format 2, whose partitions had no
 * target, are still read.
 */
#ifndef STREAM_BROKER_FILE_COMMIT_FILE_H
#define STREAM_BROKER_FILE_COMMIT_FILE_H

#include <stdint.h>

#include "base/status.h"
#include "stream/broker/file/commit.h"

enum { COMMIT_PATH_MAX = 4096 };

/*
 * Reads state_dir/commit. STATUS_NOT_FOUND: there is none. STATUS_CORRUPT: damaged. STATUS_REFUSED:
 * a newer format. On failure there is nothing to close.
 */
MUST_CHECK enum status commit_file_read(struct commit *commit, const char *state_dir,
                                        struct error *error);

/* The same for a folder that must be a job's: STATUS_INVALID, and what to look at, if it is not. */
MUST_CHECK enum status commit_file_expect(struct commit *commit, const char *state_dir,
                                          struct error *error);

/* Replaces state_dir/commit: temporary file, fsync, rename, fsync of the directory. */
MUST_CHECK enum status commit_file_write(const struct commit *commit, const char *state_dir,
                                         struct error *error);

/*
 * Path of a partition's file into `path` (COMMIT_PATH_MAX bytes), as the configuration places it.
 * `log` is the number of the history log, unused for other kinds. STATUS_INVALID: too long.
 */
MUST_CHECK enum status commit_file_path(const struct config *config, enum record_kind kind,
                                        uint32_t partition, uint64_t log, char *path,
                                        struct error *error);

#endif
