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

void fixture_open(struct fixture *of, const struct store_ops *ops);
void fixture_reopen(struct fixture *of);
void fixture_close(struct fixture *of);

/* Commits the writes at position `next`. */
void fixture_commit(struct fixture *of, const struct store_write *writes, size_t count,
                    int64_t next);

/* Copies the value of a key into `value` (256 bytes) as text; "-" if it is not there. */
void fixture_value(struct fixture *of, enum store_space space, struct store_key key,
                   char value[256]);

/* The store of the test that runs: cmocka's setup with RocksDB, and its teardown. */
extern struct fixture fixture;
int fixture_setup_rocksdb(void **state);
int fixture_teardown(void **state);

#endif
