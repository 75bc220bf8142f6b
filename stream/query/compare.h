/*
 * compare.h - two jobs that read the same source: whose histories differ, and how.
 *
 * Both history logs are read, partition by partition, in bounded memory, as they were committed. A
 * user's histories agree as far as each behavior that both keep is the same under its ordinal: then
 * one of them is as far as the other, or ahead of it by what one job has read and the other has not
 * yet. Where they contradict, the jobs have not taken the same events from the same start on.
 *
 * Thread: one. The jobs may run meanwhile.
 */
#ifndef STREAM_QUERY_COMPARE_H
#define STREAM_QUERY_COMPARE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "stream/log_input/log_input.h"

enum { COMPARE_SHOWN_MAX = 10 }; /* users of a kind that are printed */

/* How the other job's history of a user is, seen from the first one's. */
enum compare_kind {
    COMPARE_SAME,
    COMPARE_AHEAD,  /* it has more behaviors */
    COMPARE_BEHIND, /* it has fewer, or no such user */
    COMPARE_OTHER,  /* it has another behavior, or another beginning of the user's life */
    COMPARE_KINDS
};

struct compare_report {
    uint64_t users[COMPARE_KINDS];
    uint64_t most; /* by which two numbers of behaviors differ */
};

/* "same", "ahead", ... */
const char *compare_kind_name(enum compare_kind kind);

/* Called for each user; of either job NULL: it has no such user. */
struct history_user;
typedef enum status compare_taker(void *context, const struct history_user *one,
                                  const struct history_user *other, struct error *error);

/*
 * Compares all users of two opened inputs, whose sources must have as many partitions, in `memory`
 * bytes; prints those of each kind that differ by most to `out`, the worst first, and shows each to `take` (NULL:
 * nobody asks).
 */
MUST_CHECK enum status compare_histories(const struct log_input_ops *ops, struct log_input *one,
                                         struct log_input *other, size_t memory, FILE *out,
                                         compare_taker *take, void *context,
                                         struct compare_report *report, struct error *error);

#endif
