/*
 * log_compaction.h - compacts overgrown history logs from the stores, in the background.
 *
 * A log keeps every version of a user's record; the store has the newest of each. When a log has
 * doubled, a thread writes the live records into a new one, which takes the old one's place between
 * two transactions. One log at a time.
 *
 * Thread: the worker's; the thread inside reads the store beside it.
 */
#ifndef STREAM_JOB_LOG_COMPACTION_H
#define STREAM_JOB_LOG_COMPACTION_H

#include "base/status.h"
#include "state/store.h"
#include "stream/job/assignment.h"
#include "stream/broker/broker.h"

struct log_compaction;

/* For a broker that compacts its logs by itself there is never anything to do. */
MUST_CHECK enum status log_compaction_open(struct log_compaction **compactionp,
                                           const struct broker_ops *ops, struct broker *broker,
                                           struct session *session, const struct store_ops *stores,
                                           struct error *error);

/* Gives up what is under way. Call before stores are closed. Legal on NULL. */
void log_compaction_close(struct log_compaction *compaction);

/* Between two transactions: installs a log that is ready, or begins with one that is due. */
MUST_CHECK enum status log_compaction_step(struct log_compaction *compaction,
                                           struct task *const *tasks, uint32_t count,
                                           struct error *error);

#endif
