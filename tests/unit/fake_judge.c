/* fake_judge.c - whether what was committed is what the source says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/fake_broker_state.h"

const struct fake_progress *fake_progress(const struct broker *broker, uint32_t partition)
{
    return &broker->partitions[partition].progress;
}

struct fake_counts fake_counts(const struct broker *broker)
{
    return broker->counts;
}

int64_t fake_committed(const struct broker *broker, uint32_t partition)
{
    return broker->partitions[partition].committed;
}

const char *fake_newest(const struct broker *broker, uint32_t partition, uint32_t user)
{
    const struct partition *at = &broker->partitions[partition];
    return at->progress.newest_events[user] ? at->newest[user] : NULL;
}

void fake_prove(const struct broker *broker)
{
    uint64_t bad = 0;
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        const struct partition *partition = &broker->partitions[p];
        uint64_t accepted[FAKE_USERS] = {0};
        assert_int_equal(partition->committed, broker->events);
        for (uint32_t e = 0; e < broker->events; e++) {
            accepted[partition->source[e].user_number] += !partition->source[e].bad;
            bad += partition->source[e].bad;
            assert_true(partition->source[e].bad ||
                        fake_log_names(&broker->committed, partition->source[e].item));
        }
        for (uint32_t u = 0; u < FAKE_USERS; u++) {
            char name[FAKE_NAME_SIZE];
            snprintf(name, sizeof name, "p%uu%u", p, u);
            assert_int_equal(partition->progress.newest_events[u], accepted[u]);
            assert_int_equal(fake_log_events(&broker->committed, name), accepted[u]);
        }
    }
    assert_int_equal(broker->counts.dead_letters, bad);
}
