/*
 * serving.h - the generation that answers are made with: its items ready to be ranked, and a desk
 * for each thread.
 *
 * It follows the generation that serves the job: whoever asks first after a change makes the next
 * one ready, while the others wait. Nothing is scored across generations.
 *
 * Threads: any; a desk belongs to who has taken it.
 */
#ifndef STREAM_HTTP_SERVING_H
#define STREAM_HTTP_SERVING_H

#include "base/status.h"
#include "model/generations.h"
#include "stream/job/job_view.h"
#include "stream/query/item_ranks.h"
#include "stream/query/user_reader.h"

struct servings;
struct serving;

/* What one answer is made with. */
struct desk {
    struct serving *serving;
    struct generation *generation;
    const struct item_ranks *ranks;
    struct item_desk *items;
    struct user_reader *users;
    bool taken;
};

/* For at most `desks` answers at a time. */
MUST_CHECK enum status servings_open(struct servings **servingsp, uint32_t desks,
                                     struct error *error);
void servings_close(struct servings *servings); /* all is given back; legal on NULL */

/* A desk of the generation that serves `job`. */
MUST_CHECK enum status servings_take(struct servings *servings, const struct job_view *job,
                                     struct desk **deskp, struct error *error);
void servings_give_back(struct servings *servings, struct desk *desk);

/* The job ends: what was taken of its generations is released. No desk is out. */
void servings_clear(struct servings *servings);

#endif
