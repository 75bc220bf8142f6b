/*
 * committed.c - what the group's offsets say: each has the whole seal of the transaction that
 * committed it as its metadata.
 */
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "stream/broker/kafka/client.h"

void seal_to_text(const struct committed_seal *committed, char text[SEAL_TEXT_SIZE])
{
    uint8_t raw[HISTORY_SEAL_MAX + 8];
    size_t size = history_seal_encode(&committed->seal, raw);
    memcpy(raw + size, &committed->writer, 8);
    size += 8;
    *put_hex_bytes(text, (struct bytes){raw, size}) = 0;
}

enum status seal_of_text(struct committed_seal *committed, struct bytes text, struct error *error)
{
    uint8_t raw[HISTORY_SEAL_MAX + 8] = {0};
    if (text.size <= 16 || text.size > 2 * sizeof raw ||
        !parse_hex_bytes(text, raw, text.size / 2)) {
        return error_set(error, STATUS_REFUSED, "not a seal");
    }
    size_t size = text.size / 2 - 8;
    memcpy(&committed->writer, raw + size, 8);
    return history_seal_decode(&committed->seal, (struct bytes){raw, size}, error);
}

bool is_seed_note(struct bytes metadata)
{
    const size_t size = strlen(SEED_NOTE);
    return metadata.size >= size && memcmp(metadata.at, SEED_NOTE, size) == 0;
}

/*
 * One partition of an answer: its offset must be one that Braid committed for this source. With
 * kafka.accept_gap the history log's last seal decides in place of an offset that a tool has set.
 */
static enum status take_committed(const struct broker *broker,
                                  const rd_kafka_topic_partition_t *answer,
                                  struct committed_seal *found, struct error *error)
{
    const char *group = broker->config->kafka.group;
    const bool accept = broker->config->kafka.accept_gap;
    *found = (struct committed_seal){0};
    if (answer->offset == RD_KAFKA_OFFSET_INVALID) return STATUS_OK;
    const struct bytes metadata = {answer->metadata, answer->metadata_size};
    if (is_seed_note(metadata)) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: group '%s' is being seeded, and its histories are not complete: "
                         "run braid seed to its end",
                         group);
    }
    enum status status = seal_of_text(found, metadata, NULL);
    if (status == STATUS_OK && found->seal.source_identity != broker->source_identity) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: group '%s' was committed for another source than %s[%d] of this "
                         "cluster; use another group and other companion topics",
                         group, answer->topic, answer->partition);
    }
    if (status == STATUS_OK && found->seal.next_offset == answer->offset) return STATUS_OK;
    if (!accept) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: the offset %lld of group '%s' for %s[%d] was not committed by "
                         "this version of Braid. If a tool has set it: kafka.accept_gap: true goes "
                         "on where the history log ends, so that no event is lost or counted "
                         "twice. Otherwise use a group of its own",
                         (long long)answer->offset, group, answer->topic, answer->partition);
    }
    log_warn("the group's offset is not one that was committed here: the history log decides",
             log_text("group", group), log_int("partition", answer->partition),
             log_int("offset", answer->offset));
    *found = (struct committed_seal){0};
    return STATUS_OK;
}

enum status committed_seals(struct broker *broker, struct client *consumer, const uint32_t *at,
                            uint32_t count, int64_t wait_ms, struct committed_seal *found,
                            struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    for (;;) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
        for (uint32_t i = 0; i < count; i++) {
            rd_kafka_topic_partition_list_add(list, broker->config->source.topic, (int32_t)at[i]);
        }
        rd_kafka_resp_err_t code = rd_kafka_committed(consumer->handle, list, 1000);
        enum status status = STATUS_OK;
        for (int i = 0; i < list->cnt && !code && status == STATUS_OK; i++) {
            code = list->elems[i].err;
            if (!code) status = take_committed(broker, &list->elems[i], &found[i], error);
        }
        rd_kafka_topic_partition_list_destroy(list);
        if (!code) return status;
        bool forbidden = code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
                         code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        if (forbidden) {
            return error_set(error, STATUS_IO, "kafka: reading the offsets of group '%s': %s",
                             broker->config->kafka.group, rd_kafka_err2str(code));
        }
        int64_t waited_ms = (clock_monotonic_ns() - begun_ns) / 1000000;
        if (waited_ms > wait_ms || atomic_load(&broker->stopping)) {
            return error_set(error, STATUS_BUSY,
                             "kafka: the group's offsets can't be read yet: %s; if that lasts "
                             "longer than kafka.transaction_timeout, brokers have left a "
                             "transaction open in __consumer_offsets: see kafka-transactions.sh",
                             rd_kafka_err2str(code));
        }
        clock_sleep_ms(CLIENT_PAUSE_MS);
    }
}
