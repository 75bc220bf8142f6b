/* command_repartition.c - `braid repartition`: a topic that is not keyed by user into one that is. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/stop_signal.h"
#include "base/log.h"
#include "base/progress.h"
#include "stream/replay/repartition.h"

static const char help[] =
    "usage: braid repartition --to TOPIC [--partitions=N] [--follow]\n"
    "                         [--config FILE] [--KEY=VALUE ...]\n\n"
    "Copies source.topic to another topic, keyed by user, as a job needs it: all records of a "
    "user\n"
    "come into one partition, the one in which every producer with Kafka's default partitioner\n"
    "puts that key. Values, headers and timestamps stay as they are; the key becomes the user's "
    "id.\n"
    "Ends with what the topic held when it began, or with --follow goes on until it is stopped.\n\n"
    "Each record is copied exactly once: what was sent and how far the source was read are\n"
    "committed together, in the group GROUP-repartition-TOPIC. Killed, or run again later, it "
    "goes\n"
    "on behind its last commit. Readers of the copy must read committed records only.\n\n"
    "Order: records of one partition of the source keep theirs. Those of different partitions are\n"
    "merged by their timestamps, of equal ones the lower partition's first. With --follow that\n"
    "holds for records that lie there; one that arrives late comes late.\n\n"
    "A record whose user can't be read (source.fields.user) is copied as well, by its own key, or\n"
    "without one to the partition of its number in the source: a job makes a dead letter of it.\n\n"
    "  braid repartition --config braid.yaml --source.topic=clicks --to clicks-by-user\n"
    "  braid repartition --config braid.yaml --to clicks-by-user --partitions=12 --follow\n\n"
    "A missing TOPIC is created if kafka.create_topics says so, and keeps records as long as the\n"
    "source does. One that exists must be empty, or this copy's; not compacted; without "
    "timestamps\n"
    "of its own; and delete nothing earlier than the source.\n\n"
    "SIGTERM or SIGINT: commit, exit 0. A second one: exit at once.\n\n"
    "The last line is for scripts: repartition records=N keyed=N userless=N ... stopped=BOOL\n\n"
    "Exit codes: 0 done, or stopped by a signal; 1 the operating system or a broker failed, or\n"
    "another copy to TOPIC has taken over; 2 usage or configuration; 3 refused: the target holds\n"
    "or would do what it should not, or the source has lost records.\n";

static atomic_bool repartition_stopping;

static void stop_repartition(void)
{
    atomic_store(&repartition_stopping, true);
}

static enum status check_topics_of_copy(const struct config *config,
                                        const struct copy_options *options, struct error *error)
{
    if (!options->target || !*options->target) {
        return error_set(error, STATUS_INVALID, "into which topic? --to TOPIC");
    }
    if (config->source.broker != CONFIG_BROKER_KAFKA) {
        return error_set(error, STATUS_INVALID,
                         "source.broker is file: only a topic can be repartitioned; set kafka");
    }
    TRY(config_check_kafka(config, error));
    TRY(config_check_unbounded(config, "repartition", error));
    const char *const others[][2] = {
        {"source.topic", config->source.topic},
        {"output.topic", config->output.topic},
        {"output.history_topic", config->output.history_topic},
        {"output.dead_letter_topic", config->output.dead_letter_topic},
        {"output.items_topic", config->output.items_topic},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(others[i][1], options->target) != 0) continue;
        return error_set(error, STATUS_INVALID, "--to and %s are both '%s'", others[i][0],
                         options->target);
    }
    return STATUS_OK;
}

static void print_repartition(const struct repartition_summary *summary)
{
    char records[PROGRESS_NUMBER_MAX], rate[PROGRESS_NUMBER_MAX];
    const double per_s = summary->seconds > 0 ? (double)summary->records / summary->seconds : 0;
    printf("%s records of %u partitions copied to %u in %.1f s, %s records/s%s\n",
           progress_number(summary->records, records), summary->source_partitions,
           summary->target_partitions, summary->seconds, progress_number((uint64_t)per_s, rate),
           summary->stopped ? "; stopped as asked, run again to go on" : "");
    printf("repartition records=%" PRIu64 " keyed=%" PRIu64 " userless=%" PRIu64 " commits=%" PRIu64
           " seconds=%.3f records_per_s=%.0f stopped=%s\n",
           summary->records, summary->keyed, summary->userless, summary->commits, summary->seconds,
           per_s, summary->stopped ? "true" : "false");
}

static enum status run_repartition(struct arguments *arguments, struct config *config,
                                   struct error *error)
{
    struct copy_options options = {.follows = arguments_flag(arguments, "--follow")};
    struct repartition_summary summary;
    TRY(arguments_option(arguments, "--to", &options.target, error));
    TRY(arguments_count32(arguments, "--partitions", 1, 1024, &options.partitions, error));
    stop_signal_take(stop_repartition);
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    TRY(check_topics_of_copy(config, &options, error));
    const enum status status = repartition_run(&topic_copy_kafka, config, &options,
                                               &repartition_stopping, &summary, error);
    if (status != STATUS_OK) return status;
    print_repartition(&summary);
    if (summary.userless > summary.keyed) {
        log_warn("most records have no user that can be read",
                 log_int("userless", (int64_t)summary.userless),
                 log_text("see", "source.fields.user, source.format"));
    }
    return STATUS_OK;
}

const struct command command_repartition = {
    .name = "repartition",
    .summary = "copy a topic into one that is keyed by user",
    .help = help,
    .settings = true,
    .run = run_repartition,
};
