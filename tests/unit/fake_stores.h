/*
 * fake_stores.h - the store in memory for a worker on the fake broker, which also checks that
 * nothing leads what that has committed: no commit of a store, and no snapshot.
 *
 * A breach ends the program. One broker at a time.
 */
#ifndef TESTS_UNIT_FAKE_STORES_H
#define TESTS_UNIT_FAKE_STORES_H

#include "tests/unit/fake_broker.h"

/* Forgets what was counted. */
const struct store_ops *fake_stores(const struct broker *broker);

/* Snapshots written of partition 0's user 0, which has half of that partition's events. */
uint64_t fake_stores_snapshots(void);

/* Full chunks that were looked up: what folds anew of longer histories ask for. */
uint64_t fake_stores_chunks(void);

/* Users of whom a snapshot was to be forgotten, which writes the id. */
uint64_t fake_stores_forgotten(void);

/* How often a store's files were to be written anew. */
uint32_t fake_stores_purges(void);

#endif
