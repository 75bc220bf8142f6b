/*
 * bench_export.c - the interests of a million users out of the history log, as a file.
 *
 *     case=export   behaviors_per_s: folded, from opening the log to the file's name, with reading
 *                   and writing; resident_mb: at its peak, inside job.memory; shares: passes over
 *                   a log
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/job_runner.h"
#include "bench/preload.h"
#include "stream/query/export_interests.h"

enum { USERS = 1000000, BEHAVIORS = 50, MEMORY_MB = 512 };

static void export_form(const struct runner *runner, enum vectors_form form)
{
    struct error error;
    struct checkpoint *checkpoint;
    struct export_report report;
    struct rusage usage;
    char path[128];
    snprintf(path, sizeof path, "%s/exported-%s", runner->dir, vectors_form_names[form]);
    const struct export_options options = {.path = path, .form = form, .as_of_ms = MOMENT_NOW};
    const int64_t begun_ns = clock_monotonic_ns();
    runner_check(checkpoint_open(&checkpoint, runner->checkpoint, &error), &error);
    runner_check(export_interests(&runner->config, checkpoint, &options, &report, &error), &error);
    const double seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
    REQUIRE(getrusage(RUSAGE_SELF, &usage) == 0);
    printf("case=export form=%s users=%llu behaviors_per_s=%.0f seconds=%.1f resident_mb=%.0f "
           "memory_mb=%d shares=%llu\n",
           vectors_form_names[form], (unsigned long long)report.users,
           (double)report.behaviors / seconds, seconds, (double)usage.ru_maxrss / 1024, MEMORY_MB,
           (unsigned long long)report.shares);
    fflush(stdout);
    checkpoint_close(checkpoint);
}

/* In a process of its own, so that its memory is its own. */
static void export_apart(const struct runner *runner, enum vectors_form form)
{
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        export_form(runner, form);
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (status != 0) exit(1);
}

int main(void)
{
    struct runner runner;
    const struct log_options options = {1000, 50000, 1, 1, 1};
    runner_open(&runner);
    runner.config.job.memory = (uint64_t)MEMORY_MB << 20;
    runner_log(&runner, &options, 100000);
    preload_logs(&runner, USERS, BEHAVIORS);
    export_apart(&runner, VECTORS_JSONL);
    export_apart(&runner, VECTORS_NPY);
    runner_close(&runner);
    return 0;
}
