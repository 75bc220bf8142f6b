/*
 * profile.h - what a history knows of its user, as models take it.
 */
#ifndef STREAM_INTERESTS_PROFILE_H
#define STREAM_INTERESTS_PROFILE_H

#include <string.h>

#include "model/tensor/behavior.h"
#include "state/history.h"

_Static_assert((int)PROFILE_MAX == (int)HISTORY_FEATURES, "a model takes all that is known");

/* What is in force when `events` behaviors have been absorbed; they end in the chunk. */
static inline struct user_profile profile_of(const struct history *chunk, uint64_t events)
{
    struct user_profile profile;
    history_profile_at(chunk, events, profile.hash);
    return profile;
}

#endif
