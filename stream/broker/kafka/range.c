/*
 * range.c - where a run on a topic begins and ends: source.start and source.end.
 *
 * A partition's range is fixed when nothing of it was committed yet, or when source.end has another
 * value than the one by which its end was fixed. The first seal says it, of which the commit follows
 * even if there is no event, and whoever has the partition later takes it from there: so a run that
 * is killed, or handed on, ends where the first start has put its end, also one of `latest`. Killed
 * before that commit, which comes at once, nothing of the partition was taken: the next start fixes
 * it anew, and there is nothing that the two could disagree on. The run
 * is over when the group's offsets of all partitions have reached their ends; each session looks when
 * it has nothing left to read.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/log.h"
#include "stream/broker/kafka/session.h"

enum {
    OVER_EVERY_MS = 200,   /* between two looks at the group's offsets */
    BOUNDS_WAIT_MS = 1000, /* for what a partition holds */
};

enum status range_open(struct broker *broker, struct error *error)
{
    const struct config *config = broker->config;
    TRY(bound_parse_start(&broker->start, config->source.start, error));
    TRY(bound_parse_end(&broker->end, config->source.end, error));
    if (broker->end.kind == BOUND_NONE || broker->end.kind == BOUND_NEVER) return STATUS_OK;
    broker->bound = (uint32_t)checksum_of(config->source.end, strlen(config->source.end)) | 1;
    broker->reaches = calloc(broker->partitions, sizeof *broker->reaches);
    return broker->reaches ? STATUS_OK : error_set(error, STATUS_IO, "out of memory");
}

/* --- fixing it -------------------------------------------------------------------------------- */

static enum status place_of(const struct broker *broker, const char *key, const struct bound *bound,
                            uint32_t partition, int64_t *offsetp, struct error *error)
{
    if (bound_place(bound, partition, offsetp)) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s=%s says nothing of partition %u of '%s', which has %u: give an offset for "
                     "each",
                     key, bound->places, partition, broker->config->source.topic,
                     broker->partitions);
}

/* The first offset whose record is of `time_ms` or later; the partition's end if there is none. */
static enum status offset_of_time(struct broker *broker, uint32_t partition, int64_t time_ms,
                                  int64_t high, int64_t *offsetp, struct error *error)
{
    const char *topic = broker->config->source.topic;
    rd_kafka_resp_err_t code = client_offset_at(&broker->admin, topic, partition, time_ms, offsetp);
    char why[CLIENT_WHY_SIZE];
    if (code) {
        return error_set(error, STATUS_BUSY, "kafka: asking for the offset of a time in %s[%u]: %s",
                         topic, partition, client_why(&broker->admin, code, why));
    }
    if (*offsetp < 0) *offsetp = high;
    return STATUS_OK;
}

enum status range_fix_start(struct broker *broker, uint32_t partition, int64_t low, int64_t high,
                            struct history_seal *seal, struct error *error)
{
    int64_t first = low;
    switch (broker->start.kind) {
    case BOUND_LATEST: first = high; break;
    case BOUND_TIME:
        TRY(offset_of_time(broker, partition, broker->start.value, high, &first, error));
        break;
    case BOUND_PLACES:
        TRY(place_of(broker, "source.start", &broker->start, partition, &first, error));
        if (first < low || first > high) {
            return error_set(error, STATUS_REFUSED,
                             "source.start=%s: partition %u of '%s' holds offsets %lld to %lld",
                             broker->start.places, partition, broker->config->source.topic,
                             (long long)low, (long long)high - 1);
        }
        break;
    default: break;
    }
    seal->next_offset = seal->range.first = first;
    seal->range.unsealed = broker->start.kind != BOUND_NONE;
    return STATUS_OK;
}

enum status range_says_start(struct broker *broker, uint32_t partition,
                             const struct history_seal *seal, int64_t *offsetp, struct error *error)
{
    const int64_t first = seal->range.first;
    int64_t low, high;
    *offsetp = first;
    if (broker->start.kind == BOUND_PLACES) {
        return place_of(broker, "source.start", &broker->start, partition, offsetp, error);
    }
    if (broker->start.kind != BOUND_TIME) return STATUS_OK;
    TRY(offset_of_time(broker, partition, broker->start.value, first, offsetp, error));
    if (*offsetp <= first) return STATUS_OK;
    TRY(client_bounds(&broker->admin, broker->config->source.topic, partition, BOUNDS_WAIT_MS, &low,
                      &high, error));
    if (low > first) *offsetp = first;
    return STATUS_OK;
}

bool range_wants_end(const struct broker *broker, const struct history_seal *seal)
{
    return seal->range.bound != broker->bound;
}

enum status range_fix_end(struct broker *broker, uint32_t partition, int64_t high,
                          struct history_seal *seal, struct error *error)
{
    int64_t end = high;
    if (broker->end.kind == BOUND_TIME) {
        TRY(offset_of_time(broker, partition, broker->end.value, high, &end, error));
    } else if (broker->end.kind == BOUND_PLACES) {
        TRY(place_of(broker, "source.end", &broker->end, partition, &end, error));
    }
    seal->range.end = broker->bound ? end : 0;
    seal->range.bound = broker->bound;
    seal->range.unsealed = true;
    if (broker->bound && !broker->looks_only) {
        log_info("end of a partition fixed", log_int("partition", partition),
                 log_int("next", seal->next_offset), log_int("end", end));
    }
    return STATUS_OK;
}

/* --- reaching it ------------------------------------------------------------------------------ */

void range_resume(struct session *session, uint32_t partition, const struct history_seal *seal)
{
    const struct broker *broker = session->broker;
    struct session_partition *mine = &session->partitions[partition];
    mine->end = broker->bound ? seal->range.end : INT64_MAX;
    mine->unsealed = seal->range.unsealed;
    mine->cut_ms = seal->range.cut_ms;
    if (!broker->bound) return;
    struct reach *reach = &broker->reaches[partition];
    atomic_store(&reach->first, seal->range.first);
    atomic_store(&reach->next, mine->next);
    atomic_store(&reach->end, mine->end);
}

bool range_wants_commit(const struct session *session)
{
    bool read = true, unsealed = false, further = false;
    if (atomic_load(&session->committing)) return false;
    for (uint32_t p = 0; p < session->broker->partitions; p++) {
        const struct session_partition *mine = &session->partitions[p];
        if (mine->state == PARTITION_AWAY) continue;
        read = read && mine->state == PARTITION_LIVE && mine->next >= mine->end;
        if (mine->state != PARTITION_LIVE) continue;
        unsealed = unsealed || mine->unsealed;
        further = further || mine->next > mine->committed;
    }
    return unsealed || (read && further);
}

/* Whether this session has nothing to read and nothing to commit. Notes how far it is. */
static bool is_at_rest(const struct session *session)
{
    bool rests = !session->gathering && !atomic_load(&session->committing);
    for (uint32_t p = 0; p < session->broker->partitions; p++) {
        const struct session_partition *mine = &session->partitions[p];
        if (mine->state == PARTITION_AWAY) continue;
        if (mine->state == PARTITION_RESTORING || mine->next < mine->end) rests = false;
        if (mine->state == PARTITION_LIVE) {
            atomic_store(&session->broker->reaches[p].next, mine->next);
        }
    }
    return rests;
}

enum status range_is_over(struct session *session, bool *overp, struct error *error)
{
    struct broker *broker = session->broker;
    uint32_t at[POLL_PARTITIONS_MAX];
    struct committed_seal found[POLL_PARTITIONS_MAX];
    *overp = false;
    if (!broker->bound || !is_at_rest(session)) return STATUS_OK;
    const int64_t now_ns = clock_monotonic_ns();
    if (now_ns - session->looked_ns < (int64_t)OVER_EVERY_MS * 1000000) return STATUS_OK;
    session->looked_ns = now_ns;
    for (uint32_t p = 0; p < broker->partitions; p++) {
        at[p] = p;
    }
    const enum status status =
        committed_seals(broker, &session->consumer, at, broker->partitions, 0, found, error);
    if (status == STATUS_BUSY) return STATUS_OK;
    TRY(status);
    for (uint32_t p = 0; p < broker->partitions; p++) {
        const struct history_seal *seal = &found[p].seal;
        if (seal->number == 0 || seal->range.bound != broker->bound) return STATUS_OK;
        if (seal->next_offset < seal->range.end) return STATUS_OK;
        if (seal->generation < atomic_load(&broker->serves)) return STATUS_OK;
    }
    *overp = true;
    return STATUS_OK;
}

double range_progress(const struct broker *broker)
{
    double done = 0, all = 0;
    if (!broker->bound) return -1;
    for (uint32_t p = 0; p < broker->partitions; p++) {
        const struct reach *reach = &broker->reaches[p];
        const int64_t first = atomic_load(&reach->first), end = atomic_load(&reach->end);
        if (first >= end) continue;
        all += (double)(end - first);
        done += (double)(atomic_load(&reach->next) - first);
    }
    return all > 0 ? done / all : -1;
}
