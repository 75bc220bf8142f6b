/* fake_seed_log.c - an array; a transaction is what lies behind the committed count. */
#include "tests/unit/fake_seed_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

enum { RECORDS_MAX = 20000 };

struct seed_log {
    uint32_t nothing;
};

static struct fake_seed_record records[RECORDS_MAX];
static uint32_t count, committed, steps;
static uint64_t done_steps[FAKE_SEED_PARTITIONS];
static uint64_t claimed;
static struct seed_log the_log;
uint32_t fake_seed_log_fails_at;
bool fake_seed_log_commits_unseen;
bool fake_seed_log_has_begun;
struct history_seal fake_seed_log_seal;
struct bytes fake_seed_log_erased;
int64_t fake_seed_log_cut_ms;

void fake_seed_log_reset(void)
{
    count = committed = steps = fake_seed_log_fails_at = 0;
    claimed = 0;
    fake_seed_log_commits_unseen = fake_seed_log_has_begun = false;
    fake_seed_log_erased = (struct bytes){NULL, 0};
    memset(done_steps, 0, sizeof done_steps);
    fake_seed_log_seal = (struct history_seal){0};
}

const struct fake_seed_record *fake_seed_log_records(uint32_t *countp)
{
    *countp = committed;
    return records;
}

static enum status fake_seed_open(struct seed_log **logp, const struct config *config,
                                  struct error *error)
{
    (void)config;
    (void)error;
    *logp = &the_log;
    return STATUS_OK;
}

static void fake_seed_close(struct seed_log *log)
{
    (void)log;
}

static uint32_t fake_seed_partitions(const struct seed_log *log)
{
    (void)log;
    return FAKE_SEED_PARTITIONS;
}

static uint32_t fake_seed_partition_of(const struct seed_log *log, struct bytes user)
{
    (void)log;
    return (uint32_t)(identity_of(user.at, user.size) % FAKE_SEED_PARTITIONS);
}

static enum status fake_seed_look(struct seed_log *log, int64_t cut_ms, struct error *error)
{
    (void)log;
    (void)cut_ms;
    if (!fake_seed_log_has_begun) return STATUS_OK;
    return error_set(error, STATUS_REFUSED, "the job has begun");
}

static enum status fake_seed_claim(struct seed_log *log, uint64_t input, int64_t cut_ms,
                                   bool *sealedp, struct error *error)
{
    (void)log;
    (void)cut_ms;
    if (claimed && claimed != input) return error_set(error, STATUS_REFUSED, "another input");
    claimed = input;
    count = committed; /* what was left open ends */
    *sealedp = fake_seed_log_seal.number > 0;
    return STATUS_OK;
}

static enum status fake_seed_cuts(struct seed_log *log, uint32_t partition, struct cuts *cuts,
                                  struct error *error)
{
    struct user_cut *cut;
    const struct bytes user = fake_seed_log_erased;
    if (!user.at || fake_seed_partition_of(log, user) != partition) return STATUS_OK;
    return cuts_raise(cuts, identity_of(user.at, user.size), fake_seed_log_cut_ms, &cut, error);
}

static uint64_t fake_seed_done(const struct seed_log *log, uint32_t partition)
{
    (void)log;
    return done_steps[partition];
}

static bool step_fails(struct error *error)
{
    if (++steps != fake_seed_log_fails_at) return false;
    error_set(error, STATUS_ABORTABLE, "step %u fails", steps);
    return true;
}

static enum status fake_seed_send(struct seed_log *log, const struct record *record,
                                  struct error *error)
{
    (void)log;
    if (step_fails(error)) return STATUS_ABORTABLE;
    REQUIRE(count < RECORDS_MAX);
    struct fake_seed_record *kept = &records[count++];
    REQUIRE(record->key.size <= sizeof kept->key && record->value.size <= sizeof kept->value);
    kept->kind = record->kind;
    kept->partition = record->partition;
    kept->key_size = record->key.size;
    kept->value_size = record->value.size;
    memcpy(kept->key, record->key.at, record->key.size);
    memcpy(kept->value, record->value.at, record->value.size);
    return STATUS_OK;
}

static enum status fake_seed_commit(struct seed_log *log, const uint64_t *done, struct error *error)
{
    (void)log;
    const bool fails = step_fails(error);
    if (!fails || fake_seed_log_commits_unseen) {
        committed = count;
        memcpy(done_steps, done, sizeof done_steps);
    }
    return fails ? STATUS_ABORTABLE : STATUS_OK;
}

static enum status fake_seed_seal(struct seed_log *log, const struct history_seal *seal,
                                  struct error *error)
{
    (void)log;
    const bool fails = step_fails(error);
    if (!fails || fake_seed_log_commits_unseen) {
        fake_seed_log_seal = *seal;
        fake_seed_log_seal.number = 1;
    }
    return fails ? STATUS_ABORTABLE : STATUS_OK;
}

const struct seed_log_ops fake_seed_log = {
    .open = fake_seed_open,
    .close = fake_seed_close,
    .partitions = fake_seed_partitions,
    .partition_of = fake_seed_partition_of,
    .look = fake_seed_look,
    .claim = fake_seed_claim,
    .cuts = fake_seed_cuts,
    .done = fake_seed_done,
    .send = fake_seed_send,
    .commit = fake_seed_commit,
    .seal = fake_seed_seal,
};
