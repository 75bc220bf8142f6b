/*
 * history_users.h - one share of a partition's users in memory, each with all of its behaviors that
 * the history log has.
 *
 * A log has the chunks of a user wherever they were committed. A share holds the users whose hash
 * ends in `bits` given bits, and is loaded by one pass over the log; one that does not fit into its
 * memory is split in two by one more bit. So any log is read in bounded memory, the job may run
 * meanwhile, and no store is needed.
 *
 *     open -> (load -> first_user ... ) ... -> close
 *
 * Everything lies in one block that is taken once, and is forgotten at the next load. Thread: one.
 */
#ifndef STREAM_QUERY_HISTORY_USERS_H
#define STREAM_QUERY_HISTORY_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "state/history.h"
#include "stream/learn/name_set.h"
#include "stream/log_input/log_input.h"

enum { HISTORY_USERS_BITS_MAX = 40 }; /* a share that small is one user */

/* A chunk as it was committed last. */
struct user_chunk {
    struct user_chunk *next; /* with the next higher ordinals */
    struct history history;
};

struct history_user {
    struct history_user *child[4]; /* by two bits of the hash after another */
    struct history_user *next;     /* in the order of their first appearance */
    struct bytes id;
    uint64_t hash;
    struct user_chunk *oldest;
    struct user_chunk *newest; /* with the header that counts; NULL: nothing of the user is left */
};

struct history_users {
    uint8_t *memory;
    size_t size;
    size_t used;
    uint64_t suffix; /* the `bits` bits that its hashes end in */
    unsigned bits;
    struct history_user *root;
    struct history_user *first_user;
    struct history_user **last_user;
    struct user_chunk *removed; /* chunks to be used again */
    uint64_t count;             /* users */
};

/* The user of that hash, NULL: it is not among those loaded. */
const struct history_user *history_users_find(const struct history_users *users, struct bytes id,
                                              uint64_t hash);

/* Takes `size` bytes; pages are touched when they are used. */
MUST_CHECK enum status history_users_open(struct history_users *users, size_t size,
                                          struct error *error);
void history_users_close(struct history_users *users);

/*
 * Loads the share (suffix, bits) of a partition, of the users of `wanted` alone unless that is NULL.
 * STATUS_BUSY: it does not fit.
 */
MUST_CHECK enum status history_users_load(struct history_users *users,
                                          const struct log_input_ops *ops, struct log_input *input,
                                          uint32_t partition, uint64_t suffix, unsigned bits,
                                          const struct name_set *wanted, struct error *error);

#endif
