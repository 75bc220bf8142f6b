/*
 * compare_vectors.h - what the generations of two jobs make of the same users, and on whom they
 * differ most.
 *
 * A user is folded in both over the behaviors that both histories have, by each job's own settings,
 * and read. Whatever the two models are, what they would recommend is compared: the share of a list
 * of the best items that both have. Two models of one kind and width also have vectors to compare:
 * each interest has its nearest one of the other set for a partner, the nearest pair first, and one
 * that is left without a partner counts as a cosine of 0. Generations that were not learned one from
 * the other have spaces of their own, so of them the lists alone tell something.
 *
 * A list takes as long as a dictionary is large, so of many users who differ a sample gets one: those
 * whose ids' hashes are small enough, of which a half is left out after each `lists_max` lists, while
 * each of the others counts twice as much in the mean. Who differ most are found among them.
 *
 *     open -> take (each user of both) ... -> finish -> close
 *
 * Memory: two models, two batches of users. Thread: one.
 */
#ifndef STREAM_QUERY_COMPARE_VECTORS_H
#define STREAM_QUERY_COMPARE_VECTORS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "config/config.h"
#include "model/checkpoint.h"
#include "stream/query/history_users.h"

enum {
    COMPARE_VECTORS_LIST = 20,     /* items of a list */
    COMPARE_VECTORS_WORST = 10,    /* users that are printed */
    COMPARE_VECTORS_LISTS = 20000, /* pairs of lists before a half of the users gets none */
};

struct compare_vectors_report {
    uint64_t users;    /* compared, */
    uint64_t equal;    /* to the bit the same, */
    uint64_t cut;      /* and not compared: one history no longer has the behaviors of then */
    uint64_t lists;    /* pairs of lists that were made, of users who are not the same */
    double overlap;    /* mean share of the lists */
    bool alike;        /* vectors were compared: */
    double cosine;     /* mean over the users, */
    double least;      /* the least of a user, */
    double difference; /* and the greatest between two elements of a pair */
};

struct compare_vectors;

/* Keeps the checkpoints; `lists_max`: see above. Takes from the configurations how long histories and ids are. */
MUST_CHECK enum status compare_vectors_open(struct compare_vectors **vectorsp,
                                            struct checkpoint *const checkpoints[2],
                                            struct config *const configs[2], uint64_t lists_max,
                                            struct error *error);
void compare_vectors_close(struct compare_vectors *vectors); /* legal on NULL */

/* Takes a user; of either job NULL, or gone from it: nothing is compared. */
void compare_vectors_take(struct compare_vectors *vectors, const struct history_user *one,
                          const struct history_user *other);

/* Compares what was taken last, and prints the users that differ most to `out`, the worst first. */
void compare_vectors_finish(struct compare_vectors *vectors, FILE *out,
                            struct compare_vectors_report *report);

#endif
