/*
 * lives.h - where the lives of a log's users begin, as a job on that log has it (state.ttl).
 *
 * Memory: 32 to 64 bytes a user, none without a ttl. Thread: one owner.
 */
#ifndef STREAM_LEARN_LIVES_H
#define STREAM_LEARN_LIVES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/source/event.h"

struct lives;

/* Keeps `config`. */
MUST_CHECK enum status lives_open(struct lives **livesp, const struct config *config,
                                  struct error *error);
/* Legal on NULL. */
void lives_close(struct lives *lives);

/* Takes an accepted event of the log. *beginsp: another life of its user begins with it, at
 * `*ordinalp`; the first does not. */
MUST_CHECK enum status lives_take(struct lives *lives, const struct event *event, bool *beginsp,
                                  uint64_t *ordinalp, struct error *error);

#endif
