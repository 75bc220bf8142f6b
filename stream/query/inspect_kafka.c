/*
 * inspect_kafka.c - a user's history and items' names, out of the topics of a job.
 *
 * Which partition holds a user was the choice of the source's producer. The one that common
 * producers choose is read first, then the others until the user is found.
 */
#include "base/clock.h"
#include "stream/broker/kafka/client.h"
#include "stream/broker/kafka/reader.h"
#include "stream/query/inspect.h"
#include "stream/query/item_log.h"
#include "base/progress.h"

enum {
    BATCH = 1024,     /* records of one read */
    RETRY_MS = 60000, /* with brokers out of reach, or transactions that hide the rest */
};

struct search {
    struct kafka_reader *reader;
    struct broker *broker;
    struct bytes user;
    struct user_history *found;
    struct progress progress;
    uint64_t records;
};

static bool may_retry(int64_t since_ns)
{
    return clock_monotonic_ns() - since_ns < (int64_t)RETRY_MS * 1000000;
}

/* Adds the user's chunks of a batch of records to its history. */
static enum status add_chunks(struct search *search, const struct record *records, uint32_t count,
                              struct error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        TRY(user_history_add(search->found, search->user, &records[i], error));
    }
    search->records += count;
    return STATUS_OK;
}

static enum status read_history_topic(struct search *search, struct history_reader *log,
                                      int64_t end, uint32_t partition, struct error *error)
{
    static struct record records[BATCH];
    int64_t heard_ns = clock_monotonic_ns();
    for (;;) {
        uint32_t count;
        enum status status = kafka_history_next(log, records, BATCH, &count, error);
        if (status == STATUS_BUSY && may_retry(heard_ns)) continue;
        if (status == STATUS_BUSY) return STATUS_IO;
        TRY(status);
        if (count == 0) return STATUS_OK;
        heard_ns = clock_monotonic_ns();
        TRY(add_chunks(search, records, count, error));
        double share = (double)kafka_history_position(log).next / (double)(end + 1);
        progress_show(&search->progress, (partition + share) / search->broker->partitions,
                      search->records);
    }
}

static enum status search_partition(struct search *search, uint32_t partition, struct error *error)
{
    const struct store_position start = {.next = -1};
    const int64_t begun_ns = clock_monotonic_ns();
    struct committed_position committed;
    struct history_reader *log;
    enum status status;
    do {
        status = kafka_history_open(&log, search->broker, partition, &start, &committed, error);
    } while (status == STATUS_BUSY && may_retry(begun_ns));
    if (status == STATUS_BUSY) return STATUS_IO;
    TRY(status);
    search->found->partition = partition;
    status = read_history_topic(search, log, committed.end, partition, error);
    kafka_history_close(log);
    return status;
}

enum status user_history_read_kafka(struct user_history *history, const struct config *config,
                                    struct bytes user, struct error *error)
{
    struct search search = {.user = user, .found = history};
    TRY(kafka_reader_open(&search.reader, config, error));
    search.broker = kafka_reader_broker(search.reader);
    progress_start(&search.progress, "search", "records", config->log.quiet);
    uint32_t likely = kafka_reader_likely_partition(search.reader, user);
    enum status status = search_partition(&search, likely, error);
    for (uint32_t p = 0; p < search.broker->partitions; p++) {
        if (status != STATUS_OK || history->chunks_count > 0) break;
        if (p != likely) status = search_partition(&search, p, error);
    }
    progress_end(&search.progress);
    kafka_reader_close(search.reader);
    return status;
}

enum status item_log_read_kafka(struct item_log *log, const struct config *config,
                                struct error *error)
{
    struct kafka_reader *reader;
    TRY(kafka_reader_open(&reader, config, error));
    const struct broker *broker = kafka_reader_broker(reader);
    const char *topic = broker->topics[RECORD_ITEM];
    enum status status = STATUS_OK;
    for (uint32_t p = 0; p < broker->topic_partitions[RECORD_ITEM] && status == STATUS_OK; p++) {
        struct kafka_record record;
        int64_t first;
        status = kafka_reader_begin(reader, topic, p, KAFKA_READER_NOW, &first, error);
        while (status == STATUS_OK) {
            status = kafka_reader_next(reader, &record, error);
            if (status != STATUS_OK || !record.value.at) continue;
            status = item_log_add(log, record.value, error);
            if (status == STATUS_OK) continue;
            error_prefix(error, "%s[%u]:%lld: ", topic, p, (long long)record.offset);
        }
        if (status == STATUS_END) status = STATUS_OK;
    }
    kafka_reader_close(reader);
    return status;
}
