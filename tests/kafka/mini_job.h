/*
 * mini_job.h - a job in miniature on the Kafka broker, for tests of the broker alone.
 *
 * It stands in for the processor: copies each event's offset to the interests, writes a history
 * record, seals, and restores its seals from the history log. What a read-committed reader then
 * finds must be every event once, in order, whatever was done to the session meanwhile.
 */
#ifndef TESTS_KAFKA_MINI_JOB_H
#define TESTS_KAFKA_MINI_JOB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <librdkafka/rdkafka.h>

#include "stream/broker/broker.h"

enum { PARTITIONS = 2, NAME_MAX_SIZE = 64, PATIENCE_MS = 600000 };

/* The topics and the configuration of one test, which no other shares. */
struct world {
    struct config config;
    char source[NAME_MAX_SIZE], interests[NAME_MAX_SIZE], history[NAME_MAX_SIZE];
    char dead[NAME_MAX_SIZE], items[NAME_MAX_SIZE], group[NAME_MAX_SIZE];
    rd_kafka_t *raw; /* a plain client: produces events, creates topics */
    int64_t produced[PARTITIONS];
};

struct job {
    struct broker *broker;
    struct session *session;
    struct history_seal seals[PARTITIONS]; /* last committed; next_offset runs ahead when open */
    int64_t next[PARTITIONS];
    bool mine[PARTITIONS], open;
    uint32_t assigned, revoked, lost, aborts;
    enum status (*before_commit)(struct job *job, struct error *error); /* a test's mischief */
    struct world *world;
    int mischief;
};

static const struct broker_ops *const ops = &broker_kafka;

/* A librdkafka handle on TEST_KAFKA; `settings` ends with NULL, NULL. */
rd_kafka_t *raw_client(rd_kafka_type_t type, const char *const (*settings)[2]);

void create_topic(struct world *world, const char *name, int partitions, const char *cleanup);

/* Names of its own, and a source topic. */
void world_open(struct world *world);
void world_close(struct world *world);

/* One event; `count` events more in each partition, of users of its own. */
void send_event(struct world *world, uint32_t partition, const char *user);
void send_events(struct world *world, int count);

void job_open(struct job *job, struct world *world);
void job_close(struct job *job);

/* One turn of a worker's loop; STATUS_END after POLL_END. */
enum status job_turn(struct job *job, struct error *error);

/* Turns until everything produced is committed. */
void job_drain(struct job *job);

/* What a read-committed reader finds: the offsets 0 .. n-1 in each partition, each once. */
void expect_every_event_once(struct world *world);

#endif
