/* fake_topic_copy.c - arrays; a transaction is what lies behind the committed counts. */
#include "tests/unit/fake_topic_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

struct fake_log {
    struct fake_copied at[FAKE_COPY_RECORDS_MAX];
    uint32_t count;
    uint32_t committed;
};

struct topic_copy {
    bool follows;
    uint32_t next[FAKE_COPY_PARTITIONS]; /* record given last, from 1 */
    uint32_t sent[FAKE_COPY_PARTITIONS];
    uint32_t asked[FAKE_COPY_PARTITIONS];
};

static struct fake_log source[FAKE_COPY_PARTITIONS], target[FAKE_COPY_TARGETS];
static uint32_t copied[FAKE_COPY_PARTITIONS]; /* of the source, committed */
static uint32_t steps;
uint32_t fake_topic_copy_slow_partition, fake_topic_copy_slow_times;
uint32_t fake_topic_copy_fails_at;
bool fake_topic_copy_commits_unseen;
uint32_t fake_topic_copy_commits;

void fake_topic_copy_reset(void)
{
    memset(source, 0, sizeof source);
    memset(target, 0, sizeof target);
    memset(copied, 0, sizeof copied);
    steps = fake_topic_copy_slow_times = fake_topic_copy_fails_at = fake_topic_copy_commits = 0;
    fake_topic_copy_commits_unseen = false;
}

static void append(struct fake_log *log, uint32_t from, int64_t stamp_ms, struct bytes key,
                   struct bytes value)
{
    REQUIRE(log->count < FAKE_COPY_RECORDS_MAX);
    struct fake_copied *record = &log->at[log->count++];
    *record = (struct fake_copied){.from = from, .stamp_ms = stamp_ms};
    snprintf(record->key, sizeof record->key, "%.*s", (int)key.size, (const char *)key.at);
    snprintf(record->value, sizeof record->value, "%.*s", (int)value.size, (const char *)value.at);
}

void fake_topic_copy_add(uint32_t partition, int64_t stamp_ms, const char *key, const char *value)
{
    append(&source[partition], partition, stamp_ms, bytes_of(key ? key : ""), bytes_of(value));
}

const struct fake_copied *fake_topic_copy_target(uint32_t partition, uint32_t *countp)
{
    *countp = target[partition].committed;
    return target[partition].at;
}

uint32_t fake_topic_copy_partition(struct bytes key)
{
    return (uint32_t)(identity_of(key.at, key.size) % FAKE_COPY_TARGETS);
}

static enum status fake_copy_open(struct topic_copy **copyp, const struct config *config,
                                  const struct copy_options *options, struct error *error)
{
    (void)config;
    (void)error;
    struct topic_copy *copy = calloc(1, sizeof *copy);
    REQUIRE(copy);
    copy->follows = options->follows;
    memcpy(copy->next, copied, sizeof copied);
    memcpy(copy->sent, copied, sizeof copied);
    for (uint32_t p = 0; p < FAKE_COPY_TARGETS; p++) {
        target[p].count = target[p].committed; /* what was left open ends */
    }
    *copyp = copy;
    return STATUS_OK;
}

static void fake_copy_close(struct topic_copy *copy)
{
    free(copy);
}

static uint32_t fake_source_partitions(const struct topic_copy *copy)
{
    (void)copy;
    return FAKE_COPY_PARTITIONS;
}

static uint32_t fake_target_partitions(const struct topic_copy *copy)
{
    (void)copy;
    return FAKE_COPY_TARGETS;
}

static uint32_t fake_partition_of(const struct topic_copy *copy, struct bytes key)
{
    (void)copy;
    return fake_topic_copy_partition(key);
}

static double fake_copy_progress(const struct topic_copy *copy)
{
    (void)copy;
    return -1;
}

static enum status fake_copy_next(struct topic_copy *copy, uint32_t partition, uint32_t timeout_ms,
                                  struct copied_record *record, struct error *error)
{
    (void)timeout_ms;
    (void)error;
    REQUIRE(copy->sent[partition] == copy->next[partition]);
    if (partition == fake_topic_copy_slow_partition &&
        copy->asked[partition]++ < fake_topic_copy_slow_times) {
        return STATUS_BUSY;
    }
    if (copy->next[partition] == source[partition].count) return STATUS_END;
    const struct fake_copied *found = &source[partition].at[copy->next[partition]++];
    copy->asked[partition] = 0;
    *record = (struct copied_record){
        .stamp_ms = found->stamp_ms, .key = bytes_of(found->key), .value = bytes_of(found->value)};
    if (!*found->key) record->key = (struct bytes){NULL, 0};
    return STATUS_OK;
}

static bool fails_now(struct error *error)
{
    if (++steps != fake_topic_copy_fails_at) return false;
    error_set(error, STATUS_ABORTABLE, "step %u fails", steps);
    return true;
}

static enum status fake_copy_send(struct topic_copy *copy, uint32_t from, struct bytes key,
                                  uint32_t to, struct error *error)
{
    if (fails_now(error)) return STATUS_ABORTABLE;
    REQUIRE(copy->next[from] == copy->sent[from] + 1);
    const struct fake_copied *record = &source[from].at[copy->sent[from]++];
    append(&target[to], from, record->stamp_ms, key.at ? key : bytes_of(""),
           bytes_of(record->value));
    return STATUS_OK;
}

static enum status fake_copy_commit(struct topic_copy *copy, struct error *error)
{
    const bool fails = fails_now(error);
    if (!fails || fake_topic_copy_commits_unseen) {
        memcpy(copied, copy->sent, sizeof copied);
        for (uint32_t p = 0; p < FAKE_COPY_TARGETS; p++) {
            target[p].committed = target[p].count;
        }
        fake_topic_copy_commits++;
    }
    return fails ? STATUS_ABORTABLE : STATUS_OK;
}

const struct topic_copy_ops fake_topic_copy = {
    .open = fake_copy_open,
    .close = fake_copy_close,
    .source_partitions = fake_source_partitions,
    .target_partitions = fake_target_partitions,
    .partition_of = fake_partition_of,
    .progress = fake_copy_progress,
    .next = fake_copy_next,
    .send = fake_copy_send,
    .commit = fake_copy_commit,
};
