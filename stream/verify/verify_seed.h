/*
 * verify_seed.h - the events that a job was seeded with, read again from their files.
 *
 * `braid seed` took those before the cut, file by file, as the topic's; a verification does the same,
 * and goes on with the topic from the cut on.
 */
#ifndef STREAM_VERIFY_VERIFY_SEED_H
#define STREAM_VERIFY_VERIFY_SEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/source/cut_reader.h"

struct verify_seed {
    const struct config *files; /* how they are read, and where they are; NULL: there are none */
    struct cut cut;
};

/* Takes an accepted event before the cut; false: there is no room. */
typedef bool verify_seed_take(void *context, const struct event *event);

/* Reads them all, in the order of the seed. STATUS_BUSY: there was no room. */
MUST_CHECK enum status verify_seed_read(const struct verify_seed *seed, verify_seed_take *take,
                                        void *context, struct error *error);

#endif
