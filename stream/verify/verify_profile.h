/*
 * verify_profile.h - what was known of a user when a record was read, where a topic says it.
 *
 * The topic does not tell when the job read it. The history log does: a chunk has what was in force
 * before it, and each change with the behavior that it came with. So the log says which profile a
 * record must have been read with, and the topic whether the user ever had it.
 */
#ifndef STREAM_VERIFY_VERIFY_PROFILE_H
#define STREAM_VERIFY_VERIFY_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/tensor/behavior.h"
#include "stream/verify/verify_slice.h"

enum verify_placed {
    VERIFY_UNPLACED, /* the log has that part of the history no more */
    VERIFY_LIKELY,   /* unless more changed in a chunk than it tells apart */
    VERIFY_PLACED
};

/* What the history log says was in force of `features` when the user had so many events. */
enum verify_placed verify_profile_at(const struct verify_user *user, uint64_t events,
                                     uint32_t features, struct user_profile *profile);

/*
 * Whether the topic says this profile of the user, at *versionp, which was the one of the record
 * before (NULL: none yet), or behind it; *versionp is then where. Before it says anything, nothing is
 * known.
 */
bool verify_profile_said(const struct verify_user *user, const struct user_profile *profile,
                         const struct verify_profile **versionp);

#endif
