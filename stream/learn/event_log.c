/* event_log.c - the accepted events; those that are not accepted are counted. */
#include "stream/learn/event_log.h"

#include <inttypes.h>
#include <stdio.h>

enum status event_log_open(struct event_log *log, const struct config *config,
                           struct progress *progress, struct error *error)
{
    static const struct source_files nothing;
    *log = (struct event_log){.config = config, .progress = progress};
    if (!*config->source.path) {
        return error_set(error, STATUS_INVALID,
                         "a log is needed: set source.path to a file, or to - for standard input");
    }
    return event_reader_open(&log->source, config, &nothing, READ_ON, error);
}

void event_log_close(struct event_log *log)
{
    event_reader_close(log->source);
}

static void count_event(struct event_log *log, const struct event *event)
{
    struct event_log_counts *counts = &log->counts;
    counts->events++;
    counts->accepted += event->verdict == EVENT_ACCEPTED;
    counts->dropped += event->verdict == EVENT_DROPPED;
    counts->blank += event->verdict == EVENT_BLANK;
    if (!event_is_bad(event->verdict) || counts->bad++) return;
    char place[SOURCE_PLACE_MAX];
    event_reader_place(log->source, event->offset, place);
    snprintf(counts->bad_why, sizeof counts->bad_why, "%s: %s: %s", place,
             event_verdict_name(event->verdict), event->why);
}

static void show_reading(const struct event_log *log)
{
    if (!log->progress) return;
    progress_show(log->progress, event_reader_progress(log->source), log->counts.events);
}

enum status event_log_next(struct event_log *log, struct event *event, struct error *error)
{
    do {
        const enum status status = event_reader_next(log->source, event, error);
        if (status == STATUS_END) event_reader_warn_of_rest(log->source);
        TRY(status);
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
