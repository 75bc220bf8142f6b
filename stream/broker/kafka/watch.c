/* watch.c - see watch.h: a thread, and when somebody wanted each of two things last. */
#include "stream/broker/kafka/watch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stream/broker/kafka/ends.h"
#include "stream/broker/kafka/owners.h"

enum {
    ASK_EVERY_MS = 1000,
    WANTED_MS = 60000, /* so long after somebody wanted to know it is kept up */
};

enum wanted { WANTED_OWNERS, WANTED_ENDS, WANTED };

struct watch {
    struct broker *broker;
    struct group_owners *owners;
    struct source_ends *ends;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closing;
    int64_t wanted_until_ns[WANTED]; /* 0: nobody has wanted it */
};

static bool is_wanted_now(const struct watch *watch, enum wanted what)
{
    return watch->wanted_until_ns[what] > clock_monotonic_ns();
}

/* With the lock held: until the time is over, or somebody wants something, or it is to end. */
static void rest(struct watch *watch, bool for_long)
{
    struct timespec until;
    if (for_long) {
        pthread_cond_wait(&watch->changed, &watch->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ASK_EVERY_MS / 1000;
    while (!watch->closing && pthread_cond_timedwait(&watch->changed, &watch->lock, &until) == 0) {
    }
}

static void *run_watch(void *context)
{
    struct watch *watch = context;
    pthread_mutex_lock(&watch->lock);
    while (!watch->closing) {
        const bool owners = is_wanted_now(watch, WANTED_OWNERS);
        const bool ends = is_wanted_now(watch, WANTED_ENDS);
        pthread_mutex_unlock(&watch->lock);
        if (owners) group_owners_ask(watch->owners, watch->broker);
        if (ends) source_ends_ask(watch->ends, watch->broker);
        pthread_mutex_lock(&watch->lock);
        if (!watch->closing) rest(watch, !owners && !ends);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

static void want(struct watch *watch, enum wanted what)
{
    pthread_mutex_lock(&watch->lock);
    if (!is_wanted_now(watch, what)) pthread_cond_signal(&watch->changed);
    watch->wanted_until_ns[what] = clock_monotonic_ns() + (int64_t)WANTED_MS * 1000000;
    pthread_mutex_unlock(&watch->lock);
}

enum status watch_open(struct watch **watchp, struct broker *broker, struct error *error)
{
    pthread_condattr_t monotonic;
    struct watch *watch = calloc(1, sizeof *watch);
    *watchp = watch;
    if (!watch) return error_set(error, STATUS_IO, "out of memory: a watch of the brokers");
    watch->broker = broker;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    enum status status = group_owners_open(&watch->owners, error);
    if (status == STATUS_OK) status = source_ends_open(&watch->ends, broker->partitions, error);
    if (status == STATUS_OK) {
        want(watch, WANTED_ENDS);
        const int failed = pthread_create(&watch->thread, NULL, run_watch, watch);
        watch->running = failed == 0;
        if (failed) {
            status = error_set(error, STATUS_IO, "starting a thread: %s", strerror(failed));
        }
    }
    if (status == STATUS_OK) return STATUS_OK;
    watch_close(watch);
    *watchp = NULL;
    return status;
}

void watch_close(struct watch *watch)
{
    if (!watch) return;
    if (watch->running) {
        pthread_mutex_lock(&watch->lock);
        watch->closing = true;
        pthread_cond_signal(&watch->changed);
        pthread_mutex_unlock(&watch->lock);
        pthread_join(watch->thread, NULL);
    }
    group_owners_close(watch->owners);
    source_ends_close(watch->ends);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

bool watch_owner(struct broker *broker, uint32_t partition, char *to, size_t room)
{
    want(broker->watch, WANTED_OWNERS);
    return group_owner(broker->watch->owners, partition, to, room);
}

int64_t watch_source_end(struct broker *broker, uint32_t partition, int64_t *as_of_msp)
{
    want(broker->watch, WANTED_ENDS);
    return source_end(broker->watch->ends, partition, as_of_msp);
}
