/* job.c - everything opened in order, the workers' threads, and a line of progress meanwhile. */
#include "stream/job/job.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "model/checkpoint.h"
#include "stream/job/hold.h"
#include "stream/job/job_shared.h"
#include "stream/job/memory_plan.h"
#include "stream/job/pace.h"
#include "stream/job/processor.h"
#include "stream/job/store_leases.h"
#include "stream/job/training.h"
#include "stream/source/decoding.h"
#include "stream/source/recent_items.h"
#include "base/progress.h"

enum {
    LOOK_EVERY_MS = 50,    /* at progress and at a request to stop */
    GENERATION_SHARE = 16, /* a generation may take this part of job.memory without train.memory */
};

static atomic_bool stop_wanted;

struct worker {
    struct job *job;
    struct processor *processor;
    pthread_t thread;
    bool running;
};

struct job {
    struct config config;              /* with polls and queues as the memory plan allows */
    const struct job_learner *learner; /* NULL: one generation is served, */
    struct generations *generations;   /* of this alone */
    struct memory_plan plan;
    struct pace pace;
    struct job_shared shared;
    struct job_view view; /* for who looks at it */
    struct worker *workers;

    pthread_mutex_t lock;
    pthread_cond_t finished;
    uint32_t left; /* threads that run: the workers', and before them the one that starts them */
    struct error failure;         /* the first one, STATUS_OK if none */
    struct late_event worst_late; /* of all workers that have ended */
};

void job_stop(void)
{
    atomic_store(&stop_wanted, true);
}

/* ---- opening ---- */

/* A job that learns has its generations from its learner. */
static enum status job_open_generations(struct job *job, struct error *error)
{
    struct checkpoint *checkpoint;
    if (job->learner) {
        job->shared.generations = job->learner->generations;
        return STATUS_OK;
    }
    TRY(checkpoint_open(&checkpoint, job->config.model.checkpoint, error));
    TRY(generations_open(&job->generations, checkpoint, error));
    job->shared.generations = job->generations;
    return STATUS_OK;
}

/*
 * The largest generation that this job will serve. Dictionaries grow up to it, and then items go
 * out; so it does not rise when a job is started again with one that is as large.
 */
static uint64_t generation_size_max(const struct config *config, const struct checkpoint *first)
{
    const uint64_t size = generation_size(first);
    const uint64_t training = config_trains(config) ? config->train.memory : 0;
    const uint64_t left = config->job.memory > training ? config->job.memory - training : 0;
    return size > left / GENERATION_SHARE ? size : left / GENERATION_SHARE;
}

/*
 * Beside the first one, which is resident: two of the largest while workers pass from one to the
 * next, and in a job that trains a gradient of each parameter for each of its threads.
 */
static uint64_t size_of_generations(const struct config *config, const struct checkpoint *first)
{
    const uint64_t largest = generation_size_max(config, first), size = generation_size(first);
    if (!config_moves(config)) return 0;
    return 2 * largest - size + (config_trains(config) ? config->train.threads * largest / 4 : 0);
}

/*
 * What answers are made with: ids of new items, and (stream/http/serving.h) of this generation and
 * while it changes of the next the items' vectors packed to be ranked, and scores for each thread.
 */
static uint64_t size_of_answers(const struct config *config, const struct checkpoint *first)
{
    const uint64_t floats = first->dims.d + 2 + config->http.threads;
    const uint64_t size = item_table_rows(first->items) * floats * sizeof(real);
    if (strcmp(config->http.listen, "off") == 0) return 0;
    return (config_moves(config) ? 2 * size : size) + recent_items_size();
}

static enum status make_plan(struct job *job, struct error *error)
{
    struct generation *first = generations_take(job->shared.generations);
    const uint64_t taken = memory_resident() +
                           size_of_generations(&job->config, first->checkpoint) +
                           size_of_answers(&job->config, first->checkpoint);
    const enum status status =
        memory_plan_make(&job->plan, &job->config, first->model, taken, error);
    if (config_moves(&job->config)) {
        generations_limit(job->shared.generations,
                          generation_size_max(&job->config, first->checkpoint));
    }
    generations_release(job->shared.generations, first);
    TRY(status);
    metric_set(metrics_get("braid_memory_budget_bytes", NULL, NULL),
               (int64_t)job->config.job.memory);
    job->config.job.poll_events_max = job->plan.poll_events_max;
    job->config.job.queue_polls_max = job->plan.queue_polls_max;
    log_info("memory planned", log_int("budget_mb", (int64_t)(job->config.job.memory >> 20)),
             log_int("users_in_memory", (int64_t)job->plan.cache_users * job->config.job.workers),
             log_int("memtable_mb", (int64_t)(job->plan.store.memtable_size >> 20)),
             log_int("block_cache_mb", (int64_t)(job->plan.store.block_cache_size >> 20)),
             log_int("poll_events", job->plan.poll_events_max),
             log_int("queue_polls", job->plan.queue_polls_max));
    return STATUS_OK;
}

static void fill_seal(struct job *job)
{
    struct job_shared *shared = &job->shared;
    shared->seal = (struct history_seal){
        .source_identity = shared->ops->source_identity(shared->broker),
        .partitions = shared->ops->partitions(shared->broker),
        .watermark_ms = HISTORY_NO_TIME,
    };
    decoding_fingerprints(&job->config, shared->seal.decoding);
}

/* Training beside the stream, and where the workers of a job on files meet. */
static enum status open_learning(struct job *job, struct error *error)
{
    struct job_shared *shared = &job->shared;
    const struct config *config = &job->config;
    if (!job->learner) return STATUS_OK;
    if (config_moves_beside(config)) {
        TRY(training_open(&shared->training, shared, job->learner, error));
    }
    if (config->source.broker != CONFIG_BROKER_FILE) return STATUS_OK;
    return hold_open(&shared->hold, config->job.workers, POLL_PARTITIONS_MAX, job->learner,
                     shared->training, shared->stores, error);
}

static enum status open_job(struct job *job, struct error *error)
{
    TRY(job_open_generations(job, error));
    TRY(make_plan(job, error));
    job->shared = (struct job_shared){
        .config = &job->config,
        .generations = job->shared.generations,
        .sweeps = config_sweeps(&job->config),
        .plan = &job->plan,
        .pace = &job->pace,
        .ops = broker_ops_of(&job->config),
        .stores = &store_rocksdb,
    };
    job_shared_init(&job->shared);
    job->workers = calloc(job->config.job.workers, sizeof *job->workers);
    if (!job->workers) return error_set(error, STATUS_IO, "out of memory: workers");
    TRY(job->shared.ops->open(&job->shared.broker, &job->config, error));
    fill_seal(job);
    TRY(store_leases_open(&job->shared.leases, job->shared.stores, POLL_PARTITIONS_MAX, error));
    TRY(recent_items_open(&job->shared.recent, error));
    return open_learning(job, error);
}

static void close_job(struct job *job)
{
    training_stop(job->shared.training); /* which reads the workers' stores */
    for (uint32_t w = 0; job->workers && w < job->config.job.workers; w++) {
        processor_close(job->workers[w].processor);
    }
    free(job->workers);
    hold_close(job->shared.hold);
    training_close(job->shared.training);
    store_leases_close(job->shared.leases);
    recent_items_close(job->shared.recent);
    if (job->shared.ops) job->shared.ops->close(job->shared.broker);
    generations_close(job->generations);
    pthread_cond_destroy(&job->finished);
    pthread_mutex_destroy(&job->lock);
}

/* ---- running ---- */

static void started_one(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    job->left++;
    pthread_mutex_unlock(&job->lock);
}

static void finished_one(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    job->left--;
    pthread_cond_signal(&job->finished);
    pthread_mutex_unlock(&job->lock);
}

/* The first failure counts: the other workers only fail because of it. */
static void note_failure(struct job *job, const struct error *error)
{
    pthread_mutex_lock(&job->lock);
    if (job->failure.status == STATUS_OK) job->failure = *error;
    pthread_mutex_unlock(&job->lock);
}

static void keep_worst(const struct worker *worker)
{
    struct job *job = worker->job;
    const struct late_event *worst = processor_worst_late(worker->processor);
    pthread_mutex_lock(&job->lock);
    if (worst->by_ms > job->worst_late.by_ms) job->worst_late = *worst;
    pthread_mutex_unlock(&job->lock);
}

/* What is committed stays to be asked for, until a signal or a failure. */
static void stay(struct job *job)
{
    bool failed = false;
    while (!failed && !atomic_load(&stop_wanted)) {
        clock_sleep_ms(LOOK_EVERY_MS);
        pthread_mutex_lock(&job->lock);
        failed = job->failure.status != STATUS_OK;
        pthread_mutex_unlock(&job->lock);
    }
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct job *job = worker->job;
    struct error error = {.status = STATUS_OK};
    if (processor_run(worker->processor, &error) != STATUS_OK) note_failure(job, &error);
    if (job->config.http.stay) stay(job);
    /* The stores are flushed and the session ends here, so that others need not wait for it. */
    keep_worst(worker);
    processor_close(worker->processor);
    worker->processor = NULL;
    finished_one(job);
    return NULL;
}

/* Waits for the workers; shows progress and passes a request to stop on to the broker. */
static void watch(struct job *job, uint64_t events_before, bool *stoppedp)
{
    const struct job_shared *shared = &job->shared;
    struct progress progress;
    progress_start(&progress, "run", "events", job->config.log.quiet);
    pthread_mutex_lock(&job->lock);
    while (job->left > 0) {
        bool stop = atomic_load(&stop_wanted);
        if (!*stoppedp && (stop || job->failure.status != STATUS_OK)) {
            shared->ops->stop(shared->broker);
            *stoppedp = true;
        }
        progress_show(&progress, shared->ops->progress(shared->broker),
                      job_events(shared) - events_before);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_EVERY_MS * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }
        pthread_cond_timedwait(&job->finished, &job->lock, &until);
    }
    pthread_mutex_unlock(&job->lock);
    progress_end(&progress);
}

/* All are open before the first one runs: what an earlier run left open on Kafka has ended then. */
static enum status open_workers(struct job *job, struct error *error)
{
    for (uint32_t w = 0; w < job->config.job.workers; w++) {
        job->workers[w].job = job;
        TRY(processor_open(&job->workers[w].processor, &job->shared, w, error));
    }
    return STATUS_OK;
}

static void start_workers(struct job *job)
{
    for (uint32_t w = 0; w < job->config.job.workers; w++) {
        struct worker *worker = &job->workers[w];
        struct error error;
        started_one(job);
        int failed = pthread_create(&worker->thread, NULL, work, worker);
        worker->running = failed == 0;
        if (!failed) continue;
        error_set(&error, STATUS_IO, "starting a worker: %s", strerror(failed));
        note_failure(job, &error);
        processor_close(worker->processor); /* or the others would wait for it */
        worker->processor = NULL;
        finished_one(job);
    }
}

/* A thread of its own: brokers may be long in answering, and a request to stop is heeded. */
static void *start_job(void *context)
{
    struct job *job = context;
    struct error error;
    if (open_workers(job, &error) == STATUS_OK) {
        start_workers(job);
    } else if (!atomic_load(&stop_wanted)) { /* which would have cut it short */
        note_failure(job, &error);
    }
    finished_one(job);
    return NULL;
}

static enum status run_workers(struct job *job, bool *stoppedp, struct error *error)
{
    uint64_t events_before = job_events(&job->shared);
    pthread_t starter;
    started_one(job);
    int failed = pthread_create(&starter, NULL, start_job, job);
    if (failed) return error_set(error, STATUS_IO, "starting a thread: %s", strerror(failed));
    watch(job, events_before, stoppedp);
    pthread_join(starter, NULL);
    for (uint32_t w = 0; w < job->config.job.workers; w++) {
        if (job->workers[w].running) pthread_join(job->workers[w].thread, NULL);
    }
    if (job->failure.status == STATUS_OK) return STATUS_OK;
    if (error) *error = job->failure;
    return job->failure.status;
}

static void summarize_job(const struct job_shared *shared, struct job_summary *summary)
{
    summary->events = job_events(shared) - (uint64_t)metric_value(shared->events[EVENT_ERASURE]);
    summary->accepted = (uint64_t)metric_value(shared->events[EVENT_ACCEPTED]);
    summary->dropped = (uint64_t)metric_value(shared->events[EVENT_DROPPED]);
    summary->blank = (uint64_t)metric_value(shared->events[EVENT_BLANK]);
    summary->flooded = (uint64_t)metric_value(shared->events[EVENT_FLOODED]);
    summary->duplicates = (uint64_t)metric_value(shared->events[EVENT_DUPLICATE]);
    summary->profiles = (uint64_t)metric_value(shared->events[EVENT_PROFILE]);
    summary->dead_letters = summary->events - summary->accepted - summary->dropped -
                            summary->blank - summary->flooded - summary->duplicates -
                            summary->profiles;
    summary->late = (uint64_t)metric_value(shared->late);
    summary->unknown = (uint64_t)metric_value(shared->unknown);
    summary->odd_categories = (uint64_t)metric_value(shared->odd_categories);
    summary->records = (uint64_t)metric_value(shared->records);
    summary->commits = (uint64_t)metric_value(shared->commits);
}

/* The counters live as long as the process; a summary is of one job. */
static void subtract(struct job_summary *summary, const struct job_summary *before)
{
    summary->events -= before->events;
    summary->accepted -= before->accepted;
    summary->dropped -= before->dropped;
    summary->blank -= before->blank;
    summary->flooded -= before->flooded;
    summary->duplicates -= before->duplicates;
    summary->profiles -= before->profiles;
    summary->dead_letters -= before->dead_letters;
    summary->late -= before->late;
    summary->unknown -= before->unknown;
    summary->odd_categories -= before->odd_categories;
    summary->records -= before->records;
    summary->commits -= before->commits;
}

static void view_job(struct job *job, const struct job_viewer *viewer)
{
    const struct job_shared *shared = &job->shared;
    job->view = (struct job_view){
        .config = &job->config,
        .generations = shared->generations,
        .stores = shared->stores,
        .leases = shared->leases,
        .recent = shared->recent,
        .ops = shared->ops,
        .broker = shared->broker,
        .partitions = shared->ops->partitions(shared->broker),
        .answers_size = job->plan.answers_size,
    };
    if (viewer) viewer->begin(viewer->context, &job->view);
}

enum status job_run(const struct config *config, const struct job_learner *learner,
                    const struct job_viewer *viewer, struct job_summary *summary,
                    struct error *error)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job) return error_set(error, STATUS_IO, "out of memory: a job");
    *summary = (struct job_summary){0};
    job->config = *config;
    job->pace.rate = config->job.rate_max;
    job->learner = learner;
    pthread_mutex_init(&job->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&job->finished, &monotonic);
    pthread_condattr_destroy(&monotonic);

    enum status status = open_job(job, error);
    if (status == STATUS_OK) {
        struct job_summary before = {0};
        summarize_job(&job->shared, &before);
        int64_t begun_ns = clock_monotonic_ns();
        view_job(job, viewer);
        status = run_workers(job, &summary->stopped, error);
        if (viewer) viewer->end(viewer->context);
        summary->seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
        summarize_job(&job->shared, summary);
        subtract(summary, &before);
        summary->worst_late = job->worst_late;
    }
    close_job(job);
    free(job);
    atomic_store(&stop_wanted, false);
    return status;
}
