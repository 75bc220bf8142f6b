/*
 * user_reader.h - a user out of a store, as of its last commit, fast enough to answer with.
 *
 *     record -> the state that was kept, or a snapshot -> the chunks that it lacks -> fold -> read
 *
 * Another thread may commit meanwhile: what was found is then read again until it fits together.
 *
 * Threads: a reader belongs to one; the store may be somebody else's (struct store_ops, look).
 * Memory: taken at open, but for the history.
 */
#ifndef STREAM_QUERY_USER_READER_H
#define STREAM_QUERY_USER_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/interest_model.h"
#include "state/store.h"
#include "stream/query/folded_states.h"
#include "stream/query/inspect.h"
#include "stream/query/user_view.h"

struct user_reader;

/* Keeps `model`, and `kept`, states that readers share (NULL: none). */
MUST_CHECK enum status user_reader_open(struct user_reader **readerp,
                                        const struct interest_model *model,
                                        struct folded_states *kept, struct error *error);
void user_reader_close(struct user_reader *reader); /* legal on NULL */

/*
 * Reads the history of a user of a partition, from `from` on if `whole`, else only what a state that
 * was kept or its snapshot lacks. `partition` and `seal` of `history` are not touched; `user` is
 * kept until the view is read. Of a user who has left `newest` is gone (history_is_gone), and there
 * is nothing to view. STATUS_NOT_FOUND: the store has no such user. On failure there is nothing to close.
 */
MUST_CHECK enum status user_reader_history(struct user_reader *reader,
                                           const struct store_ops *stores, struct store *store,
                                           uint32_t partition, struct bytes user, bool whole,
                                           struct user_history *history, struct error *error);

/*
 * Folds and reads what user_reader_history has read last. What `view` points to is the reader's
 * until its next history, and is not closed. STATUS_CORRUPT: a behavior is missing.
 */
MUST_CHECK enum status user_reader_view(struct user_reader *reader,
                                        const struct user_history *history, struct user_view *view,
                                        struct error *error);

#endif
