/*
 * verify_replay.h - computes again what a record should hold, one event at a time.
 *
 * A replay is one generation. It folds the events of one user after another from the source, in a
 * batch of one user and one event, and reads where a record says that it was read. Records
 * that come with rising n cost one fold of the user in all.
 *
 *     replay_open -> (replay_begin -> replay_checksum ...) ... -> replay_close
 *
 * Thread: one.
 */
#ifndef STREAM_VERIFY_VERIFY_REPLAY_H
#define STREAM_VERIFY_VERIFY_REPLAY_H

#include <stdint.h>

#include "base/status.h"
#include "stream/verify/verify_slice.h"

struct replay;

/* Opens the generation of a checkpoint. On failure *replayp is NULL. */
MUST_CHECK enum status replay_open(struct replay **replayp, const char *checkpoint_path,
                                   struct error *error);
void replay_close(struct replay *replay);

uint64_t replay_generation(const struct replay *replay);

/* Whether records depend on what events, also earlier ones, say of their user. */
bool replay_takes_profile(const struct replay *replay);
uint64_t replay_fingerprint(const struct replay *replay); /* of its checkpoint */

/* How many of a user's events are of items that the generation's dictionary does not have. */
uint64_t replay_unknown_items(const struct replay *replay, const struct verify_user *user);

/* Turns to a user, whose events must stay. */
void replay_begin(struct replay *replay, const struct verify_user *user);

/*
 * The checksum of the record that `published` should be: its own words of where it comes from, and
 * read(fold(events [from, n)), profile), NULL: nothing is known. Needs from < n <= the user's events.
 */
uint64_t replay_checksum(struct replay *replay, const struct verify_published *published,
                         const struct user_profile *profile);

#endif
