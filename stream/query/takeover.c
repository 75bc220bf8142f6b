/* takeover.c - the settings, then who runs, then how far both are, then every user. */
#include "stream/query/takeover.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "stream/source/decoding.h"

enum {
    LOOK_MS = 200,      /* between two looks at the group */
    LEAVE_MS = 5000,    /* beyond its session */
    NUMBERS_LEFT = 100, /* to generations of the other job that nobody has served, but whose item
                         * vectors may be out */
};

static enum status check_configs(const struct config *before, const struct config *after,
                                 bool checks, struct error *error)
{
    if (before->source.broker != CONFIG_BROKER_KAFKA ||
        after->source.broker != CONFIG_BROKER_KAFKA) {
        return error_set(error, STATUS_INVALID,
                         "source.broker: a job on files has an output.dir of its own, and takes "
                         "over nobody's");
    }
    if (strcmp(before->output.topic, after->output.topic) != 0) {
        return error_set(error, STATUS_INVALID,
                         "output.topic: '%s' and '%s'; give the one that takes over the topic of "
                         "the one that publishes",
                         before->output.topic, after->output.topic);
    }
    if (!checks && after->output.publish == CONFIG_PUBLISH_NONE) {
        return error_set(
            error, STATUS_INVALID,
            "output.publish is none: stop the job that takes over, and set all, before "
            "its generation gets a number to publish with");
    }
    if (strcmp(before->kafka.group, after->kafka.group) == 0 ||
        strcmp(before->output.history_topic, after->output.history_topic) == 0) {
        return error_set(error, STATUS_INVALID,
                         "kafka.group, output.history_topic: both configurations have the same, "
                         "and are one job");
    }
    return STATUS_OK;
}

/* A member that was killed, or left to come back, stays until its session ends. */
static enum status await_stopped(const struct log_input_ops *ops, struct log_input *input,
                                 const struct config *config, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    const int64_t wait_ms = (int64_t)config->kafka.session_timeout_ms + LEAVE_MS;
    for (;;) {
        uint32_t members;
        TRY(ops->members(input, &members, error));
        if (members == 0) return STATUS_OK;
        if (clock_monotonic_ns() - begun_ns > wait_ms * 1000000) {
            return error_set(error, STATUS_REFUSED,
                             "group '%s' has %" PRIu32 " members, and publishes to '%s': stop that "
                             "job first",
                             config->kafka.group, members, config->output.topic);
        }
        clock_sleep_ms(LOOK_MS);
    }
}

static enum status check_partition(uint32_t partition, const struct history_seal *before,
                                   const struct history_seal *after, struct error *error)
{
    if (before->source_identity != after->source_identity) {
        return error_set(error, STATUS_REFUSED,
                         "partition %" PRIu32 ": the jobs have read different sources", partition);
    }
    if (after->next_offset < before->next_offset) {
        return error_set(error, STATUS_REFUSED,
                         "partition %" PRIu32 ": the job that takes over is at offset %" PRId64
                         ", what was published reaches to %" PRId64 ": let it go on with "
                         "output.publish none until it is there",
                         partition, after->next_offset, before->next_offset);
    }
    return STATUS_OK;
}

static enum status check_partitions(const struct log_input_ops *ops, struct log_input *inputs[2],
                                    const struct config *after, struct takeover *takeover,
                                    struct error *error)
{
    takeover->generation = 0;
    for (uint32_t p = 0; p < ops->partitions(inputs[0]); p++) {
        struct history_seal seals[2];
        TRY(ops->seal(inputs[0], p, &seals[0], error));
        TRY(ops->seal(inputs[1], p, &seals[1], error));
        if (seals[0].number == 0) continue; /* nothing of it was published */
        TRY(decoding_check(after, seals[0].decoding, error));
        TRY(check_partition(p, &seals[0], &seals[1], error));
        for (int i = 0; i < 2; i++) {
            const uint64_t target = seals[i].target;
            if (target > takeover->generation) takeover->generation = target;
        }
    }
    takeover->generation += NUMBERS_LEFT;
    return STATUS_OK;
}

static enum status check_users(const struct compare_report *users, struct error *error)
{
    const uint64_t less = users->users[COMPARE_BEHIND], other = users->users[COMPARE_OTHER];
    if (less + other == 0) return STATUS_OK;
    return error_set(
        error, STATUS_REFUSED,
        "%" PRIu64 " users have fewer behaviors than were published of them, %" PRIu64
        " others: the jobs have not taken the same events from the same start on. Build "
        "the job that takes over from where the other began (source.start, braid seed)",
        less, other);
}

static enum status check_inputs(const struct log_input_ops *ops, struct log_input *inputs[2],
                                const struct config *before, const struct config *after, FILE *out,
                                struct takeover *takeover, struct error *error)
{
    TRY(ops->open(&inputs[0], before, error));
    TRY(ops->open(&inputs[1], after, error));
    TRY(await_stopped(ops, inputs[0], before, error));
    TRY(check_partitions(ops, inputs, after, takeover, error));
    TRY(compare_histories(ops, inputs[0], inputs[1], after->job.memory, out, NULL, NULL,
                          &takeover->users, error));
    return check_users(&takeover->users, error);
}

enum status takeover_check(const struct config *before, const struct config *after, bool checks,
                           FILE *out, struct takeover *takeover, struct error *error)
{
    struct log_input *inputs[2] = {NULL, NULL};
    TRY(check_configs(before, after, checks, error));
    const struct log_input_ops *ops = log_input_of(after);
    const enum status status = check_inputs(ops, inputs, before, after, out, takeover, error);
    for (int i = 0; i < 2; i++) {
        if (inputs[i]) ops->close(inputs[i]);
    }
    return status;
}
