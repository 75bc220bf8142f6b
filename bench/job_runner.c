/* job_runner.c - fork, run, and ask the system what it took. */
#include "bench/job_runner.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "stream/source/event_decoder.h"
#include "stream/learn/init.h"
#include "stream/source/line_reader.h"

void runner_check(enum status status, const struct error *error)
{
    if (status == STATUS_OK) return;
    fprintf(stderr, "bench: %s\n", error->text);
    exit(1);
}

void runner_open(struct runner *runner)
{
    const char *base = getenv("BRAID_BENCH_DIR");
    snprintf(runner->dir, sizeof runner->dir, "%s/braid-bench-XXXXXX", base ? base : "/tmp");
    REQUIRE(mkdtemp(runner->dir) != NULL);
    snprintf(runner->log, sizeof runner->log, "%s/log.jsonl", runner->dir);
    snprintf(runner->checkpoint, sizeof runner->checkpoint, "%s/g1.safetensors", runner->dir);
    snprintf(runner->state, sizeof runner->state, "%s/state", runner->dir);
    snprintf(runner->output, sizeof runner->output, "%s/output", runner->dir);
    struct config *config = &runner->config;
    config_defaults(config);
    config->source.path = runner->log;
    config->source.field_category = "category";
    config->model.checkpoint = runner->checkpoint;
    config->state.dir = runner->state;
    config->output.dir = runner->output;
    config->log.quiet = true;
    log_setup(LOG_WARN, false);
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
    (void)facts;
    (void)kind;
    (void)walk;
    return remove(path);
}

void runner_close(struct runner *runner)
{
    config_close(&runner->config);
    REQUIRE(nftw(runner->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

void runner_checkpoint(const struct runner *runner)
{
    struct error error;
    struct init_options init;
    struct init_summary summary;
    init_options_defaults(&init);
    runner_check(
        init_checkpoint(&runner->config, &init, runner->checkpoint, NULL, &summary, &error),
        &error);
}

void runner_log(struct runner *runner, const struct log_options *options, uint64_t events)
{
    struct error error;
    struct log_generator *generator;
    runner_check(log_generator_open(&generator, options, &error), &error);
    runner_check(log_generator_write(generator, events, runner->log, &error), &error);
    log_generator_close(generator);
    runner_checkpoint(runner);
}

/* The child's part: the job, its summary into the pipe. */
static _Noreturn void run_child(const struct runner *runner, int pipe_end)
{
    struct error error;
    struct job_summary summary;
    runner_check(job_run(&runner->config, NULL, NULL, &summary, &error), &error);
    REQUIRE(write(pipe_end, &summary, sizeof summary) == sizeof summary);
    _exit(0);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

struct run_result runner_run(const struct runner *runner)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) run_child(runner, ends[1]);
    close(ends[1]);
    struct run_result result;
    ssize_t size = read(ends[0], &result.summary, sizeof result.summary);
    close(ends[0]);
    struct rusage usage;
    int status = 0;
    REQUIRE(wait4(child, &status, 0, &usage) == child);
    if (status != 0 || size != sizeof result.summary) exit(1);
    result.cpu_s = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    result.rss_mb = (double)usage.ru_maxrss / 1024;
    return result;
}

pid_t runner_start(const struct runner *runner)
{
    struct error error;
    struct job_summary summary;
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child > 0) return child;
    runner_check(job_run(&runner->config, NULL, NULL, &summary, &error), &error);
    _exit(0);
}

double runner_rss_mb(void)
{
    struct rusage usage;
    REQUIRE(getrusage(RUSAGE_SELF, &usage) == 0);
    return (double)usage.ru_maxrss / 1024;
}

double runner_decode_rate(const struct runner *runner)
{
    const struct config *config = &runner->config;
    struct error error;
    static const struct source_files nothing;
    struct event_reader *source;
    runner_check(event_reader_open(&source, config, &nothing, READ_ON, &error), &error);
    int64_t begin_ns = clock_monotonic_ns();
    uint64_t events = 0;
    struct event event;
    while (event_reader_next(source, &event, &error) == STATUS_OK) {
        REQUIRE(event.verdict == EVENT_ACCEPTED);
        events++;
    }
    double seconds = (double)(clock_monotonic_ns() - begin_ns) / 1e9;
    event_reader_close(source);
    return (double)events / seconds;
}
