/*
 * store_leases.h - the stores of a process, so that a thread beside the workers may read them.
 *
 * A worker lends the store of each live partition. Who reads takes what is lent at that moment and
 * gives it back; a worker that gives its partition up withdraws the store and goes on at once: the
 * last one to hold it closes it. A reader looks at `withdrawn` now and then and leaves such a store,
 * since whoever gets the partition next has to wait for it to be closed.
 *
 * Threads: any.
 */
#ifndef STREAM_JOB_STORE_LEASES_H
#define STREAM_JOB_STORE_LEASES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "state/store.h"

struct store_lease {
    struct store *store;
    uint32_t partition;
    uint32_t holders; /* under the lock of all */
    atomic_bool withdrawn;
    /* What its last seal says, set by its worker: */
    _Atomic int64_t next_offset; /* first source offset that it does not reflect */
    _Atomic uint64_t
        generation; /* the oldest of any of its users; UINT64_MAX: it was never sealed */
};

struct store_leases;

/* Of stores of `stores`, for partitions below `partitions`. */
MUST_CHECK enum status store_leases_open(struct store_leases **leasesp,
                                         const struct store_ops *stores, uint32_t partitions,
                                         struct error *error);

/* Everything was withdrawn and given back. Legal on NULL. */
void store_leases_close(struct store_leases *leases);

/* Lends a partition's store, and holds it for its worker. */
MUST_CHECK enum status store_leases_lend(struct store_leases *leases, uint32_t partition,
                                         struct store *store, struct store_lease **leasep,
                                         struct error *error);

/* The worker's own hold ends. Nobody takes the store any more. */
void store_leases_withdraw(struct store_leases *leases, struct store_lease *lease);

/* All that are lent now, by partition, into `taken` [partitions]; returns how many. */
uint32_t store_leases_take(struct store_leases *leases, struct store_lease **taken);

/* The store of one partition; NULL: it is not lent. */
struct store_lease *store_leases_take_one(struct store_leases *leases, uint32_t partition);
void store_leases_give_back(struct store_leases *leases, struct store_lease *const *taken,
                            uint32_t count);

/* `flag` is set when partition 0, which decides who trains, is withdrawn. NULL: nobody watches. */
void store_leases_watch(struct store_leases *leases, atomic_bool *flag);

/* Whether the store of the partition is lent. */
bool store_leases_has(struct store_leases *leases, uint32_t partition);

#endif
