/*
 * verify_users.h - in which partition each user's events lie, to find users that have two.
 *
 * A user belongs to one partition. One whose events lie in two (a producer that used another
 * partitioner, messages without a key) has two histories and is published from both, which no look
 * at one partition shows.
 *
 * A user takes 16 bytes of a table. If the users do not fit, the table keeps those whose hash ends
 * in some bits; the others have passes over the source of their own at the end. Users that are
 * found get their names in one more.
 *
 *     open -> (add ...) of every user of every part, part by part -> finish -> close
 */
#ifndef STREAM_VERIFY_VERIFY_USERS_H
#define STREAM_VERIFY_VERIFY_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "stream/log_input/log_input.h"

/* Called once for each further partition of a user. */
typedef void verify_split_user(void *context, struct bytes user, uint32_t partition,
                               uint32_t other);

struct verify_users {
    struct verify_users_entry *entries;
    size_t room; /* a power of two */
    size_t count;
    size_t splits;   /* users of the table that have two partitions */
    uint64_t suffix; /* kept are the users whose hash ends in `bits` bits that are these */
    unsigned bits;
    verify_split_user *found;
    void *context;
};

/* Takes `size` bytes (at least VERIFY_USERS_MIN); pages are touched when they are used. */
enum { VERIFY_USERS_MIN = 256 };
MUST_CHECK enum status verify_users_open(struct verify_users *users, size_t size,
                                         verify_split_user *found, void *context,
                                         struct error *error);
/* Legal on a zeroed one. */
void verify_users_close(struct verify_users *users);

/* A user has events in `partition`. */
void verify_users_add(struct verify_users *users, struct bytes user, uint32_t partition);

/* Looks for the users that did not fit, if there are any, and reports all that were found. */
MUST_CHECK enum status verify_users_finish(struct verify_users *users,
                                           const struct log_input_ops *ops, struct log_input *input,
                                           struct error *error);

#endif
