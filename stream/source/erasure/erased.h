/*
 * erased.h - whom a job on files has forgotten on request: by hash, and up to where in the log.
 *
 * Events of such a user before its cut are dropped wherever the log is read again with the state.dir
 * that holds the list. The list is one small file, state.dir/erased, replaced as a whole:
 *
 *     braid-erased 1
 *     4c03d1e6a7f25b98 10000          (identity_of the user's id, offset of the first event that counts)
 *     9b1c5d0e6f7a8b90 10000 pending  (what was kept of this one may not all be gone yet)
 *     checksum 0123456789abcdef
 *
 * Thread: one owner.
 */
#ifndef STREAM_SOURCE_ERASURE_ERASED_H
#define STREAM_SOURCE_ERASURE_ERASED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

enum { ERASED_USERS_MAX = 1 << 20 };

struct erased_user {
    uint64_t hash;
    int64_t cut; /* offset of its first event that counts */
    bool pending;
};

/* In the order of their hashes. Zeroes: nobody. */
struct erased {
    struct erased_user *at;
    uint32_t count;
};

/* Reads state_dir/erased; none: nobody. STATUS_CORRUPT: damaged. */
MUST_CHECK enum status erased_read(struct erased *erased, const char *state_dir,
                                   struct error *error);
void erased_close(struct erased *erased);

/* Adds a user, or moves its cut: pending. STATUS_INVALID beyond ERASED_USERS_MAX. */
MUST_CHECK enum status erased_add(struct erased *erased, uint64_t hash, int64_t cut,
                                  struct error *error);

/* Replaces state_dir/erased; it is durable when this returns. */
MUST_CHECK enum status erased_write(const struct erased *erased, const char *state_dir,
                                    struct error *error);

/* The user's entry, or NULL. */
const struct erased_user *erased_find(const struct erased *erased, struct bytes user);

/* Users that are pending. */
uint32_t erased_pending(const struct erased *erased);

#endif
