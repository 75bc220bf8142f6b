/* metric_table.c - see metric_table.h. */
#include "stream/http/metric_table.h"

#define COUNTER(name, help)                                                                        \
    {                                                                                              \
        name, METRIC_COUNTER, 1, help                                                              \
    }
#define GAUGE(name, unit, help)                                                                    \
    {                                                                                              \
        name, METRIC_GAUGE, unit, help                                                             \
    }
#define HISTOGRAM(name, unit, help)                                                                \
    {                                                                                              \
        name, METRIC_HISTOGRAM, unit, help                                                         \
    }

/* clang-format off: a row a line or two */
const struct metric_row metric_table[] = {
    COUNTER("braid_events_total", "Source events committed, by verdict"),
    COUNTER("braid_late_events_total", "Accepted events that came after a later one of their user"),
    COUNTER("braid_unknown_item_events_total",
            "Accepted events of items that the generation does not know"),
    COUNTER("braid_odd_category_events_total",
            "Accepted events with a category or feature that could not be used"),
    COUNTER("braid_lost_events_total", "Source offsets that were gone before they were read"),
    COUNTER("braid_records_total", "Interest records published"),
    COUNTER("braid_commits_total", "Transactions committed"),
    COUNTER("braid_aborts_total", "Transactions aborted, whose events were read again"),
    HISTOGRAM("braid_transaction_age_seconds", 1e-9,
              "From taking a transaction's first events in to its commit"),
    HISTOGRAM("braid_freshness_seconds", 1e-3,
              "From the broker's timestamp of a transaction's oldest event to its commit"),
    GAUGE("braid_transactions", 1, "Workers by the state of their transaction"),
    HISTOGRAM("braid_produce_seconds", 1e-9,
              "Reading, encoding and sending a transaction's records"),
    HISTOGRAM("braid_commit_seconds", 1e-9, "Waiting for the broker's commit"),
    HISTOGRAM("braid_store_commit_seconds", 1e-9, "Writing the stores after it"),
    GAUGE("braid_source_lag_records", 1,
          "Offsets between what is committed and the ends of this process's partitions"),
    GAUGE("braid_source_ends_timestamp_seconds", 1e-3,
          "When the brokers told these ends last, of the partition where that is longest ago"),
    COUNTER("braid_rebalances_total", "Partitions assigned, revoked or lost, a worker each time"),
    COUNTER("braid_users_looked_up_total", "Users of polls, by where they were found"),
    GAUGE("braid_users_in_memory", 1, "Users whose states are in memory"),
    GAUGE("braid_memory_budget_bytes", 1, "job.memory"),
    GAUGE("braid_store_bytes", 1, "What the stores take, on disk and in memory"),
    GAUGE("braid_stores_stalled", 1,
          "Stores whose writes wait for compactions or flushes: delayed or stopped"),
    HISTOGRAM("braid_record_interests", 1, "Live interests of published records"),
    HISTOGRAM("braid_interest_cosine", 1e-6,
              "Cosine among the interests of every 64th record's user"),
    GAUGE("braid_partitions", 1, "Partitions of this process, by state"),
    COUNTER("braid_restored_records_total", "Records of history logs that restores have applied"),
    GAUGE("braid_restore_left_offsets", 1,
          "Offsets of history topics that restores have still to read"),
    GAUGE("braid_workers_assigned", 1, "Workers to which the broker has given their partitions"),
    COUNTER("braid_snapshots_total", "Snapshots of states written, loaded, and ignored as stale"),
    COUNTER("braid_swept_users_total", "Users moved to another generation without an event"),
    COUNTER("braid_expired_users_total", "Users who left, each when that is committed"),
    COUNTER("braid_erased_users_total", "Requests to erase a user that were carried out"),
    GAUGE("braid_unswept_partitions", 1,
          "Partitions of this process with users of an older generation"),
    COUNTER("braid_generation_verdicts_total", "Candidates of training, by the gate's verdict"),
    COUNTER("braid_training_rounds_total", "Rounds of training that came to a verdict"),
    COUNTER("braid_training_rounds_failed_total", "Rounds of training that failed"),
    {"braid_training_cpu_seconds_total", METRIC_COUNTER, 1e-3, "Processor time of training"},
    GAUGE("braid_training_lag_events", 1,
          "Events committed that the generation that serves has not learned from"),
    GAUGE("braid_generation", 1, "The generation that serves"),
    GAUGE("braid_generation_learned_timestamp_seconds", 1e-3,
          "Time of the newest event that it has learned from, since 1970"),
    GAUGE("braid_generation_adopted_timestamp_seconds", 1e-3,
          "Since when it serves in this process, since 1970"),
    GAUGE("braid_prequential_hit_rate", 1e-6,
          "HR@20 of what served on events it had not learned from, by kind of user"),
    GAUGE("braid_prequential_ndcg", 1e-6, "NDCG@20 of the same"),
    GAUGE("braid_prequential_mrr", 1e-6, "MRR of the same"),
    GAUGE("braid_counting_ndcg", 1e-6, "NDCG@20 of counting on the same events"),
    GAUGE("braid_live_interests", 1e-6, "Mean of live interests of a user who acted"),
    GAUGE("braid_interests_due_ratio", 1e-6,
          "Share of users whose interests do not tell apart what they did since"),
    COUNTER("braid_http_requests_total", "Requests answered, by code"),
    HISTOGRAM("braid_http_request_seconds", 1e-9, "Time to make an answer"),
    GAUGE("braid_build_info", 1, "1, with the program's version"),
    {"process_cpu_seconds_total", METRIC_COUNTER, 1e-3, "Processor time, user and system"},
    GAUGE("process_start_time_seconds", 1e-3, "When the process started, since 1970"),
    GAUGE("process_resident_memory_bytes", 1, "Resident memory"),
    GAUGE("process_virtual_memory_bytes", 1, "Virtual memory"),
    GAUGE("process_open_fds", 1, "Open file descriptors"),
    GAUGE("process_max_fds", 1, "Most file descriptors that may be open"),
};
/* clang-format on */

const unsigned metric_table_count = sizeof metric_table / sizeof *metric_table;
