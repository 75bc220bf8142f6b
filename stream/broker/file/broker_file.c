/*
 * broker_file.c - the broker without a broker: events from a file, records to files.
 *
 * One reader feeds all sessions (file_reader.h) and puts commit markers at the same input position
 * into each of their queues. A commit is a barrier: every session appends and syncs its own files,
 * and the last one to arrive replaces the commit file, which commits for all. A session that cannot
 * arrive fails the job; the next start cuts the files back to what is committed.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "stream/broker/broker.h"
#include "stream/broker/file/file_reader.h"
#include "stream/broker/file/file_rewrite.h"
#include "stream/broker/file/file_state.h"
#include "stream/broker/file/history_file.h"
#include "stream/source/dead_letter.h"

enum { RESTORE_PAUSE_MS = 2 }; /* between two looks whether the partitions are restored */
static const unsigned GIVEN_UP = 1u << 31;

struct broker {
    const struct config *config;
    struct file_state state;
    struct file_reader *reader;
    atomic_uint resumed; /* partitions; events flow when all are, unless GIVEN_UP is added */
    atomic_bool stop;

    pthread_mutex_t lock; /* the barrier's: */
    pthread_cond_t crossed;
    uint32_t arrived;     /* sessions */
    uint64_t barriers;    /* crossed so far */
    bool failed;          /* a session left: no barrier will be crossed again */
    struct error failure; /* what broke the barrier, if it was the commit */
};

struct session {
    struct broker *broker;
    uint32_t worker;
    bool assigned;                   /* its partitions were announced */
    bool ended;                      /* it was told that the input is finished */
    struct source_position position; /* of the commit marker it has been given, */
    struct source_position sealed;   /* and of the one whose commit is under way */
    bool replaced;                   /* a log of this partition was installed, and */
    uint32_t replaced_partition;     /* the one before goes when a commit names the new one */
};

static uint64_t file_memory(const struct config *config)
{
    return file_reader_size(config) + file_state_size(config);
}

static enum status file_open(struct broker **brokerp, const struct config *config,
                             struct error *error)
{
    *brokerp = NULL;
    struct broker *broker = calloc(1, sizeof *broker);
    if (!broker) return error_set(error, STATUS_IO, "out of memory: a broker");
    broker->config = config;
    pthread_mutex_init(&broker->lock, NULL);
    pthread_cond_init(&broker->crossed, NULL);
    enum status status = file_state_open(&broker->state, config, error);
    if (status == STATUS_OK) {
        const struct commit *commit = &broker->state.commit;
        status = file_reader_open(&broker->reader, config, config->job.workers, commit->partitions,
                                  &commit->inputs, error);
    }
    if (status == STATUS_OK) status = file_state_begin(&broker->state, error);
    if (status != STATUS_OK) {
        broker_file.close(broker);
        return status;
    }
    *brokerp = broker;
    return STATUS_OK;
}

static void file_close(struct broker *broker)
{
    if (!broker) return;
    file_reader_close(broker->reader);
    file_state_close(&broker->state);
    pthread_cond_destroy(&broker->crossed);
    pthread_mutex_destroy(&broker->lock);
    free(broker);
}

static uint32_t file_partitions(const struct broker *broker)
{
    return broker->state.commit.partitions;
}

static uint64_t file_source_identity(const struct broker *broker)
{
    return broker->state.commit.source;
}

static void file_stop(struct broker *broker)
{
    atomic_store(&broker->stop, true);
    file_reader_stop(broker->reader);
}

static size_t file_dead_letter_size(const struct config *config)
{
    return dead_letter_size_max(config->output.dead_letter_payload_max);
}

static struct record file_letter(const struct broker *broker, const struct event *event, void *to)
{
    uint32_t payload_max = broker->config->output.dead_letter_payload_max;
    size_t size = dead_letter_encode(event, broker->config->source.path, payload_max, to);
    return (struct record){RECORD_DEAD_LETTER, event->partition, .value = {to, size}};
}

static double file_progress(const struct broker *broker)
{
    return file_reader_progress(broker->reader);
}

/* ---- sessions ---- */

static enum status file_session_open(struct session **sessionp, struct broker *broker,
                                     uint32_t worker, struct error *error)
{
    *sessionp = calloc(1, sizeof **sessionp);
    if (!*sessionp) return error_set(error, STATUS_IO, "out of memory: a session");
    (*sessionp)->broker = broker;
    (*sessionp)->worker = worker;
    return STATUS_OK;
}

/* The others must not wait for a session that cannot arrive, for a reason that is known or NULL. */
static void fail_barrier(struct broker *broker, const struct error *why)
{
    pthread_mutex_lock(&broker->lock);
    if (why && !broker->failed) broker->failure = *why;
    broker->failed = true;
    pthread_cond_broadcast(&broker->crossed);
    pthread_mutex_unlock(&broker->lock);
}

static void file_session_close(struct session *session)
{
    if (!session) return;
    if (!session->ended) fail_barrier(session->broker, NULL);
    free(session);
}

/* With the lock held. Why it left, if that is known: whoever ends first tells the operator. */
static enum status other_worker_failed(const struct broker *broker, struct error *error)
{
    const struct error *why = &broker->failure;
    if (why->status != STATUS_OK) return error_set(error, why->status, "%s", why->text);
    return error_set(error, STATUS_IO, "another worker left the job; a restart recovers");
}

static enum status check_others(struct broker *broker, struct error *error)
{
    pthread_mutex_lock(&broker->lock);
    enum status status = broker->failed ? other_worker_failed(broker, error) : STATUS_OK;
    pthread_mutex_unlock(&broker->lock);
    return status;
}

static void announce_partitions(struct session *session, struct poll *poll)
{
    struct broker *broker = session->broker;
    poll->kind = POLL_ASSIGN;
    for (uint32_t p = session->worker; p < broker->state.commit.partitions;
         p += broker->config->job.workers) {
        poll->partitions[poll->partitions_count++] = p;
    }
    session->assigned = true;
}

/* Until every partition of every session is restored no commit could be crossed: nothing flows. */
static bool all_resumed(struct broker *broker)
{
    return atomic_load(&broker->resumed) == broker->state.commit.partitions;
}

/*
 * Asked to stop before all are resumed, all sessions leave; or none, if they just have been. One
 * that left alone would be waited for at the barrier.
 */
static bool give_up(struct broker *broker)
{
    unsigned resumed = atomic_load(&broker->resumed);
    while (resumed != broker->state.commit.partitions) {
        if (atomic_compare_exchange_weak(&broker->resumed, &resumed, resumed | GIVEN_UP)) {
            return true;
        }
    }
    return false;
}

static enum status file_poll(struct session *session, uint32_t timeout_ms, struct poll *poll,
                             struct error *error)
{
    struct broker *broker = session->broker;
    *poll = (struct poll){.kind = POLL_EVENTS};
    TRY(check_others(broker, error));
    if (!session->assigned) {
        announce_partitions(session, poll);
        return STATUS_OK;
    }
    if (!all_resumed(broker)) {
        clock_sleep_ms(RESTORE_PAUSE_MS);
        if (!atomic_load(&broker->stop) || !give_up(broker)) return STATUS_OK;
        poll->kind = POLL_END;
        session->ended = true;
        return STATUS_OK;
    }
    struct file_poll taken;
    TRY(file_reader_take(broker->reader, session->worker, timeout_ms, &taken, error));
    static const enum poll_kind kinds[] = {
        [FILE_NOTHING] = POLL_EVENTS, [FILE_EVENTS] = POLL_EVENTS, [FILE_COMMIT] = POLL_COMMIT,
        [FILE_HOLD] = POLL_HOLD,      [FILE_END] = POLL_END,
    };
    poll->kind = kinds[taken.kind];
    poll->events = taken.events;
    poll->events_count = taken.events_count;
    poll->position = taken.position.offset;
    poll->last = taken.last;
    if (taken.kind == FILE_COMMIT || taken.kind == FILE_HOLD) session->position = taken.position;
    if (taken.kind == FILE_END) session->ended = true;
    return STATUS_OK;
}

static enum status file_resume(struct session *session, uint32_t partition,
                               const struct history_seal *seal, struct error *error)
{
    (void)partition;
    (void)seal;
    (void)error;
    atomic_fetch_add(&session->broker->resumed, 1);
    return STATUS_OK;
}

static int64_t file_position(const struct session *session, uint32_t partition)
{
    (void)session;
    (void)partition;
    return -1;
}

static void file_want_commit(struct session *session)
{
    file_reader_want_commit(session->broker->reader);
}

static void file_gather(struct session *session)
{
    file_reader_gather(session->broker->reader);
}

/* ---- a transaction ---- */

static enum status file_begin(struct session *session, struct error *error)
{
    (void)session;
    (void)error;
    return STATUS_OK;
}

static enum status file_send(struct session *session, const struct record *record,
                             struct error *error)
{
    return file_state_add(&session->broker->state, record, error);
}

static enum status append_seal(struct session *session, struct commit_partition *part,
                               struct error *error)
{
    uint8_t value[HISTORY_SEAL_MAX];
    part->seal.next_offset = session->sealed.offset;
    struct record record = {
        .kind = RECORD_HISTORY,
        .partition = part->partition,
        .key = {history_seal_key, HISTORY_SEAL_KEY_SIZE},
        .value = {value, history_seal_encode(&part->seal, value)},
    };
    return file_send(session, &record, error);
}

/*
 * Writes what is buffered, kind by kind, then makes it durable: it lies beyond the committed
 * lengths.
 */
static enum status append_and_sync(struct session *session, const struct commit_partition *parts,
                                   uint32_t count, struct error *error)
{
    struct partition_files *files = session->broker->state.partitions;
    for (int kind = 0; kind < RECORD_KINDS; kind++) {
        for (uint32_t i = 0; i < count; i++) {
            TRY(append_file_flush(&files[parts[i].partition].kind[kind], error));
        }
        if (kind == RECORD_INTERESTS) FAULT_POINT("outputs_appended");
        if (kind == RECORD_HISTORY) FAULT_POINT("log_appended");
        if (kind == RECORD_DEAD_LETTER) FAULT_POINT("dead_letters_appended");
    }
    for (uint32_t i = 0; i < count; i++) {
        for (int kind = 0; kind < RECORD_KINDS; kind++) {
            TRY(append_file_sync(&files[parts[i].partition].kind[kind], error));
        }
    }
    FAULT_POINT("files_synced");
    return STATUS_OK;
}

/* What this session's partitions will be when the commit file is replaced. */
static void enter_partitions(struct session *session, struct commit_partition *parts,
                             uint32_t count)
{
    struct file_state *state = &session->broker->state;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t p = parts[i].partition;
        struct commit_entry *entry = &state->commit.entries[p];
        commit_enter_seal(entry, &parts[i].seal);
        entry->log = state->partitions[p].log;
        entry->base = state->partitions[p].base;
        for (int kind = 0; kind < RECORD_KINDS; kind++) {
            entry->length[kind] = state->partitions[p].kind[kind].length;
        }
        parts[i].position = (struct store_position){
            .log = entry->log,
            .next = (int64_t)entry->length[RECORD_HISTORY],
            .seal = entry->seal,
            .written_ms = clock_wall_ms(),
        };
    }
    if (count > 0) {
        memcpy(state->commit.decoding, parts[0].seal.decoding, sizeof state->commit.decoding);
    }
}

/* Everybody arrives; the last one commits for all. */
static enum status cross_barrier(struct session *session, struct commit_partition *parts,
                                 uint32_t count, struct error *error)
{
    struct broker *broker = session->broker;
    enum status status = STATUS_OK;
    pthread_mutex_lock(&broker->lock);
    enter_partitions(session, parts, count);
    uint64_t barrier = broker->barriers;
    if (++broker->arrived == broker->config->job.workers) {
        status = file_state_set_position(&broker->state, broker->reader, &session->sealed, error);
        if (status == STATUS_OK) {
            status = commit_file_write(&broker->state.commit, broker->config->state.dir, error);
        }
        if (status == STATUS_OK) broker->barriers++;
        broker->arrived = 0;
        pthread_cond_broadcast(&broker->crossed);
    }
    while (status == STATUS_OK && broker->barriers == barrier && !broker->failed) {
        pthread_cond_wait(&broker->crossed, &broker->lock);
    }
    if (status == STATUS_OK && broker->barriers == barrier)
        status = other_worker_failed(broker, error);
    pthread_mutex_unlock(&broker->lock);
    return status;
}

/* A commit of the partition names its new log: the one that it replaced can go. */
static enum status remove_replaced_log(struct session *session,
                                       const struct commit_partition *parts, uint32_t count,
                                       struct error *error)
{
    uint32_t p = session->replaced_partition;
    for (uint32_t i = 0; session->replaced && i < count; i++) {
        if (parts[i].partition != p) continue;
        char path[COMMIT_PATH_MAX];
        TRY(commit_file_path(session->broker->config, RECORD_HISTORY, p, parts[i].position.log - 1,
                             path, error));
        if (unlink(path) != 0) {
            return error_set(error, STATUS_IO, "deleting %s: %s", path, strerror(errno));
        }
        session->replaced = false;
    }
    return STATUS_OK;
}

static enum status file_seal(struct session *session, struct commit_partition *parts,
                             uint32_t count, struct error *error)
{
    session->sealed = session->position;
    for (uint32_t i = 0; i < count; i++) {
        TRY(append_seal(session, &parts[i], error));
    }
    return STATUS_OK;
}

static enum status append_and_commit(struct session *session, struct commit_partition *parts,
                                     uint32_t count, struct error *error)
{
    TRY(append_and_sync(session, parts, count, error));
    TRY(cross_barrier(session, parts, count, error));
    return remove_replaced_log(session, parts, count, error);
}

static enum status file_commit(struct session *session, struct commit_partition *parts,
                               uint32_t count, struct error *error)
{
    enum status status = append_and_commit(session, parts, count, error);
    if (status != STATUS_OK) fail_barrier(session->broker, error);
    return status;
}

/*
 * The other sessions may have crossed positions that this one would have to rewind to, so an abort
 * ends the job; what was appended is cut off at the next start.
 */
static enum status file_abort(struct session *session, struct error *error)
{
    fail_barrier(session->broker, NULL);
    return error_set(error, STATUS_IO, "a file job cannot abort alone; a restart recovers");
}

/* ---- the history log ---- */

struct history_reader {
    struct history_file *file;
    struct store_position start;
    uint64_t log;
    uint64_t end_seal; /* the last committed one */
    uint64_t source;
};

static enum status check_start(const struct broker *broker, uint32_t partition,
                               const struct store_position *start, struct error *error)
{
    const struct commit_entry *entry = &broker->state.commit.entries[partition];
    if (start->next <= (int64_t)entry->length[RECORD_HISTORY] && start->seal <= entry->seal) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_REFUSED,
                     "the store of partition %" PRIu32 " is ahead of %s/commit (seal %" PRIu64
                     " over %" PRIu64 "), which must be an older copy: put the right commit file "
                     "back, or delete %s/store-%04" PRIu32 " to have it rebuilt from the log",
                     partition, broker->config->state.dir, start->seal, entry->seal,
                     broker->config->state.dir, partition);
}

static enum status file_history_open(struct history_reader **readerp, struct broker *broker,
                                     uint32_t partition, const struct store_position *start,
                                     struct committed_position *committed, struct error *error)
{
    *readerp = NULL;
    const struct commit *commit = &broker->state.commit;
    const struct commit_entry *entry = &commit->entries[partition];
    *committed = (struct committed_position){
        .seal = commit_seal(commit, partition),
        .end = (int64_t)entry->length[RECORD_HISTORY],
        .rebuild = start->next >= 0 && start->log != entry->log,
    };
    if (!committed->rebuild) TRY(check_start(broker, partition, start, error));

    struct history_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return error_set(error, STATUS_IO, "out of memory: a history reader");
    reader->start = *start;
    reader->log = entry->log;
    reader->end_seal = entry->seal;
    reader->source = committed->seal.source_identity;
    char path[COMMIT_PATH_MAX];
    uint64_t from = start->next > 0 && !committed->rebuild ? (uint64_t)start->next : 0;
    enum status status =
        commit_file_path(broker->config, RECORD_HISTORY, partition, entry->log, path, error);
    if (status == STATUS_OK) {
        status = history_file_open(&reader->file, path, from, entry->length[RECORD_HISTORY], error);
    }
    if (status != STATUS_OK) {
        broker_file.history_close(reader);
        return status;
    }
    *readerp = reader;
    return STATUS_OK;
}

static struct store_position file_history_position(const struct history_reader *reader)
{
    const struct history_seal *seal = history_file_seal(reader->file);
    return (struct store_position){
        .log = reader->log,
        .next = (int64_t)history_file_at(reader->file),
        .seal = seal->number ? seal->number : reader->start.seal,
    };
}

static enum status file_history_next(struct history_reader *reader, struct record *records,
                                     uint32_t max, uint32_t *countp, struct error *error)
{
    TRY(history_file_next(reader->file, records, max, countp, error));
    if (*countp > 0) return STATUS_OK;
    uint64_t number = file_history_position(reader).seal;
    const struct history_seal *seal = history_file_seal(reader->file);
    if (seal->number && seal->source_identity != reader->source) {
        return error_set(error, STATUS_REFUSED,
                         "the history log is of another input: restore state.dir and output.dir "
                         "from the same backup");
    }
    if (number == reader->end_seal) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "the history log ends at seal %" PRIu64 ", and %" PRIu64
                     " were committed: restore state.dir and output.dir from the same backup",
                     number, reader->end_seal);
}

static void file_history_close(struct history_reader *reader)
{
    if (!reader) return;
    history_file_close(reader->file);
    free(reader);
}

/* ---- rewriting the history log ---- */

static bool session_rewrite_due(const struct session *session, uint32_t partition)
{
    struct broker *broker = session->broker;
    return !session->replaced &&
           file_rewrite_due(broker->config, &broker->state.partitions[partition]);
}

static enum status session_rewrite_open(struct history_rewrite **rewritep, struct broker *broker,
                                        uint32_t partition, const struct store_position *start,
                                        struct error *error)
{
    return file_rewrite_open(rewritep, broker->config, partition, start, error);
}

static uint64_t committed_length(struct broker *broker, uint32_t partition)
{
    pthread_mutex_lock(&broker->lock);
    uint64_t length = broker->state.commit.entries[partition].length[RECORD_HISTORY];
    pthread_mutex_unlock(&broker->lock);
    return length;
}

static enum status session_rewrite_finish(struct broker *broker, struct history_rewrite *rewrite,
                                          const struct history_seal *seal, struct error *error)
{
    uint64_t end = committed_length(broker, file_rewrite_partition(rewrite));
    return file_rewrite_finish(rewrite, seal, end, error);
}

static enum status session_rewrite_install(struct session *session, struct history_rewrite *rewrite,
                                           struct error *error)
{
    struct broker *broker = session->broker;
    uint32_t partition = file_rewrite_partition(rewrite);
    uint64_t end = committed_length(broker, partition);
    TRY(file_rewrite_install(rewrite, &broker->state.partitions[partition], end, error));
    session->replaced = true;
    session->replaced_partition = partition;
    return STATUS_OK;
}

const struct broker_ops broker_file = {
    .name = "file",
    .memory = file_memory,
    .open = file_open,
    .close = file_close,
    .partitions = file_partitions,
    .partition_of = file_partition_of,
    .source_identity = file_source_identity,
    .stop = file_stop,
    .dead_letter = file_letter,
    .dead_letter_size = file_dead_letter_size,
    .progress = file_progress,
    .session_open = file_session_open,
    .session_close = file_session_close,
    .poll = file_poll,
    .resume = file_resume,
    .position = file_position,
    .want_commit = file_want_commit,
    .gather = file_gather,
    .begin = file_begin,
    .send = file_send,
    .seal = file_seal,
    .commit = file_commit,
    .abort = file_abort,
    .history_open = file_history_open,
    .history_next = file_history_next,
    .history_position = file_history_position,
    .history_close = file_history_close,
    .rewrite_due = session_rewrite_due,
    .rewrite_open = session_rewrite_open,
    .rewrite_add = file_rewrite_add,
    .rewrite_finish = session_rewrite_finish,
    .rewrite_install = session_rewrite_install,
    .rewrite_close = file_rewrite_close,
};
