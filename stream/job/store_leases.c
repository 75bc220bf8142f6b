/* store_leases.c - a table by partition, and a count of holders on each store. */
#include "stream/job/store_leases.h"

#include <pthread.h>
#include <stdlib.h>

struct store_leases {
    const struct store_ops *stores;
    pthread_mutex_t lock;
    struct store_lease **at; /* [partitions] NULL: not lent */
    uint32_t partitions;
    atomic_bool *watch; /* of partition 0, or NULL */
};

enum status store_leases_open(struct store_leases **leasesp, const struct store_ops *stores,
                              uint32_t partitions, struct error *error)
{
    struct store_leases *leases = calloc(1, sizeof *leases);
    *leasesp = leases;
    if (!leases) return error_set(error, STATUS_IO, "out of memory: leases");
    leases->stores = stores;
    leases->partitions = partitions;
    pthread_mutex_init(&leases->lock, NULL);
    leases->at = calloc(partitions, sizeof(struct store_lease *));
    if (leases->at) return STATUS_OK;
    store_leases_close(leases);
    *leasesp = NULL;
    return error_set(error, STATUS_IO, "out of memory: leases of %u stores", partitions);
}

void store_leases_close(struct store_leases *leases)
{
    if (!leases) return;
    pthread_mutex_destroy(&leases->lock);
    free(leases->at);
    free(leases);
}

enum status store_leases_lend(struct store_leases *leases, uint32_t partition, struct store *store,
                              struct store_lease **leasep, struct error *error)
{
    struct store_lease *lease = calloc(1, sizeof *lease);
    *leasep = lease;
    if (!lease) return error_set(error, STATUS_IO, "out of memory: a lease");
    lease->store = store;
    lease->partition = partition;
    lease->holders = 1;
    pthread_mutex_lock(&leases->lock);
    REQUIRE(partition < leases->partitions && !leases->at[partition]);
    leases->at[partition] = lease;
    pthread_mutex_unlock(&leases->lock);
    return STATUS_OK;
}

static void release(struct store_leases *leases, struct store_lease *lease)
{
    pthread_mutex_lock(&leases->lock);
    const bool last = --lease->holders == 0;
    pthread_mutex_unlock(&leases->lock);
    if (!last) return;
    leases->stores->close(lease->store);
    free(lease);
}

void store_leases_withdraw(struct store_leases *leases, struct store_lease *lease)
{
    if (!lease) return;
    pthread_mutex_lock(&leases->lock);
    leases->at[lease->partition] = NULL;
    atomic_store(&lease->withdrawn, true);
    if (leases->watch && lease->partition == 0) atomic_store(leases->watch, true);
    pthread_mutex_unlock(&leases->lock);
    release(leases, lease);
}

uint32_t store_leases_take(struct store_leases *leases, struct store_lease **taken)
{
    uint32_t count = 0;
    pthread_mutex_lock(&leases->lock);
    for (uint32_t p = 0; p < leases->partitions; p++) {
        if (!leases->at[p]) continue;
        leases->at[p]->holders++;
        taken[count++] = leases->at[p];
    }
    pthread_mutex_unlock(&leases->lock);
    return count;
}

struct store_lease *store_leases_take_one(struct store_leases *leases, uint32_t partition)
{
    pthread_mutex_lock(&leases->lock);
    struct store_lease *lease = partition < leases->partitions ? leases->at[partition] : NULL;
    if (lease) lease->holders++;
    pthread_mutex_unlock(&leases->lock);
    return lease;
}

void store_leases_give_back(struct store_leases *leases, struct store_lease *const *taken,
                            uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        release(leases, taken[i]);
    }
}

void store_leases_watch(struct store_leases *leases, atomic_bool *flag)
{
    pthread_mutex_lock(&leases->lock);
    leases->watch = flag;
    pthread_mutex_unlock(&leases->lock);
}

bool store_leases_has(struct store_leases *leases, uint32_t partition)
{
    pthread_mutex_lock(&leases->lock);
    const bool has = partition < leases->partitions && leases->at[partition];
    pthread_mutex_unlock(&leases->lock);
    return has;
}
