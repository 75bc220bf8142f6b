/*
 * user_loader.h - brings users that are not in memory back from their partition's store.
 *
 * Lookups of many users are batched per store. First the records (header and open chunk), then the
 * snapshots of those whose state is worth one; chunks are fetched when a fold asks for them.
 *
 * Thread: one owner.
 */
#ifndef STREAM_JOB_USER_LOADER_H
#define STREAM_JOB_USER_LOADER_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "model/interest_model.h"
#include "state/store.h"
#include "stream/job/assignment.h"
#include "stream/job/changeset.h"

struct user_loader;

enum { CHUNKS_WANTED_MAX = 768 }; /* of one call of user_loader_chunks */

/* A full chunk that a fold needs. */
struct chunk_wanted {
    const struct cached_user *user;
    uint64_t chunk;
    struct history history; /* out */
};

/* Keeps everything it is given. */
MUST_CHECK enum status user_loader_open(struct user_loader **loaderp, const struct config *config,
                                        const struct interest_model *model,
                                        const struct store_ops *stores,
                                        const struct assignment *assignment, struct error *error);
void user_loader_close(struct user_loader *loader);

/* Bytes it takes, for the memory plan. */
size_t user_loader_size(const struct config *config);

/*
 * Fills in history and, where a valid snapshot exists, state of users that were just inserted into
 * the cache (and touched). A user the store does not know stays new.
 */
MUST_CHECK enum status user_loader_load(struct user_loader *loader, struct change *const *changes,
                                        uint32_t count, struct error *error);

/* Fetches at most CHUNKS_WANTED_MAX full chunks. STATUS_CORRUPT if one is missing, with the remedy. */
MUST_CHECK enum status user_loader_chunks(struct user_loader *loader, struct chunk_wanted *wanted,
                                          uint32_t count, struct error *error);

#endif
