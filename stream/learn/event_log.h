/*
 * event_log.h - a source log as its accepted events, from the beginning to the end.
 *
 * For the work beside the job (init, training, evaluation). Events are decoded as the job decodes
 * them; what it would drop or put among the dead letters is counted and passed over.
 *
 *     event_log_open -> event_log_next ... (STATUS_END) -> event_log_close
 */
#ifndef STREAM_LEARN_EVENT_LOG_H
#define STREAM_LEARN_EVENT_LOG_H

#include <stdint.h>

#include "base/progress.h"
#include "base/status.h"
#include "config/config.h"
#include "stream/source/disorder.h"
#include "stream/source/event_reader.h"

/* What has been read. What came late is counted at the end. */
struct event_log_counts {
    uint64_t events; /* all of them: */
    uint64_t accepted;
    uint64_t dropped; /* their action is not listed */
    uint64_t blank;   /* blank lines */
    uint64_t bad;
    enum event_verdict bad_verdict; /* of the first bad event, */
    char bad_why[256];              /* where it lies, and what is wrong with it */
    uint64_t late;                  /* accepted, but before an earlier one of their user, of */
    uint64_t compared;              /* so many that could be compared (disorder.h) */
    struct late_event worst;        /* of those, */
    char worst_place[256];          /* and where it lies */
    uint64_t odd_categories;        /* accepted without the category they have, */
    char odd_why[256];              /* the first: where it lies, and what is wrong with it */
};

struct event_log {
    bool profiles; /* event_log_next also gives what source.profile says; false at first */
    const struct config *config;
    struct progress *progress; /* NULL: none is shown */
    struct event_reader *source;
    struct event_log_counts counts;
    struct disorder disorder;
};

/*
 * Opens config's source: a file, or - for standard input. Keeps `config` and `progress`, which may
 * be NULL. STATUS_INVALID: no source is named. Close it after a failure, too.
 */
MUST_CHECK enum status event_log_open(struct event_log *log, const struct config *config,
                                      struct progress *progress, struct error *error);
void event_log_close(struct event_log *log);

/* The next accepted event (with `profiles`, or profile), valid until the next call; STATUS_END if there is none. */
MUST_CHECK enum status event_log_next(struct event_log *log, struct event *event,
                                      struct error *error);

/*
 * Says on standard error, for the command `braid NAME`, what became of events that were not
 * accepted, with the first reason and the option to look at, and how many came late. Nothing if
 * there is nothing to say.
 */
void event_log_report(const struct event_log_counts *counts, const char *name);

/* STATUS_INVALID, saying what became of the events, if none that was read has been accepted. */
MUST_CHECK enum status event_log_check(const struct event_log *log, struct error *error);

#endif
