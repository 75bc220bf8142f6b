/*
 * fake_seed_log.h - the companions of a job in memory, with transactions, and a hand to break them.
 */
#ifndef TESTS_UNIT_FAKE_SEED_LOG_H
#define TESTS_UNIT_FAKE_SEED_LOG_H

#include <stdint.h>

#include "stream/broker/seed_log.h"

enum { FAKE_SEED_PARTITIONS = 3 };

struct fake_seed_record {
    enum record_kind kind;
    uint32_t partition;
    size_t key_size, value_size;
    uint8_t key[64];
    uint8_t value[HISTORY_RECORD_MAX];
};

extern const struct seed_log_ops fake_seed_log;

void fake_seed_log_reset(void);

/* What is committed, in order. */
const struct fake_seed_record *fake_seed_log_records(uint32_t *countp);

/* The send or commit of that number fails with ABORTABLE, once; 0: none. */
extern uint32_t fake_seed_log_fails_at;

/* A commit that fails was carried out all the same. */
extern bool fake_seed_log_commits_unseen;

/* The job has committed something: it is too late. */
extern bool fake_seed_log_has_begun;

extern struct history_seal fake_seed_log_seal; /* number 0: not sealed */

/* A user who was erased, and up to when; {NULL, 0}: nobody. */
extern struct bytes fake_seed_log_erased;
extern int64_t fake_seed_log_cut_ms;

#endif
