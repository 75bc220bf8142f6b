/*
 * fixture.h - a store in a directory of its own, and the few calls that its tests repeat.
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "state/store.h"

struct fixture {
    const struct store_ops *ops;
    struct store *store;
    char dir[64];  /* made by fixture_open, removed by fixture_close */
    char path[80]; /* of the store, inside it */
};

extern const struct store_identity fixture_identity;
extern const struct store_options fixture_options;

void fixture_open(struct fixture *fixture, const struct store_ops *ops);
void fixture_reopen(struct fixture *fixture);
void fixture_close(struct fixture *fixture);

/* Commits the writes at position `next`. */
void fixture_commit(struct fixture *fixture, const struct store_write *writes, size_t count,
                    int64_t next);

/* Copies the value of a key into `value` (256 bytes) as text; "-" if it is not there. */
void fixture_value(struct fixture *fixture, enum store_space space, struct store_key key,
                   char value[256]);

#endif
