/*
 * bench_history.c - what a long history costs: nothing at an event, sixteen bytes on disk.
 *
 *     case=flat    processor time per event of users with about 10,000 behaviors, a jump of `from`
 *                  for each included, over that of users with about 100
 *     case=bytes   what the store takes for a user, snapshot included
 *
 * In both runs of case=flat as many events go to equally many users at a time.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "bench/job_runner.h"
#include "bench/preload.h"

enum {
    ACTIVE = 400, /* users at a time */
    STEP = 3072,  /* behaviors between two jumps: three quarters of history_max */
    EVENTS = ACTIVE * STEP,
    LONG = 10000 - STEP / 2, /* behaviors to begin with, so that they are about 10,000 */
    SHORT = 50,
    SHORT_EVENTS = 100,  /* of each user with a short history: from 50 to 150 */
    SNAPSHOT_EVERY = 16, /* in case=flat: what it costs to come back is not its matter */
    ITEMS = 50000,
    BYTES_USERS = 2000,
};

/* Users take turns; after `each` events of everybody the next group is active. */
static void write_log(const struct runner *runner, uint32_t each)
{
    struct random random = random_seeded(1);
    FILE *file = fopen(runner->log, "we");
    REQUIRE(file != NULL);
    for (uint32_t i = 0; i < EVENTS; i++) {
        uint32_t group = i / (ACTIVE * each);
        fprintf(file, "{\"user\":\"u%u\",\"item\":\"i%u\",\"time\":%llu,\"category\":\"c1\"}\n",
                group * ACTIVE + i % ACTIVE, (unsigned)random_below(&random, ITEMS),
                1700000000000ull + i);
    }
    REQUIRE(fclose(file) == 0);
}

/* Processor time per event, in microseconds, of users with so many behaviors before. */
static double cost_us(uint32_t behaviors, uint32_t each)
{
    struct runner runner;
    runner_open(&runner);
    runner.config.job.memory = (uint64_t)2 << 30;
    runner.config.state.snapshot_every = SNAPSHOT_EVERY;
    write_log(&runner, each);
    runner_checkpoint(&runner);
    preload(&runner, EVENTS / each, behaviors);
    struct run_result result = runner_run(&runner);
    runner_close(&runner);
    return result.cpu_s * 1e6 / EVENTS;
}

static long long bytes_found;

static int add_size(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
    (void)path;
    (void)walk;
    if (kind == FTW_F) bytes_found += facts->st_size;
    return 0;
}

static void bench_bytes(uint32_t behaviors)
{
    struct runner runner;
    const struct log_options options = {BYTES_USERS, ITEMS, 1, 1, 1};
    runner_open(&runner);
    runner_log(&runner, &options, 100000);
    preload(&runner, BYTES_USERS, behaviors);
    bytes_found = 0;
    REQUIRE(nftw(runner.state, add_size, 16, FTW_PHYS) == 0);
    printf("case=bytes history=%u bytes_per_user=%lld\n", behaviors, bytes_found / BYTES_USERS);
    runner_close(&runner);
}

int main(void)
{
    double few = cost_us(SHORT, SHORT_EVENTS);
    double many = cost_us(LONG, STEP);
    printf("case=flat ratio=%.2f us_at_100=%.2f us_at_10000=%.2f\n", many / few, few, many);
    bench_bytes(100);
    bench_bytes(1000);
    return 0;
}
