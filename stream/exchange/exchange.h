/*
 * exchange.h - the generations of a model, shared by the members of a group.
 *
 * On Kafka model.dir is a mirror of the topic output.models_topic: a generation is there when its
 * parameters are whole in the topic, and they are not before all of its item vectors are in
 * output.item_vectors_topic. One process at a time may add generations: the holder of the seat. On
 * files model.dir is all there is, and item vectors go to output.dir/items-<generation>.jsonl.
 *
 *     open -> sync ... -> close
 *             take_seat -> (sync | publish | tend) ... -> leave_seat
 *
 * Threads: one call at a time; another thread opens another exchange.
 * Memory: on Kafka two batches of records (8 MB each) and what broker_ops.memory says, while a
 * generation is published its parameters without their moments.
 */
#ifndef STREAM_EXCHANGE_EXCHANGE_H
#define STREAM_EXCHANGE_EXCHANGE_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"

struct exchange;

/*
 * Keeps `config`. Creates topics that are missing if the configuration allows it; _to_look never
 * does. STATUS_REFUSED: the topics are missing, or of the wrong kind. STATUS_IO: no broker answers.
 */
MUST_CHECK enum status exchange_open(struct exchange **exchangep, const struct config *config,
                                     struct error *error);
MUST_CHECK enum status exchange_open_to_look(struct exchange **exchangep,
                                             const struct config *config, struct error *error);
/* Legal on NULL. Leaves the seat. */
void exchange_close(struct exchange *exchange);

/*
 * Brings every whole generation of the topic into model.dir, and removes old ones there as
 * model.keep says. *newestp: the newest of the topic, on files of the directory, 0 if there is none.
 * That one is to be served: model.dir may also have files that were never published. A generation
 * that is damaged in the topic is passed over with a warning. STATUS_IO: disk or brokers failed; the
 * next call begins anew.
 */
MUST_CHECK enum status exchange_sync(struct exchange *exchange, uint64_t *newestp,
                                     struct error *error);

/*
 * STATUS_REFUSED, with the remedy, if this job publishes records and the item vectors of the
 * generation, which a sync said to be the newest, are not there: it was learned while the job
 * published nothing (output.publish).
 */
MUST_CHECK enum status exchange_check_vectors(const struct exchange *exchange, uint64_t number,
                                              struct error *error);

/*
 * Takes the seat of the one who trains, shuts out whoever had it, and syncs. A group that has no
 * generation begins with the newest of this model.dir, which is published. On files: nothing to do.
 */
MUST_CHECK enum status exchange_take_seat(struct exchange *exchange, struct error *error);

/* Legal without a seat. */
void exchange_leave_seat(struct exchange *exchange);

/*
 * Publishes a generation of model.dir: first its item vectors with their end, unless the job
 * publishes nothing (output.publish), then its parameters.
 * Only when this has returned STATUS_OK may it be adopted. STATUS_INVALID: the group has had this
 * number, or a greater one. STATUS_FENCED: the seat is not held, or was lost on the way: whoever
 * takes it again learns from its sync whether the generation is there. Other failures: it is not
 * there, and the seat is kept.
 */
MUST_CHECK enum status exchange_publish(struct exchange *exchange, uint64_t number,
                                        struct error *error);

/*
 * What is due besides, a few seconds apart, by the holder of the seat: says in both topics that the
 * newest generation is complete when the last seal of every partition has reached it; later,
 * output.items_grace, removes the item vectors of those before it; and the parameters of those that
 * model.keep has no room for, but never of one that users may still be of. Syncs. STATUS_FENCED: the
 * seat is not held, or was lost.
 */
MUST_CHECK enum status exchange_tend(struct exchange *exchange, struct error *error);

#endif
