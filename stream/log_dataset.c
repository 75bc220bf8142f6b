/*
 * log_dataset.c - lines to events, events to behaviors.
 */
#include "stream/log_dataset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "stream/event.h"
#include "stream/line_reader.h"

/* Everything that reading a log needs. */
struct reading {
    const struct config *config;
    const struct item_table *items;
    struct line_reader *lines;
    struct event_decoder *decoder;
    void *scratch; /* of one event */
    struct dataset *dataset;
    struct log_dataset_summary *summary;
};

static void note_bad(struct reading *reading, const struct event *event)
{
    struct log_dataset_summary *summary = reading->summary;
    if (summary->bad++) return;
    snprintf(summary->bad_why, sizeof summary->bad_why, "line %" PRId64 ": %s: %s",
             line_reader_position(reading->lines).line, event_verdict_name(event->verdict),
             event->why);
}

static enum status take_event(struct reading *reading, const struct event *event,
                              struct error *error)
{
    struct log_dataset_summary *summary = reading->summary;
    struct item_resolved row;
    summary->events++;
    if (event->verdict == EVENT_DROPPED) summary->dropped++;
    if (event_is_bad(event->verdict)) note_bad(reading, event);
    if (event->verdict != EVENT_ACCEPTED) return STATUS_OK;
    summary->accepted++;
    summary->unknown += item_table_find(reading->items, event->item_hash) == 0;
    if (!item_table_resolve(reading->items, event->item_hash, &row)) return STATUS_OK;
    return dataset_add(reading->dataset, identity_of(event->user.at, event->user.size), row.item,
                       row.category, event->time_ms, event->action, error);
}

static void show(const struct reading *reading, struct progress *progress)
{
    int64_t done, total;
    if (!progress) return;
    line_reader_progress(reading->lines, &done, &total);
    progress_show(progress, total > 0 ? (double)done / (double)total : -1,
                  reading->summary->events);
}

static enum status read_header(struct reading *reading, struct error *error)
{
    struct line line;
    if (reading->config->source.format == CONFIG_JSON || !reading->config->source.header) {
        return STATUS_OK;
    }
    enum status status = line_reader_next(reading->lines, &line, error);
    if (status == STATUS_END) return STATUS_OK; /* an empty log: told as such, later */
    TRY(status);
    return event_decoder_header(reading->decoder, line.text, error);
}

static enum status read_events(struct reading *reading, struct progress *progress,
                               struct error *error)
{
    struct line line;
    struct event event;
    enum status status;
    TRY(read_header(reading, error));
    while ((status = line_reader_next(reading->lines, &line, error)) == STATUS_OK) {
        event_decode(reading->decoder, line.text, -1, reading->scratch, &event);
        TRY(take_event(reading, &event, error));
        show(reading, progress);
    }
    if (status != STATUS_END) return status;
    if (dataset_behaviors(reading->dataset) > 0) return dataset_seal(reading->dataset, error);
    const struct log_dataset_summary *summary = reading->summary;
    return error_set(error, STATUS_INVALID,
                     "%s: no event that can be used (%" PRIu64 " bad, %" PRIu64
                     " dropped for their action, %" PRIu64 " of unknown items)%s%s",
                     reading->config->source.path, summary->bad, summary->dropped, summary->unknown,
                     summary->bad ? "; first, " : "", summary->bad_why);
}

/* A line may be one byte longer than an event, so that the decoder sees when it is. */
static enum status open_source(struct reading *reading, struct error *error)
{
    const struct config *config = reading->config;
    const uint32_t size_max = config->source.event_size_max + 1;
    if (!*config->source.path) {
        return error_set(error, STATUS_INVALID,
                         "a log is needed: set source.path to a file, or to - for standard input");
    }
    reading->scratch = malloc(size_max + (size_t)EVENT_PADDING);
    if (!reading->scratch) return error_set(error, STATUS_IO, "out of memory: one event");
    TRY(dataset_open(&reading->dataset, item_table_rows(reading->items),
                     item_table_oov(reading->items), error));
    TRY(event_decoder_open(&reading->decoder, config, error));
    return line_reader_open(&reading->lines, config->source.path, size_max,
                            (struct line_position){0}, error);
}

enum status log_dataset_open(struct dataset **datasetp, const struct config *config,
                             const struct item_table *items, struct progress *progress,
                             struct log_dataset_summary *summary, struct error *error)
{
    *datasetp = NULL;
    *summary = (struct log_dataset_summary){0};
    struct reading reading = {.config = config, .items = items, .summary = summary};
    enum status status = open_source(&reading, error);
    if (status == STATUS_OK) status = read_events(&reading, progress, error);
    line_reader_close(reading.lines);
    event_decoder_close(reading.decoder);
    free(reading.scratch);
    if (status == STATUS_OK) {
        *datasetp = reading.dataset;
    } else {
        dataset_close(reading.dataset);
    }
    return status;
}
