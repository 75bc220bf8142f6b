/*
 * assignment.c - live tasks, and a thread that restores the others one after the other.
 *
 * A task passes from `waiting` (to be restored) over `restored` (done, not yet noticed by the
 * worker) to `live`. The lock guards the first two lists; live tasks are the worker's alone.
 */
#include "stream/job/assignment.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "stream/job/recovery.h"
#include "stream/job/store_leases.h"
#include "stream/job/training.h"

enum {
    STORE_PATH_MAX = 4096,
    RETRY_MS = 20,       /* before a restore is tried again */
    TRIES_SILENT = 5,    /* so often; then the reason is logged once, and */
    RETRY_LATE_MS = 500, /* a partition is tried less often */
    LOOK_MS = 20,        /* between two looks whether one is due */
};

struct task_list {
    struct task *at[POLL_PARTITIONS_MAX];
    uint32_t count;
};

struct assignment {
    const struct job_shared *shared;
    struct metric *restoring_count; /* partitions of this process that are not yet live, */
    struct metric *live_count;      /* and that are */
    struct task_list live;
    struct task *by_partition[POLL_PARTITIONS_MAX]; /* the live ones */

    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct task_list waiting;
    struct task_list restored;
    struct task *restoring; /* by the thread at this moment */
    bool dropped;           /* its partition was given up meanwhile */
    atomic_bool cancel;     /* the restore under way */
    bool closing;
    struct error failure; /* of a restore, STATUS_OK if none */
};

static void list_remove(struct task_list *list, uint32_t index)
{
    list->count--;
    memmove(list->at + index, list->at + index + 1, (list->count - index) * sizeof(struct task *));
}

static struct task *take_first(struct task_list *list)
{
    if (list->count == 0) return NULL;
    struct task *task = list->at[0];
    list_remove(list, 0);
    return task;
}

int64_t task_next_erasure(const struct task *task)
{
    int64_t next = task->next_erasure;
    if (task->cuts.of_stage[CUT_SOUGHT] > 0 && task->sought_from < next) next = task->sought_from;
    if (task->cuts.of_stage[CUT_SEEKING] > 0 && task->seeking_from < next) {
        next = task->seeking_from;
    }
    return next;
}

void task_seek_anew(struct task *task)
{
    cuts_move(&task->cuts, CUT_SEEKING, CUT_SOUGHT);
    task->seeking = false;
    task->sought_from = task->seal.next_erasure;
}

static struct task *take_partition(struct task_list *list, uint32_t partition)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct task *task = list->at[i];
        if (task->partition != partition) continue;
        list_remove(list, i);
        return task;
    }
    return NULL;
}

static void close_task(struct assignment *assignment, struct task *task)
{
    if (!task) return;
    metric_add(task->live ? assignment->live_count : assignment->restoring_count, -1);
    if (task->lease) {
        store_leases_withdraw(assignment->shared->leases, task->lease);
    } else {
        assignment->shared->stores->close(task->store);
    }
    cuts_close(&task->cuts);
    free(task);
}

static enum status restore(struct assignment *assignment, struct task *task, struct error *error)
{
    char path[STORE_PATH_MAX];
    const struct job_shared *shared = assignment->shared;
    const char *dir = shared->config->state.dir;
    int size = snprintf(path, sizeof path, "%s/store-%04u", dir, task->partition);
    if (size < 0 || size >= STORE_PATH_MAX) {
        return error_set(error, STATUS_INVALID, "%s: path too long", dir);
    }
    const struct history_seal own = job_seal(shared);
    struct recovery recovery = {
        .config = shared->config,
        .own = &own,
        .ops = shared->ops,
        .broker = shared->broker,
        .stores = shared->stores,
        .options = &shared->plan->store,
        .path = path,
        .partition = task->partition,
        .waits = shared->training && shared->config->source.broker == CONFIG_BROKER_KAFKA,
        .cancel = &assignment->cancel,
    };
    cuts_close(&task->cuts);
    enum status status = recovery_run(&recovery, error);
    if (recovery.waits) training_want(shared->training, recovery.seal.target);
    task->store = recovery.store;
    task->seal = recovery.seal;
    task->position = recovery.position;
    task->next_offset = recovery.seal.next_offset;
    task->clock_ms = recovery.seal.number ? recovery.seal.watermark_ms : HISTORY_NO_TIME;
    task->scan_ms = HISTORY_NO_TIME;
    task->next_profile = recovery.seal.next_profile;
    task->next_erasure = recovery.seal.next_erasure;
    task->cuts = recovery.cuts;
    task_seek_anew(task);
    task->unpurged |= recovery.gone > 0; /* also by a try that was put off */
    task->flushed_ns = clock_monotonic_ns();
    task->flushed = recovery.position;
    return status;
}

/* The first of the tasks that are waiting whose time has come, NULL: none. */
static struct task *take_due(struct task_list *list)
{
    const int64_t now_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < list->count; i++) {
        struct task *task = list->at[i];
        if (task->retry_ns > now_ns) continue;
        list_remove(list, i);
        return task;
    }
    return NULL;
}

/* With the lock held: until there may be something to restore. */
static void wait_for_tasks(struct assignment *assignment)
{
    if (assignment->waiting.count == 0) {
        pthread_cond_wait(&assignment->changed, &assignment->lock);
        return;
    }
    pthread_mutex_unlock(&assignment->lock);
    clock_sleep_ms(LOOK_MS);
    pthread_mutex_lock(&assignment->lock);
}

/* With the lock held: behind the others, which are not to wait for what this one lacks. */
static void put_off(struct assignment *assignment, struct task *task, const struct error *why)
{
    assignment->shared->stores->close(task->store);
    task->store = NULL;
    if (++task->tries == TRIES_SILENT) {
        log_warn("waiting for a partition's store or log", log_int("partition", task->partition),
                 log_text("reason", why->text));
    }
    const int64_t pause_ms = task->tries < TRIES_SILENT ? RETRY_MS : RETRY_LATE_MS;
    task->retry_ns = clock_monotonic_ns() + pause_ms * 1000000;
    assignment->waiting.at[assignment->waiting.count++] = task;
}

/* With the lock held: what becomes of a task whose restore has ended. */
static void settle(struct assignment *assignment, struct task *task, enum status status,
                   const struct error *error)
{
    if (assignment->dropped) {
        close_task(assignment, task);
    } else if (status == STATUS_OK) {
        assignment->restored.at[assignment->restored.count++] = task;
    } else if (status == STATUS_BUSY && !assignment->closing) {
        put_off(assignment, task, error);
    } else {
        if (status != STATUS_END) assignment->failure = *error;
        close_task(assignment, task);
    }
}

/* The restore thread. */
static void *run_restores(void *context)
{
    struct assignment *assignment = context;
    pthread_mutex_lock(&assignment->lock);
    while (!assignment->closing) {
        struct task *task = take_due(&assignment->waiting);
        if (!task) {
            wait_for_tasks(assignment);
            continue;
        }
        assignment->restoring = task;
        assignment->dropped = false;
        atomic_store(&assignment->cancel, false);
        pthread_mutex_unlock(&assignment->lock);

        struct error error = {.status = STATUS_OK};
        enum status status = restore(assignment, task, &error);

        pthread_mutex_lock(&assignment->lock);
        assignment->restoring = NULL;
        settle(assignment, task, status, &error);
    }
    pthread_mutex_unlock(&assignment->lock);
    return NULL;
}

enum status assignment_open(struct assignment **assignmentp, const struct job_shared *shared,
                            struct error *error)
{
    *assignmentp = NULL;
    struct assignment *assignment = calloc(1, sizeof *assignment);
    if (!assignment) return error_set(error, STATUS_IO, "out of memory: an assignment");
    assignment->shared = shared;
    assignment->restoring_count = metrics_get("braid_partitions", "state", "restoring");
    assignment->live_count = metrics_get("braid_partitions", "state", "live");
    pthread_mutex_init(&assignment->lock, NULL);
    pthread_cond_init(&assignment->changed, NULL);
    int failed = pthread_create(&assignment->thread, NULL, run_restores, assignment);
    if (failed) {
        assignment_close(assignment);
        return error_set(error, STATUS_IO, "starting a restore thread: %s", strerror(failed));
    }
    assignment->running = true;
    *assignmentp = assignment;
    return STATUS_OK;
}

void assignment_close(struct assignment *assignment)
{
    if (!assignment) return;
    if (assignment->running) {
        pthread_mutex_lock(&assignment->lock);
        assignment->closing = true;
        atomic_store(&assignment->cancel, true);
        pthread_cond_broadcast(&assignment->changed);
        pthread_mutex_unlock(&assignment->lock);
        pthread_join(assignment->thread, NULL);
    }
    struct task_list *const lists[] = {&assignment->live, &assignment->waiting,
                                       &assignment->restored};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        while (lists[i]->count > 0) {
            close_task(assignment, take_first(lists[i]));
        }
    }
    pthread_cond_destroy(&assignment->changed);
    pthread_mutex_destroy(&assignment->lock);
    free(assignment);
}

enum status assignment_take(struct assignment *assignment, const uint32_t *partitions,
                            uint32_t count, struct error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        struct task *task = calloc(1, sizeof *task);
        if (!task) return error_set(error, STATUS_IO, "out of memory: a task");
        task->partition = partitions[i];
        metric_add(assignment->restoring_count, 1);
        pthread_mutex_lock(&assignment->lock);
        assignment->waiting.at[assignment->waiting.count++] = task;
        pthread_cond_broadcast(&assignment->changed);
        pthread_mutex_unlock(&assignment->lock);
    }
    return STATUS_OK;
}

/* With the lock held: the first restored task that the worker's generation may go on with. */
static struct task *take_restored(struct assignment *assignment, uint64_t generation)
{
    struct task_list *list = &assignment->restored;
    for (uint32_t i = 0; i < list->count; i++) {
        struct task *task = list->at[i];
        if (task->seal.target > generation) continue;
        list_remove(list, i);
        return task;
    }
    return NULL;
}

void task_show_seal(struct task *task)
{
    if (!task->lease) return;
    const bool sealed = task->seal.number > 0;
    atomic_store(&task->lease->next_offset, task->seal.next_offset);
    atomic_store(&task->lease->generation, sealed ? task->seal.generation : UINT64_MAX);
}

static enum status make_live(struct assignment *assignment, struct task *task, struct error *error)
{
    assignment->live.at[assignment->live.count++] = task;
    assignment->by_partition[task->partition] = task;
    struct store_leases *leases = assignment->shared->leases;
    if (leases) TRY(store_leases_lend(leases, task->partition, task->store, &task->lease, error));
    task_show_seal(task);
    task->live = true; /* said when its store can be read, not before */
    metric_add(assignment->restoring_count, -1);
    metric_add(assignment->live_count, 1);
    return STATUS_OK;
}

enum status assignment_restored(struct assignment *assignment, uint64_t generation,
                                struct task **taskp, struct error *error)
{
    pthread_mutex_lock(&assignment->lock);
    *taskp = take_restored(assignment, generation);
    enum status status = assignment->failure.status;
    if (status != STATUS_OK && error) *error = assignment->failure;
    pthread_mutex_unlock(&assignment->lock);
    if (!*taskp) return status;
    TRY(make_live(assignment, *taskp, error));
    return status;
}

static void drop_partition(struct assignment *assignment, uint32_t partition)
{
    struct task *task = take_partition(&assignment->live, partition);
    assignment->by_partition[partition] = NULL;
    pthread_mutex_lock(&assignment->lock);
    if (assignment->restoring && assignment->restoring->partition == partition) {
        assignment->dropped = true; /* its thread closes it */
        atomic_store(&assignment->cancel, true);
    }
    if (!task) task = take_partition(&assignment->waiting, partition);
    if (!task) task = take_partition(&assignment->restored, partition);
    pthread_mutex_unlock(&assignment->lock);
    close_task(assignment, task);
}

void assignment_drop(struct assignment *assignment, const uint32_t *partitions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        drop_partition(assignment, partitions[i]);
    }
}

struct task *assignment_task(const struct assignment *assignment, uint32_t partition)
{
    REQUIRE(partition < POLL_PARTITIONS_MAX);
    return assignment->by_partition[partition];
}

struct task *const *assignment_live(const struct assignment *assignment, uint32_t *countp)
{
    *countp = assignment->live.count;
    return assignment->live.at;
}
