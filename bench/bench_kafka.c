/*
 * bench_kafka.c - the whole job on a real Kafka: `./run bench kafka` starts one on the same cores.
 *
 *     case=kafka          100,000 users by Zipf's law, exactly once, a commit every second
 *     case=kafka-1m       the same with a million users, all of whom the job has met before
 *     case=restart-kafka  that job killed with SIGKILL: from its start to its first new commit
 *     case=takeover       a partition's store rebuilt from the history log alone
 *
 * consume_ratio is the job's rate over that of a bare librdkafka consumer of the same topic, and
 * file_ratio its events per CPU-second over those of the file job on the same events, both measured
 * in the same run. What was committed is read from the group's offsets, as another member would.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
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
#include "bench/job_runner.h"
#include "stream/job/recovery.h"

enum {
    PARTITIONS = 4,
    ITEMS = 50000,
    LOOK_EVERY_MS = 10,
    WAIT_MAX_S = 300,
    BATCH = 1000,
    TAKEOVER_USERS = 250000,
    TAKEOVER_BEHAVIORS = 30,
};

static const char *brokers;     /* host:port, ... */
static const char *broker_pids; /* of the brokers' processes, separated by commas */

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

/* --- plain clients ---------------------------------------------------------------------------- */

static rd_kafka_t *client_of(rd_kafka_type_t type, const char *const (*settings)[2])
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    for (; settings && (*settings)[0]; settings++) {
        if (rd_kafka_conf_set(conf, (*settings)[0], (*settings)[1], why, sizeof why)) {
            fail("librdkafka", why);
        }
    }
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (!client) fail("librdkafka", why);
    return client;
}

static rd_kafka_t *producer_open(void)
{
    static const char *const settings[][2] = {{"partitioner", "murmur2_random"},
                                              {"linger.ms", "20"},
                                              {"enable.idempotence", "true"},
                                              {"queue.buffering.max.messages", "500000"},
                                              {NULL, NULL}};
    return client_of(RD_KAFKA_PRODUCER, settings);
}

static void topic_create(const char *name, int partitions)
{
    char why[512];
    rd_kafka_t *client = producer_open();
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, why, sizeof why);
    if (!topic) fail(name, why);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
    if (!event || rd_kafka_event_error(event)) fail(name, "not created");
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_destroy(client);
}

static void produce(rd_kafka_t *producer, const char *topic, const char *line, size_t size)
{
    /* The generator's lines begin {"user":"u17", */
    const char *user = line + 9;
    size_t user_size = (size_t)(strchr(user, '"') - user);
    while (rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_KEY(user, user_size),
                             RD_KAFKA_V_VALUE((void *)(uintptr_t)line, size), RD_KAFKA_V_END)) {
        rd_kafka_poll(producer, 10);
    }
    rd_kafka_poll(producer, 0);
}

static void produce_end(rd_kafka_t *producer)
{
    if (rd_kafka_flush(producer, 60000)) fail("producing", "not delivered in a minute");
    rd_kafka_destroy(producer);
}

/* One event of each of `users` users. */
static void produce_each(const char *topic, uint32_t users)
{
    rd_kafka_t *producer = producer_open();
    for (uint32_t u = 0; u < users; u++) {
        char line[LOG_LINE_SIZE_MAX];
        int size = snprintf(line, sizeof line,
                            "{\"user\":\"u%u\",\"item\":\"i%u\",\"time\":1600000000000,"
                            "\"action\":\"view\",\"category\":\"c1\"}",
                            u, u % ITEMS);
        produce(producer, topic, line, (size_t)size);
    }
    produce_end(producer);
}

/* The runner's log. */
static void produce_log(const struct runner *runner, const char *topic)
{
    char line[LOG_LINE_SIZE_MAX];
    FILE *log = fopen(runner->log, "r");
    if (!log) fail(runner->log, "cannot be read");
    rd_kafka_t *producer = producer_open();
    while (fgets(line, sizeof line, log)) {
        produce(producer, topic, line, strlen(line) - 1);
    }
    fclose(log);
    produce_end(producer);
}

/* Events per second of a consumer that does nothing with them. */
static double consume_rate(const char *topic, uint64_t events)
{
    static const char *const settings[][2] = {
        {"group.id", "bare"}, {"enable.auto.commit", "false"}, {NULL, NULL}};
    rd_kafka_t *consumer = client_of(RD_KAFKA_CONSUMER, settings);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int p = 0; p < PARTITIONS; p++) {
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    rd_kafka_message_t *messages[BATCH];
    int64_t begun_ns = 0;
    uint64_t seen = 0, first = 0;
    while (seen < events) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 100, messages, BATCH);
        for (ssize_t i = 0; i < count; i++) {
            seen += !messages[i]->err;
            rd_kafka_message_destroy(messages[i]);
        }
        if (!begun_ns && seen) begun_ns = clock_monotonic_ns(), first = seen;
    }
    double seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return (double)(seen - first) / seconds;
}

/* --- watching a job --------------------------------------------------------------------------- */

/* User and system time that a process has taken so far. */
static double cpu_of(long pid)
{
    char path[64], text[1024];
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) fail(path, "cannot be read");
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    const char *fields = strrchr(text, ')');
    if (!fields || sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                          &system) != 2) {
        fail(path, "has no times");
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
    if (!file) fail(path, "cannot be read");
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

/* Events that the group has committed, all partitions together. */
static uint64_t committed(rd_kafka_t *watcher, const char *topic)
{
    uint64_t events = 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int p = 0; p < PARTITIONS; p++) {
        rd_kafka_topic_partition_list_add(list, topic, p);
    }
    if (!rd_kafka_committed(watcher, list, 5000)) {
        for (int i = 0; i < list->cnt; i++) {
            if (list->elems[i].offset > 0) events += (uint64_t)list->elems[i].offset;
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
    return events;
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
        struct moment moment = {.events = committed(watcher, topic), .ns = clock_monotonic_ns()};
        if (moment.events > events) {
            moment.job_cpu_s = cpu_of(job);
            moment.broker_cpu_s = broker_cpu();
            moment.job_rss_mb = peak_rss_mb(job);
            return moment;
        }
        if (waitpid(job, NULL, WNOHANG) == job) fail(topic, "the job ended");
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000L}, NULL);
    }
    fail(topic, "not committed in time");
}

/* Does not ask for stable offsets, which would wait for the open transaction. */
static rd_kafka_t *watcher_open(const struct runner *runner)
{
    const char *const settings[][2] = {{"group.id", runner->config.kafka.group},
                                       {"isolation.level", "read_uncommitted"},
                                       {NULL, NULL}};
    return client_of(RD_KAFKA_CONSUMER, settings);
}

static void end_job(pid_t job)
{
    kill(job, SIGKILL);
    if (waitpid(job, NULL, 0) != job) fail("job", "not there");
}

/* --- the cases -------------------------------------------------------------------------------- */

static void use_kafka(struct runner *runner, const char *topic, char names[4][64])
{
    struct config *config = &runner->config;
    static const char *const kinds[] = {"interests", "history", "dead-letters", "items"};
    for (int i = 0; i < 4; i++) {
        snprintf(names[i], 64, "%s-%s", topic, kinds[i]);
    }
    config->source.broker = CONFIG_BROKER_KAFKA;
    config->source.topic = topic;
    config->source.time_behind_ms = INT64_C(36500) * 86400 * 1000;
    config->output.topic = names[0];
    config->output.history_topic = names[1];
    config->output.dead_letter_topic = names[2];
    config->output.items_topic = names[3];
    config->kafka.brokers = brokers;
    config->kafka.group = topic;
    config->kafka.create_topics = true;
    config->kafka.replication = 1;
}

static void print_case(const char *name, const struct runner *runner, const struct moment *from,
                       const struct moment *to, double consumed, double file_cpu_s_per_million)
{
    double events = (double)(to->events - from->events);
    double rate = events / ((double)(to->ns - from->ns) / 1e9);
    double cpu = (to->job_cpu_s - from->job_cpu_s) / events * 1e6;
    printf("case=%s events_per_s=%.0f cpu_s_per_million=%.2f broker_cpu_s_per_million=%.2f "
           "file_ratio=%.3f consume_ratio=%.3f rss_mb=%.0f budget_mb=%" PRIu64 "\n",
           name, rate, cpu, (to->broker_cpu_s - from->broker_cpu_s) / events * 1e6,
           file_cpu_s_per_million / cpu, rate / consumed, to->job_rss_mb,
           runner->config.job.memory >> 20);
}

/* Kills the job, gives it something to do, and starts it again. */
static void bench_restart(struct runner *runner, const char *topic, pid_t job, uint64_t events)
{
    end_job(job);
    produce_each(topic, BATCH);
    int64_t begun_ns = clock_monotonic_ns();
    job = runner_start(runner);
    rd_kafka_t *watcher = watcher_open(runner);
    struct moment first = wait_beyond(watcher, topic, events, job);
    end_job(job);
    rd_kafka_destroy(watcher);
    printf("case=restart-kafka seconds=%.2f\n", (double)(first.ns - begun_ns) / 1e9);
}

/* `known` users have one event each before the measured ones. */
static void bench_job(const char *name, uint32_t users, uint32_t known, uint64_t events)
{
    struct runner runner;
    char names[4][64];
    const struct log_options options = {users, ITEMS, 1, 1, 1};
    runner_open(&runner);
    runner.config.job.memory = (uint64_t)4 << 30;
    runner_log(&runner, &options, events);
    struct run_result file = runner_run(&runner);

    topic_create(name, PARTITIONS);
    produce_each(name, known);
    produce_log(&runner, name);
    double consumed = consume_rate(name, known + events);
    use_kafka(&runner, name, names);
    char state[sizeof runner.state + 8];
    snprintf(state, sizeof state, "%s-kafka", runner.state);
    runner.config.state.dir = state;
    pid_t job = runner_start(&runner);
    rd_kafka_t *watcher = watcher_open(&runner);
    struct moment from = wait_beyond(watcher, name, known, job);
    struct moment to = wait_beyond(watcher, name, known + events - 1, job);
    rd_kafka_destroy(watcher);
    print_case(name, &runner, &from, &to, consumed,
               file.cpu_s / ((double)file.summary.events / 1e6));
    if (known) {
        bench_restart(&runner, name, job, known + events);
    } else {
        end_job(job);
    }
    runner_close(&runner);
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

static void send_history(struct broker *broker, struct session *session)
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
    runner_check(broker_kafka.commit(session, &part, 1, &error), &error);
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
    topic_create(topic, 1);
    produce_each(topic, 1);
    use_kafka(&runner, topic, names);
    runner.config.kafka.transaction_timeout_ms = 60000;
    runner.config.kafka.session_timeout_ms = 120000;
    runner_check(broker_kafka.open(&broker, &runner.config, &error), &error);
    runner_check(broker_kafka.session_open(&session, broker, 0, &error), &error);
    poll_until(session, POLL_ASSIGN);
    runner_check(broker_kafka.resume(session, 0, &(struct history_seal){0}, &error), &error);
    poll_until(session, POLL_EVENTS);
    runner_check(broker_kafka.begin(session, &error), &error);
    send_history(broker, session);

    atomic_bool cancel = false;
    const struct store_options options = {.memtable_size = 64 << 20, .block_cache_size = 64 << 20};
    struct recovery recovery = {
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
    if (recovery.records != TAKEOVER_USERS) fail(topic, "not all users were restored");
    printf("case=takeover users_per_s=%.0f seconds=%.2f cpu_s=%.2f\n", TAKEOVER_USERS / seconds,
           seconds, cpu_of(getpid()) - begun_cpu_s);
    store_rocksdb.close(recovery.store);
    broker_kafka.session_close(session);
    broker_kafka.close(broker);
    runner_close(&runner);
}

/* bench_kafka [kafka|kafka-1m|takeover [EVENTS]] */
int main(int count, char **arguments)
{
    const char *only = count > 1 ? arguments[1] : "";
    uint64_t events = count > 2 ? strtoull(arguments[2], NULL, 10) : 2000000;
    brokers = getenv("TEST_KAFKA");
    broker_pids = getenv("TEST_KAFKA_PIDS");
    if (!brokers || !broker_pids) fail("no Kafka", "use ./run bench kafka, or cluster.py run");
    if (!*only || strcmp(only, "kafka") == 0) bench_job("kafka", 100000, 0, events);
    if (!*only || strcmp(only, "kafka-1m") == 0) bench_job("kafka-1m", 1000000, 1000000, events);
    if (!*only || strcmp(only, "takeover") == 0) bench_takeover();
    return 0;
}
