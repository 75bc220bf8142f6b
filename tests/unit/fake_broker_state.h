/* fake_broker_state.h - what the fake broker knows; for fake_broker.c and fake_judge.c alone. */
#ifndef TESTS_UNIT_FAKE_BROKER_STATE_H
#define TESTS_UNIT_FAKE_BROKER_STATE_H

#include <stdatomic.h>

#include "tests/unit/fake_broker.h"
#include "tests/unit/fake_log.h"

enum { FAKE_NEWEST_SIZE = 8192, FAKE_TOLD_MAX = 16 };

/* That a user was erased, as another job says it. */
struct fake_told {
    uint64_t hash;
    int64_t cut_ms;
};

struct partition {
    struct source_event *source; /* [events] */
    bool assigned, live;
    int64_t next, committed;
    struct fake_told told[FAKE_TOLD_MAX];
    uint32_t told_count;
    int64_t next_told;
    struct fake_progress progress;
    char newest[FAKE_USERS][FAKE_NEWEST_SIZE];
};

struct broker {
    uint32_t events;
    struct fake_step script[FAKE_STEPS_MAX];
    uint32_t steps, step;
    fake_call *call;
    bool asked;    /* the step under way has asked for a commit */
    bool given_up; /* the last poll revoked or lost */
    struct partition partitions[FAKE_PARTITIONS];
    struct record_list pending, committed;
    struct fake_counts counts;

    bool open, sealed, gathered; /* a transaction, and events that no seal covers */
    struct fake_step next_commit, sealed_commit;

    atomic_bool released;
    atomic_bool busy;          /* sealed, and commit has not returned */
    _Atomic int64_t polled_ns; /* when the worker polled last */
};

/* fake_erasures.c: struct broker_ops' cuts; and an event of each that was told and not polled yet. */
enum status fake_cuts(struct broker *broker, uint32_t partition, int64_t from, struct cuts *cuts,
                      struct error *error);
uint32_t fake_told_events(struct partition *partition, uint32_t p, struct event *events);

#endif
