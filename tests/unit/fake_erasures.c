/* fake_erasures.c - what another job says in source.erase, and what the worker says there itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "stream/source/erasure/erase_request.h"
#include "tests/unit/fake_broker_state.h"

static struct bytes name_of(uint32_t partition, uint32_t user, char name[FAKE_NAME_SIZE])
{
    snprintf(name, FAKE_NAME_SIZE, "p%uu%u", partition, user);
    return bytes_of(name);
}

static uint64_t hash_of(uint32_t partition, uint32_t user)
{
    char name[FAKE_NAME_SIZE];
    return identity_of(name, name_of(partition, user, name).size);
}

int64_t fake_event_ms(int64_t offset)
{
    return 1700000000000 + (offset + 1) * 1000;
}

void fake_tell(struct broker *broker, uint32_t partition, uint32_t user, int64_t cut_ms)
{
    struct partition *at = &broker->partitions[partition];
    REQUIRE(at->told_count < FAKE_TOLD_MAX);
    at->told[at->told_count++] = (struct fake_told){hash_of(partition, user), cut_ms};
}

void fake_leave_record(struct broker *broker, uint32_t partition, uint32_t user)
{
    char name[FAKE_NAME_SIZE];
    uint8_t key[HISTORY_KEY_MAX], value[HISTORY_RECORD_MAX];
    struct history history;
    history_init(&history, 1);
    const struct record record = {
        .kind = RECORD_HISTORY,
        .partition = partition,
        .key = {key, history_key_encode(name_of(partition, user, name), 0, key)},
        .value = {value, history_encode(&history, value)},
    };
    fake_log_add(&broker->committed, &record);
    broker->partitions[partition].progress.log_records++;
}

/* Of its own group the fake broker tells a worker nothing: it has only the seal to go by. */
enum status fake_cuts(struct broker *broker, uint32_t partition, int64_t from, struct cuts *cuts,
                      struct error *error)
{
    const struct partition *at = &broker->partitions[partition];
    for (uint32_t i = 0; i < at->told_count; i++) {
        const enum cut_stage stage = (int64_t)i >= from ? CUT_SOUGHT : CUT_GONE;
        TRY(cuts_tell(cuts, at->told[i].hash, at->told[i].cut_ms, stage, error));
    }
    return STATUS_OK;
}

uint32_t fake_told_events(struct partition *partition, uint32_t p, struct event *events)
{
    uint32_t count = 0;
    for (; partition->next_told < (int64_t)partition->told_count; partition->next_told++) {
        const struct fake_told *told = &partition->told[partition->next_told];
        events[count++] = (struct event){
            .verdict = EVENT_ERASURE,
            .origin = EVENT_OF_ERASURES,
            .partition = p,
            .offset = partition->next_told,
            .time_ms = told->cut_ms,
            .item_hash = told->hash,
        };
    }
    return count;
}

int64_t fake_erased(const struct broker *broker, uint32_t partition, uint32_t user, bool *receiptp)
{
    struct json_decoder *json;
    struct event event;
    struct erase_record record;
    int64_t cut_ms = HISTORY_NO_TIME;
    assert_int_equal(json_decoder_open(&json, ERASE_VALUE_MAX, NULL), STATUS_OK);
    *receiptp = false;
    for (size_t i = 0; i < broker->committed.count; i++) {
        const struct kept_record *kept = &broker->committed.at[i];
        if (kept->kind != RECORD_ERASURE || kept->partition != partition) continue;
        assert_int_equal(
            erase_record_decode(json, kept->key, kept->value, 0, FAKE_NAME_SIZE, &record, &event),
            EVENT_ERASURE);
        assert_null(record.user.at); /* of another job's requests it has no ids to delete */
        assert_true(bytes_equal(record.group, bytes_of("braid")));
        if (record.hash != hash_of(partition, user)) continue;
        cut_ms = record.cut_ms;
        *receiptp = record.gone_ms > 0;
    }
    json_decoder_close(json);
    return cut_ms;
}

bool fake_has_nothing(const struct broker *broker, uint32_t partition, uint32_t user)
{
    char name[FAKE_NAME_SIZE];
    const struct bytes id = name_of(partition, user, name);
    uint64_t live = 0, most = 0; /* chunks that have a value: each is one bit */
    for (size_t i = 0; i < broker->committed.count; i++) {
        const struct kept_record *kept = &broker->committed.at[i];
        struct store_key key;
        if (kept->kind != RECORD_HISTORY) continue;
        REQUIRE(history_key_decode(kept->key, &key.user, &key.chunk, NULL) == STATUS_OK);
        if (!bytes_equal(key.user, id) || key.chunk == HISTORY_USER_GONE) continue;
        REQUIRE(key.chunk < 64);
        live =
            kept->value.at ? live | UINT64_C(1) << key.chunk : live & ~(UINT64_C(1) << key.chunk);
        if (live > most) most = live;
    }
    assert_true(most > 0); /* there was something */
    return live == 0;
}
