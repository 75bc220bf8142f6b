/*
 * file_reader.c - events -> a poll under construction per worker -> bounded queues.
 *
 * Each worker has a ring of equal slots. Going round: the slot that the worker holds (taken, not yet
 * given back), those that wait, and the one under construction. One lock guards all rings; the
 * reader holds it while it places a line, a worker while it takes a poll.
 */
#include "stream/broker/file/file_reader.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/log.h"
#include "stream/broker/file/file_part.h"
#include "stream/source/file_partition.h"

enum {
    BESIDE_TEXTS = 320, /* bytes of an event's numbers, separators and features */
    ID_BYTES = 96,      /* of a poll's memory for each event's ids; longer ones end a poll early */
    LOOK_MS = 100,      /* between two looks at files that are followed */
    CLOCK_EVERY = 64,   /* events between two looks at the clock */
    SLOTS_BESIDE_QUEUE = 4 /* held by the worker, under construction, and two for markers */
};

struct slot {
    enum file_poll_kind kind;
    struct event *events;
    uint32_t count;
    uint8_t *bytes; /* the events' ids and payloads */
    size_t used;
    struct source_position position;
    bool last;
};

struct ring {
    struct slot *slots;
    uint32_t first;  /* slot that is held, or else the next to take */
    uint32_t queued; /* slots that wait to be taken */
    bool held;
    uint64_t queued_events; /* in them */
    int64_t taken_ns;       /* when the held slot was taken */
    double event_ns;        /* that the worker spends on an event, as of late; 0 unknown */
    pthread_cond_t filled;
};

struct file_reader {
    const struct config *config;
    struct event_reader *source;
    struct file_part part; /* that this run takes */
    bool begins;           /* nothing was committed before */
    int64_t first;         /* offset of the event at which this job has begun, once it is found */
    uint32_t workers;
    uint32_t partitions;
    uint32_t slots; /* of a ring */
    size_t slot_bytes;
    struct ring *rings; /* [workers] */

    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t emptied;
    atomic_bool stop;
    atomic_bool commit_wanted;
    atomic_bool gathered;            /* a worker has something to commit that no event brought */
    bool marking;                    /* the reader places a marker and may be waiting for room */
    bool ended;                      /* the end markers are queued, or reading failed */
    struct source_position position; /* after the last event placed */
    int64_t hold;                    /* record at which training is due next, INT64_MAX: never */
    bool last;                       /* the hold being placed is the one at the end */
    uint64_t events;                 /* placed since the last marker */
    int64_t marked_ns;               /* when that was */
    double progress;
    struct error failure; /* why reading ended, STATUS_OK if it did not fail */
};

/* ---- rings: the lock is held ---- */

static struct slot *slot_under_construction(struct file_reader *reader, struct ring *ring)
{
    return &ring->slots[(ring->first + ring->held + ring->queued) % reader->slots];
}

/* True if the slot under construction can be queued and the next one begun. */
static bool has_slot(const struct file_reader *reader, const struct ring *ring)
{
    return ring->held + ring->queued + 1u < reader->slots;
}

/*
 * True if another poll of events may be queued. A commit marker waits behind what is queued, so
 * that is never more than its worker does in half a commit interval.
 */
static bool has_room(const struct file_reader *reader, const struct ring *ring)
{
    if (ring->queued >= reader->config->job.queue_polls_max) return false;
    double interval_ns = 1e6 * reader->config->job.commit_interval_ms;
    return ring->queued == 0 || (double)ring->queued_events * ring->event_ns <= interval_ns / 2;
}

/* Queues the slot under construction. There is room. */
static void queue_slot(struct file_reader *reader, struct ring *ring, enum file_poll_kind kind)
{
    struct slot *slot = slot_under_construction(reader, ring);
    slot->kind = kind;
    slot->position = reader->position;
    slot->last = reader->last;
    ring->queued++;
    ring->queued_events += slot->count;
    struct slot *next = slot_under_construction(reader, ring);
    next->count = 0;
    next->used = 0;
    pthread_cond_signal(&ring->filled);
}

typedef bool room(const struct file_reader *reader, const struct ring *ring);

/* The reader waits for a worker to take or give back slots, or for the end. */
static void wait_for(struct file_reader *reader, struct ring *ring, room *enough)
{
    while (!enough(reader, ring) && !reader->ended) {
        pthread_cond_wait(&reader->emptied, &reader->lock);
    }
}

static bool commit_full(const struct file_reader *reader)
{
    return reader->events >= reader->config->job.commit_events_max;
}

static bool barrier_due(struct file_reader *reader, int64_t now_ns)
{
    if (reader->events == 0 && !atomic_load(&reader->gathered)) return false;
    if (atomic_load(&reader->commit_wanted)) return true;
    return now_ns - reader->marked_ns >= reader->config->job.commit_interval_ms * INT64_C(1000000);
}

static void marker_placed(struct file_reader *reader)
{
    reader->events = 0;
    reader->marked_ns = clock_monotonic_ns();
    atomic_store(&reader->commit_wanted, false);
    atomic_store(&reader->gathered, false); /* who still gathers says so again */
}

/* Puts a marker behind everything placed so far, into every ring; waits where a ring is full. */
static void place_marker(struct file_reader *reader, enum file_poll_kind kind)
{
    reader->marking = true;
    for (uint32_t w = 0; w < reader->workers; w++) {
        struct ring *ring = &reader->rings[w];
        if (slot_under_construction(reader, ring)->count > 0) {
            wait_for(reader, ring, has_slot);
            if (reader->ended) return;
            queue_slot(reader, ring, FILE_EVENTS);
        }
        wait_for(reader, ring, has_slot);
        if (reader->ended) return;
        queue_slot(reader, ring, kind);
    }
    marker_placed(reader);
    reader->marking = false;
}

/* ---- the reader's thread ---- */

/* Moves bytes into the slot's own memory. */
static struct bytes keep_bytes(struct slot *slot, struct bytes bytes)
{
    if (bytes.size == 0) return (struct bytes){NULL, 0};
    void *to = slot->bytes + slot->used;
    memcpy(to, bytes.at, bytes.size);
    slot->used += bytes.size;
    return (struct bytes){to, bytes.size};
}

/* Puts a decoded event into its worker's poll, queueing the poll when it is full. */
static void place_event(struct file_reader *reader, const struct event *event)
{
    struct ring *ring = &reader->rings[event->partition % reader->workers];
    struct slot *slot = slot_under_construction(reader, ring);
    bool bad = event_is_bad(event->verdict);
    const struct bytes profile = {event->profile,
                                  event->profile ? event->features * sizeof(uint64_t) : 0};
    size_t size = event->user.size + event->item.size + event->category.size + profile.size +
                  (bad ? event->payload.size : 0);
    if (slot->count == reader->config->job.poll_events_max ||
        size > reader->slot_bytes - slot->used) {
        wait_for(reader, ring, has_room);
        if (reader->ended) return;
        queue_slot(reader, ring, FILE_EVENTS);
        slot = slot_under_construction(reader, ring);
    }
    struct event *kept = &slot->events[slot->count++];
    *kept = *event;
    kept->user = keep_bytes(slot, event->user);
    kept->item = keep_bytes(slot, event->item);
    kept->category = keep_bytes(slot, event->category);
    kept->profile = keep_bytes(slot, profile).at;
    kept->payload = bad ? keep_bytes(slot, event->payload) : (struct bytes){NULL, 0};
    reader->events++;
}

uint32_t file_partition_of(struct bytes user, uint32_t partitions, bool *certainp)
{
    *certainp = true;
    return file_partition(user, partitions);
}

/* The next event. A pipe may never deliver again: only reading it may the thread be canceled. */
static enum status next_source_event(struct file_reader *reader, struct event *event)
{
    int state;
    bool pipe = event_reader_is_standard_input(reader->source);
    if (pipe) pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    enum status status = event_reader_next(reader->source, event, &reader->failure);
    if (pipe) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return status;
}

int64_t file_hold_after(int64_t record, uint64_t events)
{
    int64_t hold = 0;
    do {
        hold += (int64_t)events > hold / 8 ? (int64_t)events : hold / 8;
    } while (hold <= record);
    return hold;
}

/* Training is due: everything before is committed, then the workers hold. */
static void place_hold(struct file_reader *reader)
{
    if (reader->events > 0) place_marker(reader, FILE_COMMIT);
    place_marker(reader, FILE_HOLD);
    if (reader->hold == INT64_MAX) return; /* the one at the end */
    reader->hold = file_hold_after(reader->position.offset, reader->config->train.events);
}

/* Passes over what is before the start, up to `event`; STATUS_END if there is nothing behind it. */
static enum status find_start(struct file_reader *reader, struct event *event)
{
    enum status status = STATUS_OK;
    do {
        reader->position = event_reader_position(reader->source);
        if (atomic_load_explicit(&reader->stop, memory_order_relaxed)) return STATUS_END;
        status = next_source_event(reader, event);
    } while (status == STATUS_OK && !file_part_reaches(&reader->part.start, event));
    reader->first = reader->position.offset;
    if (reader->hold != INT64_MAX) {
        reader->hold = file_hold_after(reader->first, reader->config->train.events);
    }
    return status;
}

/* Of a source that is followed: waits until there is more of it, or the job stops. */
static enum status await_more(struct file_reader *reader)
{
    bool more = false;
    while (!more && !atomic_load_explicit(&reader->stop, memory_order_relaxed)) {
        clock_sleep_ms(LOOK_MS);
        TRY(event_reader_look(reader->source, &more, &reader->failure));
    }
    return STATUS_OK;
}

static void note_progress(struct file_reader *reader, const struct event *event)
{
    const double bytes = event_reader_progress(reader->source);
    file_part_take(&reader->part, event, bytes);
    reader->progress = file_part_share(&reader->part, bytes);
}

/* Reads and places events until the input or the run ends, or the job stops. */
static enum status read_events(struct file_reader *reader)
{
    struct event event;
    uint64_t events = 0;
    bool seeks = reader->part.start.kind != BOUND_NONE;
    while (!atomic_load_explicit(&reader->stop, memory_order_relaxed)) {
        enum status status = seeks ? find_start(reader, &event) : next_source_event(reader, &event);
        if (status == STATUS_OK && file_part_reaches(&reader->part.end, &event)) return STATUS_OK;
        if (status == STATUS_END && reader->part.end.kind == BOUND_NEVER) {
            seeks =
                seeks && reader->part.start.kind != BOUND_LATEST; /* all that was there is passed */
            TRY(await_more(reader));
            continue;
        }
        seeks = false;
        if (status == STATUS_END) {
            event_reader_warn_of_rest(reader->source);
            return STATUS_OK;
        }
        TRY(status);
        event.partition = event.user.size ? file_partition(event.user, reader->partitions) : 0;

        pthread_mutex_lock(&reader->lock);
        place_event(reader, &event);
        reader->position = event_reader_position(reader->source);
        bool look = events++ % CLOCK_EVERY == 0;
        if (look) note_progress(reader, &event);
        if (commit_full(reader) || (look && barrier_due(reader, clock_monotonic_ns()))) {
            place_marker(reader, FILE_COMMIT);
        }
        if (reader->position.offset == reader->hold) place_hold(reader);
        bool ended = reader->ended;
        pthread_mutex_unlock(&reader->lock);
        if (ended) break;
    }
    return STATUS_OK;
}

/* A job that ended while it held goes on holding there. */
static bool starts_at_hold(const struct file_reader *reader)
{
    const int64_t record = reader->position.offset;
    return reader->hold != INT64_MAX && record > 0 &&
           file_hold_after(record - 1, reader->config->train.events) == record;
}

/* The part of the source that was asked for was read. */
static void note_end(struct file_reader *reader)
{
    const struct config *config = reader->config;
    reader->progress = 1;
    if (!reader->begins || !file_part_is_empty(&reader->part)) return;
    log_warn("no event lies within source.start and source.end",
             log_text("path", config->source.path), log_text("start", config->source.start),
             log_text("end", config->source.end));
}

static void *reader_thread(void *context)
{
    struct file_reader *reader = context;
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_mutex_lock(&reader->lock);
    if (starts_at_hold(reader)) place_hold(reader);
    pthread_mutex_unlock(&reader->lock);
    enum status status = read_events(reader);

    pthread_mutex_lock(&reader->lock);
    if (status == STATUS_OK && !reader->ended) {
        reader->failure.status = STATUS_OK;
        if (!atomic_load(&reader->stop)) note_end(reader);
        if (config_trains(reader->config) && !atomic_load(&reader->stop)) {
            reader->last = true;
            place_hold(reader);
        }
        if (reader->events > 0) place_marker(reader, FILE_COMMIT);
        place_marker(reader, FILE_END);
    }
    reader->ended = true;
    for (uint32_t w = 0; w < reader->workers; w++) {
        pthread_cond_broadcast(&reader->rings[w].filled);
    }
    pthread_mutex_unlock(&reader->lock);
    return NULL;
}

/* ---- the workers' side ---- */

/*
 * A worker found nothing to do in time, so the input pauses or the other workers are slower. It
 * takes its slot under construction, and does what the reader cannot while it waits for a line.
 */
static void stand_in(struct file_reader *reader, struct ring *ring)
{
    if (slot_under_construction(reader, ring)->count > 0) {
        queue_slot(reader, ring, FILE_EVENTS);
        return;
    }
    bool stopping = atomic_load(&reader->stop);
    if (reader->marking) return;
    if (!stopping && !barrier_due(reader, clock_monotonic_ns())) return;
    for (uint32_t w = 0; w < reader->workers; w++) {
        if (reader->rings[w].held + reader->rings[w].queued + 4u > reader->slots) return;
    }
    if (reader->events > 0 || !stopping) place_marker(reader, FILE_COMMIT);
    if (!stopping) return;
    place_marker(reader, FILE_END);
    reader->ended = true;
}

static void wait_for_poll(struct file_reader *reader, struct ring *ring, uint32_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    int waited = 0;
    while (ring->queued == 0 && !reader->ended && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&ring->filled, &reader->lock, &until);
    }
    if (ring->queued == 0 && !reader->ended) stand_in(reader, ring);
}

/* The worker is done with the slot it holds; how long that took tells how fast it is. */
static void give_back(struct file_reader *reader, struct ring *ring)
{
    uint32_t count = ring->slots[ring->first].count;
    if (count > 0) {
        double event_ns = (double)(clock_monotonic_ns() - ring->taken_ns) / count;
        ring->event_ns = ring->event_ns > 0 ? (ring->event_ns + event_ns) / 2 : event_ns;
    }
    ring->held = false;
    ring->first = (ring->first + 1) % reader->slots;
    pthread_cond_signal(&reader->emptied);
}

enum status file_reader_take(struct file_reader *reader, uint32_t worker, uint32_t timeout_ms,
                             struct file_poll *poll, struct error *error)
{
    struct ring *ring = &reader->rings[worker];
    *poll = (struct file_poll){.kind = FILE_NOTHING};
    enum status status = STATUS_OK;
    pthread_mutex_lock(&reader->lock);
    if (ring->held) give_back(reader, ring);
    wait_for_poll(reader, ring, timeout_ms);
    if (ring->queued > 0) {
        const struct slot *slot = &ring->slots[ring->first];
        *poll =
            (struct file_poll){slot->kind, slot->events, slot->count, slot->position, slot->last};
        ring->held = true;
        ring->queued--;
        ring->queued_events -= slot->count;
        ring->taken_ns = clock_monotonic_ns();
        pthread_cond_signal(&reader->emptied);
    } else if (reader->ended && reader->failure.status != STATUS_OK) {
        if (error) *error = reader->failure;
        status = reader->failure.status;
    }
    pthread_mutex_unlock(&reader->lock);
    return status;
}

void file_reader_want_commit(struct file_reader *reader)
{
    atomic_store(&reader->commit_wanted, true);
}

void file_reader_gather(struct file_reader *reader)
{
    atomic_store(&reader->gathered, true);
}

void file_reader_stop(struct file_reader *reader)
{
    atomic_store(&reader->stop, true);
}

int64_t file_reader_first(const struct file_reader *reader)
{
    return reader->first;
}

struct event_reader *file_reader_source(const struct file_reader *reader)
{
    return reader->source;
}

double file_reader_progress(struct file_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    double progress = reader->progress;
    pthread_mutex_unlock(&reader->lock);
    return progress;
}

/* ---- opening and closing ---- */

static size_t bytes_of_slot(const struct config *config)
{
    const size_t largest = (size_t)config->source.event_size_max + BESIDE_TEXTS;
    return (size_t)config->job.poll_events_max * ID_BYTES + largest +
           3 * (size_t)config->source.id_size_max;
}

size_t file_reader_size(const struct config *config)
{
    size_t slot = bytes_of_slot(config) + config->job.poll_events_max * sizeof(struct event);
    return config->job.workers * (size_t)(config->job.queue_polls_max + SLOTS_BESIDE_QUEUE) * slot;
}

static bool open_ring(struct file_reader *reader, struct ring *ring)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ring->filled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    ring->slots = calloc(reader->slots, sizeof *ring->slots);
    for (uint32_t s = 0; ring->slots && s < reader->slots; s++) {
        struct slot *slot = &ring->slots[s];
        slot->events = malloc(reader->config->job.poll_events_max * sizeof *slot->events);
        slot->bytes = malloc(reader->slot_bytes);
        if (!slot->events || !slot->bytes) return false;
    }
    return ring->slots != NULL;
}

static void close_ring(struct file_reader *reader, struct ring *ring)
{
    for (uint32_t s = 0; ring->slots && s < reader->slots; s++) {
        free(ring->slots[s].events);
        free(ring->slots[s].bytes);
    }
    free(ring->slots);
    pthread_cond_destroy(&ring->filled);
}

static bool open_memory(struct file_reader *reader)
{
    reader->rings = calloc(reader->workers, sizeof *reader->rings);
    if (!reader->rings) return false;
    bool opened = true;
    for (uint32_t w = 0; w < reader->workers; w++) {
        opened = open_ring(reader, &reader->rings[w]) && opened;
    }
    return opened;
}

static enum status begin_reading(struct file_reader *reader, const struct source_files *known,
                                 struct error *error)
{
    TRY(event_reader_open(&reader->source, reader->config, known, READ_ON, error));
    TRY(event_reader_check_regular(reader->source, error));
    reader->position = event_reader_position(reader->source);
    const struct config *config = reader->config;
    reader->begins = known->count == 0;
    if (reader->begins) TRY(bound_parse_start(&reader->part.start, config->source.start, error));
    TRY(bound_parse_end(&reader->part.end, config->source.end, error));
    reader->progress = file_part_share(&reader->part, 0);
    reader->hold = config_trains(config) && !config_moves_beside(config)
                       ? file_hold_after(reader->position.offset, config->train.events)
                       : INT64_MAX;
    int failed = pthread_create(&reader->thread, NULL, reader_thread, reader);
    if (failed) {
        return error_set(error, STATUS_IO, "starting the reader's thread: %s", strerror(failed));
    }
    reader->running = true;
    return STATUS_OK;
}

enum status file_reader_open(struct file_reader **readerp, const struct config *config,
                             uint32_t workers, uint32_t partitions,
                             const struct source_files *known, struct error *error)
{
    *readerp = NULL;
    struct file_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return error_set(error, STATUS_IO, "out of memory: a reader");
    reader->config = config;
    reader->workers = workers;
    reader->partitions = partitions;
    reader->slots = config->job.queue_polls_max + SLOTS_BESIDE_QUEUE;
    reader->slot_bytes = bytes_of_slot(config);
    reader->marked_ns = clock_monotonic_ns();
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->emptied, NULL);

    enum status status = STATUS_OK;
    if (!open_memory(reader)) status = error_set(error, STATUS_IO, "out of memory: queues");
    if (status == STATUS_OK) status = begin_reading(reader, known, error);
    if (status != STATUS_OK) {
        file_reader_close(reader);
        return status;
    }
    *readerp = reader;
    return STATUS_OK;
}

void file_reader_close(struct file_reader *reader)
{
    if (!reader) return;
    if (reader->running) {
        pthread_mutex_lock(&reader->lock);
        reader->ended = true;
        pthread_cond_signal(&reader->emptied);
        pthread_mutex_unlock(&reader->lock);
        pthread_cancel(reader->thread);
        pthread_join(reader->thread, NULL);
    }
    for (uint32_t w = 0; reader->rings && w < reader->workers; w++) {
        close_ring(reader, &reader->rings[w]);
    }
    pthread_cond_destroy(&reader->emptied);
    pthread_mutex_destroy(&reader->lock);
    event_reader_close(reader->source);
    free(reader->rings);
    free(reader);
}
