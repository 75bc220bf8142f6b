/* inspect_store.c - the committed position of each partition, and what its store holds. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "state/store.h"
#include "stream/log_input/log_input.h"
#include "stream/query/inspect.h"

enum {
    MEMTABLE_SIZE = 8 << 20, /* bytes; for reading once */
    CACHE_SIZE = 8 << 20,
    STORE_PATH_MAX = 4096,
};

/* Opening a store that is missing would create it. */
static bool is_missing(const char *path)
{
    return access(path, F_OK) != 0;
}

static bool count_entry(void *context, const struct store_key *key, struct bytes value)
{
    (void)key, (void)value;
    ++*(uint64_t *)context;
    return true;
}

/* What a store holds, counted, and what that takes on disk. */
static enum status print_content(struct store *store, const char *path, FILE *out,
                                 struct error *error)
{
    static const enum store_space spaces[] = {STORE_USERS, STORE_CHUNKS, STORE_SNAPSHOTS};
    uint64_t counts[3] = {0};
    struct store_facts facts;
    for (int i = 0; i < 3; i++) {
        TRY(store_rocksdb.scan(store, spaces[i], NULL, count_entry, &counts[i], error));
    }
    store_rocksdb.measure(store, &facts);
    fprintf(out,
            "             %" PRIu64 " users, %" PRIu64 " full chunks, %" PRIu64
            " snapshots: %" PRIu64 " bytes in %s\n",
            counts[0], counts[1], counts[2], facts.disk_bytes, path);
    return STATUS_OK;
}

/* Prints the store of a partition whose log is committed up to `committed`. */
static enum status print_store(const struct config *config, const struct store_identity *identity,
                               const struct store_position *committed, FILE *out,
                               struct error *error)
{
    char path[STORE_PATH_MAX];
    struct store *store;
    const struct store_options options = {MEMTABLE_SIZE, CACHE_SIZE};
    int size =
        snprintf(path, sizeof path, "%s/store-%04" PRIu32, config->state.dir, identity->partition);
    if (size < 0 || (size_t)size >= sizeof path) {
        return error_set(error, STATUS_INVALID, "%s: path too long", config->state.dir);
    }
    if (is_missing(path)) {
        fprintf(out,
                "  store      missing: a job that runs the partition builds it from the log\n");
        return STATUS_OK;
    }
    TRY(store_rocksdb.open(&store, path, identity, &options, error));
    struct store_position position = store_rocksdb.position(store);
    bool is_current = position.log == committed->log && position.seal == committed->seal;
    fprintf(out, "  store      seal %" PRIu64 ", log %" PRIu64 " up to %" PRId64 "%s\n",
            position.seal, position.log, position.next,
            is_current ? "" : " (behind: a restart reads the rest)");
    enum status status = print_content(store, path, out, error);
    store_rocksdb.close(store);
    return status;
}

static enum status print_all(const struct config *config, const struct log_input_ops *ops,
                             struct log_input *input, FILE *out, struct error *error)
{
    fprintf(out, "state of %s\n", config->state.dir);
    TRY(ops->print(input, out, error));
    fprintf(out, "  partitions %" PRIu32 "\n", ops->partitions(input));
    for (uint32_t p = 0; p < ops->partitions(input); p++) {
        struct store_identity identity;
        struct store_position committed;
        fprintf(out, "partition %" PRIu32 "\n", p);
        TRY(ops->print_partition(input, p, out, error));
        TRY(ops->store(input, p, &identity, &committed, error));
        TRY(print_store(config, &identity, &committed, out, error));
    }
    return STATUS_OK;
}

enum status inspect_store(const struct config *config, FILE *out, struct error *error)
{
    const struct log_input_ops *ops = log_input_of(config);
    struct log_input *input;
    TRY(ops->open(&input, config, error));
    const enum status status = print_all(config, ops, input, out, error);
    ops->close(input);
    return status;
}
