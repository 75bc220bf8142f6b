/*
 * user_kind.h - whose event it was: a newcomer's, a regular's or a returner's.
 *
 * A mean over all events hides what training forgets, so figures are given apart. An event is a
 * newcomer's if it is among the first `events` of its user's life; else a returner's if it is among
 * the first `events` after a pause longer than `return_gap_s`; else a regular's. Nothing is predicted
 * from it: an event's kind is known only when the event is.
 *
 * Threads: pure.
 */
#ifndef STREAM_LEARN_USER_KIND_H
#define STREAM_LEARN_USER_KIND_H

#include <stdint.h>

#include "model/dataset.h"

enum user_kind { USER_NEWCOMER, USER_REGULAR, USER_RETURNER, USER_KINDS };

struct user_kind_options {
    uint32_t events;
    int64_t return_gap_s;
};

/* "newcomers", "regulars", "returners". */
const char *user_kind_name(enum user_kind kind);

/* Of the event at `position` of a sequence. */
enum user_kind user_kind_of(const struct dataset_sequence *sequence, uint32_t position,
                            const struct user_kind_options *options);

#endif
