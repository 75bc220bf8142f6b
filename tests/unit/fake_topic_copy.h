/*
 * fake_topic_copy.h - a source topic and its copy in memory, with transactions, and a hand to break
 * them at any step.
 */
#ifndef TESTS_UNIT_FAKE_TOPIC_COPY_H
#define TESTS_UNIT_FAKE_TOPIC_COPY_H

#include <stdint.h>

#include "stream/broker/topic_copy.h"

enum {
    FAKE_COPY_PARTITIONS = 3, /* of the source, */
    FAKE_COPY_TARGETS = 4,    /* and of the target */
    FAKE_COPY_RECORDS_MAX = 256,
    FAKE_COPY_TEXT_MAX = 96,
};

struct fake_copied {
    uint32_t from; /* partition of the source */
    int64_t stamp_ms;
    char key[FAKE_COPY_TEXT_MAX]; /* "": none */
    char value[FAKE_COPY_TEXT_MAX];
};

extern const struct topic_copy_ops fake_topic_copy;

/* Empties both topics, and forgets what was committed. */
void fake_topic_copy_reset(void);

/* Appends to the source. `key` NULL: none. */
void fake_topic_copy_add(uint32_t partition, int64_t stamp_ms, const char *key, const char *value);

/* What is committed of a partition of the target. */
const struct fake_copied *fake_topic_copy_target(uint32_t partition, uint32_t *countp);

/* The partition of a key, as the fake has it. */
uint32_t fake_topic_copy_partition(struct bytes key);

/* Each `next` of this partition says BUSY so many times first. */
extern uint32_t fake_topic_copy_slow_partition, fake_topic_copy_slow_times;

/* The step (send or commit) of that number fails with ABORTABLE, once; 0: none. */
extern uint32_t fake_topic_copy_fails_at;

/* A commit that fails was carried out all the same. */
extern bool fake_topic_copy_commits_unseen;

extern uint32_t fake_topic_copy_commits;

#endif
