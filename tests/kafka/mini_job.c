/* mini_job.c - the topics, the loop and the reader behind mini_job.h. */
#include "tests/kafka/mini_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

rd_kafka_t *raw_client(rd_kafka_type_t type, const char *const (*settings)[2])
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", getenv("TEST_KAFKA"), NULL, 0);
    for (; settings && (*settings)[0]; settings++) {
        if (rd_kafka_conf_set(conf, (*settings)[0], (*settings)[1], why, sizeof why)) {
            fail_msg("%s", why);
        }
    }
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (!client) fail_msg("%s", why);
    return client;
}

void create_topic(struct world *world, const char *name, int partitions, const char *cleanup)
{
    char why[512];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, why, sizeof why);
    assert_non_null(topic);
    rd_kafka_NewTopic_set_config(topic, "cleanup.policy", cleanup);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(world->raw);
    rd_kafka_CreateTopics(world->raw, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, PATIENCE_MS);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), 0);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
}

void world_open(struct world *world)
{
    static int number;
    *world = (struct world){0};
    world->raw = raw_client(RD_KAFKA_PRODUCER, NULL);
    number++;
    snprintf(world->source, NAME_MAX_SIZE, "clicks-%d-%d", getpid(), number);
    snprintf(world->interests, NAME_MAX_SIZE, "interests-%d-%d", getpid(), number);
    snprintf(world->history, NAME_MAX_SIZE, "history-%d-%d", getpid(), number);
    snprintf(world->dead, NAME_MAX_SIZE, "dead-%d-%d", getpid(), number);
    snprintf(world->items, NAME_MAX_SIZE, "items-%d-%d", getpid(), number);
    snprintf(world->group, NAME_MAX_SIZE, "group-%d-%d", getpid(), number);
    create_topic(world, world->source, PARTITIONS, "delete");
    config_defaults(&world->config);
    struct config *config = &world->config;
    config->source.broker = CONFIG_BROKER_KAFKA;
    config->source.topic = world->source;
    config->output.topic = world->interests;
    config->output.history_topic = world->history;
    config->output.dead_letter_topic = world->dead;
    config->output.items_topic = world->items;
    config->job.commit_interval_ms = 50;
    config->job.poll_events_max = 100;
    config->state.dir = "/tmp"; /* no store is opened */
    config->kafka.brokers = getenv("TEST_KAFKA");
    config->kafka.group = world->group;
    config->kafka.instance = "one";
    config->kafka.create_topics = true;
    config->kafka.replication = 1;
    /* Long, since a starved machine shall lose neither; what a test wants to run out it shortens. */
    config->kafka.session_timeout_ms = 60000;
    config->kafka.transaction_timeout_ms = 30000;
}

void world_close(struct world *world)
{
    rd_kafka_destroy(world->raw);
    config_close(&world->config);
}

void send_event(struct world *world, uint32_t partition, const char *user)
{
    char text[256];
    int size = snprintf(text, sizeof text, "{\"user\":\"%s\",\"item\":\"i%lld\",\"time\":%lld}",
                        user, (long long)world->produced[partition], (long long)clock_wall_ms());
    while (rd_kafka_producev(
        world->raw, RD_KAFKA_V_TOPIC(world->source), RD_KAFKA_V_PARTITION((int32_t)partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(user, strlen(user)),
        RD_KAFKA_V_VALUE(text, (size_t)size), RD_KAFKA_V_END)) {
        rd_kafka_poll(world->raw, 10);
    }
    world->produced[partition]++;
}

void send_events(struct world *world, int count)
{
    for (int i = 0; i < count; i++) {
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            char user[32];
            snprintf(user, sizeof user, "u%u-%d", p, i % 7);
            send_event(world, p, user);
        }
    }
    assert_int_equal(rd_kafka_flush(world->raw, PATIENCE_MS), 0);
}

static enum status restore(struct job *job, uint32_t p, struct error *error)
{
    struct history_reader *reader;
    struct store_position start = {.next = -1};
    struct committed_position committed;
    struct record records[64];
    uint32_t count;
    enum status status;
    do {
        status = ops->history_open(&reader, job->broker, p, &start, &committed, error);
    } while (status == STATUS_BUSY);
    TRY(status);
    do {
        status = ops->history_next(reader, records, 64, &count, error);
    } while (status == STATUS_BUSY || (status == STATUS_OK && count > 0));
    if (status == STATUS_OK && committed.seal.number) {
        assert_int_equal(ops->history_position(reader).seal, committed.seal.number);
    }
    ops->history_close(reader);
    TRY(status);
    job->seals[p] = committed.seal;
    job->next[p] = committed.seal.next_offset;
    job->mine[p] = true;
    return ops->resume(job->session, p, &committed.seal, error);
}

static enum status job_abort(struct job *job, struct error *error)
{
    job->aborts++;
    job->open = false;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        job->next[p] = job->seals[p].next_offset;
    }
    return ops->abort(job->session, error);
}

static enum status job_commit(struct job *job, struct error *error)
{
    struct commit_partition parts[PARTITIONS];
    uint32_t count = 0;
    if (!job->open) TRY(ops->begin(job->session, error));
    job->open = true;
    if (job->before_commit) {
        enum status status = job->before_commit(job, error);
        if (status == STATUS_ABORTABLE) return job_abort(job, error);
        TRY(status);
    }
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        if (!job->mine[p]) continue;
        job->next[p] = ops->position(job->session, p);
        parts[count++] = (struct commit_partition){
            .partition = p,
            .seal = {.number = job->seals[p].number + 1,
                     .source_identity = ops->source_identity(job->broker),
                     .partitions = PARTITIONS,
                     .next_offset = job->next[p],
                     .generation = 1,
                     .target = 1,
                     .watermark_ms = HISTORY_NO_TIME},
        };
    }
    enum status status = ops->seal(job->session, parts, count, error);
    if (status == STATUS_OK) status = ops->commit(job->session, parts, count, error);
    if (status == STATUS_BUSY) status = ops->settle(job->session, parts, count, error);
    if (status == STATUS_ABORTABLE) return job_abort(job, error);
    TRY(status);
    job->open = false;
    for (uint32_t i = 0; i < count; i++) {
        job->seals[parts[i].partition] = parts[i].seal;
        assert_true(parts[i].position.next > 0);
    }
    return STATUS_OK;
}

static enum status job_events(struct job *job, const struct poll *poll, struct error *error)
{
    for (uint32_t i = 0; i < poll->events_count; i++) {
        const struct event *event = &poll->events[i];
        char value[32];
        int size = snprintf(value, sizeof value, "%lld", (long long)event->offset);
        uint8_t key[HISTORY_KEY_MAX];
        assert_true(job->mine[event->partition]);
        if (!job->open) TRY(ops->begin(job->session, error));
        job->open = true;
        struct record record = {.kind = RECORD_INTERESTS,
                                .partition = event->partition,
                                .key = event->user,
                                .value = {value, (size_t)size}};
        enum status status = ops->send(job->session, &record, error);
        record.kind = RECORD_HISTORY;
        record.key = (struct bytes){key, history_key_encode(event->user, 0, key)};
        if (status == STATUS_OK) status = ops->send(job->session, &record, error);
        if (status == STATUS_ABORTABLE) return job_abort(job, error);
        TRY(status);
        job->next[event->partition] = event->offset + 1;
    }
    return STATUS_OK;
}

enum status job_turn(struct job *job, struct error *error)
{
    static struct poll poll;
    TRY(ops->poll(job->session, 50, &poll, error));
    switch (poll.kind) {
    case POLL_EVENTS: return job_events(job, &poll, error);
    case POLL_COMMIT: return job_commit(job, error);
    case POLL_ASSIGN:
        for (uint32_t i = 0; i < poll.partitions_count; i++, job->assigned++) {
            TRY(restore(job, poll.partitions[i], error));
        }
        return STATUS_OK;
    case POLL_LOST:
        if (job->open) TRY(job_abort(job, error));
        for (uint32_t i = 0; i < poll.partitions_count; i++, job->lost++) {
            job->mine[poll.partitions[i]] = false;
        }
        return STATUS_OK;
    case POLL_REVOKE:
        assert_false(job->open);
        for (uint32_t i = 0; i < poll.partitions_count; i++, job->revoked++) {
            job->mine[poll.partitions[i]] = false;
        }
        return STATUS_OK;
    case POLL_HOLD: return STATUS_OK; /* of jobs that learn from files */
    case POLL_END: return STATUS_END;
    }
    return STATUS_IO;
}

void job_open(struct job *job, struct world *world)
{
    struct error error;
    *job = (struct job){.world = world};
    if (ops->open(&job->broker, &world->config, &error) != STATUS_OK) fail_msg("%s", error.text);
    if (ops->session_open(&job->session, job->broker, 0, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

void job_close(struct job *job)
{
    ops->session_close(job->session);
    ops->close(job->broker);
}

void job_drain(struct job *job)
{
    struct error error;
    int64_t deadline_ns = clock_monotonic_ns() + (int64_t)PATIENCE_MS * 1000000;
    for (;;) {
        enum status status = job_turn(job, &error);
        if (status != STATUS_OK) fail_msg("%s", error.text);
        bool done = true;
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            done = done && job->mine[p] && job->seals[p].next_offset >= job->world->produced[p];
        }
        if (done) return;
        if (clock_monotonic_ns() > deadline_ns) fail_msg("not drained in %d ms", PATIENCE_MS);
    }
}

void expect_every_event_once(struct world *world)
{
    static const char *const settings[][2] = {{"group.id", "reader"},
                                              {"enable.partition.eof", "true"},
                                              {"enable.auto.commit", "false"},
                                              {NULL, NULL}};
    rd_kafka_t *reader = raw_client(RD_KAFKA_CONSUMER, settings);
    for (int p = 0; p < PARTITIONS; p++) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, world->interests, p)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
        assert_int_equal(rd_kafka_assign(reader, list), 0);
        rd_kafka_topic_partition_list_destroy(list);
        int64_t expected = 0;
        for (bool end = false; !end;) {
            rd_kafka_message_t *message = rd_kafka_consumer_poll(reader, PATIENCE_MS);
            assert_non_null(message);
            end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
            if (!end) {
                assert_int_equal(message->err, 0);
                char text[32] = "";
                memcpy(text, message->payload, message->len);
                assert_int_equal(strtoll(text, NULL, 10), expected++);
            }
            rd_kafka_message_destroy(message);
        }
        assert_int_equal(expected, world->produced[p]);
    }
    rd_kafka_destroy(reader);
}
