/*
 * visit.h - what an answer about users and items needs of the job: its generation, and a store.
 *
 *     visit_begin -> (visit_user) -> ... -> visit_end
 *
 * Each that fails fills in the reply, and there is nothing to end. Threads: a visit belongs to one.
 */
#ifndef STREAM_HTTP_VISIT_H
#define STREAM_HTTP_VISIT_H

#include "stream/http/answers.h"
#include "stream/query/user_view.h"

struct visit {
    struct site *site;
    const struct job_view *job;
    struct desk *desk;
    const struct item_table *items;
    struct user_names names;
    struct user_history history; /* of visit_user */
};

bool visit_begin(struct visit *visit, const struct question *question, struct reply *reply);

/* Reads the user of the question: all of its history, or what its fold needs. */
bool visit_user(struct visit *visit, const struct question *question, bool whole,
                struct reply *reply);

void visit_end(struct visit *visit);

/* Writes id, title and category of the item in `row` as members. */
void visit_item(const struct visit *visit, struct json_writer *json, uint32_t row);

#endif
