/* connections.c - a table of sockets, and a thread that looks through it. */
#include "stream/http/connections.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"

enum { LOOKS = 4 /* in the time of a connection */, LOOK_MS_MAX = 1000 };

struct connection_slot {
    int socket;       /* -1: free */
    int64_t until_ns; /* when its time is over */
};

struct connections {
    pthread_mutex_t lock;
    pthread_cond_t closed;
    pthread_t thread;
    bool running, closing;
    int64_t timeout_ns, look_ns;
    uint32_t most;
    struct connection_slot slots[];
};

static void shut_overdue(struct connections *connections)
{
    const int64_t now_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < connections->most; i++) {
        const struct connection_slot *slot = &connections->slots[i];
        if (slot->socket >= 0 && slot->until_ns <= now_ns) shutdown(slot->socket, SHUT_RDWR);
    }
}

static void *run_watch(void *context)
{
    struct connections *connections = context;
    pthread_mutex_lock(&connections->lock);
    while (!connections->closing) {
        shut_overdue(connections);
        const int64_t until_ns = clock_monotonic_ns() + connections->look_ns;
        const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
        pthread_cond_timedwait(&connections->closed, &connections->lock, &until);
    }
    pthread_mutex_unlock(&connections->lock);
    return NULL;
}

enum status connections_open(struct connections **connectionsp, uint32_t most, uint32_t timeout_ms,
                             struct error *error)
{
    struct connections *connections =
        calloc(1, sizeof *connections + most * sizeof *connections->slots);
    *connectionsp = connections;
    if (!connections) return error_set(error, STATUS_IO, "out of memory: connections");
    const uint32_t look_ms = timeout_ms / LOOKS;
    connections->timeout_ns = timeout_ms * INT64_C(1000000);
    connections->look_ns = (look_ms < LOOK_MS_MAX ? look_ms : LOOK_MS_MAX) * INT64_C(1000000);
    connections->most = most;
    for (uint32_t i = 0; i < most; i++) {
        connections->slots[i].socket = -1;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&connections->closed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&connections->lock, NULL);
    const int failed = pthread_create(&connections->thread, NULL, run_watch, connections);
    connections->running = !failed;
    if (!failed) return STATUS_OK;
    connections_close(connections);
    *connectionsp = NULL;
    return error_set(error, STATUS_IO, "starting a thread: %s", strerror(failed));
}

void connections_close(struct connections *connections)
{
    if (!connections) return;
    pthread_mutex_lock(&connections->lock);
    connections->closing = true;
    pthread_cond_signal(&connections->closed);
    pthread_mutex_unlock(&connections->lock);
    if (connections->running) pthread_join(connections->thread, NULL);
    pthread_cond_destroy(&connections->closed);
    pthread_mutex_destroy(&connections->lock);
    free(connections);
}

struct connection_slot *connections_add(struct connections *connections, int socket)
{
    struct connection_slot *slot = NULL;
    pthread_mutex_lock(&connections->lock);
    for (uint32_t i = 0; i < connections->most && !slot; i++) {
        if (connections->slots[i].socket < 0) slot = &connections->slots[i];
    }
    if (slot) {
        slot->socket = socket;
        slot->until_ns = clock_monotonic_ns() + connections->timeout_ns;
    }
    pthread_mutex_unlock(&connections->lock);
    return slot;
}

void connections_renew(struct connections *connections, struct connection_slot *slot)
{
    pthread_mutex_lock(&connections->lock);
    slot->until_ns = clock_monotonic_ns() + connections->timeout_ns;
    pthread_mutex_unlock(&connections->lock);
}

void connections_remove(struct connections *connections, struct connection_slot *slot)
{
    if (!slot) return;
    pthread_mutex_lock(&connections->lock);
    slot->socket = -1;
    pthread_mutex_unlock(&connections->lock);
}
