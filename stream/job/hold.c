/* hold.c - a barrier that adds up what its workers say, and the round that runs inside it. */
#include "stream/job/hold.h"

#include <pthread.h>
#include <stdlib.h>

struct hold {
    const struct job_learner *learner;
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
    struct hold_place place;
    struct interest_model *model, *before; /* of the generation that serves, and of the last one */
    bool adopted;
    struct error failure; /* of the round */
};

enum status hold_open(struct hold **holdp, uint32_t workers, uint32_t partitions,
                      const struct job_learner *learner, const struct store_ops *stores,
                      struct error *error)
{
    struct hold *hold = calloc(1, sizeof *hold);
    *holdp = hold;
    if (!hold) return error_set(error, STATUS_IO, "out of memory: a hold");
    hold->learner = learner;
    hold->workers = workers;
    hold->partitions = partitions;
    hold->place.stores = stores;
    pthread_mutex_init(&hold->lock, NULL);
    pthread_cond_init(&hold->met, NULL);
    hold->stores = calloc(partitions, sizeof(struct store *));
    enum status status =
        hold->stores ? STATUS_OK : error_set(error, STATUS_IO, "out of memory: a hold");
    if (status == STATUS_OK) {
        status = interest_model_open(&hold->model, learner->current(learner->context), error);
    }
    if (status == STATUS_OK) return STATUS_OK;
    hold_close(hold);
    *holdp = NULL;
    return status;
}

const struct interest_model *hold_model(const struct hold *hold)
{
    return hold->model;
}

void hold_close(struct hold *hold)
{
    if (!hold) return;
    interest_model_close(hold->model);
    interest_model_close(hold->before);
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

/* All workers hold. The model that the workers are about to leave stays open until the next round. */
static enum status hold_run_round(struct hold *hold, struct error *error)
{
    interest_model_close(hold->before);
    hold->before = NULL;
    hold->adopted = false;
    hold->place.at = hold->stores;
    hold->place.count = pack_stores(hold);
    TRY(hold->learner->round(hold->learner->context, &hold->place, &hold->adopted, error));
    if (!hold->adopted) return STATUS_OK;
    hold->before = hold->model;
    hold->model = NULL;
    return interest_model_open(&hold->model, hold->learner->current(hold->learner->context), error);
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
                       const struct poll *poll, const struct interest_model **modelp,
                       bool *adoptedp, struct error *error)
{
    pthread_mutex_lock(&hold->lock);
    for (uint32_t p = 0; hold->arrived == 0 && p < hold->partitions; p++) {
        hold->stores[p] = NULL;
    }
    for (uint32_t t = 0; t < count; t++) {
        hold->stores[tasks[t]->partition] = tasks[t]->store;
    }
    hold->place.position = poll->position;
    hold->place.last = poll->last;
    enum status status = meet(hold, hold_run_round, error);
    *adoptedp = status == STATUS_OK && hold->adopted;
    if (*adoptedp) *modelp = hold->model;
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
