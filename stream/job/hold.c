/* hold.c - a barrier that adds up what its workers say, and the round that runs inside it. */
#include "stream/job/hold.h"

#include <pthread.h>
#include <stdlib.h>

#include "stream/job/training.h"

struct hold {
    const struct job_learner *learner;
    struct training *training; /* beside the workers, or NULL */
    uint32_t workers;
    pthread_mutex_t lock;
    pthread_cond_t met;
    uint32_t arrived;
    uint64_t meetings; /* so far */
    bool broken;       /* a worker has left */
    bool more;         /* somebody said so, at the meeting being held, */
    bool any;          /* and at the last one */

    struct store **stores; /* [partitions] by partition, NULL where there is none */
    uint32_t partitions;
    struct job_round round;
    struct error failure; /* of the round */
};

enum status hold_open(struct hold **holdp, uint32_t workers, uint32_t partitions,
                      const struct job_learner *learner, struct training *training,
                      const struct store_ops *stores, struct error *error)
{
    struct hold *hold = calloc(1, sizeof *hold);
    *holdp = hold;
    if (!hold) return error_set(error, STATUS_IO, "out of memory: a hold");
    hold->learner = learner;
    hold->training = training;
    hold->workers = workers;
    hold->partitions = partitions;
    hold->round.stores = stores;
    pthread_mutex_init(&hold->lock, NULL);
    pthread_cond_init(&hold->met, NULL);
    hold->stores = calloc(partitions, sizeof(struct store *));
    if (hold->stores) return STATUS_OK;
    hold_close(hold);
    *holdp = NULL;
    return error_set(error, STATUS_IO, "out of memory: a hold");
}

void hold_close(struct hold *hold)
{
    if (!hold) return;
    free(hold->stores);
    pthread_cond_destroy(&hold->met);
    pthread_mutex_destroy(&hold->lock);
    free(hold);
}

void hold_leave(struct hold *hold)
{
    pthread_mutex_lock(&hold->lock);
    hold->broken = true;
    pthread_cond_broadcast(&hold->met);
    pthread_mutex_unlock(&hold->lock);
}

/* The stores in the order of their partitions, whoever brought them. */
static uint32_t pack_stores(struct hold *hold)
{
    uint32_t count = 0;
    for (uint32_t p = 0; p < hold->partitions; p++) {
        if (hold->stores[p]) hold->stores[count++] = hold->stores[p];
    }
    return count;
}

/* All workers hold, and nothing trains beside them any more. */
static enum status hold_run_round(struct hold *hold, struct error *error)
{
    training_stop(hold->training);
    hold->round.at = hold->stores;
    hold->round.count = pack_stores(hold);
    hold->round.offsets = &hold->round.position; /* of files there is one */
    hold->round.partitions = 1;
    return hold->learner->round(hold->learner->context, &hold->round, error);
}

/* With the lock held: waits until all have arrived; the last one does `work`, which may be NULL. */
static enum status meet(struct hold *hold, enum status (*work)(struct hold *, struct error *),
                        struct error *error)
{
    const uint64_t meeting = hold->meetings;
    if (++hold->arrived == hold->workers) {
        hold->failure.status = STATUS_OK;
        if (work && work(hold, &hold->failure) != STATUS_OK) hold->broken = true;
        hold->arrived = 0;
        hold->any = hold->more;
        hold->more = false;
        hold->meetings++;
        pthread_cond_broadcast(&hold->met);
    }
    while (hold->meetings == meeting && !hold->broken) {
        pthread_cond_wait(&hold->met, &hold->lock);
    }
    if (hold->failure.status != STATUS_OK) {
        return error_set(error, hold->failure.status, "%s", hold->failure.text);
    }
    if (hold->meetings != meeting) return STATUS_OK;
    return error_set(error, STATUS_IO, "another worker left the job; a restart recovers");
}

enum status hold_round(struct hold *hold, struct task *const *tasks, uint32_t count,
                       const struct poll *poll, struct error *error)
{
    pthread_mutex_lock(&hold->lock);
    for (uint32_t p = 0; hold->arrived == 0 && p < hold->partitions; p++) {
        hold->stores[p] = NULL;
    }
    for (uint32_t t = 0; t < count; t++) {
        hold->stores[tasks[t]->partition] = tasks[t]->store;
    }
    hold->round.position = poll->position;
    hold->round.last = poll->last;
    enum status status = meet(hold, hold_run_round, error);
    pthread_mutex_unlock(&hold->lock);
    return status;
}

enum status hold_step(struct hold *hold, bool more, bool *anyp, struct error *error)
{
    pthread_mutex_lock(&hold->lock);
    hold->more = hold->more || more;
    enum status status = meet(hold, NULL, error);
    *anyp = hold->any;
    pthread_mutex_unlock(&hold->lock);
    return status;
}
