/* training.c - a loop that looks what is due, a few times a second. */
#include "stream/job/training.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "stream/job/store_leases.h"

enum {
    LOOK_MS = 50,      /* between two looks whether something is due */
    TEND_MS = 2000,    /* between two looks at what others have trained */
    NICENESS = 10,     /* a tenth of the share of a worker, where both want a core */
    EVENTS_SHARE = 8,  /* a round comes after an eighth more events, if that is more */
    ROUNDS_MISSED = 4, /* after which a process that does not train itself misses a generation */
};

struct training {
    const struct job_shared *shared;
    const struct job_learner *learner;
    pthread_t thread;
    bool running;
    atomic_bool stopping;
    atomic_bool cancel;      /* the round under way */
    _Atomic uint64_t wanted; /* generation */
    bool seat;               /* as the learner was told */

    /* when the next round is due: */
    bool counted;     /* the lag there was when the process began, is */
    uint64_t events;  /* of the last round, by the job's counters, less those */
    int64_t round_ns; /* when it was */
    int64_t tended_ns;
    struct metric *lag;

    /* while another process of the group trains: */
    uint64_t served;        /* the generation that serves, */
    uint64_t served_events; /* and the events of the job when it came, or the process began */
    bool missed;            /* that the next one is missed, was said */

    /* of the round under way: */
    struct store_lease **leases; /* [partitions] */
    struct store **stores;       /* [partitions] */
    const atomic_bool **gone;    /* [partitions] */
    int64_t *offsets;            /* [partitions] */
    uint32_t partitions, count;
};

/* ---- when a round is due ---- */

/* Source records before the stores' positions. Those of files all count in the one input. */
static int64_t position_of(const struct training *training)
{
    const bool files = training->shared->config->source.broker == CONFIG_BROKER_FILE;
    int64_t position = 0;
    for (uint32_t i = 0; i < training->count; i++) {
        const int64_t next = atomic_load(&training->leases[i]->next_offset);
        position = !files ? position + next : next > position ? next : position;
    }
    return position;
}

/* Records before `position` that came after the generation that serves was trained. */
static int64_t lag_at(const struct training *training, int64_t position)
{
    struct generations *generations = training->shared->generations;
    struct generation *serving = generations_take(generations);
    const struct training_cut *cut = &serving->checkpoint->training.cut;
    int64_t learned = 0;
    for (uint32_t i = 0; cut->offsets && i < cut->partitions; i++) {
        learned += cut->offsets[i];
    }
    generations_release(generations, serving);
    return position > learned ? position - learned : 0;
}

static uint64_t events_between_rounds(const struct training *training, uint64_t events)
{
    const uint64_t least = training->shared->config->train.events;
    return events / EVENTS_SHARE > least ? events / EVENTS_SHARE : least;
}

static bool round_is_due(struct training *training, int64_t position)
{
    const struct config *config = training->shared->config;
    const int64_t lag = lag_at(training, position);
    metric_set(training->lag, lag);
    if (!training->counted) training->events -= (uint64_t)lag;
    training->counted = true;
    const uint64_t since = job_events(training->shared) - training->events;
    if (since >= events_between_rounds(training, (uint64_t)position)) return true;
    const int64_t interval_ns = config->train.interval_ms * INT64_C(1000000);
    return interval_ns > 0 && since > 0 && clock_monotonic_ns() - training->round_ns >= interval_ns;
}

/*
 * Users of this process are still being moved to the generation that serves. Another one would begin
 * that anew: where rounds come faster than all users can be moved, none would ever be complete.
 */
static bool is_moving(const struct training *training)
{
    const uint64_t serves = generations_number(training->shared->generations);
    for (uint32_t i = 0; i < training->count; i++) {
        if (atomic_load(&training->leases[i]->generation) < serves) return true;
    }
    return false;
}

/* ---- a round ---- */

/* The stores are not needed any more. */
static void give_stores_back(void *context)
{
    struct training *training = context;
    store_leases_give_back(training->shared->leases, training->leases, training->count);
    training->count = 0;
}

static bool has_seat(const struct training *training)
{
    return store_leases_has(training->shared->leases, 0);
}

static void train_round(struct training *training, int64_t position)
{
    struct error error = {.status = STATUS_OK};
    training->events = job_events(training->shared);
    training->round_ns = clock_monotonic_ns();
    const bool files = training->shared->config->source.broker == CONFIG_BROKER_FILE;
    memset(training->offsets, 0, training->partitions * sizeof *training->offsets);
    for (uint32_t i = 0; i < training->count; i++) {
        struct store_lease *lease = training->leases[i];
        training->stores[i] = lease->store;
        training->gone[i] = &lease->withdrawn;
        training->offsets[lease->partition] = atomic_load(&lease->next_offset);
    }
    if (files) training->offsets[0] = position;
    const struct job_round round = {
        .stores = training->shared->stores,
        .at = training->stores,
        .gone = training->gone,
        .count = training->count,
        .offsets = training->offsets,
        .partitions = files ? 1 : training->partitions,
        .position = position,
        .cancel = &training->cancel,
        .sampled = give_stores_back,
        .context = training,
    };
    atomic_store(&training->cancel, false);
    if (!has_seat(training) || atomic_load(&training->stopping)) return;
    if (training->learner->round(training->learner->context, &round, &error) != STATUS_OK) {
        log_warn("a round of training failed", log_text("why", error.text));
    }
}

/* Nobody else can know whether the process that is to train does. */
static void miss_generation(struct training *training)
{
    const uint64_t serves = generations_number(training->shared->generations);
    const uint64_t events = job_events(training->shared);
    if (has_seat(training) || serves != training->served) {
        training->served = serves;
        training->served_events = events;
        training->missed = false;
    }
    const uint64_t since = events - training->served_events;
    if (training->missed || since < ROUNDS_MISSED * events_between_rounds(training, events)) return;
    training->missed = true;
    log_warn("no generation has come for long: the process that owns partition 0 is to train. Is "
             "train.enabled set there, and what does its log say of its rounds?",
             log_int("events", (int64_t)since), log_int("serves", (int64_t)serves));
}

static void run_round_if_due(struct training *training)
{
    if (!config_trains(training->shared->config)) return;
    miss_generation(training);
    if (!has_seat(training)) {
        metric_set(training->lag, 0);
        return;
    }
    training->count = store_leases_take(training->shared->leases, training->leases);
    const int64_t position = position_of(training);
    if (round_is_due(training, position) && !is_moving(training)) train_round(training, position);
    give_stores_back(training);
}

/* ---- the thread ---- */

static void tend_if_due(struct training *training)
{
    const int64_t now_ns = clock_monotonic_ns();
    const bool seat = has_seat(training);
    const bool wanted =
        atomic_load(&training->wanted) > generations_number(training->shared->generations);
    const bool late = now_ns - training->tended_ns >= TEND_MS * INT64_C(1000000);
    const bool due = !training->tended_ns || late || wanted || seat != training->seat;
    if (!training->learner->tend || !due) return;
    training->seat = seat;
    training->learner->tend(training->learner->context, seat);
    training->tended_ns = clock_monotonic_ns();
}

/* The stream comes first: also before the threads that a round starts, which inherit this. */
static void lower_priority(void)
{
    const struct sched_param none = {0};
    const long thread = syscall(SYS_gettid);
    const int batch = sched_setscheduler(0, SCHED_BATCH, &none);
    if (batch != 0 || setpriority(PRIO_PROCESS, (id_t)thread, NICENESS) != 0) {
        log_warn("training runs with the priority of the workers: lowering it failed");
    }
}

static void *training_run(void *context)
{
    struct training *training = context;
    lower_priority();
    while (!atomic_load(&training->stopping)) {
        tend_if_due(training);
        run_round_if_due(training);
        if (!atomic_load(&training->stopping)) clock_sleep_ms(LOOK_MS);
    }
    return NULL;
}

static enum status training_open_parts(struct training *training, struct error *error)
{
    const uint32_t partitions = training->partitions;
    training->leases = calloc(partitions, sizeof(struct store_lease *));
    training->stores = calloc(partitions, sizeof(struct store *));
    training->gone = calloc(partitions, sizeof(const atomic_bool *));
    training->offsets = calloc(partitions, sizeof *training->offsets);
    if (!training->leases || !training->stores || !training->gone || !training->offsets) {
        return error_set(error, STATUS_IO, "out of memory: training");
    }
    store_leases_watch(training->shared->leases, &training->cancel);
    const int failed = pthread_create(&training->thread, NULL, training_run, training);
    if (failed) {
        return error_set(error, STATUS_IO, "starting a thread to train: %s", strerror(failed));
    }
    training->running = true;
    return STATUS_OK;
}

enum status training_open(struct training **trainingp, const struct job_shared *shared,
                          const struct job_learner *learner, struct error *error)
{
    struct training *training = calloc(1, sizeof *training);
    *trainingp = training;
    if (!training) return error_set(error, STATUS_IO, "out of memory: training");
    training->shared = shared;
    training->learner = learner;
    training->partitions = shared->ops->partitions(shared->broker);
    training->events = training->served_events = job_events(shared);
    training->served = generations_number(shared->generations);
    training->round_ns = clock_monotonic_ns();
    training->lag = metrics_get("braid_training_lag_events", NULL, NULL);
    const enum status status = training_open_parts(training, error);
    if (status == STATUS_OK) return STATUS_OK;
    training_close(training);
    *trainingp = NULL;
    return status;
}

void training_stop(struct training *training)
{
    if (!training || !training->running) return;
    atomic_store(&training->stopping, true);
    atomic_store(&training->cancel, true);
    pthread_join(training->thread, NULL);
    store_leases_watch(training->shared->leases, NULL);
    training->running = false;
}

void training_close(struct training *training)
{
    if (!training) return;
    training_stop(training);
    free(training->leases);
    free(training->stores);
    free(training->gone);
    free(training->offsets);
    free(training);
}

void training_want(struct training *training, uint64_t generation)
{
    if (!training) return;
    uint64_t wanted = atomic_load(&training->wanted);
    while (wanted < generation &&
           !atomic_compare_exchange_weak(&training->wanted, &wanted, generation)) {
    }
    if (generation > generations_number(training->shared->generations)) {
        atomic_store(&training->cancel, true); /* what it would give comes too late */
    }
}
