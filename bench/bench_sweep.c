/*
 * bench_sweep.c - a new generation is adopted, and everybody in the stores is folded anew by it and
 * published, while nobody acts.
 *
 *     case=sweep   LimaRec, d = 64, two workers beside an input that is silent, no limit of rate.
 *                  From the first commit of the sweep to the last. events_per_s: behaviors folded;
 *                  sgemm_share: time of the same matrix products by sgemm on two threads, in the same
 *                  run, over that of the sweep; rss_mb: resident at the peak, of budget_mb
 *
 * bench_sweep [USERS [BEHAVIORS]]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "bench/blas.h"
#include "bench/job_runner.h"
#include "bench/limarec_products.h"
#include "bench/preload.h"
#include "stream/learn/init.h"

enum { LOOK_MS = 2, ITEMS = 50000, WORKERS = 2 };

struct watch {
    uint64_t users;
    uint64_t first_users; /* moved at the first look that saw any, */
    int64_t first_ns;     /* and when that was */
    int64_t last_ns;      /* everybody was moved */
};

/* Stops the job once everybody has been moved. */
static void *watch_sweep(void *context)
{
    struct watch *watch = context;
    const struct metric *swept = metrics_get("braid_swept_users_total", NULL, NULL);
    for (;;) {
        const uint64_t users = (uint64_t)metric_value(swept);
        const int64_t now_ns = clock_monotonic_ns();
        if (users > 0 && !watch->first_ns) {
            watch->first_ns = now_ns;
            watch->first_users = users;
        }
        if (users >= watch->users) {
            watch->last_ns = now_ns;
            job_stop();
            return NULL;
        }
        clock_sleep_ms(LOOK_MS);
    }
}

/* Generation 2: the same items, other parameters. */
static struct checkpoint *make_next(const struct runner *runner)
{
    struct init_options init;
    struct init_summary summary;
    struct checkpoint *next;
    struct error error;
    char path[128];
    snprintf(path, sizeof path, "%s/g2.safetensors", runner->dir);
    init_options_defaults(&init);
    init.seed = 2;
    runner_check(init_checkpoint(&runner->config, &init, path, NULL, &summary, &error), &error);
    runner_check(checkpoint_open(&next, path, &error), &error);
    next->generation = next->state_generation = 2;
    return next;
}

/* Nothing is learned: there is no event. */
static enum status no_round(void *context, const struct job_round *round, struct error *error)
{
    (void)context;
    (void)round;
    (void)error;
    return STATUS_OK;
}

static void run_sweep(struct runner *runner, struct checkpoint *next, struct watch *watch)
{
    struct error error;
    struct generations *generations;
    struct job_summary summary;
    struct checkpoint *first;
    pthread_t watcher;
    runner_check(checkpoint_open(&first, runner->checkpoint, &error), &error);
    runner_check(generations_open(&generations, first, &error), &error);
    runner_check(generations_add(generations, next, &error), &error);
    const struct job_learner learner = {.generations = generations, .round = no_round};
    REQUIRE(pthread_create(&watcher, NULL, watch_sweep, watch) == 0);
    runner_check(job_run(&runner->config, &learner, NULL, &summary, &error), &error);
    pthread_join(watcher, NULL);
    generations_close(generations);
}

/* Standard input becomes a pipe into which nobody writes. */
static void silence_input(void)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0 && dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
}

int main(int count, char **arguments)
{
    struct runner runner;
    const uint32_t users = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 100000;
    const uint32_t behaviors = count > 2 ? (uint32_t)strtoul(arguments[2], NULL, 10) : 96;
    const struct log_options options = {1000, ITEMS, 0, 0, 1};
    blas_open(arguments);
    runner_open(&runner);
    runner.config.job.memory = (uint64_t)2 << 30;
    runner.config.job.workers = WORKERS;
    runner_log(&runner, &options, 300000);
    struct checkpoint *next = make_next(&runner);
    runner.config.source.path = "-";
    runner.config.train.enabled = CONFIG_TRAIN_ON;
    runner.config.train.pace = CONFIG_PACE_FREE;
    runner.config.train.republish_rate = 0;
    preload(&runner, users, behaviors);
    silence_input();

    struct watch watch = {.users = users};
    run_sweep(&runner, next, &watch);
    const double rss_mb = runner_rss_mb();
    const double seconds = (double)(watch.last_ns - watch.first_ns) / 1e9;
    const double moved = (double)(users - watch.first_users);
    const double sgemm = limarec_products_seconds((uint64_t)moved * behaviors, WORKERS);
    printf("case=sweep events_per_s=%.0f users_per_s=%.0f sgemm_share=%.3f seconds=%.1f "
           "rss_mb=%.0f budget_mb=%.0f\n",
           moved * behaviors / seconds, moved / seconds, sgemm / seconds, seconds, rss_mb,
           (double)runner.config.job.memory / (1 << 20));
    runner_close(&runner);
    return 0;
}
