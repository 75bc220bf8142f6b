/* serving.c - see serving.h: the one in use, and older ones until their last desk is back. */
#include "stream/http/serving.h"

#include <pthread.h>
#include <stdlib.h>

struct serving {
    struct generations *generations;
    struct generation *generation;
    struct item_ranks *ranks;
    struct folded_states *states; /* of its users; NULL: none are kept */
    uint32_t users; /* desks that are out, and one for being in use; under the lock of all */
    uint32_t count;
    struct desk desks[];
};

struct servings {
    pthread_mutex_t lock;
    pthread_mutex_t making; /* one at a time makes the next one ready */
    struct serving *used;   /* NULL: none yet */
    uint32_t desks;
};

enum status servings_open(struct servings **servingsp, uint32_t desks, struct error *error)
{
    struct servings *servings = calloc(1, sizeof *servings);
    *servingsp = servings;
    if (!servings) return error_set(error, STATUS_IO, "out of memory: what answers");
    servings->desks = desks;
    pthread_mutex_init(&servings->lock, NULL);
    pthread_mutex_init(&servings->making, NULL);
    return STATUS_OK;
}

static void close_serving(struct serving *serving)
{
    for (uint32_t i = 0; i < serving->count; i++) {
        item_desk_close(serving->desks[i].items);
        user_reader_close(serving->desks[i].users);
    }
    folded_states_close(serving->states);
    item_ranks_close(serving->ranks);
    generations_release(serving->generations, serving->generation);
    free(serving);
}

void servings_close(struct servings *servings)
{
    if (!servings) return;
    servings_clear(servings);
    pthread_mutex_destroy(&servings->making);
    pthread_mutex_destroy(&servings->lock);
    free(servings);
}

static enum status fill_serving(struct serving *serving, const struct job_view *job,
                                struct error *error)
{
    const struct interest_model *model = serving->generation->model;
    TRY(item_ranks_open(&serving->ranks, serving->generation->checkpoint, error));
    TRY(folded_states_open(&serving->states, job->answers_size, model,
                           job->config->source.id_size_max, error));
    for (uint32_t i = 0; i < serving->count; i++) {
        struct desk *desk = &serving->desks[i];
        *desk = (struct desk){
            .serving = serving, .generation = serving->generation, .ranks = serving->ranks};
        TRY(item_desk_open(&desk->items, serving->ranks, error));
        TRY(user_reader_open(&desk->users, model, serving->states, error));
    }
    return STATUS_OK;
}

static enum status open_serving(struct serving **servingp, uint32_t desks,
                                const struct job_view *job, struct error *error)
{
    struct serving *serving = calloc(1, sizeof *serving + desks * sizeof *serving->desks);
    *servingp = serving;
    if (!serving) return error_set(error, STATUS_IO, "out of memory: what answers");
    serving->generations = job->generations;
    serving->generation = generations_take(job->generations);
    serving->count = desks;
    serving->users = 1;
    const enum status status = fill_serving(serving, job, error);
    if (status == STATUS_OK) return STATUS_OK;
    close_serving(serving);
    *servingp = NULL;
    return status;
}

static void release_serving(struct servings *servings, struct serving *serving)
{
    if (!serving) return;
    pthread_mutex_lock(&servings->lock);
    const bool last = --serving->users == 0;
    pthread_mutex_unlock(&servings->lock);
    if (last) close_serving(serving);
}

/* A desk of the one in use, if that is of generation `number`; else NULL. */
static struct desk *take_desk(struct servings *servings, uint64_t number)
{
    struct desk *desk = NULL;
    pthread_mutex_lock(&servings->lock);
    struct serving *used = servings->used;
    if (used && used->generation->number >= number) {
        uint32_t i = 0;
        while (used->desks[i].taken) {
            i++;
            REQUIRE(i < used->count); /* there is one for each thread */
        }
        desk = &used->desks[i];
        desk->taken = true;
        used->users++;
    }
    pthread_mutex_unlock(&servings->lock);
    return desk;
}

enum status servings_take(struct servings *servings, const struct job_view *job,
                          struct desk **deskp, struct error *error)
{
    const uint64_t number = generations_number(job->generations);
    *deskp = take_desk(servings, number);
    if (*deskp) return STATUS_OK;
    enum status status = STATUS_OK;
    pthread_mutex_lock(&servings->making);
    *deskp = take_desk(servings, number);
    if (!*deskp) {
        struct serving *next, *before = NULL;
        status = open_serving(&next, servings->desks, job, error);
        if (status == STATUS_OK) {
            pthread_mutex_lock(&servings->lock);
            before = servings->used;
            servings->used = next;
            pthread_mutex_unlock(&servings->lock);
            *deskp = take_desk(servings, number);
        }
        release_serving(servings, before);
    }
    pthread_mutex_unlock(&servings->making);
    return status;
}

void servings_give_back(struct servings *servings, struct desk *desk)
{
    struct serving *serving = desk->serving;
    pthread_mutex_lock(&servings->lock);
    desk->taken = false;
    pthread_mutex_unlock(&servings->lock);
    release_serving(servings, serving);
}

void servings_clear(struct servings *servings)
{
    struct serving *used = servings->used;
    servings->used = NULL;
    release_serving(servings, used);
}
