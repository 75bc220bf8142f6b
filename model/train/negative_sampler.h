/*
 * negative_sampler.h - draws the items that a sampled softmax sets against its targets.
 *
 * An item is drawn with probability proportional to (1 + its count)^0.75, with replacement. What
 * was drawn too often is put right by ln of that probability, which the loss takes off each score.
 *
 * Threads: an open sampler never changes and may be shared; a generator belongs to one thread.
 */
#ifndef MODEL_TRAIN_NEGATIVE_SAMPLER_H
#define MODEL_TRAIN_NEGATIVE_SAMPLER_H

#include <stdint.h>

#include "base/random.h"
#include "base/status.h"
#include "model/kernel/real.h"

struct negative_sampler;

/* Over the rows `first` .. `rows` - 1, at least one; `counts` [rows] how often each is a target. */
MUST_CHECK enum status negative_sampler_open(struct negative_sampler **samplerp,
                                             const uint32_t *counts, uint32_t first, uint32_t rows,
                                             struct error *error);
void negative_sampler_close(struct negative_sampler *sampler);

/* [rows] ln of how likely each row is drawn. */
const real *negative_sampler_log_q(const struct negative_sampler *sampler);

void negative_sampler_draw(const struct negative_sampler *sampler, struct random *random,
                           uint32_t *drawn, uint32_t count);

#endif
