/* job.c - everything opened in order, the workers' threads, and a line of progress meanwhile. */
#include "stream/job/job.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/checkpoint.h"
#include "stream/job/job_shared.h"
#include "stream/job/memory_plan.h"
#include "stream/job/processor.h"
#include "stream/source/decoding.h"
#include "base/progress.h"

enum {
    LOOK_EVERY_MS = 50, /* at progress and at a request to stop */
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
    struct checkpoint *checkpoint;     /* this one */
    struct interest_model *model;
    struct hold *hold; /* of a job that learns */
    struct memory_plan plan;
    struct job_shared shared;
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

void job_shared_init(struct job_shared *shared)
{
    for (int verdict = 0; verdict < EVENT_VERDICTS; verdict++) {
        shared->events[verdict] = metrics_get("braid_events_total", "verdict",
                                              event_verdict_name((enum event_verdict)verdict));
    }
    shared->late = metrics_get("braid_late_events_total", NULL, NULL);
    shared->unknown = metrics_get("braid_unknown_item_events_total", NULL, NULL);
    shared->odd_categories = metrics_get("braid_odd_category_events_total", NULL, NULL);
    shared->records = metrics_get("braid_records_total", NULL, NULL);
    shared->commits = metrics_get("braid_commits_total", NULL, NULL);
}

/* A job that learns has its generations from its learner. */
static enum status job_open_model(struct job *job, struct error *error)
{
    if (job->learner) {
        TRY(hold_open(&job->hold, job->config.job.workers, POLL_PARTITIONS_MAX, job->learner,
                      &store_rocksdb, error));
        job->shared.model = hold_model(job->hold);
        return STATUS_OK;
    }
    TRY(checkpoint_open(&job->checkpoint, job->config.model.checkpoint, error));
    TRY(interest_model_open(&job->model, job->checkpoint, error));
    job->shared.model = job->model;
    return STATUS_OK;
}

static enum status make_plan(struct job *job, struct error *error)
{
    TRY(memory_plan_make(&job->plan, &job->config, job->shared.model, memory_resident(), error));
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
        .generation = interest_model_generation(shared->model),
        .target = interest_model_generation(shared->model),
        .watermark_ms = HISTORY_NO_TIME,
        .checkpoint = interest_model_fingerprint(shared->model),
    };
    decoding_fingerprints(&job->config, shared->seal.decoding);
}

static enum status open_job(struct job *job, struct error *error)
{
    TRY(job_open_model(job, error));
    TRY(make_plan(job, error));
    job->shared = (struct job_shared){
        .config = &job->config,
        .model = job->shared.model,
        .hold = job->hold,
        .plan = &job->plan,
        .ops = broker_ops_of(&job->config),
        .stores = &store_rocksdb,
    };
    job_shared_init(&job->shared);
    job->workers = calloc(job->config.job.workers, sizeof *job->workers);
    if (!job->workers) return error_set(error, STATUS_IO, "out of memory: workers");
    TRY(job->shared.ops->open(&job->shared.broker, &job->config, error));
    fill_seal(job);
    return STATUS_OK;
}

static void close_job(struct job *job)
{
    for (uint32_t w = 0; job->workers && w < job->config.job.workers; w++) {
        processor_close(job->workers[w].processor);
    }
    free(job->workers);
    if (job->shared.ops) job->shared.ops->close(job->shared.broker);
    hold_close(job->hold);
    interest_model_close(job->model);
    checkpoint_close(job->checkpoint);
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

static void *work(void *context)
{
    struct worker *worker = context;
    struct job *job = worker->job;
    struct error error = {.status = STATUS_OK};
    if (processor_run(worker->processor, &error) != STATUS_OK) note_failure(job, &error);
    /* The stores are flushed and the session ends here, so that others need not wait for it. */
    keep_worst(worker);
    processor_close(worker->processor);
    worker->processor = NULL;
    finished_one(job);
    return NULL;
}

static uint64_t counted_events(const struct job_shared *shared)
{
    uint64_t events = 0;
    for (int verdict = 0; verdict < EVENT_VERDICTS; verdict++) {
        events += (uint64_t)metric_value(shared->events[verdict]);
    }
    return events;
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
                      counted_events(shared) - events_before);
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
    uint64_t events_before = counted_events(&job->shared);
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
    summary->events = counted_events(shared);
    summary->accepted = (uint64_t)metric_value(shared->events[EVENT_ACCEPTED]);
    summary->dropped = (uint64_t)metric_value(shared->events[EVENT_DROPPED]);
    summary->blank = (uint64_t)metric_value(shared->events[EVENT_BLANK]);
    summary->dead_letters = summary->events - summary->accepted - summary->dropped - summary->blank;
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
    summary->dead_letters -= before->dead_letters;
    summary->late -= before->late;
    summary->unknown -= before->unknown;
    summary->odd_categories -= before->odd_categories;
    summary->records -= before->records;
    summary->commits -= before->commits;
}

enum status job_run(const struct config *config, const struct job_learner *learner,
                    struct job_summary *summary, struct error *error)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job) return error_set(error, STATUS_IO, "out of memory: a job");
    *summary = (struct job_summary){0};
    job->config = *config;
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
        status = run_workers(job, &summary->stopped, error);
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
