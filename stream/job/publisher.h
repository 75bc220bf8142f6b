/*
 * publisher.h - reads the interests of changed users and sends them as records.
 *
 * Users are read in batches, as one call of the model each. What a record says is a pure function
 * of the user's history and the generation.
 *
 * Thread: one owner. Memory: taken at open.
 */
#ifndef STREAM_JOB_PUBLISHER_H
#define STREAM_JOB_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "model/interest_model.h"
#include "stream/broker/broker.h"
#include "stream/job/changeset.h"

struct publisher;

/* Keeps everything it is given. */
MUST_CHECK enum status publisher_open(struct publisher **publisherp, const struct config *config,
                                      const struct interest_model *model,
                                      const struct broker_ops *ops, struct session *session,
                                      struct error *error);
void publisher_close(struct publisher *publisher);

/* Whether changes are published at all: not of generation 0, which has learned nothing. */
bool publisher_sends(const struct config *config, const struct interest_model *model);

/* Sends one interest record for every change, if any are sent. */
MUST_CHECK enum status publisher_send(struct publisher *publisher, const struct changeset *set,
                                      struct error *error);

/* Bytes it takes, for the memory plan. */
size_t publisher_size(const struct config *config, const struct interest_model *model);

#endif
