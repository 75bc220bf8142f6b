/*
 * kafka_world.h - what benches beside a real Kafka share: plain clients, a topic full of events, a
 * job's configuration, and how late records are.
 *
 * Kafka's address is TEST_KAFKA, which tests/kafka/cluster.py sets. Whatever fails ends the program.
 */
#ifndef BENCH_KAFKA_WORLD_H
#define BENCH_KAFKA_WORLD_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/job_runner.h"

enum { WORLD_PARTITIONS = 4, WORLD_ITEMS = 50000 };

_Noreturn void world_fail(const char *what, const char *why);

/* host:port, ... */
const char *world_brokers(void);

/* A client; `settings` is NULL or ends with NULL, NULL. `on_delivery` may be NULL. */
typedef void delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque);
rd_kafka_t *world_client(rd_kafka_type_t type, const char *const (*settings)[2],
                         delivery *on_delivery);
rd_kafka_t *world_producer(delivery *on_delivery);

void world_create(const char *name, int partitions);

/* One event of each of `users` users; and the runner's log. */
void world_produce_each(const char *topic, uint32_t users);
void world_produce_log(const struct runner *runner, const char *topic);

/*
 * Events per second of a bare consumer that reads the topic's `events`, and shows each to `look`, or
 * does nothing with them (NULL).
 */
typedef void world_look(void *context, const rd_kafka_message_t *message);
double world_consume_rate(const char *topic, uint64_t events, world_look *look, void *context);

/*
 * A client that asks for the offsets of the runner's group, not for stable ones, which would wait for
 * the open transaction. Events that the group has committed, all partitions together.
 */
rd_kafka_t *world_watcher(const struct runner *runner);
uint64_t world_committed(rd_kafka_t *watcher, const char *topic);

/* The runner's job reads `topic` and writes topics beside it, whose names go to `names`. */
void world_use(struct runner *runner, const char *topic, char names[4][64]);

/* Kills a process and waits for it. */
void world_end(pid_t process);

/*
 * Runs a job on a new topic that is fed `rate` events a second, and tells how long after its arrival
 * at the broker an event was committed. `beside` (or NULL) starts a process that runs meanwhile.
 */
struct world_freshness {
    double p50_ms, p99_ms;
    uint32_t commit_interval_ms;
};
struct world_freshness world_freshness(const char *topic, double rate,
                                       pid_t (*beside)(void *context), void *context);

#endif
