/*
 * fake_generation_log.h - shared generations in memory: two logs with transactions and one seat, for
 * all who open them, and a hand to do damage with.
 */
#ifndef TESTS_UNIT_FAKE_GENERATION_LOG_H
#define TESTS_UNIT_FAKE_GENERATION_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/broker/generation_log.h"

enum { FAKE_RECORD_SIZE_MAX = 1024 };

enum fake_state { FAKE_COMMITTED, FAKE_PENDING, FAKE_ABORTED };

struct fake_record {
    enum shared_log which;
    enum fake_state state;
    uint8_t *key;
    size_t key_size;
    uint8_t *value; /* NULL: a tombstone */
    size_t value_size;
};

extern const struct generation_log_ops fake_generation_log;

/* Empties the logs; everybody must have closed them. */
void fake_generation_log_reset(void);

/* Records of both logs in the order of their coming. */
struct fake_record *fake_generation_log_records(uint32_t *countp);

/* What `oldest` tells. */
extern uint64_t fake_oldest_generation;

/* After so many records that are sent another takes the seat; 0: nobody does. */
extern uint32_t fake_fenced_after;

/* Only the newest record of each key, as after a compaction; tombstones go as well. */
void fake_generation_log_compact(void);

#endif
