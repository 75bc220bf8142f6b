/* kafka_world.c - see kafka_world.h. */
#include "bench/kafka_world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"

enum {
    WARM_UP_S = 10,   /* not measured */
    FRESHNESS_S = 30, /* measured */
    FRESHNESS_LOOK_MS = 5,
    BATCH = 1000,
    QUEUED_MIN = 100000, /* librdkafka's queued.min.messages */
};

_Noreturn void world_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

const char *world_brokers(void)
{
    const char *brokers = getenv("TEST_KAFKA");
    if (!brokers) world_fail("no Kafka", "use ./run bench, or cluster.py run");
    return brokers;
}

/* Kills a process and waits for it. */
void world_end(pid_t process)
{
    kill(process, SIGKILL);
    if (waitpid(process, NULL, 0) != process) world_fail("a process", "not there");
}

/* --- plain clients ---------------------------------------------------------------------------- */

rd_kafka_t *world_client(rd_kafka_type_t type, const char *const (*settings)[2],
                         delivery *on_delivery)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", world_brokers(), NULL, 0);
    for (; settings && (*settings)[0]; settings++) {
        if (rd_kafka_conf_set(conf, (*settings)[0], (*settings)[1], why, sizeof why)) {
            world_fail("librdkafka", why);
        }
    }
    if (on_delivery) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (!client) world_fail("librdkafka", why);
    return client;
}

rd_kafka_t *world_producer(delivery *on_delivery)
{
    static const char *const settings[][2] = {{"partitioner", "murmur2_random"},
                                              {"linger.ms", "20"},
                                              {"enable.idempotence", "true"},
                                              {"queue.buffering.max.messages", "500000"},
                                              {NULL, NULL}};
    return world_client(RD_KAFKA_PRODUCER, settings, on_delivery);
}

void world_create(const char *name, int partitions)
{
    char why[512];
    rd_kafka_t *client = world_producer(NULL);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, why, sizeof why);
    if (!topic) world_fail(name, why);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
    if (!event || rd_kafka_event_error(event)) world_fail(name, "not created");
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
    if (rd_kafka_flush(producer, 60000)) world_fail("producing", "not delivered in a minute");
    rd_kafka_destroy(producer);
}

/* One event of each of `users` users. */
void world_produce_each(const char *topic, uint32_t users)
{
    rd_kafka_t *producer = world_producer(NULL);
    for (uint32_t u = 0; u < users; u++) {
        char line[LOG_LINE_SIZE_MAX];
        int size = snprintf(line, sizeof line,
                            "{\"user\":\"u%u\",\"item\":\"i%u\",\"time\":1600000000000,"
                            "\"action\":\"view\",\"category\":\"c1\"}",
                            u, u % WORLD_ITEMS);
        produce(producer, topic, line, (size_t)size);
    }
    produce_end(producer);
}

/* The runner's log. */
void world_produce_log(const struct runner *runner, const char *topic)
{
    char line[LOG_LINE_SIZE_MAX];
    FILE *log = fopen(runner->log, "r");
    if (!log) world_fail(runner->log, "cannot be read");
    rd_kafka_t *producer = world_producer(NULL);
    while (fgets(line, sizeof line, log)) {
        produce(producer, topic, line, strlen(line) - 1);
    }
    fclose(log);
    produce_end(producer);
}

/*
 * librdkafka before 2.2 looks only once a second whether a full queue has room again, unless its
 * connections have something to do: stream/broker/kafka/refill.c.
 */
static void keep_fetching(rd_kafka_t *consumer, rd_kafka_queue_t *queue, const char *topic)
{
    static int64_t asked_ns;
    const int64_t now_ns = clock_monotonic_ns();
    if (now_ns - asked_ns < 10000000 || rd_kafka_queue_length(queue) > QUEUED_MIN / 2) return;
    asked_ns = now_ns;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_offsets_for_times(consumer, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
}

double world_consume_rate(const char *topic, uint64_t events, world_look *look, void *context)
{
    static const char *const settings[][2] = {
        {"group.id", "bare"}, {"enable.auto.commit", "false"}, {NULL, NULL}};
    rd_kafka_t *consumer = world_client(RD_KAFKA_CONSUMER, settings, NULL);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(WORLD_PARTITIONS);
    for (int p = 0; p < WORLD_PARTITIONS; p++) {
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
            if (look && !messages[i]->err) look(context, messages[i]);
            rd_kafka_message_destroy(messages[i]);
        }
        keep_fetching(consumer, queue, topic);
        if (!begun_ns && seen) begun_ns = clock_monotonic_ns(), first = seen;
    }
    double seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return (double)(seen - first) / seconds;
}

/* Up to which offset the group has committed each partition; 0: not at all, or no answer. */
static void committed_offsets(rd_kafka_t *watcher, const char *topic,
                              int64_t offsets[WORLD_PARTITIONS])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(WORLD_PARTITIONS);
    for (int p = 0; p < WORLD_PARTITIONS; p++) {
        rd_kafka_topic_partition_list_add(list, topic, p);
        offsets[p] = 0;
    }
    if (!rd_kafka_committed(watcher, list, 5000)) {
        for (int i = 0; i < list->cnt; i++) {
            if (list->elems[i].offset > 0)
                offsets[list->elems[i].partition] = list->elems[i].offset;
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Events that the group has committed, all partitions together. */
uint64_t world_committed(rd_kafka_t *watcher, const char *topic)
{
    int64_t offsets[WORLD_PARTITIONS], events = 0;
    committed_offsets(watcher, topic, offsets);
    for (int p = 0; p < WORLD_PARTITIONS; p++) {
        events += offsets[p];
    }
    return (uint64_t)events;
}

/* Does not ask for stable offsets, which would wait for the open transaction. */
rd_kafka_t *world_watcher(const struct runner *runner)
{
    const char *const settings[][2] = {{"group.id", runner->config.kafka.group},
                                       {"isolation.level", "read_uncommitted"},
                                       {NULL, NULL}};
    return world_client(RD_KAFKA_CONSUMER, settings, NULL);
}

void world_use(struct runner *runner, const char *topic, char names[4][64])
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
    config->kafka.brokers = world_brokers();
    config->kafka.group = topic;
    config->kafka.create_topics = true;
    config->kafka.replication = 1;
}

/* When the events of each partition arrived at the broker, and which of them are committed. */
static struct {
    int64_t *arrived_ns[WORLD_PARTITIONS]; /* [capacity] by offset, 0: not known */
    int64_t capacity, committed[WORLD_PARTITIONS];
    double *late_ms; /* of the measured events */
    uint64_t count;
} freshness;

static void note_arrival(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    if (message->err || message->offset >= freshness.capacity)
        world_fail("producing", "not delivered");
    freshness.arrived_ns[message->partition][message->offset] = clock_monotonic_ns();
}

/* Events that were committed since the last look; measured if they arrived after `from_ns`. */
static void note_commits(rd_kafka_t *watcher, const char *topic, int64_t from_ns)
{
    int64_t offsets[WORLD_PARTITIONS];
    committed_offsets(watcher, topic, offsets);
    int64_t now_ns = clock_monotonic_ns();
    for (int p = 0; p < WORLD_PARTITIONS; p++) {
        for (; freshness.committed[p] < offsets[p]; freshness.committed[p]++) {
            int64_t arrived_ns = freshness.arrived_ns[p][freshness.committed[p]];
            if (arrived_ns < from_ns) continue;
            freshness.late_ms[freshness.count++] = (double)(now_ns - arrived_ns) / 1e6;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Feeds the runner's log at `rate` events per second while commits are watched. */
static void feed_at_rate(const struct runner *runner, const char *topic, double rate)
{
    char line[LOG_LINE_SIZE_MAX];
    FILE *log = fopen(runner->log, "r");
    if (!log) world_fail(runner->log, "cannot be read");
    rd_kafka_t *producer = world_producer(note_arrival);
    rd_kafka_t *watcher = world_watcher(runner);
    int64_t begun_ns = clock_monotonic_ns(), looked_ns = 0;
    double seconds = 0;
    for (uint64_t sent = 0; seconds < WARM_UP_S + FRESHNESS_S;) {
        int64_t now_ns = clock_monotonic_ns();
        seconds = (double)(now_ns - begun_ns) / 1e9;
        for (; (double)sent < seconds * rate && fgets(line, sizeof line, log); sent++) {
            produce(producer, topic, line, strlen(line) - 1);
        }
        rd_kafka_poll(producer, 0);
        if (now_ns - looked_ns > FRESHNESS_LOOK_MS * 1000000L) {
            note_commits(watcher, topic, begun_ns + WARM_UP_S * INT64_C(1000000000));
            looked_ns = now_ns;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000L}, NULL);
    }
    fclose(log);
    rd_kafka_destroy(watcher);
    produce_end(producer);
}

struct world_freshness world_freshness(const char *topic, double rate,
                                       pid_t (*beside)(void *context), void *context)
{
    const uint64_t events = (uint64_t)(rate * (WARM_UP_S + FRESHNESS_S + 1));
    const struct log_options options = {100000, WORLD_ITEMS, 1, 1, 1};
    struct runner runner;
    char names[4][64], state[sizeof runner.state + 8];
    runner_open(&runner);
    runner_log(&runner, &options, events);
    world_create(topic, WORLD_PARTITIONS);
    world_use(&runner, topic, names);
    snprintf(state, sizeof state, "%s-kafka", runner.state);
    runner.config.state.dir = state;
    memset(&freshness, 0, sizeof freshness);
    freshness.capacity = (int64_t)events;
    freshness.late_ms = calloc(events, sizeof *freshness.late_ms);
    for (int p = 0; p < WORLD_PARTITIONS; p++) {
        freshness.arrived_ns[p] = calloc(events, sizeof *freshness.arrived_ns[p]);
        if (!freshness.arrived_ns[p] || !freshness.late_ms) world_fail(topic, "out of memory");
    }
    const pid_t job = runner_start(&runner), other = beside ? beside(context) : 0;
    feed_at_rate(&runner, topic, rate);
    world_end(job);
    if (other) world_end(other);
    if (freshness.count == 0) world_fail(topic, "nothing was committed");
    qsort(freshness.late_ms, freshness.count, sizeof *freshness.late_ms, by_value);
    const struct world_freshness found = {
        .p50_ms = freshness.late_ms[freshness.count / 2],
        .p99_ms = freshness.late_ms[freshness.count * 99 / 100],
        .commit_interval_ms = runner.config.job.commit_interval_ms,
    };
    for (int p = 0; p < WORLD_PARTITIONS; p++) {
        free(freshness.arrived_ns[p]);
    }
    free(freshness.late_ms);
    runner_close(&runner);
    return found;
}
