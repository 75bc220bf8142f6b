/* fake_generation_log.c - an array of records, and who has the seat. */
#include "tests/unit/fake_generation_log.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS_MAX = 100000 };

struct generation_log {
    uint32_t cursor, end;
    enum shared_log reads;
};

static struct fake_record records[RECORDS_MAX];
static uint32_t count;
static const struct generation_log *seat;
uint64_t fake_oldest_generation;
uint32_t fake_fenced_after;

void fake_generation_log_reset(void)
{
    for (uint32_t i = 0; i < count; i++) {
        free(records[i].key);
        free(records[i].value);
    }
    count = 0;
    seat = NULL;
    fake_oldest_generation = 0;
    fake_fenced_after = 0;
}

struct fake_record *fake_generation_log_records(uint32_t *countp)
{
    *countp = count;
    return records;
}

static bool same_key(const struct fake_record *a, const struct fake_record *b)
{
    return a->which == b->which && a->key_size == b->key_size &&
           memcmp(a->key, b->key, a->key_size) == 0;
}

static bool is_superseded(uint32_t at)
{
    for (uint32_t i = at + 1; i < count; i++) {
        if (records[i].state == FAKE_COMMITTED && same_key(&records[i], &records[at])) return true;
    }
    return false;
}

/* Keeps the place of each record that stays, as Kafka keeps offsets. */
void fake_generation_log_compact(void)
{
    for (uint32_t i = 0; i < count; i++) {
        if (records[i].state != FAKE_COMMITTED) continue;
        if (!records[i].value || is_superseded(i)) records[i].state = FAKE_ABORTED;
    }
}

static enum status fake_open(struct generation_log **logp, const struct config *config,
                             bool creates, struct error *error)
{
    (void)config;
    (void)creates;
    (void)error;
    *logp = calloc(1, sizeof **logp);
    return *logp ? STATUS_OK : STATUS_IO;
}

static void end_pending(enum fake_state state)
{
    for (uint32_t i = 0; i < count; i++) {
        if (records[i].state == FAKE_PENDING) records[i].state = state;
    }
}

static void fake_leave_seat(struct generation_log *log)
{
    if (seat == log) seat = NULL;
}

static void fake_close(struct generation_log *log)
{
    fake_leave_seat(log);
    free(log);
}

static uint32_t fake_record_size_max(const struct generation_log *log)
{
    (void)log;
    return FAKE_RECORD_SIZE_MAX;
}

static enum status fake_read(struct generation_log *log, enum shared_log which, int64_t from,
                             int64_t *endp, struct error *error)
{
    (void)error;
    log->reads = which;
    log->cursor = (uint32_t)from;
    log->end = 0;
    while (log->end < count && records[log->end].state != FAKE_PENDING) {
        log->end++;
    }
    *endp = log->end;
    return STATUS_OK;
}

static enum status fake_next(struct generation_log *log, struct shared_record *record,
                             struct error *error)
{
    (void)error;
    while (log->cursor < log->end) {
        const struct fake_record *one = &records[log->cursor++];
        if (one->which != log->reads || one->state != FAKE_COMMITTED) continue;
        *record = (struct shared_record){{one->key, one->key_size}, {one->value, one->value_size}};
        return STATUS_OK;
    }
    return STATUS_END;
}

static enum status fake_oldest(struct generation_log *log, uint64_t *generationp,
                               struct error *error)
{
    (void)log;
    (void)error;
    *generationp = fake_oldest_generation;
    return STATUS_OK;
}

static enum status fake_take_seat(struct generation_log *log, struct error *error)
{
    (void)error;
    end_pending(FAKE_ABORTED);
    seat = log;
    return STATUS_OK;
}

static enum status fenced(struct error *error)
{
    return error_set(error, STATUS_FENCED, "another has the seat");
}

static enum status fake_begin(struct generation_log *log, struct error *error)
{
    return seat == log ? STATUS_OK : fenced(error);
}

static enum status fake_send(struct generation_log *log, enum shared_log which,
                             const struct shared_record *record, struct error *error)
{
    if (seat != log) return fenced(error);
    if (fake_fenced_after && --fake_fenced_after == 0) {
        end_pending(FAKE_ABORTED);
        seat = NULL;
        return fenced(error);
    }
    REQUIRE(count < RECORDS_MAX && record->key.size > 0);
    REQUIRE(record->key.size + record->value.size <= FAKE_RECORD_SIZE_MAX);
    struct fake_record *one = &records[count++];
    *one = (struct fake_record){.which = which, .state = FAKE_PENDING};
    one->key = malloc(record->key.size);
    memcpy(one->key, record->key.at, one->key_size = record->key.size);
    if (!record->value.at) return STATUS_OK;
    one->value = malloc(record->value.size);
    memcpy(one->value, record->value.at, one->value_size = record->value.size);
    return STATUS_OK;
}

static enum status fake_commit(struct generation_log *log, struct error *error)
{
    if (seat != log) return fenced(error);
    end_pending(FAKE_COMMITTED);
    return STATUS_OK;
}

static void fake_abort(struct generation_log *log)
{
    if (seat == log) end_pending(FAKE_ABORTED);
}

const struct generation_log_ops fake_generation_log = {
    .open = fake_open,
    .close = fake_close,
    .record_size_max = fake_record_size_max,
    .read = fake_read,
    .next = fake_next,
    .oldest = fake_oldest,
    .take_seat = fake_take_seat,
    .leave_seat = fake_leave_seat,
    .begin = fake_begin,
    .send = fake_send,
    .commit = fake_commit,
    .abort = fake_abort,
};
