/* committer.c - a flag under a lock, set by the owner and cleared by the thread. */
#include "stream/job/committer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct committer {
    void (*function)(void *);
    void *context;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool busy;
    bool closing;
};

static void *committer_run(void *context)
{
    struct committer *committer = context;
    pthread_mutex_lock(&committer->lock);
    for (;;) {
        while (!committer->busy && !committer->closing) {
            pthread_cond_wait(&committer->changed, &committer->lock);
        }
        if (!committer->busy) break;
        pthread_mutex_unlock(&committer->lock);
        committer->function(committer->context);
        pthread_mutex_lock(&committer->lock);
        committer->busy = false;
        pthread_cond_broadcast(&committer->changed);
    }
    pthread_mutex_unlock(&committer->lock);
    return NULL;
}

enum status committer_open(struct committer **committerp, void (*function)(void *), void *context,
                           struct error *error)
{
    *committerp = NULL;
    struct committer *committer = calloc(1, sizeof *committer);
    if (!committer) return error_set(error, STATUS_IO, "out of memory: a committer");
    committer->function = function;
    committer->context = context;
    pthread_mutex_init(&committer->lock, NULL);
    pthread_cond_init(&committer->changed, NULL);
    int failed = pthread_create(&committer->thread, NULL, committer_run, committer);
    if (failed) {
        pthread_cond_destroy(&committer->changed);
        pthread_mutex_destroy(&committer->lock);
        free(committer);
        return error_set(error, STATUS_IO, "starting a committer: %s", strerror(failed));
    }
    *committerp = committer;
    return STATUS_OK;
}

void committer_close(struct committer *committer)
{
    if (!committer) return;
    pthread_mutex_lock(&committer->lock);
    committer->closing = true;
    pthread_cond_broadcast(&committer->changed);
    pthread_mutex_unlock(&committer->lock);
    pthread_join(committer->thread, NULL);
    pthread_cond_destroy(&committer->changed);
    pthread_mutex_destroy(&committer->lock);
    free(committer);
}

void committer_start(struct committer *committer)
{
    pthread_mutex_lock(&committer->lock);
    REQUIRE(!committer->busy);
    committer->busy = true;
    pthread_cond_broadcast(&committer->changed);
    pthread_mutex_unlock(&committer->lock);
}

bool committer_busy(struct committer *committer)
{
    pthread_mutex_lock(&committer->lock);
    bool busy = committer->busy;
    pthread_mutex_unlock(&committer->lock);
    return busy;
}

void committer_wait(struct committer *committer)
{
    pthread_mutex_lock(&committer->lock);
    while (committer->busy) {
        pthread_cond_wait(&committer->changed, &committer->lock);
    }
    pthread_mutex_unlock(&committer->lock);
}
