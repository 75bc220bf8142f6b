/*
 * answers.h - the answers, a file for each family: answer_<family>.c.
 *
 * Each fills in the reply whatever happens. Threads: any.
 */
#ifndef STREAM_HTTP_ANSWERS_H
#define STREAM_HTTP_ANSWERS_H

#include "stream/http/reply.h"
#include "stream/http/site.h"

/* What a route is given: `id` is the unescaped part of the path that names a user or an item. */
struct question {
    struct site *site;
    const struct request *request;
    struct bytes id;
};

typedef void answer(const struct question *question, struct reply *reply);

answer answer_healthz; /* 200 while the process answers */
answer
    answer_readyz; /* 200 once all workers are assigned and nothing is being restored, else 503 */
answer answer_metrics; /* text of Prometheus, or OpenMetrics if that is asked for */

#endif
