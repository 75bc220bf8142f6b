/*
 * file_rewrite.h - a new history log that takes an overgrown one's place (file broker).
 *
 * The new log has the live records, a seal, and a copy of what the old one got since the store's
 * position from which the live records were read. Replaying it gives the same store: a record that
 * is both live and in the copy is overwritten by the copy, in order, up to its newest.
 *
 *     file_rewrite_open -> file_rewrite_add ... -> file_rewrite_finish -> file_rewrite_install
 */
#ifndef STREAM_BROKER_FILE_FILE_REWRITE_H
#define STREAM_BROKER_FILE_FILE_REWRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "stream/broker/broker.h"
#include "stream/broker/file/file_state.h"

/*
 * True if the partition's log is twice what it was when it was last rewritten. One that is shorter
 * than what a restart may have to read again anyway (state.flush_size) is left alone.
 */
bool file_rewrite_due(const struct config *config, const struct partition_files *files);

/* A new log of `partition`, to be joined to the old one's bytes from `start` on. Keeps `config`. */
MUST_CHECK enum status file_rewrite_open(struct history_rewrite **rewritep,
                                         const struct config *config, uint32_t partition,
                                         const struct store_position *start, struct error *error);

/* Closes and deletes. Legal on NULL. */
void file_rewrite_close(struct history_rewrite *rewrite);

uint32_t file_rewrite_partition(const struct history_rewrite *rewrite);

MUST_CHECK enum status file_rewrite_add(struct history_rewrite *rewrite, struct bytes key,
                                        struct bytes value, struct error *error);

/*
 * Adds the seal and a copy of the old log up to its committed length `end`; makes all that durable.
 */
MUST_CHECK enum status file_rewrite_finish(struct history_rewrite *rewrite,
                                           const struct history_seal *seal, uint64_t end,
                                           struct error *error);

/*
 * Copies what was committed since, up to `end`, and from now on appends to the new log. The old one
 * stays until the commit file has named the new one. Takes `rewrite`, also on failure.
 */
MUST_CHECK enum status file_rewrite_install(struct history_rewrite *rewrite,
                                            struct partition_files *files, uint64_t end,
                                            struct error *error);

#endif
