/*
 * decoding.h - which options decide what the events of a source are, and whether they have changed.
 *
 * The same bytes are other events under other options: another member is the user, a view becomes a
 * buy, an event that was dropped is accepted. What a job has absorbed cannot be decoded again, so
 * each seal holds a fingerprint of each such option, and a job under other ones is refused.
 *
 * The place of an option among the fingerprints is part of the seal's format: new ones are added at
 * the end of the list in decoding.c.
 */
#ifndef STREAM_SOURCE_DECODING_H
#define STREAM_SOURCE_DECODING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "state/history.h"

/* The places of "actions", and of where interests are published. */
enum { DECODING_ACTIONS = 14, DECODING_OUTPUT = 22 };

/* Fills in the fingerprints of `config`; 0 for an option that has no say in it. */
void decoding_fingerprints(const struct config *config, uint32_t prints[HISTORY_DECODING_MAX]);

/*
 * Compares what was committed with `config`; what one of both does not know (0) is not compared.
 * Actions may have been added behind the others. STATUS_REFUSED names the options that have changed,
 * their present values, and the remedy.
 */
MUST_CHECK enum status decoding_check(const struct config *config,
                                      const uint32_t committed[HISTORY_DECODING_MAX],
                                      struct error *error);

/*
 * Whether the actions that stored behaviors number are those of `config`, which may have got more of
 * them at the end; true if it is not known.
 */
bool decoding_same_actions(const struct config *config,
                           const uint32_t committed[HISTORY_DECODING_MAX]);

/*
 * Whether users are published where they were: a topic, the files of a job, or nowhere
 * (output.publish: none); true if it is not known.
 */
bool decoding_same_output(const struct config *config,
                          const uint32_t committed[HISTORY_DECODING_MAX]);

#endif
