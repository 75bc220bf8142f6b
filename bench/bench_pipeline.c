/*
 * bench_pipeline.c - the whole file job: a log in, every changed user's vectors out at each commit.
 *
 *     case=hot   100,000 users by Zipf's law, all of whom fit into memory
 *     case=cold  a million users with 50 behaviors each in the store, all equally likely: nearly
 *                every event brings a user back from there
 *
 * decode_ratio is the job's rate over that of reading and decoding the same log and nothing else,
 * measured in the same run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/job_runner.h"
#include "bench/preload.h"

static void print_case(const char *name, const struct runner *runner,
                       const struct run_result *result, double decode_rate)
{
    const struct job_summary *summary = &result->summary;
    double rate = (double)summary->events / summary->seconds;
    double records = (double)summary->records / summary->seconds;
    printf("case=%s events_per_s=%.0f users_per_s=%.0f records_per_s=%.0f cpu_s_per_million=%.2f "
           "decode_ratio=%.3f rss_mb=%.0f budget_mb=%llu\n",
           name, rate, records, records, result->cpu_s / ((double)summary->events / 1e6),
           rate / decode_rate, result->rss_mb,
           (unsigned long long)(runner->config.job.memory >> 20));
}

static void bench_hot(uint64_t events)
{
    struct runner runner;
    runner_open(&runner);
    runner.config.job.memory = (uint64_t)4 << 30;
    const struct log_options options = {100000, 50000, 1, 1, 1};
    runner_log(&runner, &options, events);
    double decode_rate = runner_decode_rate(&runner);
    struct run_result result = runner_run(&runner);
    print_case("hot", &runner, &result, decode_rate);
    runner_close(&runner);
}

static void bench_cold(uint64_t events, uint32_t users)
{
    struct runner runner;
    runner_open(&runner);
    runner.config.job.memory = (uint64_t)2 << 30;
    const struct log_options options = {users, 50000, 0, 1, 1};
    runner_log(&runner, &options, events);
    preload(&runner, users, 50);
    double decode_rate = runner_decode_rate(&runner);
    struct run_result result = runner_run(&runner);
    print_case("cold", &runner, &result, decode_rate);
    runner_close(&runner);
}

/* bench_pipeline [hot|cold [EVENTS [USERS]]] */
int main(int count, char **arguments)
{
    const char *only = count > 1 ? arguments[1] : "";
    uint64_t events = count > 2 ? strtoull(arguments[2], NULL, 10) : 0;
    uint64_t users = count > 3 ? strtoull(arguments[3], NULL, 10) : 1000000;
    if (strcmp(only, "cold") != 0) bench_hot(events ? events : 4000000);
    if (strcmp(only, "hot") != 0) bench_cold(events ? events : 600000, (uint32_t)users);
    return 0;
}
