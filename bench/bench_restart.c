/*
 * bench_restart.c - how soon a killed job publishes again, with a million users in its store.
 *
 *     case=restart   seconds: from the start of the process to its first new commit (of at least one
 *                    event); seconds_to_rate: until it commits 80 % of its former events per second
 *
 * The commit file tells both, as a reader of the output would see them.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "bench/job_runner.h"
#include "bench/preload.h"
#include "stream/broker/file/commit_file.h"

enum {
    USERS = 1000000,
    BEHAVIORS = 12, /* of each: too few for a snapshot */
    EVENTS = 5000000,
    LOOK_EVERY_MS = 5,
    COMMITS_BEFORE = 6, /* the rate is that of the later half */
    WAIT_MAX_S = 120,
};

/* The position of the next commit after `line`, and when it was seen. */
static int64_t next_commit(const struct runner *runner, int64_t line, int64_t *seen_ns)
{
    int64_t deadline_ns = clock_monotonic_ns() + WAIT_MAX_S * INT64_C(1000000000);
    while (clock_monotonic_ns() < deadline_ns) {
        struct commit commit;
        int64_t now = line;
        if (commit_file_read(&commit, runner->state, NULL) == STATUS_OK) {
            now = commit.offset;
            commit_close(&commit);
        }
        *seen_ns = clock_monotonic_ns();
        if (now > line) return now;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000L}, NULL);
    }
    fprintf(stderr, "bench: no commit after line %lld\n", (long long)line);
    exit(1);
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, NULL, 0) == child);
}

/*
 * Runs the job for some commits, then kills it. Returns events per second; *linep: where it came.
 */
static double run_and_kill(const struct runner *runner, int64_t *linep)
{
    pid_t child = runner_start(runner);
    int64_t line = 0, seen_ns = 0, half_line = 0, half_ns = 0;
    for (int commit = 0; commit < COMMITS_BEFORE; commit++) {
        line = next_commit(runner, line, &seen_ns);
        if (commit + 1 == COMMITS_BEFORE / 2) half_line = line, half_ns = seen_ns;
    }
    end(child);
    *linep = line;
    return (double)(line - half_line) / ((double)(seen_ns - half_ns) / 1e9);
}

int main(void)
{
    struct runner runner;
    const struct log_options options = {USERS, 50000, 1, 1, 1};
    runner_open(&runner);
    runner.config.job.memory = (uint64_t)4 << 30;
    runner_log(&runner, &options, EVENTS);
    preload(&runner, USERS, BEHAVIORS);

    int64_t killed_line;
    double former = run_and_kill(&runner, &killed_line);
    int64_t begun_ns = clock_monotonic_ns(), seen_ns;
    pid_t child = runner_start(&runner);
    int64_t line = next_commit(&runner, killed_line, &seen_ns);
    double first_s = (double)(seen_ns - begun_ns) / 1e9, rate = 0;
    while (rate < 0.8 * former) {
        int64_t before_ns = seen_ns, before = line;
        line = next_commit(&runner, line, &seen_ns);
        rate = (double)(line - before) / ((double)(seen_ns - before_ns) / 1e9);
    }
    end(child);
    printf("case=restart users=%d seconds=%.2f seconds_to_rate=%.2f former_events_per_s=%.0f\n",
           USERS, first_s, (double)(seen_ns - begun_ns) / 1e9, former);
    runner_close(&runner);
    return 0;
}
