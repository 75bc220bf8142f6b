/*
 * seed_log.c - seeds a job's companions: the group's offsets hold notes until they hold seals.
 *
 * The first transaction commits, for each partition of the source, the offset of the cut with a note
 * whose text is no seal, so a job of that group refuses to start (kafka/history.c). The last one
 * writes the seals, and puts them in the place of the notes. Its `writer` is the seed's input, which
 * tells a seed that is over from a job that has begun.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/hex.h"
#include "stream/broker/kafka/lone_writer.h"
#include "stream/broker/seed_log.h"

enum {
    QUEUE_KB = 1024,
    BOUNDS_MS = 60000,
    NOTE_MAX = 80,
    WHAT_MAX = 2 * CONFIG_VALUE_MAX,
};

struct seed_partition {
    int64_t cut; /* -1: not known yet */
    uint64_t input, done;
    bool sealed;
};

struct seed_log {
    struct broker broker;
    struct config own; /* the job's, but the instance */
    char what[WHAT_MAX];
    struct lone_writer writer;
    uint64_t input;
    int64_t cut_ms;
    struct seed_partition *partitions;
};

/* --- opening ---------------------------------------------------------------------------------- */

static void seed_close(struct seed_log *log)
{
    if (!log) return;
    lone_writer_close(&log->writer);
    client_close(&log->broker.admin);
    free(log->partitions);
    free(log);
}

static enum status open_seed(struct seed_log *log, struct error *error)
{
    TRY(kafka_check(&log->own, error));
    TRY(client_open_admin(&log->broker.admin, &log->own, error));
    TRY(topics_open(&log->broker, error));
    log->partitions = calloc(log->broker.partitions, sizeof *log->partitions);
    if (!log->partitions) return error_set(error, STATUS_IO, "out of memory");
    return source_sample(&log->broker, error);
}

static enum status seed_open(struct seed_log **logp, const struct config *config,
                             struct error *error)
{
    struct seed_log *log = calloc(1, sizeof *log);
    *logp = NULL;
    if (!log) return error_set(error, STATUS_IO, "out of memory");
    log->own = *config;
    log->own.kafka.instance = "braid-seed";
    log->broker.config = &log->own;
    log->broker.needs_murmur2 = true;
    snprintf(log->what, sizeof log->what, "the seed of group '%s'", config->kafka.group);
    const enum status status = open_seed(log, error);
    if (status != STATUS_OK) {
        seed_close(log);
        return status;
    }
    *logp = log;
    return STATUS_OK;
}

static uint32_t seed_partitions(const struct seed_log *log)
{
    return log->broker.partitions;
}

static uint32_t seed_partition_of(const struct seed_log *log, struct bytes user)
{
    return client_murmur2(user, log->broker.partitions);
}

static enum status seed_cuts(struct seed_log *log, uint32_t partition, struct cuts *cuts,
                             struct error *error)
{
    const enum status status = kafka_cuts(&log->broker, partition, 0, cuts, error);
    return status == STATUS_BUSY ? error->status = STATUS_IO : status;
}

/* --- the claim -------------------------------------------------------------------------------- */

static enum status take_note(void *context, const rd_kafka_topic_partition_t *place,
                             struct error *error)
{
    struct seed_log *log = context;
    struct seed_partition *mine = &log->partitions[place->partition];
    const struct bytes text = {place->metadata, place->metadata_size};
    const size_t prefix = strlen(SEED_NOTE);
    mine->cut = place->offset;
    if (is_seed_note(text) && text.size == prefix + 32 &&
        parse_hex((struct bytes){(const char *)text.at + prefix, 16}, &mine->input) &&
        parse_hex((struct bytes){(const char *)text.at + prefix + 16, 16}, &mine->done)) {
        return STATUS_OK;
    }
    struct committed_seal found = {0};
    mine->sealed = seal_of_text(&found, text, NULL) == STATUS_OK;
    mine->input = found.writer;
    const bool seeded = mine->sealed && found.seal.range.cut_ms == log->cut_ms;
    if (seeded && found.seal.number == 1) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "kafka: group '%s' has begun to read %s[%d] (offset %lld): histories from "
                     "files can only come before the job. Use a new group and new companion topics",
                     log->own.kafka.group, place->topic, place->partition,
                     (long long)place->offset);
}

static enum status check_empty(struct seed_log *log, struct error *error)
{
    for (uint32_t p = 0; p < log->broker.partitions; p++) {
        const char *topic = log->broker.topics[RECORD_HISTORY];
        int64_t low, high;
        TRY(client_bounds(&log->broker.admin, topic, p, BOUNDS_MS, &low, &high, error));
        if (high == 0) continue;
        return error_set(error, STATUS_REFUSED,
                         "kafka: output.history_topic: '%s' holds records, and no seed of group "
                         "'%s' has written them: use new companion topics",
                         topic, log->own.kafka.group);
    }
    return STATUS_OK;
}

/* The first offset of each partition whose record is of the cut or later. */
static enum status find_cuts(struct seed_log *log, struct error *error)
{
    const char *topic = log->own.source.topic;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)log->broker.partitions);
    for (uint32_t p = 0; p < log->broker.partitions; p++) {
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)p)->offset = log->cut_ms;
    }
    rd_kafka_resp_err_t code =
        rd_kafka_offsets_for_times(log->broker.admin.handle, list, CLIENT_REQUEST_MS);
    for (int i = 0; i < list->cnt && !code; i++) {
        code = list->elems[i].err;
        log->partitions[list->elems[i].partition].cut = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (!code) return STATUS_OK;
    char why[CLIENT_WHY_SIZE];
    return error_set(error, STATUS_IO, "kafka: asking for the offsets of --cut in '%s': %s", topic,
                     client_why(&log->broker.admin, code, why));
}

/* A partition has no record of the cut or later: its end. Are all those behind the cut there? */
static enum status settle_cut(struct seed_log *log, uint32_t partition, bool first,
                              struct error *error)
{
    struct seed_partition *mine = &log->partitions[partition];
    const char *topic = log->own.source.topic;
    int64_t low, high;
    TRY(client_bounds(&log->broker.admin, topic, partition, BOUNDS_MS, &low, &high, error));
    if (mine->cut < 0) mine->cut = high;
    const bool gone = mine->cut < low || (first && mine->cut == low && low > 0);
    if (!gone || log->own.kafka.accept_gap) return STATUS_OK;
    return error_set(
        error, STATUS_REFUSED,
        "kafka: %s[%u] begins at offset %lld: records behind the cut (offset %lld) may "
        "have been deleted. Take a later --cut, up to which the files reach; or, "
        "if nothing is missing, kafka.accept_gap: true",
        topic, partition, (long long)low, (long long)mine->cut);
}

/* Opens the writer, and reads what the group says. *firstp: nothing yet; *sealedp: a seed is over. */
static enum status read_notes(struct seed_log *log, bool *firstp, bool *sealedp,
                              struct error *error)
{
    const uint32_t partitions = log->broker.partitions;
    uint32_t known = 0, sealed = 0;
    for (uint32_t p = 0; p < partitions; p++) {
        log->partitions[p] = (struct seed_partition){.cut = -1};
    }
    lone_writer_close(&log->writer);
    TRY(lone_writer_open(&log->writer, &log->own, log->what, log->broker.batch_size_max, QUEUE_KB,
                         error));
    TRY(lone_writer_places(&log->writer, partitions, take_note, log, error));
    for (uint32_t p = 0; p < partitions; p++) {
        known += log->partitions[p].cut >= 0;
        sealed += log->partitions[p].sealed;
    }
    *firstp = known == 0;
    *sealedp = sealed == partitions;
    if (known == 0 || known == partitions) return STATUS_OK;
    return error_set(error, STATUS_REFUSED, "kafka: '%s' has got more partitions meanwhile",
                     log->own.source.topic);
}

/* Is this the seed that has begun? */
static enum status check_input(const struct seed_log *log, struct error *error)
{
    for (uint32_t p = 0; p < log->broker.partitions; p++) {
        const struct seed_partition *mine = &log->partitions[p];
        if (mine->cut < 0 || mine->input == log->input) continue;
        return error_set(error, STATUS_REFUSED,
                         "kafka: group '%s' was %s: use a new group and new companion topics%s",
                         log->own.kafka.group,
                         mine->sealed ? "seeded with something else, or has begun"
                                      : "begun to be seeded with other files or settings",
                         mine->sealed ? ""
                                      : ", or give those files and settings (--cut, "
                                        "state.history_max, job.workers) again");
    }
    return STATUS_OK;
}

/* Where each partition is cut: the first time it is found, later the notes say it. */
static enum status settle_cuts(struct seed_log *log, bool first, struct error *error)
{
    if (first) {
        TRY(check_empty(log, error));
        TRY(find_cuts(log, error));
    }
    for (uint32_t p = 0; p < log->broker.partitions; p++) {
        TRY(settle_cut(log, p, first, error));
    }
    return STATUS_OK;
}

static enum status seed_look(struct seed_log *log, int64_t cut_ms, struct error *error)
{
    bool first, sealed;
    log->cut_ms = cut_ms;
    TRY(read_notes(log, &first, &sealed, error));
    return sealed ? STATUS_OK : settle_cuts(log, first, error);
}

static enum status seed_commit(struct seed_log *log, const uint64_t *done, struct error *error)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)log->broker.partitions);
    for (uint32_t p = 0; p < log->broker.partitions; p++) {
        char note[NOTE_MAX];
        snprintf(note, sizeof note, SEED_NOTE "%016" PRIx64 "%016" PRIx64, log->input, done[p]);
        lone_place_add(list, log->own.source.topic, p, log->partitions[p].cut, note);
    }
    const enum status status = lone_writer_commit(&log->writer, list, error);
    rd_kafka_topic_partition_list_destroy(list);
    for (uint32_t p = 0; p < log->broker.partitions && status == STATUS_OK; p++) {
        log->partitions[p].done = done[p];
    }
    return status;
}

static enum status seed_claim(struct seed_log *log, uint64_t input, int64_t cut_ms, bool *sealedp,
                              struct error *error)
{
    bool first;
    log->input = input;
    log->cut_ms = cut_ms;
    TRY(read_notes(log, &first, sealedp, error));
    TRY(check_input(log, error));
    if (*sealedp) return STATUS_OK;
    TRY(settle_cuts(log, first, error));
    client_warm(&log->writer.producer, log->broker.topics[RECORD_HISTORY]);
    client_warm(&log->writer.producer, log->broker.topics[RECORD_ITEM]);
    uint64_t none[POLL_PARTITIONS_MAX] = {0};
    if (first) TRY(seed_commit(log, none, error));
    FAULT_POINT("seed_claimed");
    return STATUS_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static uint64_t seed_done(const struct seed_log *log, uint32_t partition)
{
    return log->partitions[partition].done;
}

static enum status seed_send(struct seed_log *log, const struct record *record, struct error *error)
{
    const bool same = log->broker.topic_partitions[record->kind] == log->broker.partitions;
    const struct lone_record sent = {
        .topic = log->broker.topics[record->kind],
        .partition = same ? (int32_t)record->partition : RD_KAFKA_PARTITION_UA,
        .key = record->key,
        .value = record->value,
    };
    REQUIRE(record->key.size > 0);
    TRY(lone_writer_begin(&log->writer, error));
    return lone_writer_produce(&log->writer, &sent, error);
}

static enum status seed_seal(struct seed_log *log, const struct history_seal *like,
                             struct error *error)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)log->broker.partitions);
    enum status status = STATUS_OK;
    for (uint32_t p = 0; p < log->broker.partitions && status == STATUS_OK; p++) {
        struct committed_seal sealed = {.seal = *like, .writer = log->input};
        uint8_t raw[HISTORY_SEAL_MAX];
        char text[SEAL_TEXT_SIZE];
        sealed.seal.number = 1;
        sealed.seal.source_identity = log->broker.source_identity;
        sealed.seal.partitions = log->broker.partitions;
        sealed.seal.next_offset = sealed.seal.range.first = log->partitions[p].cut;
        sealed.seal.range.cut_ms = log->cut_ms;
        const struct record record = {
            .kind = RECORD_HISTORY,
            .partition = p,
            .key = {history_seal_key, HISTORY_SEAL_KEY_SIZE},
            .value = {raw, history_seal_encode(&sealed.seal, raw)},
        };
        status = seed_send(log, &record, error);
        seal_to_text(&sealed, text);
        lone_place_add(list, log->own.source.topic, p, log->partitions[p].cut, text);
    }
    FAULT_POINT("seed_sealing");
    if (status == STATUS_OK) status = lone_writer_commit(&log->writer, list, error);
    rd_kafka_topic_partition_list_destroy(list);
    if (status == STATUS_OK) FAULT_POINT("seed_sealed");
    return status;
}

const struct seed_log_ops seed_log_kafka = {
    .open = seed_open,
    .close = seed_close,
    .partitions = seed_partitions,
    .partition_of = seed_partition_of,
    .look = seed_look,
    .claim = seed_claim,
    .cuts = seed_cuts,
    .done = seed_done,
    .send = seed_send,
    .commit = seed_commit,
    .seal = seed_seal,
};
