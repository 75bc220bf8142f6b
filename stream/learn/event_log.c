/* event_log.c - the accepted events; those that are not accepted are counted. */
#include "stream/learn/event_log.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"

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

/* "line 7: WHAT" */
static void describe_event(const struct event_log *log, const struct event *event, const char *what,
                           char *to, size_t room)
{
    char place[SOURCE_PLACE_MAX];
    event_reader_place(log->source, event->offset, place);
    snprintf(to, room, "%s%s%s", place, *what ? ": " : "", what);
}

static void count_accepted(struct event_log *log, const struct event *event)
{
    struct event_log_counts *counts = &log->counts;
    const bool worst = disorder_note(&log->disorder, event);
    counts->accepted++;
    counts->late = log->disorder.late;
    counts->compared = log->disorder.compared;
    if (worst) {
        counts->worst = log->disorder.worst;
        describe_event(log, event, "", counts->worst_place, sizeof counts->worst_place);
    }
    if (!event->odd_category || counts->odd_categories++) return;
    describe_event(log, event, event->why, counts->odd_why, sizeof counts->odd_why);
}

static void count_event(struct event_log *log, const struct event *event)
{
    struct event_log_counts *counts = &log->counts;
    char why[200];
    counts->events++;
    counts->dropped += event->verdict == EVENT_DROPPED;
    counts->blank += event->verdict == EVENT_BLANK;
    if (event->verdict == EVENT_ACCEPTED) count_accepted(log, event);
    if (!event_is_bad(event->verdict) || counts->bad++) return;
    counts->bad_verdict = event->verdict;
    snprintf(why, sizeof why, "%s: %s", event_verdict_name(event->verdict), event->why);
    describe_event(log, event, why, counts->bad_why, sizeof counts->bad_why);
}

static void show_log_reading(const struct event_log *log)
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
        show_log_reading(log);
    } while (event->verdict != EVENT_ACCEPTED &&
             !(log->profiles && event->verdict == EVENT_PROFILE));
    return STATUS_OK;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : 0;
}

void event_log_report(const struct event_log_counts *counts, const char *name)
{
    const uint64_t unused = counts->bad + counts->dropped;
    if (2 * unused > counts->events) {
        log_note(name, "MOST EVENTS CANNOT BE USED: %" PRIu64 " of %" PRIu64, unused,
                 counts->events);
    }
    if (counts->bad) {
        log_note(name, "%" PRIu64 " bad events were passed over, the first: %s (see %s)",
                 counts->bad, counts->bad_why, event_verdict_option(counts->bad_verdict));
    }
    if (counts->dropped) {
        log_note(name, "%" PRIu64 " events of unlisted actions were passed over (see %s)",
                 counts->dropped, event_verdict_option(EVENT_DROPPED));
    }
    if (counts->odd_categories) {
        log_note(name,
                 "%" PRIu64 " events count without a category or feature that cannot be used, "
                 "the first: %s (see source.fields.category, profile.fields)",
                 counts->odd_categories, counts->odd_why);
    }
    if (counts->late) {
        log_note(name,
                 "%" PRIu64 " of %" PRIu64 " events (%.1f %%) come after a later one of "
                 "their user, the worst by %.1f hours in %s, of user '%s'"
                 ": is the log in the order of time?",
                 counts->late, counts->compared, percent(counts->late, counts->compared),
                 (double)counts->worst.by_ms / 3.6e6, counts->worst_place, counts->worst.user);
    }
}

enum status event_log_check(const struct event_log *log, struct error *error)
{
    const struct event_log_counts *counts = &log->counts;
    if (counts->accepted) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "%s: no event that can be used (%" PRIu64 " bad, %" PRIu64
                     " dropped for their action)%s%s; see %s",
                     log->config->source.path, counts->bad, counts->dropped,
                     counts->bad ? "; first, " : "", counts->bad_why,
                     event_verdict_option(counts->bad ? counts->bad_verdict : EVENT_DROPPED));
}
