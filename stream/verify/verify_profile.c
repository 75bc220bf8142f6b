/* verify_profile.c - chunks of the history log, and what they leave open. */
#include "stream/verify/verify_profile.h"

#include <string.h>

#include "stream/interests/profile.h"

static const struct user_profile nothing;

static const struct verify_chunk *logged_chunk(const struct verify_user *user, uint64_t first)
{
    const struct verify_chunk *chunk = user->newest_chunk;
    while (chunk && chunk->first > first) {
        chunk = chunk->older;
    }
    return chunk && chunk->first == first && chunk->count > 0 ? chunk : NULL;
}

static struct user_profile in_force(const struct verify_chunk *chunk, uint64_t events)
{
    const struct history history = {.first = chunk->first, .profile = chunk->profile};
    return profile_of(&history, events);
}

/*
 * Whether what counts as made before the chunk was. A change only comes to count so where the chunk is
 * full of others, and of these at most one of each feature, which waits, goes out again.
 */
static bool is_whole(const struct history_profile *profile, uint32_t features)
{
    return profile->changes - profile->waiting + features < HISTORY_CHANGES;
}

enum verify_placed verify_profile_at(const struct verify_user *user, uint64_t events,
                                     uint32_t features, struct user_profile *profile)
{
    const uint64_t last = events - 1;
    const struct verify_chunk *chunk = logged_chunk(user, last - last % HISTORY_CHUNK_BEHAVIORS);
    if (!chunk || chunk->first + chunk->count < events) return VERIFY_UNPLACED;
    *profile = in_force(chunk, events);
    /* What counts as made before the chunk came no later than the oldest change that is kept. */
    const bool behind = chunk->profile.changes && events > chunk->first + chunk->profile.at[0];
    return behind || is_whole(&chunk->profile, features) ? VERIFY_PLACED : VERIFY_LIKELY;
}

bool verify_profile_said(const struct verify_user *user, const struct user_profile *profile,
                         const struct verify_profile **versionp)
{
    const struct verify_profile *version = *versionp ? *versionp : user->first_profile;
    if (!*versionp && memcmp(profile, &nothing, sizeof nothing) == 0) return true;
    while (version && memcmp(&version->profile, profile, sizeof *profile) != 0) {
        version = version->next;
    }
    if (version) *versionp = version;
    return version != NULL;
}
