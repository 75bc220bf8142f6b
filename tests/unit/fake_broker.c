/* fake_broker.c - see fake_broker.h. A breach of the contract ends the program (REQUIRE). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/fake_broker.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "stream/interests/interest_record.h"
#include "stream/source/dead_letter.h"
#include "tests/unit/fake_broker_state.h"

enum { EVENTS_MAX = 37 };

static const char payload[3000]; /* of bad events */

struct session {
    struct broker *broker;
    struct event events[EVENTS_MAX];
};

struct history_reader {
    const struct broker *broker;
    uint32_t partition;
    size_t at;          /* in broker->committed */
    uint64_t delivered; /* of this partition's log */
    struct history_seal seal;
};

/* ---- opening ---- */

struct broker *fake_open(uint64_t seed, uint32_t events, const struct fake_step *script,
                         uint32_t steps)
{
    struct broker *broker = calloc(1, sizeof *broker);
    REQUIRE(broker && steps <= FAKE_STEPS_MAX);
    broker->events = events;
    if (steps) memcpy(broker->script, script, steps * sizeof *script);
    broker->steps = steps;
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        broker->partitions[p].source = fake_source(seed, p, events);
    }
    return broker;
}

void fake_close(struct broker *broker)
{
    fake_log_clear(&broker->pending);
    fake_log_clear(&broker->committed);
    free(broker->pending.at);
    free(broker->committed.at);
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        free(broker->partitions[p].source);
    }
    free(broker);
}

void fake_on_call(struct broker *broker, fake_call *call)
{
    broker->call = call;
}

void fake_again(struct broker *broker, const struct fake_step *script, uint32_t steps)
{
    REQUIRE(steps <= FAKE_STEPS_MAX && !atomic_load(&broker->busy));
    if (steps) memcpy(broker->script, script, steps * sizeof *script);
    broker->steps = steps;
    broker->step = 0;
    fake_log_clear(&broker->pending);
    broker->asked = broker->given_up = broker->open = broker->sealed = broker->gathered = false;
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        broker->partitions[p].assigned = broker->partitions[p].live = false;
    }
}

bool fake_is_live(const struct broker *broker, uint32_t partition)
{
    return broker->partitions[partition].live;
}

static enum status session_open(struct session **sessionp, struct broker *broker, uint32_t worker,
                                struct error *error)
{
    (void)worker;
    (void)error;
    *sessionp = calloc(1, sizeof **sessionp);
    REQUIRE(*sessionp);
    (*sessionp)->broker = broker;
    return STATUS_OK;
}

static void session_close(struct session *session)
{
    REQUIRE(!atomic_load(&session->broker->busy));
    free(session);
}

/* ---- polling ---- */

static enum status nothing_now(struct poll *poll)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    poll->kind = POLL_EVENTS;
    return STATUS_OK;
}

static void deliver(struct session *session, uint32_t p, uint32_t count, struct poll *poll)
{
    struct broker *broker = session->broker;
    struct partition *partition = &broker->partitions[p];
    poll->kind = POLL_EVENTS;
    poll->events = session->events;
    while (poll->events_count < count && poll->events_count < EVENTS_MAX &&
           partition->next < (int64_t)broker->events) {
        const struct source_event *source = &partition->source[partition->next];
        struct event *event = &session->events[poll->events_count++];
        *event = (struct event){
            .verdict = source->bad ? EVENT_BAD_FIELD : EVENT_ACCEPTED,
            .partition = p,
            .offset = partition->next++,
            .time_ms = fake_event_ms(partition->next - 1),
            .user = bytes_of(source->user),
            .item = bytes_of(source->item),
            .payload = {payload, sizeof payload},
            .why = "bad on purpose",
        };
        event->item_hash = identity_of(event->item.at, event->item.size);
    }
    if (poll->events_count == 0) return;
    broker->gathered = true;
    if (atomic_load(&broker->busy)) broker->counts.polled_ahead += poll->events_count;
}

static void deliver_told(struct session *session, uint32_t p, struct poll *poll)
{
    poll->kind = POLL_EVENTS;
    poll->events = session->events;
    poll->events_count = fake_told_events(&session->broker->partitions[p], p, session->events);
    session->broker->gathered |= poll->events_count > 0;
}

static void name_all(struct broker *broker, struct poll *poll, enum poll_kind kind)
{
    poll->kind = kind;
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        broker->partitions[p].assigned = kind == POLL_ASSIGN;
        broker->partitions[p].live = false;
        poll->partitions[poll->partitions_count++] = p;
    }
    broker->given_up = kind != POLL_ASSIGN;
}

static bool all_live(const struct broker *broker)
{
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        if (!broker->partitions[p].live) return false;
    }
    return true;
}

static const struct fake_step plain = {.kind = FAKE_COMMIT, .outcome = FAKE_COMMITTED};

static enum status ask_for_commit(struct broker *broker, const struct fake_step *step,
                                  struct poll *poll)
{
    broker->next_commit = *step;
    poll->kind = POLL_COMMIT;
    return STATUS_OK;
}

/* Carries out one step of the script; *donep says whether it is over. */
static enum status take_step(struct session *session, struct poll *poll, bool *donep)
{
    struct broker *broker = session->broker;
    const struct fake_step *step = &broker->script[broker->step];
    const bool assigned = broker->partitions[0].assigned;
    *donep = true;
    switch (step->kind) {
    case FAKE_EVENTS:
        if (!assigned) break;
        *donep = all_live(broker);
        if (!*donep) return nothing_now(poll);
        deliver(session, step->partition, step->count, poll);
        return STATUS_OK;
    case FAKE_TOLD:
        *donep = all_live(broker);
        if (!*donep) return nothing_now(poll);
        deliver_told(session, step->partition, poll);
        return STATUS_OK;
    case FAKE_COMMIT:
        if (!broker->gathered) break;
        return ask_for_commit(broker, step, poll);
    case FAKE_RELEASE: atomic_store(&broker->released, true); break;
    case FAKE_REVOKE:
        if (!assigned) break;
        if (broker->gathered && !broker->asked) {
            *donep = false;
            broker->asked = true;
            return ask_for_commit(broker, step, poll);
        }
        name_all(broker, poll, POLL_REVOKE);
        break;
    case FAKE_LOSE:
        if (assigned) name_all(broker, poll, POLL_LOST);
        break;
    case FAKE_ASSIGN:
        if (!assigned) name_all(broker, poll, POLL_ASSIGN);
        break;
    case FAKE_AWAIT: *donep = !atomic_load(&broker->busy); return nothing_now(poll);
    case FAKE_GATHER: *donep = broker->gathered; return nothing_now(poll);
    case FAKE_CALL:
        *donep = broker->call(broker, step->count);
        if (*donep || !broker->gathered || atomic_load(&broker->busy)) return nothing_now(poll);
        return ask_for_commit(broker, &plain, poll);
    }
    return STATUS_OK;
}

/* After the script: everything that is left, then the end. */
static enum status drain(struct session *session, struct poll *poll)
{
    struct broker *broker = session->broker;
    if (!broker->partitions[0].assigned) {
        name_all(broker, poll, POLL_ASSIGN);
        return STATUS_OK;
    }
    if (!all_live(broker)) return nothing_now(poll);
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        deliver_told(session, p, poll);
        if (poll->events_count > 0) return STATUS_OK;
        if (broker->partitions[p].next == (int64_t)broker->events) continue;
        deliver(session, p, EVENTS_MAX, poll);
        return STATUS_OK;
    }
    if (broker->gathered) return ask_for_commit(broker, &plain, poll);
    poll->kind = POLL_END;
    return STATUS_OK;
}

static enum status fake_poll(struct session *session, uint32_t timeout_ms, struct poll *poll,
                             struct error *error)
{
    struct broker *broker = session->broker;
    (void)timeout_ms;
    (void)error;
    *poll = (struct poll){.kind = POLL_EVENTS};
    atomic_store(&broker->polled_ns, clock_monotonic_ns());
    if (broker->given_up) REQUIRE(!atomic_load(&broker->busy) && !broker->gathered);
    broker->given_up = false;
    if (broker->step == broker->steps) return drain(session, poll);
    bool done;
    enum status status = take_step(session, poll, &done);
    if (done) {
        broker->step++;
        broker->asked = false;
    }
    return status;
}

static enum status resume(struct session *session, uint32_t partition,
                          const struct history_seal *seal, struct error *error)
{
    struct partition *mine = &session->broker->partitions[partition];
    (void)error;
    REQUIRE(seal->next_offset == mine->committed);
    mine->next = mine->committed;
    mine->next_told = seal->next_erasure;
    mine->live = mine->assigned;
    return STATUS_OK;
}

static int64_t position(const struct session *session, uint32_t partition)
{
    (void)session;
    (void)partition;
    return -1; /* the events alone tell */
}

static void want_commit(struct session *session)
{
    (void)session;
}

static void gather(struct session *session)
{
    session->broker->gathered = true;
}

/* ---- transactions ---- */

static enum status begin(struct session *session, struct error *error)
{
    struct broker *broker = session->broker;
    (void)error;
    REQUIRE(!broker->open && !atomic_load(&broker->busy));
    broker->open = true;
    return STATUS_OK;
}

static enum status send(struct session *session, const struct record *record, struct error *error)
{
    struct broker *broker = session->broker;
    (void)error;
    REQUIRE(broker->open && !broker->sealed && !atomic_load(&broker->busy));
    REQUIRE(broker->partitions[record->partition].live);
    fake_log_add(&broker->pending, record);
    return STATUS_OK;
}

/* It came further, or something of its users was sent. */
static bool has_moved(const struct broker *broker, uint32_t p)
{
    for (size_t i = 0; i < broker->pending.count; i++) {
        if (broker->pending.at[i].partition == p) return true;
    }
    return broker->partitions[p].next > broker->partitions[p].committed;
}

static bool has_other_generations(const struct history_seal *seal,
                                  const struct history_seal *before)
{
    return seal->generation != before->generation || seal->target != before->target;
}

/* Exactly the partitions that have something to say, each up to the last event delivered. */
static enum status seal(struct session *session, struct commit_partition *parts, uint32_t count,
                        struct error *error)
{
    struct broker *broker = session->broker;
    uint32_t moved = 0, sealed = 0;
    (void)error;
    REQUIRE(count > 0);
    REQUIRE(broker->open && !broker->sealed && !atomic_load(&broker->busy));
    for (uint32_t i = 0; i < count; i++) {
        const struct partition *partition = &broker->partitions[parts[i].partition];
        REQUIRE(partition->live);
        REQUIRE(parts[i].seal.number == partition->progress.seal.number + 1);
        REQUIRE(parts[i].seal.next_offset == partition->next);
        const bool moves = has_moved(broker, parts[i].partition);
        REQUIRE(parts[i].seal.next_erasure <= partition->next_told);
        REQUIRE(moves || has_other_generations(&parts[i].seal, &partition->progress.seal) ||
                partition->next_told > partition->progress.seal.next_erasure);
        sealed += moves;
    }
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        moved += has_moved(broker, p);
    }
    REQUIRE(sealed == moved);
    broker->sealed = true;
    broker->gathered = false;
    atomic_store(&broker->released, false);
    broker->sealed_commit = broker->next_commit;
    atomic_store(&broker->busy, true);
    return STATUS_OK;
}

static void note_newest(struct partition *partition, const struct kept_record *kept)
{
    static _Alignas(64) char arena[2 * FAKE_NEWEST_SIZE];
    struct interest_record record;
    unsigned number;
    REQUIRE(interest_record_decode_json(kept->value, arena, sizeof arena, &record, NULL) ==
            STATUS_OK);
    char name[FAKE_NAME_SIZE] = "";
    memcpy(name, record.user.at, record.user.size);
    REQUIRE(sscanf(name, "p%*uu%u", &number) == 1 && kept->value.size < FAKE_NEWEST_SIZE);
    struct fake_progress *progress = &partition->progress;
    const uint64_t before = progress->newest_events[number];
    if (record.gone) {
        REQUIRE(before > 0); /* there was something to take back */
        progress->newest_events[number] = progress->newest_generation[number] = 0;
        return;
    }
    if (record.generation == progress->newest_generation[number]) {
        REQUIRE(record.events > before); /* rises, and is never repeated */
    } else {
        REQUIRE(record.generation > progress->newest_generation[number]);
        REQUIRE(record.events >= before);
    }
    progress->newest_events[number] = record.events;
    progress->newest_generation[number] = record.generation;
    memcpy(partition->newest[number], kept->value.at, kept->value.size);
    partition->newest[number][kept->value.size] = 0;
}

static void carry_out(struct broker *broker, struct commit_partition *parts, uint32_t count)
{
    for (size_t i = 0; i < broker->pending.count; i++) {
        const struct kept_record *kept = &broker->pending.at[i];
        struct partition *partition = &broker->partitions[kept->partition];
        const struct record record = {.kind = kept->kind,
                                      .partition = kept->partition,
                                      .key = kept->key,
                                      .value = kept->value};
        fake_log_add(&broker->committed, &record);
        if (kept->kind == RECORD_INTERESTS) note_newest(partition, kept);
        partition->progress.log_records += kept->kind == RECORD_HISTORY;
        broker->counts.dead_letters += kept->kind == RECORD_DEAD_LETTER;
    }
    fake_log_clear(&broker->pending);
    for (uint32_t i = 0; i < count; i++) {
        struct partition *partition = &broker->partitions[parts[i].partition];
        partition->progress.seal = parts[i].seal;
        partition->committed = parts[i].seal.next_offset;
        partition->progress.log_records++;
        parts[i].position = (struct store_position){
            .next = (int64_t)partition->progress.log_records, .seal = parts[i].seal.number};
    }
    broker->counts.commits++;
    broker->open = broker->sealed = false;
}

/* A late commit ends when it is released, or when the worker has not polled for a while. */
static void be_late(struct broker *broker)
{
    bool released = false;
    while (!released) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        int64_t idle_ns = clock_monotonic_ns() - atomic_load(&broker->polled_ns);
        released = atomic_load(&broker->released) ||
                   idle_ns > (int64_t)broker->sealed_commit.late_ms * 1000000;
    }
}

static enum status commit(struct session *session, struct commit_partition *parts, uint32_t count,
                          struct error *error)
{
    static const enum status statuses[FAKE_OUTCOMES] = {
        [FAKE_COMMITTED] = STATUS_OK,         [FAKE_ABORTED] = STATUS_ABORTABLE,
        [FAKE_FENCED] = STATUS_FENCED,        [FAKE_UNKNOWN_COMMITTED] = STATUS_BUSY,
        [FAKE_UNKNOWN_ABORTED] = STATUS_BUSY,
    };
    struct broker *broker = session->broker;
    REQUIRE(broker->sealed && atomic_load(&broker->busy));
    if (broker->sealed_commit.late_ms) be_late(broker);
    enum status status = statuses[broker->sealed_commit.outcome];
    if (status == STATUS_OK) {
        carry_out(broker, parts, count);
    } else {
        error_set(error, status, "as the script says");
    }
    atomic_store(&broker->busy, false);
    return status;
}

static enum status settle(struct session *session, struct commit_partition *parts, uint32_t count,
                          struct error *error)
{
    struct broker *broker = session->broker;
    REQUIRE(broker->sealed && !atomic_load(&broker->busy));
    if (broker->sealed_commit.outcome == FAKE_UNKNOWN_ABORTED) {
        return error_set(error, STATUS_ABORTABLE, "it was not carried out");
    }
    REQUIRE(broker->sealed_commit.outcome == FAKE_UNKNOWN_COMMITTED);
    carry_out(broker, parts, count);
    for (uint32_t i = 0; i < count; i++) {
        parts[i].position.next = -1; /* whoever tells of the outcome does not know it */
    }
    return STATUS_OK;
}

static enum status fake_abort(struct session *session, struct error *error)
{
    struct broker *broker = session->broker;
    (void)error;
    REQUIRE(!atomic_load(&broker->busy));
    fake_log_clear(&broker->pending);
    broker->open = broker->sealed = broker->gathered = false;
    broker->counts.aborts++;
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        broker->partitions[p].next = broker->partitions[p].committed;
        broker->partitions[p].next_told = broker->partitions[p].progress.seal.next_erasure;
    }
    return STATUS_OK;
}

/* ---- the history log ---- */

static enum status history_open(struct history_reader **readerp, struct broker *broker,
                                uint32_t partition, const struct store_position *start,
                                struct committed_position *committed, struct error *error)
{
    (void)error;
    REQUIRE(start->next == -1); /* a store in memory is always new */
    *committed = (struct committed_position){
        .seal = broker->partitions[partition].progress.seal,
        .end = (int64_t)broker->partitions[partition].progress.log_records,
    };
    *readerp = calloc(1, sizeof **readerp);
    REQUIRE(*readerp);
    **readerp =
        (struct history_reader){.broker = broker, .partition = partition, .seal = committed->seal};
    return STATUS_OK;
}

static enum status history_next(struct history_reader *reader, struct record *records, uint32_t max,
                                uint32_t *countp, struct error *error)
{
    const struct record_list *committed = &reader->broker->committed;
    (void)error;
    for (*countp = 0; *countp < max && reader->at < committed->count; reader->at++) {
        const struct kept_record *kept = &committed->at[reader->at];
        if (kept->kind != RECORD_HISTORY || kept->partition != reader->partition) continue;
        records[(*countp)++] = (struct record){.kind = RECORD_HISTORY,
                                               .partition = kept->partition,
                                               .key = kept->key,
                                               .value = kept->value};
        reader->delivered++;
    }
    return STATUS_OK;
}

static struct store_position history_position(const struct history_reader *reader)
{
    return (struct store_position){.next = (int64_t)reader->delivered, .seal = reader->seal.number};
}

static void history_close(struct history_reader *reader)
{
    free(reader);
}

/* ---- the job's part ---- */

static uint32_t partitions(const struct broker *broker)
{
    (void)broker;
    return FAKE_PARTITIONS;
}

static uint64_t source_identity(const struct broker *broker)
{
    (void)broker;
    return 1;
}

static struct record dead_letter(const struct broker *broker, const struct event *event,
                                 void *scratch)
{
    (void)broker;
    return (struct record){
        .kind = RECORD_DEAD_LETTER,
        .partition = event->partition,
        .value = {scratch, dead_letter_encode(event, "fake", FAKE_PAYLOAD_MAX, scratch)}};
}

const struct broker_ops fake_ops = {
    .name = "fake",
    .partitions = partitions,
    .source_identity = source_identity,
    .dead_letter = dead_letter,
    .session_open = session_open,
    .session_close = session_close,
    .poll = fake_poll,
    .resume = resume,
    .position = position,
    .want_commit = want_commit,
    .gather = gather,
    .begin = begin,
    .send = send,
    .seal = seal,
    .commit = commit,
    .settle = settle,
    .abort = fake_abort,
    .history_open = history_open,
    .history_next = history_next,
    .history_position = history_position,
    .history_close = history_close,
    .cuts = fake_cuts,
};
