/*
 * bench_beside.c - the file job at saturation while a round of training runs beside it, and while
 * none does: in turn, in one run.
 *
 *     case=train-beside   100,000 users by Zipf's law; a generation that serves throughout, since no
 *                         candidate is good enough. events_per_s and alone_events_per_s: with and
 *                         without a round; fall: by how much less; train_share: processor time of
 *                         training over that of all cores meanwhile; commit_p99_ms and
 *                         alone_commit_p99_ms: from one commit to the next, one due each 100 ms;
 *                         rss_mb: resident at the peak, of budget_mb
 *
 * bench_beside [EVENTS]
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "bench/job_runner.h"
#include "cli/learning.h"
#include "model/model_dir.h"
#include "stream/source/event.h"

enum {
    LOOK_MS = 1,
    COMMIT_MS = 100,
    GAPS_MAX = 10000,
    WORKERS = 2,
};

/* What was seen while a round ran, or while none did. */
struct phase {
    double seconds, events;
    double train_cpu_s;
    double gaps_ms[GAPS_MAX]; /* between commits */
    uint32_t gaps;
};

struct beside {
    struct learner *learner;
    atomic_bool training, ended;
    struct phase phases[2]; /* without and with a round */
};

/* ---- the learner, whose rounds are noted ---- */

static enum status note_round(void *context, const struct job_round *round, struct error *error)
{
    struct beside *beside = context;
    const struct learner_place at = learning_place(round);
    atomic_store(&beside->training, true);
    const enum status status = learner_round(beside->learner, &at, error);
    atomic_store(&beside->training, false);
    return status;
}

/* ---- what is seen ---- */

/* Processor time of one thread if it has the priority of workers, else 0. */
static double cpu_of_worker(const char *thread)
{
    char path[300], text[512];
    unsigned long user = 0, system = 0;
    long nice = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/stat", thread);
    FILE *file = fopen(path, "re");
    if (!file) return 0; /* it has just ended */
    const size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *after = strrchr(text, ')');
    if (!after || sscanf(after,
                         ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d "
                         "%*d %ld",
                         &user, &system, &nice) != 3) {
        return 0;
    }
    return nice > 0 ? 0 : (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* Of the threads that training has started since the process began. */
static double train_cpu_s(void)
{
    struct rusage usage;
    REQUIRE(getrusage(RUSAGE_SELF, &usage) == 0);
    double seconds = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    DIR *threads = opendir("/proc/self/task");
    REQUIRE(threads != NULL);
    for (const struct dirent *entry; (entry = readdir(threads));) {
        if (entry->d_name[0] != '.') seconds -= cpu_of_worker(entry->d_name);
    }
    closedir(threads);
    return seconds;
}

struct look {
    int64_t ns;
    double events, train_cpu_s;
};

static struct look look_now(struct metric *accepted)
{
    return (struct look){clock_monotonic_ns(), (double)metric_value(accepted), train_cpu_s()};
}

static void add_phase(struct phase *phase, const struct look *from, const struct look *to)
{
    phase->seconds += (double)(to->ns - from->ns) / 1e9;
    phase->events += to->events - from->events;
    phase->train_cpu_s += to->train_cpu_s - from->train_cpu_s;
}

/* Looks until the job ends; what is before the first commit does not count. */
static void *watch_phases(void *context)
{
    struct beside *beside = context;
    struct metric *accepted =
        metrics_get("braid_events_total", "verdict", event_verdict_name(EVENT_ACCEPTED));
    const struct metric *commits = metrics_get("braid_commits_total", NULL, NULL);
    bool training = false;
    int64_t commit = 0, commit_ns = 0;
    struct look from = {0};
    while (!atomic_load(&beside->ended)) {
        clock_sleep_ms(LOOK_MS);
        const int64_t all = metric_value(commits) / WORKERS;
        const int64_t now_ns = clock_monotonic_ns();
        if (all > commit && commit > 0) {
            struct phase *phase = &beside->phases[training];
            if (phase->gaps < GAPS_MAX)
                phase->gaps_ms[phase->gaps++] = (double)(now_ns - commit_ns) / 1e6;
        }
        if (all > commit && commit == 0) from = look_now(accepted);
        if (all > commit) commit = all, commit_ns = now_ns;
        if (commit == 0 || atomic_load(&beside->training) == training) continue;
        const struct look now = look_now(accepted);
        add_phase(&beside->phases[training], &from, &now);
        from = now;
        training = !training;
    }
    return NULL;
}

/* ---- the run ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double p99(struct phase *phase)
{
    qsort(phase->gaps_ms, phase->gaps, sizeof *phase->gaps_ms, by_size);
    return phase->gaps ? phase->gaps_ms[phase->gaps * 99 / 100] : 0;
}

static void print_result(struct beside *beside, const struct config *config)
{
    struct phase *alone = &beside->phases[0], *both = &beside->phases[1];
    const double rate_alone = alone->events / alone->seconds, rate = both->events / both->seconds;
    const double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    printf("case=train-beside events_per_s=%.0f alone_events_per_s=%.0f fall=%.3f train_share=%.3f "
           "commit_p99_ms=%.0f alone_commit_p99_ms=%.0f commits=%u alone_commits=%u seconds=%.1f "
           "alone_seconds=%.1f rss_mb=%.0f budget_mb=%.0f\n",
           rate, rate_alone, 1 - rate / rate_alone, both->train_cpu_s / both->seconds / cores,
           p99(both), p99(alone), both->gaps, alone->gaps, both->seconds, alone->seconds,
           runner_rss_mb(), (double)config->job.memory / (1 << 20));
}

/* Generation 1 as runner_log wrote it, in a directory of generations. */
static void write_first_generation(const struct runner *runner, const char *dir)
{
    struct error error;
    struct checkpoint *checkpoint;
    runner_check(checkpoint_open(&checkpoint, runner->checkpoint, &error), &error);
    runner_check(model_dir_make(dir, &error), &error);
    runner_check(model_dir_write(dir, checkpoint, &error), &error);
    checkpoint_close(checkpoint);
}

static void configure(struct runner *runner, const char *models)
{
    struct config *config = &runner->config;
    config->job.memory = (uint64_t)4 << 30;
    config->job.workers = WORKERS;
    config->job.commit_interval_ms = COMMIT_MS;
    config->model.checkpoint = "";
    config->model.dir = models;
    config->train.enabled = CONFIG_TRAIN_ON;
    config->train.pace = CONFIG_PACE_FREE;
    config->train.memory = (uint64_t)24 << 20;
    config->train.events = 2000000;
    config->train.epochs = 1;
    config->train.margin = 1; /* which nothing is better by */
}

int main(int count, char **arguments)
{
    static struct beside beside;
    struct runner runner;
    struct error error;
    struct job_summary summary;
    pthread_t watcher;
    char models[96];
    const uint64_t events = count > 1 ? strtoull(arguments[1], NULL, 10) : 16000000;
    const struct log_options options = {100000, 50000, 1, 1, 1};
    runner_open(&runner);
    runner_log(&runner, &options, events);
    snprintf(models, sizeof models, "%s/models", runner.dir);
    write_first_generation(&runner, models);
    configure(&runner, models);
    runner_check(learner_open(&beside.learner, &runner.config, &error), &error);
    const struct job_learner learner = {&beside, learner_generations(beside.learner), note_round,
                                        NULL};
    REQUIRE(pthread_create(&watcher, NULL, watch_phases, &beside) == 0);
    runner_check(job_run(&runner.config, &learner, NULL, &summary, &error), &error);
    atomic_store(&beside.ended, true);
    pthread_join(watcher, NULL);
    print_result(&beside, &runner.config);
    learner_close(beside.learner);
    runner_close(&runner);
    return 0;
}
