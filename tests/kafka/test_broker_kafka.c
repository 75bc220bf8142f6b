/*
 * test_broker_kafka.c - the Kafka broker behind its seam, against a real Kafka (TEST_KAFKA).
 *
 * CMOCKA_TEST_FILTER in the environment chooses tests by name.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "stream/broker/kafka/client.h"
#include "stream/broker/kafka/reader.h"
#include "tests/kafka/mini_job.h"

static struct world world; /* of the running test */

static int open_world(void **state)
{
    (void)state;
    world_open(&world);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void another_world(void)
{
    world_close(&world);
    world_open(&world);
}

static void job_open_and_drain(struct job *job, int events)
{
    send_events(&world, events);
    job_open(job, &world);
    job_drain(job);
}

static void job_close_and_judge(struct job *job)
{
    job_close(job);
    expect_every_event_once(&world);
}

static enum status turn_to_the_end(struct job *job, struct error *error)
{
    enum status status;
    do {
        status = job_turn(job, error);
    } while (status == STATUS_OK);
    return status;
}

static void every_event_is_delivered_once_and_in_order(void **state)
{
    struct job job;
    (void)state;
    job_open_and_drain(&job, 500);
    send_events(&world, 500);
    job_drain(&job);
    job_close_and_judge(&job);
}

static void a_restarted_job_goes_on_at_its_seal(void **state)
{
    struct job job;
    (void)state;
    for (int i = 0; i < 3; i++) {
        job_open_and_drain(&job, 50);
        job_close_and_judge(&job);
    }
}

/* How often a job aborted that got its events through in spite of a mischief before its commits. */
static uint32_t aborts_of(enum status (*mischief)(struct job *job, struct error *error), int events)
{
    struct job job;
    send_events(&world, events);
    job_open(&job, &world);
    job.before_commit = mischief;
    job_drain(&job);
    job_close_and_judge(&job);
    return job.aborts;
}

static enum status abort_often(struct job *job, struct error *error)
{
    return ++job->mischief % 3 ? error_set(error, STATUS_ABORTABLE, "mischief") : STATUS_OK;
}

static void an_abort_rewinds_to_the_committed_offsets(void **state)
{
    (void)state;
    assert_true(aborts_of(abort_often, 2000) > 1);
}

/* Where the interests end, all partitions together, to a reader of that isolation. */
static int64_t interests_end(const char *isolation)
{
    const char *const settings[][2] = {{"isolation.level", isolation}, {NULL, NULL}};
    rd_kafka_t *client = raw_client(RD_KAFKA_CONSUMER, settings);
    int64_t all = 0;
    for (int p = 0; p < PARTITIONS; p++) {
        int64_t low, high;
        assert_int_equal(
            rd_kafka_query_watermark_offsets(client, world.interests, p, &low, &high, PATIENCE_MS),
            0);
        all += high;
    }
    rd_kafka_destroy(client);
    return all;
}

/* Until the brokers have ended the first transaction, which is the only one. */
static enum status wait_once(struct job *job, struct error *error)
{
    (void)error;
    if (job->mischief++ > 0) return STATUS_OK;
    const int64_t deadline_ns = clock_monotonic_ns() + (int64_t)PATIENCE_MS * 1000000;
    for (int64_t committed = 0; committed == 0 || committed < interests_end("read_uncommitted");) {
        if (clock_monotonic_ns() > deadline_ns) fail_msg("the transaction stays open");
        clock_sleep_ms(200);
        committed = interests_end("read_committed");
    }
    return STATUS_OK;
}

static void a_transaction_open_too_long_is_aborted_and_the_job_goes_on(void **state)
{
    (void)state;
    world.config.kafka.transaction_timeout_ms = 2000;
    assert_true(aborts_of(wait_once, 100) > 0);
}

static void fence(void)
{
    char id[2 * NAME_MAX_SIZE];
    snprintf(id, sizeof id, "%s-one-0-%zu", world.group, strlen(world.group));
    const char *const settings[][2] = {{"transactional.id", id}, {NULL, NULL}};
    rd_kafka_t *other = raw_client(RD_KAFKA_PRODUCER, settings);
    rd_kafka_error_t *failure = rd_kafka_init_transactions(other, PATIENCE_MS);
    assert_null(failure);
    rd_kafka_destroy(other);
}

static enum status fence_twice(struct job *job, struct error *error)
{
    (void)error;
    if (job->mischief++ < 2) fence();
    return STATUS_OK;
}

static enum status fence_always(struct job *job, struct error *error)
{
    (void)job;
    (void)error;
    fence();
    return STATUS_OK;
}

static void a_producer_fenced_now_and_then_is_replaced(void **state)
{
    (void)state;
    assert_int_equal(aborts_of(fence_twice, 100), 2);
}

static void a_second_holder_of_the_transactional_id_makes_the_session_leave(void **state)
{
    struct job job;
    struct error error;
    (void)state;
    send_events(&world, 100);
    job_open(&job, &world);
    job.before_commit = fence_always;
    assert_int_equal(turn_to_the_end(&job, &error), STATUS_FENCED);
    assert_non_null(strstr(error.text, "give each its own"));
    job_close(&job);
}

static void a_second_holder_of_the_instance_id_makes_the_session_leave(void **state)
{
    struct job job;
    struct error error;
    enum status status;
    int64_t deadline_ns = clock_monotonic_ns() + (int64_t)PATIENCE_MS * 1000000;
    (void)state;
    job_open_and_drain(&job, 10);
    const char *const settings[][2] = {
        {"group.id", world.group}, {"group.instance.id", "one-0"}, {NULL, NULL}};
    rd_kafka_t *other = raw_client(RD_KAFKA_CONSUMER, settings);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, world.source, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(other, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    do {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(other, 10);
        if (message) rd_kafka_message_destroy(message);
        status = job_turn(&job, &error);
    } while (status == STATUS_OK && clock_monotonic_ns() < deadline_ns);
    assert_int_equal(status, STATUS_FENCED);
    assert_non_null(strstr(error.text, "kafka.instance 'one'"));
    job_close(&job);
    rd_kafka_consumer_close(other);
    rd_kafka_destroy(other);
}

static void an_open_transaction_hides_the_log_until_it_ends(void **state)
{
    struct job job;
    struct error error;
    struct history_reader *reader;
    struct store_position start = {.next = -1};
    struct committed_position committed;
    struct record records[64];
    uint32_t count, total = 0;
    enum status status;
    (void)state;
    job_open_and_drain(&job, 20);

    /* A third member writes to the same partition and dies; then we commit behind its records. */
    const char *const settings[][2] = {
        {"transactional.id", "third"}, {"transaction.timeout.ms", "600000"}, {NULL, NULL}};
    rd_kafka_t *third = raw_client(RD_KAFKA_PRODUCER, settings);
    assert_null(rd_kafka_init_transactions(third, PATIENCE_MS));
    assert_null(rd_kafka_begin_transaction(third));
    assert_int_equal(rd_kafka_producev(third, RD_KAFKA_V_TOPIC(world.history),
                                       RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_KEY("x", 1),
                                       RD_KAFKA_V_VALUE("y", 1), RD_KAFKA_V_END),
                     0);
    rd_kafka_flush(third, PATIENCE_MS);
    send_events(&world, 20);
    job_drain(&job);

    if (ops->history_open(&reader, job.broker, 0, &start, &committed, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(committed.seal.number, job.seals[0].number);
    for (int busy = 0; busy < 5 || total == 0;) {
        status = ops->history_next(reader, records, 64, &count, &error);
        if (status == STATUS_BUSY) {
            busy++;
        } else {
            if (status != STATUS_OK) fail_msg("%s", error.text);
            assert_true(count > 0); /* 0 would say that the seal was reached */
            total += count;
        }
    }
    assert_int_equal(total, 20);
    assert_null(rd_kafka_abort_transaction(third, PATIENCE_MS));
    do {
        status = ops->history_next(reader, records, 64, &count, &error);
        if (status == STATUS_OK) total += count;
    } while (status == STATUS_BUSY || count > 0);
    if (status != STATUS_OK) fail_msg("%s", error.text);
    assert_int_equal(total, 40);
    assert_int_equal(ops->history_position(reader).seal, committed.seal.number);
    ops->history_close(reader);
    rd_kafka_destroy(third);
    job_close(&job);
}

/* librdkafka ends the program when a consumer is polled on whose queue a record lies. */
static void the_end_may_be_asked_for_while_records_wait_to_be_read(void **state)
{
    enum { ARRIVE_MS = 1000 };
    struct job job;
    struct error error;
    struct kafka_reader *reader;
    int64_t first, end;
    (void)state;
    job_open_and_drain(&job, 200);
    job_close_and_judge(&job);
    assert_int_equal(kafka_reader_open(&reader, &world.config, &error), STATUS_OK);
    assert_int_equal(
        kafka_reader_begin(reader, world.history, 0, 0, KAFKA_READER_NOW, &first, &error),
        STATUS_OK);
    clock_sleep_ms(ARRIVE_MS);
    assert_int_equal(kafka_reader_committed(reader, world.history, 0, &end, &error), STATUS_OK);
    assert_true(end > 0);
    kafka_reader_close(reader);
}

static void delete_group(void)
{
    rd_kafka_DeleteGroup_t *group = rd_kafka_DeleteGroup_new(world.group);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(world.raw);
    rd_kafka_resp_err_t code;
    do { /* not before its members' sessions have timed out */
        size_t count;
        usleep(500000);
        rd_kafka_DeleteGroups(world.raw, &group, 1, NULL, queue);
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, PATIENCE_MS);
        assert_non_null(event);
        const rd_kafka_group_result_t *result =
            *rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &count);
        code = rd_kafka_error_code(rd_kafka_group_result_error(result));
        rd_kafka_event_destroy(event);
    } while (code == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP);
    assert_int_equal(code, 0);
    rd_kafka_queue_destroy(queue);
    rd_kafka_DeleteGroup_destroy(group);
}

static void an_expired_group_is_resumed_from_the_log_alone(void **state)
{
    struct job job;
    (void)state;
    world.config.kafka.session_timeout_ms = 6000; /* a group with members cannot be deleted */
    world.config.kafka.transaction_timeout_ms = 3000;
    job_open_and_drain(&job, 300);
    job_close(&job);
    delete_group();
    job_open_and_drain(&job, 30);
    job_close_and_judge(&job);
}

static void expect_open_refused(const char *why)
{
    struct broker *broker;
    struct error error;
    assert_int_equal(ops->open(&broker, &world.config, &error), STATUS_REFUSED);
    assert_null(broker);
    if (!strstr(error.text, why)) fail_msg("'%s' is not in: %s", why, error.text);
}

static void topics_of_the_wrong_kind_are_refused(void **state)
{
    (void)state;
    world.config.kafka.create_topics = false;
    expect_open_refused("kafka.create_topics: true");
    create_topic(&world, world.interests, PARTITIONS, "compact");
    create_topic(&world, world.history, PARTITIONS, "compact,delete");
    create_topic(&world, world.dead, PARTITIONS, "delete");
    create_topic(&world, world.items, PARTITIONS, "compact");
    expect_open_refused("has cleanup.policy=compact,delete; it has to be exactly 'compact'");
    another_world();
    create_topic(&world, world.history, PARTITIONS + 1, "compact");
    expect_open_refused("has 3 partitions");
    another_world();
    create_topic(&world, world.dead, PARTITIONS, "compact");
    expect_open_refused("dead letters may have no key");
    world.config.source.topic = "no-such-topic";
    expect_open_refused("'no-such-topic' does not exist");
}

/* What a cluster tells of a history topic, as if it told only these. */
static enum status apply_settings(struct broker *broker, const char *policy, const char *retention,
                                  struct error *error)
{
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, world.history);
    if (policy) rd_kafka_ConfigResource_set_config(resource, "cleanup.policy", policy);
    if (retention) rd_kafka_ConfigResource_set_config(resource, "delete.retention.ms", retention);
    *broker = (struct broker){.config = &world.config, .batch_size_max = INT64_MAX};
    broker->topics[RECORD_HISTORY] = world.history;
    broker->topics[TOPIC_ERASURES] = "";
    enum status status = topics_apply_settings(broker, RECORD_HISTORY, resource, error);
    rd_kafka_ConfigResource_destroy(resource);
    return status;
}

static void a_setting_that_the_cluster_does_not_tell_is_not_taken_for_0(void **state)
{
    struct broker broker;
    struct error error;
    (void)state;
    assert_int_equal(apply_settings(&broker, "compact", "0", &error), STATUS_OK);
    assert_int_equal(broker.delete_retention_ms, 0);
    assert_int_equal(broker.batch_size_max, 1048588);
    assert_int_equal(apply_settings(&broker, "compact", NULL, &error), STATUS_OK);
    assert_int_equal(broker.delete_retention_ms, 86400000);
    assert_int_equal(apply_settings(&broker, NULL, "1000", &error), STATUS_REFUSED);
    assert_non_null(strstr(error.text, "does not tell cleanup.policy"));
}

static void a_source_not_keyed_by_user_is_refused(void **state)
{
    (void)state;
    send_events(&world, 50);
    send_event(&world, 0, "every\\u001bwhere"); /* which a terminal would obey */
    send_event(&world, 1, "every\\u001bwhere");
    rd_kafka_flush(world.raw, PATIENCE_MS);
    expect_open_refused("user 'every\\x1bwhere' has events in partitions");
}

static void expect_history_refused(struct job *job, struct store_position start, const char *why)
{
    struct history_reader *reader;
    struct committed_position committed;
    struct error error;
    assert_int_equal(ops->history_open(&reader, job->broker, 0, &start, &committed, &error),
                     STATUS_REFUSED);
    if (!strstr(error.text, why)) fail_msg("'%s' is not in: %s", why, error.text);
}

static bool history_is_stale(struct job *job, struct store_position start)
{
    struct history_reader *reader;
    struct committed_position committed;
    struct error error;
    assert_int_equal(ops->history_open(&reader, job->broker, 0, &start, &committed, &error),
                     STATUS_OK);
    ops->history_close(reader);
    return committed.rebuild;
}

static void offsets_that_braid_did_not_commit_are_refused(void **state)
{
    struct job job;
    (void)state;
    send_events(&world, 10);
    const char *const settings[][2] = {{"group.id", world.group}, {NULL, NULL}};
    rd_kafka_t *other = raw_client(RD_KAFKA_CONSUMER, settings);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, world.source, 0)->offset = 5;
    assert_int_equal(rd_kafka_commit(other, list, 0), 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(other);
    job_open(&job, &world);
    expect_history_refused(&job, (struct store_position){.next = -1}, "was not committed by");
    job_close(&job);
}

static void a_store_ahead_of_its_log_is_refused_and_an_old_one_is_stale(void **state)
{
    struct job job;
    struct store_position ahead = {.next = 1000000, .seal = 1};
    struct store_position old = {.written_ms = 1000};
    struct store_position recent = {.written_ms = clock_wall_ms() - 60000};
    (void)state;
    job_open_and_drain(&job, 10);
    expect_history_refused(&job, ahead, "ahead of its log");
    assert_true(history_is_stale(&job, old));
    assert_false(history_is_stale(&job, recent));
    job_close(&job);
}

static void client_properties_that_braid_decides_are_refused(void **state)
{
    struct broker *broker;
    struct error error;
    (void)state;
    world.config.kafka.client_count = 1;
    world.config.kafka.client[0] = (struct config_pair){"isolation.level", "read_uncommitted"};
    assert_int_equal(ops->open(&broker, &world.config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "kafka.client.isolation.level"));
    world.config.kafka.client[0] = (struct config_pair){"sasl.pasword", "secret"};
    assert_int_equal(ops->open(&broker, &world.config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "kafka.client.sasl.pasword"));
    assert_null(strstr(error.text, "secret"));
}

static void two_sessions_share_the_partitions_and_hand_them_over(void **state)
{
    struct job one, two;
    struct error error;
    (void)state;
    job_open_and_drain(&one, 100);
    two = (struct job){.world = &world, .broker = one.broker};
    if (ops->session_open(&two.session, two.broker, 1, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    int64_t deadline_ns = clock_monotonic_ns() + (int64_t)PATIENCE_MS * 1000000;
    for (int rounds = 0, sent = 0; sent < 20 || rounds < 50; rounds++) {
        assert_int_equal(job_turn(&one, &error), STATUS_OK);
        if (job_turn(&two, &error) != STATUS_OK) fail_msg("%s", error.text);
        if (two.assigned && sent < 20 && ++sent) send_events(&world, 10);
        if (clock_monotonic_ns() > deadline_ns) fail_msg("no second member");
    }
    assert_int_equal(one.revoked, PARTITIONS);
    assert_int_equal(one.lost + two.lost, 0);
    for (int p = 0; p < PARTITIONS; p++) {
        assert_true(one.mine[p] != two.mine[p]);
        struct job *owner = one.mine[p] ? &one : &two;
        while (owner->seals[p].next_offset < world.produced[p]) {
            assert_int_equal(job_turn(owner, &error), STATUS_OK);
        }
    }
    ops->session_close(two.session);
    job_close_and_judge(&one);
}

static void a_stopped_job_commits_and_ends(void **state)
{
    struct job job;
    struct error error;
    (void)state;
    world.config.job.commit_interval_ms = 60000;
    send_events(&world, 30);
    job_open(&job, &world);
    while (job.next[0] < 30 || job.next[1] < 30) {
        assert_int_equal(job_turn(&job, &error), STATUS_OK);
    }
    assert_true(job.open);
    ops->stop(job.broker);
    assert_int_equal(turn_to_the_end(&job, &error), STATUS_END);
    assert_false(job.open);
    job_close_and_judge(&job);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    log_setup(LOG_WARN, LOG_PLAIN);
    if (getenv("CMOCKA_TEST_FILTER")) cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER"));
    const struct CMUnitTest tests[] = {
        TEST(every_event_is_delivered_once_and_in_order),
        TEST(a_restarted_job_goes_on_at_its_seal),
        TEST(an_abort_rewinds_to_the_committed_offsets),
        TEST(a_transaction_open_too_long_is_aborted_and_the_job_goes_on),
        TEST(a_producer_fenced_now_and_then_is_replaced),
        TEST(a_second_holder_of_the_transactional_id_makes_the_session_leave),
        TEST(a_second_holder_of_the_instance_id_makes_the_session_leave),
        TEST(an_open_transaction_hides_the_log_until_it_ends),
        TEST(the_end_may_be_asked_for_while_records_wait_to_be_read),
        TEST(an_expired_group_is_resumed_from_the_log_alone),
        TEST(topics_of_the_wrong_kind_are_refused),
        TEST(a_setting_that_the_cluster_does_not_tell_is_not_taken_for_0),
        TEST(a_source_not_keyed_by_user_is_refused),
        TEST(offsets_that_braid_did_not_commit_are_refused),
        TEST(a_store_ahead_of_its_log_is_refused_and_an_old_one_is_stale),
        TEST(client_properties_that_braid_decides_are_refused),
        TEST(two_sessions_share_the_partitions_and_hand_them_over),
        TEST(a_stopped_job_commits_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
