/* bound.h - the values of source.start and source.end: where a run begins and ends. */
#ifndef CONFIG_BOUND_H
#define CONFIG_BOUND_H

#include <stdint.h>

#include "base/status.h"

enum bound_kind {
    BOUND_NONE,   /* start: earliest; end: as its broker has it */
    BOUND_LATEST, /* what is there when the run begins */
    BOUND_NEVER,  /* end: it goes on, and waits for more */
    BOUND_TIME,   /* the first event that is accepted and not before `value`, ms since 1970 */
    BOUND_OFFSET, /* the event with this number, from 0 */
};

struct bound {
    enum bound_kind kind;
    int64_t value;
};

/* "earliest", "latest", an ISO 8601 time, or a number. STATUS_INVALID: another text. */
MUST_CHECK enum status bound_parse_start(struct bound *bound, const char *text,
                                         struct error *error);

/* "", "latest", "never", an ISO 8601 time, or a number. */
MUST_CHECK enum status bound_parse_end(struct bound *bound, const char *text, struct error *error);

#endif
