/*
 * absorb.h - advances the states of many users to the ends of their histories, as ragged batches.
 *
 * What a state lacks may lie in the open chunk, in chunks that the open transaction closed, or in
 * the store; users that lack nothing but what is in memory go first and together. A state that does
 * not begin where its history says (new, not loaded, or `from` jumped) is folded from there anew.
 *
 * Thread: one owner. Memory: taken at open.
 */
#ifndef STREAM_JOB_ABSORB_H
#define STREAM_JOB_ABSORB_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "model/interest_model.h"
#include "stream/job/changeset.h"
#include "stream/job/user_loader.h"

struct absorber;

/* Keeps everything it is given. */
MUST_CHECK enum status absorber_open(struct absorber **absorberp, const struct config *config,
                                     const struct interest_model *model, struct user_loader *loader,
                                     struct error *error);
void absorber_close(struct absorber *absorber);

/* Folds the changed users (each once, at most poll_events_max) up to their last behavior. */
MUST_CHECK enum status absorber_run(struct absorber *absorber, struct change *const *changes,
                                    uint32_t count, struct error *error);

/* Bytes it takes, for the memory plan. */
size_t absorber_size(const struct config *config, const struct interest_model *model);

#endif
