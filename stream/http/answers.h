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

/*
 * What a process that is not ready lacks: a job, partitions of which it knows that they are its own,
 * or stores that are restored. Until then what is not found here may be here all the same.
 */
struct readiness {
    bool ready;
    int64_t workers, workers_assigned;
    int64_t partitions_live, partitions_restoring;
};

struct readiness readiness_of(struct site *site);

/* 503, and what is still to come. */
void reply_not_ready(struct reply *reply, const struct readiness *readiness);

answer answer_healthz; /* 200 while the process answers */
answer
    answer_readyz; /* 200 once all workers are assigned and nothing is being restored, else 503 */
answer answer_metrics; /* text of Prometheus, or OpenMetrics if that is asked for */

/*
 * Of a user, as of the last commit, by the generation that serves. 404: there is no such user, or
 * it has left; 421: its partition is another process's; 503: its partition is not here, and the process is not ready.
 */
answer answer_interests;       /* weights, vectors, and with items=N the nearest of each */
answer answer_history;         /* the latest behaviors, and with explain their shares */
answer answer_recommendations; /* the best of all items, and whose interest each is */
answer answer_users; /* some users of this process, to look at; 503: none yet, and not ready */

answer answer_similar;    /* the items nearest to one, by cosine */
answer answer_generation; /* what serves, and how it was learned */

answer answer_page;  /* for people, in a browser */
answer answer_curve; /* model.dir/curve.csv; 404: there is none */

#endif
