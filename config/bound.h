/* bound.h - the values of source.start and source.end: where a run begins and ends. */
#ifndef CONFIG_BOUND_H
#define CONFIG_BOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum bound_kind {
    BOUND_NONE,   /* start: earliest; end: as its broker has it */
    BOUND_LATEST, /* what is there when the run begins */
    BOUND_NEVER,  /* end: it goes on, and waits for more */
    BOUND_TIME,   /* the first event that is accepted and not before `value`, ms since 1970 */
    BOUND_OFFSET, /* files: the event with this number, from 0 */
    BOUND_PLACES, /* Kafka: an offset for each partition, bound_place */
};

struct bound {
    enum bound_kind kind;
    int64_t value;
    const char *places; /* the option's text */
};

/*
 * "earliest", "latest", an ISO 8601 time, a number, or offsets as in 0:1200,1:3400. Keeps `text`.
 * STATUS_INVALID: another text, or a partition named twice.
 */
MUST_CHECK enum status bound_parse_start(struct bound *bound, const char *text,
                                         struct error *error);

/* "", "latest", "never", an ISO 8601 time, a number, or offsets. */
MUST_CHECK enum status bound_parse_end(struct bound *bound, const char *text, struct error *error);

/* The offset that a BOUND_PLACES has for a partition; false: it has none. */
bool bound_place(const struct bound *bound, uint32_t partition, int64_t *offsetp);

#endif
