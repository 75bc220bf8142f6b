/* seed_writer.c - items first, then users in the order of the sort; a commit now and then. */
#include "stream/replay/seed_writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/progress.h"
#include "stream/replay/seed_reader.h"
#include "stream/source/decoding.h"
#include "stream/source/erasure/cuts.h"
#include "stream/source/intake.h"
#include "stream/source/item_record.h"

enum { CHUNK = HISTORY_CHUNK_BEHAVIORS };

struct writer {
    const struct seed_writing *of;
    uint64_t *seen;         /* [partitions] steps that came by */
    struct cuts *cuts;      /* [partitions]: who was erased */
    struct history *chunks; /* [state.history_max / 32 + 1] full ones of a user, of its fold */
    uint32_t chunks_count;
    uint64_t behaviors; /* that came by, */
    uint64_t fresh;     /* and that were sent since the last commit, items counted as well */
    int64_t committed_ns;
    struct progress progress;
};

/* Whether the next step of a partition is still to be done. */
static bool step_is_due(struct writer *writer, uint32_t partition)
{
    return ++writer->seen[partition] > writer->of->ops->done(writer->of->log, partition);
}

static enum status commit_steps(struct writer *writer, struct error *error)
{
    const struct seed_writing *of = writer->of;
    uint64_t done[POLL_PARTITIONS_MAX];
    const uint32_t partitions = of->ops->partitions(of->log);
    if (writer->fresh == 0) return STATUS_OK;
    for (uint32_t p = 0; p < partitions; p++) {
        const uint64_t before = of->ops->done(of->log, p);
        done[p] = writer->seen[p] > before ? writer->seen[p] : before;
    }
    TRY(of->ops->commit(of->log, done, error));
    writer->fresh = 0;
    writer->committed_ns = clock_monotonic_ns();
    of->summary->commits++;
    return STATUS_OK;
}

/* Between two steps. */
static enum status step_over(struct writer *writer, struct error *error)
{
    const struct config *config = writer->of->config;
    const int64_t age_ns = clock_monotonic_ns() - writer->committed_ns;
    const bool full = writer->fresh >= config->job.commit_events_max;
    if (atomic_load(writer->of->stopping)) {
        TRY(commit_steps(writer, error));
        return STATUS_END;
    }
    if (!full && age_ns < (int64_t)config->job.commit_interval_ms * 1000000) return STATUS_OK;
    progress_show(&writer->progress,
                  (double)writer->behaviors / (double)(writer->of->behaviors_total + 1),
                  writer->behaviors);
    return commit_steps(writer, error);
}

static enum status write_item(struct writer *writer, FILE *file, uint8_t *room, size_t room_size,
                              bool *overp, struct error *error)
{
    struct seed_item item;
    const size_t got = fread(&item, 1, sizeof item, file);
    *overp = got == 0 && feof(file);
    if (*overp) return STATUS_OK;
    if (got != sizeof item || item.size > room_size ||
        fread(room, 1, item.size, file) != item.size) {
        return error_set(error, STATUS_IO, "reading names of items back: %s", strerror(errno));
    }
    writer->of->summary->items++;
    if (!step_is_due(writer, item.partition)) return STATUS_OK;
    uint64_t key = __builtin_bswap64(item.hash);
    const struct record record = {
        .kind = RECORD_ITEM,
        .partition = item.partition,
        .key = {&key, sizeof key},
        .value = {room, item.size},
    };
    TRY(writer->of->ops->send(writer->of->log, &record, error));
    writer->fresh++;
    return step_over(writer, error);
}

static enum status write_items(struct writer *writer, uint32_t name, struct error *error)
{
    char path[RUN_PATH_MAX];
    const size_t room_size = item_record_size_max(HISTORY_USER_SIZE_MAX);
    seed_items_path(writer->of->runs->dir, name, path);
    FILE *file = fopen(path, "rb");
    uint8_t *room = malloc(room_size);
    enum status status = STATUS_OK;
    if (!file || !room)
        status = error_set(error, STATUS_IO, "opening %s: %s", path, strerror(errno));
    for (bool over = false; status == STATUS_OK && !over;) {
        status = write_item(writer, file, room, room_size, &over, error);
    }
    free(room);
    if (file) fclose(file);
    return status;
}

static enum status send_chunk(struct writer *writer, const struct merged_user *user,
                              const struct history *history, struct error *error)
{
    uint8_t key[HISTORY_KEY_MAX], value[HISTORY_RECORD_MAX];
    const struct record record = {
        .kind = RECORD_HISTORY,
        .partition = user->partition,
        .key = {key, history_key_encode(user->user, history->first / CHUNK, key)},
        .value = {value, history_encode(history, value)},
    };
    writer->of->summary->records++;
    return writer->of->ops->send(writer->of->log, &record, error);
}

static void leave_chunks_behind(struct writer *writer, uint64_t from)
{
    uint32_t left = 0;
    while (left < writer->chunks_count && writer->chunks[left].first + CHUNK <= from) {
        left++;
    }
    if (left == 0) return;
    writer->chunks_count -= left;
    memmove(writer->chunks, writer->chunks + left, writer->chunks_count * sizeof *writer->chunks);
}

/* What the job would have made of the user's events: nothing where all of them are erased. */
static enum status write_user(struct writer *writer, struct runs_merge *merge,
                              const struct merged_user *user, struct error *error)
{
    const struct config *config = writer->of->config;
    const struct history_rules rules = intake_rules(config);
    const struct user_cut *cut =
        cuts_find(&writer->cuts[user->partition], identity_of(user->user.at, user->user.size));
    struct history history;
    history_init(&history, 0);
    writer->chunks_count = 0;
    for (uint64_t i = 0; i < user->behaviors; i++) {
        struct history_behavior behavior;
        TRY(runs_merge_behavior(merge, &behavior, error));
        if (cut && history_time_ms(behavior) <= cut->ms) {
            writer->of->summary->erased++;
            continue;
        }
        if (history_admit(&history, behavior, HISTORY_NO_TIME, &rules) != HISTORY_TAKES) {
            writer->of->summary->not_admitted++;
            continue;
        }
        if (history_full(&history)) {
            writer->chunks[writer->chunks_count++] = history_closed(&history);
        }
        (void)history_append(&history, behavior, -1, config->state.history_max);
        leave_chunks_behind(writer, history.from);
    }
    if (history_events(&history) == 0) return STATUS_OK;
    for (uint32_t c = 0; c < writer->chunks_count; c++) {
        TRY(send_chunk(writer, user, &writer->chunks[c], error));
    }
    return send_chunk(writer, user, &history, error);
}

static enum status write_users(struct writer *writer, struct error *error)
{
    struct runs_merge *merge;
    struct merged_user user;
    TRY(runs_merge_open(&merge, writer->of->runs, error));
    enum status status;
    while ((status = runs_merge_user(merge, &user, error)) == STATUS_OK) {
        writer->behaviors += user.behaviors;
        writer->of->summary->users++;
        if (!step_is_due(writer, user.partition)) continue;
        status = write_user(writer, merge, &user, error);
        writer->fresh += user.behaviors;
        if (status == STATUS_OK) status = step_over(writer, error);
        if (status != STATUS_OK) break;
    }
    const bool over = status == STATUS_END && !atomic_load(writer->of->stopping);
    runs_merge_close(merge);
    return over ? STATUS_OK : status;
}

static enum status read_cuts(struct writer *writer, struct error *error)
{
    const struct seed_writing *of = writer->of;
    for (uint32_t p = 0; p < of->ops->partitions(of->log); p++) {
        TRY(of->ops->cuts(of->log, p, &writer->cuts[p], error));
    }
    return STATUS_OK;
}

static enum status write_all(struct writer *writer, struct error *error)
{
    const struct seed_writing *of = writer->of;
    struct history_seal seal = {.watermark_ms = HISTORY_NO_TIME};
    TRY(read_cuts(writer, error));
    for (uint32_t name = 0; name < of->runs->names; name++) {
        TRY(write_items(writer, name, error));
    }
    TRY(write_users(writer, error));
    TRY(commit_steps(writer, error));
    decoding_fingerprints(of->config, seal.decoding);
    return of->ops->seal(of->log, &seal, error);
}

enum status seed_write(const struct seed_writing *writing, struct error *error)
{
    const uint32_t partitions = writing->ops->partitions(writing->log);
    struct writer writer = {
        .of = writing,
        .seen = calloc(partitions, sizeof *writer.seen),
        .cuts = calloc(partitions, sizeof *writer.cuts),
        .chunks = calloc(writing->config->state.history_max / CHUNK + 1, sizeof *writer.chunks),
        .committed_ns = clock_monotonic_ns(),
    };
    enum status status = STATUS_OK;
    if (!writer.seen || !writer.cuts || !writer.chunks) {
        status = error_set(error, STATUS_IO, "out of memory");
    }
    writing->summary->items = writing->summary->users = writing->summary->records = 0;
    writing->summary->not_admitted = writing->summary->erased = 0;
    progress_start(&writer.progress, "writing", "events", writing->config->log.quiet);
    if (status == STATUS_OK) status = write_all(&writer, error);
    progress_end(&writer.progress);
    for (uint32_t p = 0; writer.cuts && p < partitions; p++) {
        cuts_close(&writer.cuts[p]);
    }
    free(writer.chunks);
    free(writer.cuts);
    free(writer.seen);
    return status;
}
