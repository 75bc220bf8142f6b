/*
 * bench_kafka.c - the whole job on a real Kafka: `./run bench kafka` starts one on the same cores.
 *
 *     case=kafka          100,000 users by Zipf's law, exactly once, a commit every second
 *     case=kafka-1m       the same with a million users, all of whom the job has met before
 *     case=restart-kafka  that job killed with SIGKILL: from its start to its first new commit
 *     case=freshness      events at half and at a quarter of case=kafka's rate: from an event's arrival
 *                         at the broker to the commit of its record. The broker takes the events in
 *                         meanwhile, and more users change for each event than behind a backlog, so
 *                         half may be more than the machine can do
 *     case=takeover       a partition's store rebuilt from the history log alone
 *
 * busy is the processor time of job and broker over that of all cores while there is a backlog;
 * consume_ratio is the job's rate over that of a bare librdkafka consumer of the same topic, and
 * file_ratio its events per CPU-second over those of the file job on the same events, both measured
 * in the same run. What was committed is read from the group's offsets, as another member would.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "bench/kafka_world.h"
#include "stream/job/recovery.h"
#include "stream/source/decoding.h"

enum {
    LOOK_EVERY_MS = 10,
    WAIT_MAX_S = 300,
    BATCH = 1000,
    TAKEOVER_USERS = 250000,
    TAKEOVER_BEHAVIORS = 30,
};

static const char *broker_pids; /* of the brokers' processes, separated by commas */

/* --- watching a job --------------------------------------------------------------------------- */

/* User and system time that a process has taken so far. */
static double cpu_of(long pid)
{
    char path[64], text[1024];
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) world_fail(path, "cannot be read");
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    const char *fields = strrchr(text, ')');
    if (!fields || sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                          &system) != 2) {
        world_fail(path, "has no times");
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* The most memory that a process has had resident. */
static double peak_rss_mb(long pid)
{
    char path[64], line[256];
    double kb = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", pid);
    FILE *file = fopen(path, "r");
    if (!file) world_fail(path, "cannot be read");
    while (fgets(line, sizeof line, file) && sscanf(line, "VmHWM: %lf", &kb) != 1) {
    }
    fclose(file);
    return kb / 1024;
}

static double broker_cpu(void)
{
    double seconds = 0;
    for (const char *at = broker_pids; *at;) {
        char *end;
        seconds += cpu_of(strtol(at, &end, 10));
        at = *end ? end + 1 : end;
    }
    return seconds;
}

struct moment {
    uint64_t events;
    int64_t ns;
    double job_cpu_s, broker_cpu_s, job_rss_mb;
};

/* Waits until more than `events` are committed. */
static struct moment wait_beyond(rd_kafka_t *watcher, const char *topic, uint64_t events, pid_t job)
{
    int64_t deadline_ns = clock_monotonic_ns() + WAIT_MAX_S * INT64_C(1000000000);
    while (clock_monotonic_ns() < deadline_ns) {
        struct moment moment = {.events = world_committed(watcher, topic),
                                .ns = clock_monotonic_ns()};
        if (moment.events > events) {
            moment.job_cpu_s = cpu_of(job);
            moment.broker_cpu_s = broker_cpu();
            moment.job_rss_mb = peak_rss_mb(job);
            return moment;
        }
        if (waitpid(job, NULL, WNOHANG) == job) world_fail(topic, "the job ended");
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000L}, NULL);
    }
    world_fail(topic, "not committed in time");
}

/* --- the cases -------------------------------------------------------------------------------- */

/* Returns the events per second. */
static double print_case(const char *name, const struct runner *runner, const struct moment *from,
                         const struct moment *to, double consumed, double file_cpu_s_per_million)
{
    double events = (double)(to->events - from->events);
    double seconds = (double)(to->ns - from->ns) / 1e9, rate = events / seconds;
    double job_s = to->job_cpu_s - from->job_cpu_s,
           broker_s = to->broker_cpu_s - from->broker_cpu_s;
    double cpu = job_s / events * 1e6;
    double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    printf("case=%s events_per_s=%.0f cpu_s_per_million=%.2f broker_cpu_s_per_million=%.2f "
           "busy=%.3f file_ratio=%.3f consume_ratio=%.3f rss_mb=%.0f budget_mb=%" PRIu64 "\n",
           name, rate, cpu, broker_s / events * 1e6, (job_s + broker_s) / (seconds * cores),
           file_cpu_s_per_million / cpu, rate / consumed, to->job_rss_mb,
           runner->config.job.memory >> 20);
    return rate;
}

/* Kills the job, gives it something to do, and starts it again. */
static void bench_restart(struct runner *runner, const char *topic, pid_t job, uint64_t events)
{
    world_end(job);
    world_produce_each(topic, BATCH);
    int64_t begun_ns = clock_monotonic_ns();
    job = runner_start(runner);
    rd_kafka_t *watcher = world_watcher(runner);
    struct moment first = wait_beyond(watcher, topic, events, job);
    world_end(job);
    rd_kafka_destroy(watcher);
    printf("case=restart-kafka seconds=%.2f\n", (double)(first.ns - begun_ns) / 1e9);
}

/* `known` users have one event each before the measured ones. Returns the events per second. */
static double bench_job(const char *name, uint32_t users, uint32_t known, uint64_t events)
{
    struct runner runner;
    char names[4][64];
    const struct log_options options = {users, WORLD_ITEMS, 1, 1, 1};
    runner_open(&runner);
    runner.config.job.memory = (uint64_t)4 << 30;
    runner_log(&runner, &options, events);
    struct run_result file = runner_run(&runner);

    world_create(name, WORLD_PARTITIONS);
    world_produce_each(name, known);
    world_produce_log(&runner, name);
    double consumed = world_consume_rate(name, known + events, NULL, NULL);
    world_use(&runner, name, names);
    char state[sizeof runner.state + 8];
    snprintf(state, sizeof state, "%s-kafka", runner.state);
    runner.config.state.dir = state;
    pid_t job = runner_start(&runner);
    rd_kafka_t *watcher = world_watcher(&runner);
    struct moment from = wait_beyond(watcher, name, known, job);
    struct moment to = wait_beyond(watcher, name, known + events - 1, job);
    rd_kafka_destroy(watcher);
    double rate = print_case(name, &runner, &from, &to, consumed,
                             file.cpu_s / ((double)file.summary.events / 1e6));
    if (known) {
        bench_restart(&runner, name, job, known + events);
    } else {
        world_end(job);
    }
    runner_close(&runner);
    return rate;
}

/* A poll of the given kind; others are empty ones. */
static void poll_until(struct session *session, enum poll_kind kind)
{
    static struct poll poll;
    struct error error;
    do {
        runner_check(broker_kafka.poll(session, 100, &poll, &error), &error);
    } while (poll.kind != kind || (kind == POLL_EVENTS && poll.events_count == 0));
}

static struct history_seal send_history(struct broker *broker, struct session *session,
                                        const struct config *config)
{
    struct error error;
    struct history history;
    uint8_t key[HISTORY_KEY_MAX], value[HISTORY_RECORD_MAX];
    for (uint32_t u = 0; u < TAKEOVER_USERS; u++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", u);
        history_init(&history, 1);
        for (uint32_t b = 0; b < TAKEOVER_BEHAVIORS; b++) {
            history_append(
                &history,
                history_behavior_of(splitmix64((uint64_t)u * 64 + b), 1600000000000 + b, 1), b,
                4096);
        }
        struct record record = {
            .kind = RECORD_HISTORY,
            .key = {key, history_key_encode(bytes_of(user), 0, key)},
            .value = {value, history_encode(&history, value)},
        };
        runner_check(broker_kafka.send(session, &record, &error), &error);
    }
    struct commit_partition part = {
        .seal = {.number = 1,
                 .source_identity = broker_kafka.source_identity(broker),
                 .partitions = 1,
                 .next_offset = 1,
                 .generation = 1,
                 .target = 1,
                 .watermark_ms = HISTORY_NO_TIME},
    };
    decoding_fingerprints(config, part.seal.decoding);
    runner_check(broker_kafka.seal(session, &part, 1, &error), &error);
    runner_check(broker_kafka.commit(session, &part, 1, &error), &error);
    return part.seal;
}

static void bench_takeover(void)
{
    static const char topic[] = "takeover";
    struct runner runner;
    struct error error;
    struct broker *broker;
    struct session *session;
    char names[4][64];
    runner_open(&runner);
    world_create(topic, 1);
    world_produce_each(topic, 1);
    world_use(&runner, topic, names);
    runner.config.kafka.transaction_timeout_ms = 60000;
    runner.config.kafka.session_timeout_ms = 120000;
    runner_check(broker_kafka.open(&broker, &runner.config, &error), &error);
    runner_check(broker_kafka.session_open(&session, broker, 0, &error), &error);
    poll_until(session, POLL_ASSIGN);
    runner_check(broker_kafka.resume(session, 0, &(struct history_seal){0}, &error), &error);
    poll_until(session, POLL_EVENTS);
    runner_check(broker_kafka.begin(session, &error), &error);
    const struct history_seal seal = send_history(broker, session, &runner.config);

    atomic_bool cancel = false;
    const struct store_options options = {.memtable_size = 64 << 20, .block_cache_size = 64 << 20};
    struct recovery recovery = {
        .config = &runner.config,
        .own = &seal,
        .ops = &broker_kafka,
        .broker = broker,
        .stores = &store_rocksdb,
        .options = &options,
        .path = runner.state,
        .cancel = &cancel,
    };
    int64_t begun_ns = clock_monotonic_ns();
    double begun_cpu_s = cpu_of(getpid());
    runner_check(recovery_run(&recovery, &error), &error);
    double seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
    if (recovery.records != TAKEOVER_USERS) world_fail(topic, "not all users were restored");
    printf("case=takeover users_per_s=%.0f seconds=%.2f cpu_s=%.2f\n", TAKEOVER_USERS / seconds,
           seconds, cpu_of(getpid()) - begun_cpu_s);
    store_rocksdb.close(recovery.store);
    broker_kafka.session_close(session);
    broker_kafka.close(broker);
    runner_close(&runner);
}

/* bench_kafka [kafka|kafka-1m|freshness|takeover [EVENTS]] */
static void bench_freshness(const char *topic, double rate)
{
    const struct world_freshness found = world_freshness(topic, rate, NULL, NULL);
    printf("case=freshness events_per_s=%.0f p50_ms=%.0f p99_ms=%.0f commit_interval_ms=%u\n", rate,
           found.p50_ms, found.p99_ms, (unsigned)found.commit_interval_ms);
}

int main(int count, char **arguments)
{
    const char *only = count > 1 ? arguments[1] : "";
    uint64_t events = count > 2 ? strtoull(arguments[2], NULL, 10) : 2000000;
    broker_pids = getenv("TEST_KAFKA_PIDS");
    if (!broker_pids) world_fail("no Kafka", "use ./run bench kafka, or cluster.py run");
    const bool freshness_too = !*only || strcmp(only, "freshness") == 0;
    double rate = 0;
    if (freshness_too || strcmp(only, "kafka") == 0) rate = bench_job("kafka", 100000, 0, events);
    if (freshness_too) {
        bench_freshness("freshness-half", rate / 2);
        bench_freshness("freshness-quarter", rate / 4);
    }
    if (!*only || strcmp(only, "kafka-1m") == 0) bench_job("kafka-1m", 1000000, 1000000, events);
    if (!*only || strcmp(only, "takeover") == 0) bench_takeover();
    return 0;
}
