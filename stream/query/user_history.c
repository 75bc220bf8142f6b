/*
 * user_history.c - one user's chunks out of the history log, the last of each.
 *
 * The chunks are kept in their order. A log has them nearly so, which makes adding one cheap.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "stream/log_input/log_input.h"
#include "stream/query/inspect.h"

struct search {
    const struct log_input_ops *ops;
    struct log_input *input;
    struct bytes user;
    struct user_history *found;
    struct progress progress;
    uint32_t searched; /* partitions */
    uint64_t records;
};

void user_history_close(struct user_history *history)
{
    free(history->chunks);
    *history = (struct user_history){0};
}

void user_history_clear(struct user_history *history)
{
    history->chunks_count = 0;
    history->newest = (struct history){0};
}

/* How many chunks begin before `ordinal`. */
static uint32_t chunks_before(const struct user_history *history, uint64_t ordinal)
{
    uint32_t low = 0, high = history->chunks_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (history->chunks[middle].first < ordinal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum status reserve_chunk(struct user_history *history, struct error *error)
{
    if (history->chunks_count < history->chunks_room) return STATUS_OK;
    uint32_t room = 2 * history->chunks_room + 16;
    struct history *chunks = realloc(history->chunks, room * sizeof *chunks);
    if (!chunks) return error_set(error, STATUS_IO, "out of memory: a user's history");
    history->chunks = chunks;
    history->chunks_room = room;
    return STATUS_OK;
}

enum status user_history_keep(struct user_history *history, const struct history *chunk,
                              struct error *error)
{
    uint32_t i = chunks_before(history, chunk->first);
    if (i == history->chunks_count || history->chunks[i].first != chunk->first) {
        TRY(reserve_chunk(history, error));
        memmove(history->chunks + i + 1, history->chunks + i,
                (history->chunks_count - i) * sizeof *history->chunks);
        history->chunks_count++;
    }
    history->chunks[i] = *chunk;
    if (chunk->first >= history->newest.first) history->newest = *chunk;
    return STATUS_OK;
}

static enum status add_history_record(struct user_history *history, struct bytes user,
                                      const struct record *record, struct error *error)
{
    struct bytes owner;
    uint64_t number;
    struct history chunk;
    TRY(history_key_decode(record->key, &owner, &number, error));
    if (!bytes_equal(owner, user)) return STATUS_OK;
    if (number == HISTORY_USER_GONE) { /* what follows is a new history */
        history->chunks_count = 0;
        history->newest = (struct history){0};
    }
    if (!record->value.at) return STATUS_OK;
    TRY(history_decode(&chunk, record->value, error));
    return user_history_keep(history, &chunk, error);
}

/* Looks for the user in a partition's log. */
static enum status search_history(struct search *search, uint32_t partition, struct error *error)
{
    const struct log_input_ops *ops = search->ops;
    double partitions = ops->partitions(search->input);
    TRY(ops->begin(search->input, LOG_HISTORY, partition, error));
    search->found->partition = partition;
    TRY(ops->seal(search->input, partition, &search->found->seal, error));
    for (;;) {
        struct record record;
        enum status status = ops->history(search->input, &record, error);
        if (status == STATUS_END) break;
        TRY(status);
        TRY(add_history_record(search->found, search->user, &record, error));
        search->records++;
        double share = ops->progress(search->input);
        progress_show(&search->progress, (search->searched + (share < 0 ? 0 : share)) / partitions,
                      search->records);
    }
    search->searched++;
    return STATUS_OK;
}

/* The user's partition, or the likeliest one first and then the others until it is found. */
static enum status search_histories(struct search *search, struct error *error)
{
    const struct log_input_ops *ops = search->ops;
    bool certain;
    uint32_t likely = ops->partition_of(search->input, search->user, &certain);
    TRY(search_history(search, likely, error));
    for (uint32_t p = 0; p < ops->partitions(search->input); p++) {
        if (certain || search->found->chunks_count > 0) break;
        if (p != likely) TRY(search_history(search, p, error));
    }
    return STATUS_OK;
}

enum status user_history_read(struct user_history *history, const struct config *config,
                              const char *user, struct error *error)
{
    struct search search = {.ops = log_input_of(config), .user = bytes_of(user), .found = history};
    bool files = config->source.broker == CONFIG_BROKER_FILE;
    *history = (struct user_history){0};
    TRY(search.ops->open(&search.input, config, error));
    progress_start(&search.progress, "search", "records", config->log.quiet);
    enum status status = search_histories(&search, error);
    progress_end(&search.progress);
    search.ops->close(search.input);
    if (status == STATUS_OK && history->chunks_count == 0) {
        status = error_set(error, STATUS_NOT_FOUND, "no user '%s' in %s", user,
                           files ? config->state.dir : config->output.history_topic);
    }
    if (status == STATUS_OK && history_is_gone(&history->newest)) {
        status = error_set(error, STATUS_NOT_FOUND, "user '%s' %s", user, USER_HAS_LEFT);
    }
    if (status != STATUS_OK) user_history_close(history);
    return status;
}

bool user_history_at(const struct user_history *history, uint64_t ordinal,
                     struct history_behavior *behavior)
{
    uint32_t after = chunks_before(history, ordinal + 1);
    if (after == 0) return false;
    const struct history *chunk = &history->chunks[after - 1];
    if (ordinal - chunk->first >= chunk->count) return false;
    *behavior = chunk->at[ordinal - chunk->first];
    return true;
}

enum status user_history_as_of(struct user_history *history, int64_t as_of_ms, uint32_t history_max,
                               struct error *error)
{
    struct moment moment = {0};
    for (uint32_t i = 0; i < history->chunks_count; i++) {
        moment_add(&moment, &history->chunks[i], as_of_ms);
    }
    const enum moment_kind kind = moment_decide(&moment, &history->newest, history_max);
    if (!moment.later) return STATUS_OK;
    if (kind != MOMENT_THERE) {
        return error_set(error, STATUS_NOT_FOUND, "%s",
                         kind == MOMENT_LATER
                             ? "the user came after that moment"
                             : "the behaviors that the user had at that moment are gone "
                               "(state.history_max)");
    }
    const struct history now = history->newest;
    history->newest = history->chunks[chunks_before(history, moment.events) - 1];
    history->newest.count = (uint32_t)(moment.events - history->newest.first);
    history->newest.start = now.start;
    history->newest.from = moment.from;
    history->newest.source_offset = -1;
    return STATUS_OK;
}
