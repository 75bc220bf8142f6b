/* user_history.c - one user's chunks out of a partition's history log, the last of each. */
#include <inttypes.h>
#include <stdlib.h>

#include "stream/broker/file/commit_file.h"
#include "stream/broker/file/file_reader.h"
#include "stream/broker/file/history_file.h"
#include "stream/query/inspect.h"

enum { BATCH = 256 }; /* records of one read */

void user_history_close(struct user_history *history)
{
    free(history->chunks);
    *history = (struct user_history){0};
}

/* Puts a chunk into the place of its predecessor, or behind the others. */
static enum status keep_chunk(struct user_history *history, const struct history *chunk,
                              struct error *error)
{
    uint32_t i = 0;
    while (i < history->chunks_count && history->chunks[i].first != chunk->first) {
        i++;
    }
    if (i == history->chunks_count) {
        struct history *chunks = realloc(history->chunks, (i + 1) * sizeof *chunks);
        if (!chunks) return error_set(error, STATUS_IO, "out of memory: a user's history");
        history->chunks = chunks;
        history->chunks_count++;
    }
    history->chunks[i] = *chunk;
    if (chunk->first >= history->newest.first) history->newest = *chunk;
    return STATUS_OK;
}

enum status user_history_add(struct user_history *history, struct bytes user,
                             const struct record *record, struct error *error)
{
    struct bytes owner;
    uint64_t number;
    struct history chunk;
    TRY(history_key_decode(record->key, &owner, &number, error));
    if (!bytes_equal(owner, user) || !record->value.at) return STATUS_OK;
    TRY(history_decode(&chunk, record->value, error));
    return keep_chunk(history, &chunk, error);
}

static enum status read_history_log(struct user_history *history, struct history_file *log,
                                    struct bytes user, struct error *error)
{
    struct record records[BATCH];
    for (;;) {
        uint32_t count;
        TRY(history_file_next(log, records, BATCH, &count, error));
        if (count == 0) return STATUS_OK;
        for (uint32_t i = 0; i < count; i++) {
            TRY(user_history_add(history, user, &records[i], error));
        }
    }
}

static enum status read_history_partition(struct user_history *history, const struct config *config,
                                          const struct commit_file *commit, struct bytes user,
                                          struct error *error)
{
    char path[COMMIT_PATH_MAX];
    struct history_file *log;
    history->partition = file_partition(user, commit->partitions);
    const struct commit_entry *entry = &commit->entries[history->partition];
    if (entry->length[RECORD_HISTORY] == 0) return STATUS_OK;
    TRY(commit_file_path(config, RECORD_HISTORY, history->partition, entry->log, path, error));
    TRY(history_file_open(&log, path, 0, entry->length[RECORD_HISTORY], error));
    enum status status = read_history_log(history, log, user, error);
    history_file_close(log);
    return status;
}

static enum status read_history_files(struct user_history *history, const struct config *config,
                                      struct bytes user, struct error *error)
{
    struct commit_file commit;
    TRY(commit_file_expect(&commit, config->state.dir, error));
    const enum status status = read_history_partition(history, config, &commit, user, error);
    commit_file_close(&commit);
    return status;
}

enum status user_history_read(struct user_history *history, const struct config *config,
                              const char *user, struct error *error)
{
    bool files = config->source.broker == CONFIG_BROKER_FILE;
    *history = (struct user_history){0};
    enum status status = files ? read_history_files(history, config, bytes_of(user), error)
                               : user_history_read_kafka(history, config, bytes_of(user), error);
    if (status == STATUS_OK && history->chunks_count == 0) {
        status = error_set(error, STATUS_NOT_FOUND, "no user '%s' in %s", user,
                           files ? config->state.dir : config->output.history_topic);
    }
    if (status != STATUS_OK) user_history_close(history);
    return status;
}

bool user_history_at(const struct user_history *history, uint64_t ordinal,
                     struct history_behavior *behavior)
{
    for (uint32_t i = 0; i < history->chunks_count; i++) {
        const struct history *chunk = &history->chunks[i];
        if (ordinal < chunk->first || ordinal - chunk->first >= chunk->count) continue;
        *behavior = chunk->at[ordinal - chunk->first];
        return true;
    }
    return false;
}
