/* event_log.c - lines to events; those that are not accepted are counted. */
#include "stream/learn/event_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "stream/source/line_reader.h"

static enum status read_column_names(struct event_log *log, struct error *error)
{
    struct line line;
    if (log->config->source.format == CONFIG_JSON || !log->config->source.header) return STATUS_OK;
    const enum status status = line_reader_next(log->lines, &line, error);
    if (status == STATUS_END) return STATUS_OK; /* event_log_check reports an empty log */
    TRY(status);
    return event_decoder_header(log->decoder, line.text, error);
}

enum status event_log_open(struct event_log *log, const struct config *config,
                           struct progress *progress, struct error *error)
{
    const struct line_options options = line_options_of(config);
    *log = (struct event_log){.config = config, .progress = progress};
    if (!*config->source.path) {
        return error_set(error, STATUS_INVALID,
                         "a log is needed: set source.path to a file, or to - for standard input");
    }
    log->scratch = malloc(options.size_max + (size_t)EVENT_PADDING);
    if (!log->scratch) return error_set(error, STATUS_IO, "out of memory: one event");
    TRY(event_decoder_open(&log->decoder, config, error));
    TRY(line_reader_open(&log->lines, config->source.path, options, (struct line_position){0},
                         error));
    return read_column_names(log, error);
}

void event_log_close(struct event_log *log)
{
    line_reader_close(log->lines);
    event_decoder_close(log->decoder);
    free(log->scratch);
}

static void count_event(struct event_log *log, const struct event *event)
{
    struct event_log_counts *counts = &log->counts;
    counts->events++;
    counts->accepted += event->verdict == EVENT_ACCEPTED;
    counts->dropped += event->verdict == EVENT_DROPPED;
    counts->blank += event->verdict == EVENT_BLANK;
    if (!event_is_bad(event->verdict) || counts->bad++) return;
    snprintf(counts->bad_why, sizeof counts->bad_why, "line %" PRId64 ": %s: %s",
             line_reader_position(log->lines).line, event_verdict_name(event->verdict), event->why);
}

static void show_reading(const struct event_log *log)
{
    int64_t done, total;
    if (!log->progress) return;
    line_reader_progress(log->lines, &done, &total);
    progress_show(log->progress, total > 0 ? (double)done / (double)total : -1, log->counts.events);
}

enum status event_log_next(struct event_log *log, struct event *event, struct error *error)
{
    struct line line;
    do {
        const enum status status = line_reader_next(log->lines, &line, error);
        if (status == STATUS_END) line_reader_warn_of_rest(log->lines);
        TRY(status);
        event_decode(log->decoder, line.text, -1, log->scratch, event);
        count_event(log, event);
        show_reading(log);
    } while (event->verdict != EVENT_ACCEPTED);
    return STATUS_OK;
}

enum status event_log_check(const struct event_log *log, struct error *error)
{
    const struct event_log_counts *counts = &log->counts;
    if (counts->accepted) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "%s: no event that can be used (%" PRIu64 " bad, %" PRIu64
                     " dropped for their action)%s%s",
                     log->config->source.path, counts->bad, counts->dropped,
                     counts->bad ? "; first, " : "", counts->bad_why);
}
