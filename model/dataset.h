/*
 * dataset.h - a click log in memory as the behavior sequences of its users.
 *
 * What training and evaluation run on. Behaviors are added in the order of the log, items already
 * resolved to rows; sealing puts each user's behaviors next to each other, in that order, with gaps
 * and ordinals as a fold of the stream would see them. Users are told apart by a 64-bit hash of
 * their id, as items are in a stored history; a user whose life ended has a sequence for each.
 *
 *     dataset_open -> dataset_add ... -> dataset_seal -> (dataset_sequence | dataset_replay) ...
 *     -> dataset_close
 *
 * Threads: one owner until sealed; then it never changes and may be shared.
 */
#ifndef MODEL_DATASET_H
#define MODEL_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/interest_model.h"

enum { DATASET_BEHAVIORS_MAX = UINT32_MAX - 1 };

struct dataset;

/* One user's behaviors, oldest first. Borrowed from the dataset. */
struct dataset_sequence {
    const struct behavior *at;
    const int64_t *time_ms;
    const uint8_t *action;
    const uint32_t *profile; /* numbers of what was known of the user then (dataset_profile); NULL:
                                nothing is known of anybody */
    uint32_t count;
};

/* One behavior of the log: number `position` of the sequence of `user`. */
struct dataset_point {
    uint32_t user;
    uint32_t position;
};

/* An empty dataset over `rows` item rows; the first 1 + `oov` are no items of their own. */
MUST_CHECK enum status dataset_open(struct dataset **datasetp, uint32_t rows, uint32_t oov,
                                    struct error *error);
void dataset_close(struct dataset *dataset);

/*
 * Another sequence of the user begins, which is a user of its own here: what came before has no part
 * in it. Its first behavior has that ordinal; the first of a user that joins by dataset_add has 0.
 * What is known of the user stays known if `keeps_profile`.
 */
MUST_CHECK enum status dataset_begin_life(struct dataset *dataset, uint64_t user_hash,
                                          uint64_t ordinal, bool keeps_profile,
                                          struct error *error);

/* Appends a behavior; `item` is in 1 .. rows - 1. STATUS_INVALID beyond DATASET_BEHAVIORS_MAX. */
MUST_CHECK enum status dataset_add(struct dataset *dataset, uint64_t user_hash, uint32_t item,
                                   uint32_t category, int64_t time_ms, uint8_t action,
                                   struct error *error);

/*
 * What is known of a user from the behavior on that is added next. A feature that is 0 stays as it
 * was, unless this is all that is known (`whole`).
 */
MUST_CHECK enum status dataset_know(struct dataset *dataset, uint64_t user_hash,
                                    const struct user_profile *profile, bool whole,
                                    struct error *error);

/* Orders what was added. Nothing can be added afterwards, and everything below needs it. */
MUST_CHECK enum status dataset_seal(struct dataset *dataset, struct error *error);

uint32_t dataset_rows(const struct dataset *dataset);
uint32_t dataset_first_item(const struct dataset *dataset); /* row of the first known item */
uint32_t dataset_users(const struct dataset *dataset);
uint32_t dataset_behaviors(const struct dataset *dataset);
uint32_t dataset_longest(const struct dataset *dataset); /* behaviors of the longest sequence */

/* Over every sequence of a sealed dataset, and its order: another log has another. */
uint64_t dataset_fingerprint(const struct dataset *dataset);

/* Whether anything is known of anybody. */
bool dataset_knows(const struct dataset *dataset);

/* What a number of dataset_sequence.profile stands for. */
const struct user_profile *dataset_profile(const struct dataset *dataset, uint32_t number);

/* What is known of a user after `known` behaviors of its sequence: nothing before the first. */
struct user_profile dataset_known_of(const struct dataset_sequence *sequence, uint32_t known,
                                     const struct dataset *dataset);

/* Users are numbered in the order in which the log first names them. */
uint64_t dataset_user_hash(const struct dataset *dataset, uint32_t user);
struct dataset_sequence dataset_sequence(const struct dataset *dataset, uint32_t user);

/*
 * All behaviors as time passes [dataset_behaviors]: by the latest time their user has seen, then in
 * the order of the log. Each user's own order is kept, also where it has late events. The caller
 * frees *pointsp.
 */
MUST_CHECK enum status dataset_replay(const struct dataset *dataset, struct dataset_point **pointsp,
                                      struct error *error);

#endif
