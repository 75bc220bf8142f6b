/* fake_broker_state.h - what the fake broker knows; for fake_broker.c and fake_judge.c alone. */
#ifndef TESTS_UNIT_FAKE_BROKER_STATE_H
#define TESTS_UNIT_FAKE_BROKER_STATE_H

#include <stdatomic.h>

#include "tests/unit/fake_broker.h"
#include "tests/unit/fake_log.h"

enum { FAKE_NEWEST_SIZE = 8192 };

struct partition {
    struct source_event *source; /* [events] */
    bool assigned, live;
    int64_t next, committed;
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

#endif
