/* repartition.c - next record, whose is it, send; a commit now and then. */
#include "stream/replay/repartition.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "stream/replay/merge.h"
#include "stream/source/event_decoder.h"

enum {
    WAIT_MS = 100,    /* for a partition, each time */
    LOOK_MS = 10,     /* between two looks at partitions that were at their ends */
    FAILURES_MAX = 5, /* in a row without a commit: it would go on for ever */
    FAILURE_PAUSE_MS = 100,
    CLOCK_RECORDS = 256, /* between two looks at the clock */
};

struct repartition {
    const struct topic_copy_ops *ops;
    const struct config *config;
    struct config decoding; /* the job's, but that no event is dropped for its action */
    const struct copy_options *options;
    const atomic_bool *stopping;
    struct repartition_summary *summary;
    struct event_decoder *decoder;
    uint8_t *room; /* one event, padded, and the decoder's scratch */
    struct progress progress;
    uint32_t failures;

    struct topic_copy *copy;
    struct merge *merge;
    uint64_t keyed, userless; /* since the last commit */
    int64_t committed_ns;     /* when that was */
    int64_t looked_ns;
};

/* The user of a record, valid until the next call; empty: none can be read. */
static struct bytes user_of_record(struct repartition *run, struct bytes value)
{
    const uint32_t size_max = run->config->source.event_size_max;
    struct event event = {0};
    if (!value.at || value.size > size_max) return event.user;
    memcpy(run->room, value.at, value.size);
    event_decode(run->decoder, (struct bytes){run->room, value.size}, -1,
                 run->room + size_max + EVENT_PADDING, &event);
    return event.user;
}

static enum status copy_record(struct repartition *run, uint32_t partition,
                               const struct copied_record *record, struct error *error)
{
    const struct bytes user = user_of_record(run, record->value);
    const struct bytes key = user.size > 0 ? user : record->key;
    const uint32_t to = key.at ? run->ops->partition_of(run->copy, key)
                               : partition % run->ops->target_partitions(run->copy);
    TRY(run->ops->send(run->copy, partition, key, to, error));
    if (user.size > 0) {
        run->keyed++;
    } else {
        run->userless++;
    }
    merge_pass(run->merge);
    return STATUS_OK;
}

static enum status commit_copied(struct repartition *run, struct error *error)
{
    TRY(run->ops->commit(run->copy, error));
    run->committed_ns = clock_monotonic_ns();
    run->failures = 0;
    if (run->keyed + run->userless == 0) return STATUS_OK;
    run->summary->records += run->keyed + run->userless;
    run->summary->keyed += run->keyed;
    run->summary->userless += run->userless;
    run->summary->commits++;
    run->keyed = run->userless = 0;
    progress_show(&run->progress, run->ops->progress(run->copy), run->summary->records);
    return STATUS_OK;
}

static bool is_full(const struct repartition *run)
{
    return run->keyed + run->userless >= run->config->job.commit_events_max;
}

/* Commits if it is time, and looks again at what was at its end. */
static enum status copy_tend(struct repartition *run, struct error *error)
{
    const int64_t now_ns = clock_monotonic_ns();
    const int64_t interval_ns = (int64_t)run->config->job.commit_interval_ms * 1000000;
    if (run->options->follows && now_ns - run->looked_ns >= (int64_t)LOOK_MS * 1000000) {
        run->looked_ns = now_ns;
        merge_look_again(run->merge);
    }
    const bool due = is_full(run) || now_ns - run->committed_ns >= interval_ns;
    return due ? commit_copied(run, error) : STATUS_OK;
}

/* Until the end, or until it is stopped. */
static enum status copy_on(struct repartition *run, struct error *error)
{
    for (uint64_t steps = 0; !atomic_load(run->stopping); steps++) {
        uint32_t partition;
        const struct copied_record *record;
        enum status status = merge_next(run->merge, WAIT_MS, &partition, &record, error);
        if (status == STATUS_OK) {
            TRY(copy_record(run, partition, record, error));
            if (is_full(run) || steps % CLOCK_RECORDS == 0) TRY(copy_tend(run, error));
            continue;
        }
        if (status == STATUS_END && !run->options->follows) return STATUS_OK;
        if (status == STATUS_END) clock_sleep_ms(LOOK_MS);
        if (status != STATUS_END && status != STATUS_BUSY) return status;
        TRY(copy_tend(run, error));
    }
    run->summary->stopped = true;
    return STATUS_OK;
}

/* From what was committed last, with all that a failure may have left behind gone. */
static enum status copy_once(struct repartition *run, struct error *error)
{
    TRY(run->ops->open(&run->copy, run->config, run->options, error));
    run->keyed = run->userless = 0;
    run->committed_ns = clock_monotonic_ns();
    run->summary->source_partitions = run->ops->source_partitions(run->copy);
    run->summary->target_partitions = run->ops->target_partitions(run->copy);
    enum status status = merge_open(&run->merge, run->ops, run->copy, error);
    if (status == STATUS_OK) status = copy_on(run, error);
    if (status == STATUS_OK) status = commit_copied(run, error);
    merge_close(run->merge);
    run->merge = NULL;
    run->ops->close(run->copy);
    return status;
}

static enum status copy_until_done(struct repartition *run, struct error *error)
{
    for (;;) {
        const enum status status = copy_once(run, error);
        if (status != STATUS_ABORTABLE) return status;
        if (++run->failures >= FAILURES_MAX || atomic_load(run->stopping)) {
            return error->status = STATUS_IO;
        }
        log_warn("the copy begins again where its last commit was",
                 log_text("reason", error->text));
        clock_sleep_ms(FAILURE_PAUSE_MS);
    }
}

enum status repartition_run(const struct topic_copy_ops *ops, const struct config *config,
                            const struct copy_options *options, const atomic_bool *stopping,
                            struct repartition_summary *summary, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    const size_t size_max = (size_t)config->source.event_size_max;
    struct repartition run = {
        .ops = ops,
        .config = config,
        .decoding = *config,
        .options = options,
        .stopping = stopping,
        .summary = summary,
        .room = calloc(1, size_max + EVENT_PADDING + event_scratch_size(size_max)),
    };
    *summary = (struct repartition_summary){0};
    if (!run.room) return error_set(error, STATUS_IO, "out of memory");
    run.decoding.actions_count = 0;
    run.decoding.source.field_action = "";
    progress_start(&run.progress, "repartition", "records", config->log.quiet);
    enum status status = event_decoder_open(&run.decoder, &run.decoding, error);
    if (status == STATUS_OK) status = copy_until_done(&run, error);
    progress_end(&run.progress);
    event_decoder_close(run.decoder);
    free(run.room);
    summary->seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
    return status;
}
