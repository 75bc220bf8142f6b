/* inspect_store.c - the committed position of each partition, and what its store holds. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "state/store.h"
#include "stream/broker/kafka/reader.h"
#include "stream/broker/file/file_state.h"
#include "stream/query/inspect.h"

enum { MEMTABLE_SIZE = 8 << 20, CACHE_SIZE = 8 << 20 }; /* bytes; for reading once */

/* Opening a store that is missing would create it. */
static bool is_missing(const char *path)
{
    return access(path, F_OK) != 0;
}

static void print_committed(const struct commit_entry *entry, uint32_t partition, FILE *out)
{
    fprintf(out,
            "partition %" PRIu32 "\n"
            "  committed  seal %" PRIu64 ", generation %" PRIu64 ", log %" PRIu64 " of %" PRIu64
            " bytes, interests %" PRIu64 " bytes, dead letters %" PRIu64 " bytes\n",
            partition, entry->seal, entry->generation, entry->log, entry->length[RECORD_HISTORY],
            entry->length[RECORD_INTERESTS], entry->length[RECORD_DEAD_LETTER]);
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
    uint64_t counts[3] = {0}, disk_bytes, memory_bytes;
    for (int i = 0; i < 3; i++) {
        TRY(store_rocksdb.scan(store, spaces[i], NULL, count_entry, &counts[i], error));
    }
    store_rocksdb.measure(store, &disk_bytes, &memory_bytes);
    fprintf(out,
            "             %" PRIu64 " users, %" PRIu64 " full chunks, %" PRIu64
            " snapshots: %" PRIu64 " bytes in %s\n",
            counts[0], counts[1], counts[2], disk_bytes, path);
    return STATUS_OK;
}

/*
 * Prints the store of a partition whose last committed seal is `seal`, in the log of that number.
 */
static enum status print_store(const struct config *config, const struct store_identity *identity,
                               uint64_t log, uint64_t seal, FILE *out, struct error *error)
{
    char path[COMMIT_PATH_MAX];
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
    bool is_current = position.log == log && position.seal == seal;
    fprintf(out, "  store      seal %" PRIu64 ", log %" PRIu64 " up to %" PRId64 "%s\n",
            position.seal, position.log, position.next,
            is_current ? "" : " (behind: a restart reads the rest)");
    enum status status = print_content(store, path, out, error);
    store_rocksdb.close(store);
    return status;
}

static enum status inspect_topics(const struct config *config, FILE *out, struct error *error)
{
    struct kafka_reader *reader;
    struct history_seal seals[POLL_PARTITIONS_MAX];
    TRY(kafka_reader_open(&reader, config, error));
    struct broker *broker = kafka_reader_broker(reader);
    uint32_t partitions = broker_kafka.partitions(broker);
    enum status status = kafka_reader_seals(reader, 0, partitions, seals, error);
    if (status == STATUS_OK) {
        fprintf(out, "state of %s\n  group      %s, reading %s\n  partitions %" PRIu32 "\n",
                config->state.dir, config->kafka.group, config->source.topic, partitions);
    }
    for (uint32_t p = 0; p < partitions && status == STATUS_OK; p++) {
        const struct store_identity identity = {broker_kafka.source_identity(broker), p,
                                                partitions};
        fprintf(out,
                "partition %" PRIu32 "\n"
                "  committed  seal %" PRIu64 ", generation %" PRIu64 ", source offset %" PRId64
                "\n",
                p, seals[p].number, seals[p].generation, seals[p].next_offset);
        status = print_store(config, &identity, 0, seals[p].number, out, error);
    }
    kafka_reader_close(reader);
    return status;
}

static enum status inspect_files(const struct config *config, FILE *out, struct error *error)
{
    struct commit_file commit;
    TRY(commit_file_expect(&commit, config->state.dir, error));
    fprintf(out,
            "state of %s\n"
            "  input      identity %016" PRIx64 " (%" PRIu32 " bytes), %" PRId64
            " lines processed\n"
            "  partitions %" PRIu32 "\n",
            config->state.dir, commit.input.hash, commit.input.size, commit.position.line,
            commit.partitions);
    enum status status = STATUS_OK;
    for (uint32_t p = 0; p < commit.partitions && status == STATUS_OK; p++) {
        const struct file_state state = {.commit = commit};
        const struct store_identity identity = {file_state_source(&state), p, commit.partitions};
        const struct commit_entry *entry = &commit.entries[p];
        print_committed(entry, p, out);
        status = print_store(config, &identity, entry->log, entry->seal, out, error);
    }
    commit_file_close(&commit);
    return status;
}

enum status inspect_store(const struct config *config, FILE *out, struct error *error)
{
    if (config->source.broker == CONFIG_BROKER_KAFKA) return inspect_topics(config, out, error);
    return inspect_files(config, out, error);
}
