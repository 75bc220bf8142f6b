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
#include "stream/source/event_reader.h"

/* What has been read. */
struct event_log_counts {
    uint64_t events; /* all of them: */
    uint64_t accepted;
    uint64_t dropped; /* their action is not listed */
    uint64_t blank;   /* blank lines */
    uint64_t bad;
    char bad_why[256]; /* of the first bad event: where it lies, and what is wrong with it */
};

struct event_log {
    const struct config *config;
    struct progress *progress; /* NULL: none is shown */
    struct event_reader *source;
    struct event_log_counts counts;
};

/*
 * Opens config's source: a file, or - for standard input. Keeps `config` and `progress`, which may
 * be NULL. STATUS_INVALID: no source is named. Close it after a failure, too.
 */
MUST_CHECK enum status event_log_open(struct event_log *log, const struct config *config,
                                      struct progress *progress, struct error *error);
void event_log_close(struct event_log *log);

/* The next accepted event, valid until the next call; STATUS_END if there is none. */
MUST_CHECK enum status event_log_next(struct event_log *log, struct event *event,
                                      struct error *error);

/* STATUS_INVALID, saying what became of the events, if none that was read has been accepted. */
MUST_CHECK enum status event_log_check(const struct event_log *log, struct error *error);

#endif
