/*
 * snapshot_writer.h - saves states as snapshots: those that leave memory, and by a budget the
 * others.
 *
 * A snapshot saves the fold of a long history when its user comes back; losing one costs that fold
 * and nothing else. Nothing uncommitted is ever written: clean users are saved as they are. Users
 * that are always in one changeset or the other are copied when theirs is closed, some at each
 * commit, and the copies written when it is stored.
 *
 * What length is long (state.snapshot_every, 128) follows from what either way costs, for LimaRec's
 * states of 13 KB (./run bench return). A fold takes a microsecond a behavior of one core, its
 * chunks included. A snapshot takes 10 us to read if the page cache has it, 100 us more of a disk of
 * 130 MB/s if not, which is the rule: a million of them are 13 GB, where histories of 50 behaviors
 * are 0.8. It also takes that disk to write and to compact. At 128 behaviors both cost the same.
 * Shorter histories have no snapshot; longer ones one each 128 behaviors, so that a user that comes
 * back lacks 64 in the mean.
 *
 * Thread: one owner.
 */
#ifndef STREAM_JOB_SNAPSHOT_WRITER_H
#define STREAM_JOB_SNAPSHOT_WRITER_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "model/interest_model.h"
#include "state/state_cache.h"
#include "stream/job/assignment.h"

struct snapshot_writer;

/* Keeps everything it is given but `model`, whose states it may outlive. */
MUST_CHECK enum status snapshot_writer_open(struct snapshot_writer **writerp,
                                            const struct config *config,
                                            const struct interest_model *model,
                                            const struct store_ops *stores,
                                            const struct assignment *assignment,
                                            struct error *error);
void snapshot_writer_close(struct snapshot_writer *writer);

/* The cache's eviction: saves the state if enough behaviors came since its snapshot. */
void snapshot_writer_evicted(void *writer, const struct cached_user *user);

/*
 * Writes what evictions have gathered. Call before a poll is answered; reports their failures too.
 */
MUST_CHECK enum status snapshot_writer_flush(struct snapshot_writer *writer, struct error *error);

/* Copies states of a changeset that is about to be closed, as many as fit and the budget allows. */
void snapshot_writer_copy(struct snapshot_writer *writer, const struct changeset *set,
                          int64_t now_ns);

/* That changeset is committed and stored: writes the copies. */
MUST_CHECK enum status snapshot_writer_write_copies(struct snapshot_writer *writer,
                                                    struct error *error);

/* It will not be. */
void snapshot_writer_forget_copies(struct snapshot_writer *writer);

/* Saves states of clean users, as many as the budget allows since the last call. */
MUST_CHECK enum status snapshot_writer_background(struct snapshot_writer *writer,
                                                  struct state_cache *cache, int64_t now_ns,
                                                  struct error *error);

/* Bytes it takes, for the memory plan. */
size_t snapshot_writer_size(const struct config *config, const struct interest_model *model);

#endif
