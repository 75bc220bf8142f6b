/* command_seed.c - `braid seed`: histories from files for a Kafka job that is yet to start. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/seed_files.h"
#include "cli/stop_signal.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "stream/replay/seed.h"

static const char help[] =
    "usage: braid seed --files PATH --cut TIME [--cut-field NAME] [--files-config FILE]\n"
    "                  [--config FILE] [--KEY=VALUE ...]\n\n"
    "Gives a Kafka job that is yet to start its users' histories: events before TIME are read "
    "from\n"
    "files, later ones the job will read from source.topic. Writes output.history_topic and\n"
    "output.items_topic, and sets the group's offsets to the first record of each partition that "
    "is\n"
    "of TIME or later. `braid run` then starts from full histories.\n\n"
    "PATH is a file, a directory, or files separated by commas, plain or gzipped, which are read "
    "in\n"
    "the order of their names: each user's events must come in the order in which the topic had\n"
    "them. They are read as the job reads its topic; where they differ (a table, other names of\n"
    "fields), --files-config FILE has the settings of source that do.\n\n"
    "The cut: an event of the files counts if its own time is before TIME, one of the topic if\n"
    "its record's timestamp is not. Where records have their events' times as timestamps, as\n"
    "producers give them, every event is on one side. Where they have not, --cut-field NAME names\n"
    "a field of the files that holds the topic's timestamp, and an event of them counts by that.\n"
    "TIME must be past, the files must reach up to it, and the topic back to it.\n\n"
    "Killed, or stopped by a signal, it goes on behind its last commit when it is run again with\n"
    "the same files and settings. A job of that group is refused until all is written. A user has\n"
    "its partition from Kafka's default partitioner; a topic with another one is refused.\n\n"
    "  braid seed --config braid.yaml --files days/ --cut 2024-05-01\n"
    "  braid seed --config braid.yaml --files days/ --cut 2024-05-01 --files-config days.yaml\n\n"
    "Bad events of the files are counted, and the first is logged; they are in no dead letters.\n\n"
    "The last line is for scripts: seed files=N events=N accepted=N users=N ... stopped=BOOL\n\n"
    "Exit codes: 0 done, done before, or stopped by a signal; 1 the operating system or a broker\n"
    "failed; 2 usage or configuration; 3 refused: the job has begun, other files than before, a\n"
    "topic that has lost what it should still have.\n";

static atomic_bool seed_stopping;

static void stop_seed(void)
{
    atomic_store(&seed_stopping, true);
}

static void print_seed(const struct seed_summary *summary, bool stopped)
{
    char events[PROGRESS_NUMBER_MAX], users[PROGRESS_NUMBER_MAX], rate[PROGRESS_NUMBER_MAX];
    const uint64_t accepted = summary->verdicts[EVENT_ACCEPTED] - summary->later;
    const double per_s = summary->seconds > 0 ? (double)summary->events / summary->seconds : 0;
    uint64_t bad = 0;
    for (int v = 0; v < EVENT_VERDICTS; v++) {
        if (event_is_bad((enum event_verdict)v)) bad += summary->verdicts[v];
    }
    printf("%s events of %u files in %.1f s, %s events/s: histories of %s users%s\n",
           progress_number(summary->events, events), summary->files, summary->seconds,
           progress_number((uint64_t)per_s, rate), progress_number(summary->users, users),
           stopped             ? "; stopped as asked, run again to go on"
           : summary->was_over ? "; all of it had been written before"
                               : "");
    printf("seed files=%u events=%" PRIu64 " accepted=%" PRIu64 " later=%" PRIu64
           " dropped=%" PRIu64 " blank=%" PRIu64 " bad=%" PRIu64 " users=%" PRIu64
           " not_admitted=%" PRIu64 " erased=%" PRIu64 " items=%" PRIu64 " commits=%" PRIu64
           " read_seconds=%.3f seconds=%.3f events_per_s=%.0f over=%s stopped=%s\n",
           summary->files, summary->events, accepted, summary->later,
           summary->verdicts[EVENT_DROPPED], summary->verdicts[EVENT_BLANK], bad, summary->users,
           summary->not_admitted, summary->erased, summary->items, summary->commits,
           summary->read_seconds, summary->seconds, per_s, summary->was_over ? "true" : "false",
           stopped ? "true" : "false");
    if (2 * (bad + summary->verdicts[EVENT_DROPPED]) > summary->events) {
        log_warn("most events cannot be used", log_int("events", (int64_t)summary->events),
                 log_int("bad", (int64_t)bad),
                 log_text("see", "source.format, source.fields, source.time, actions"));
    }
}

static enum status run_seed(struct arguments *arguments, struct config *config, struct error *error)
{
    struct seed_files files;
    struct seed_summary summary;
    TRY(seed_files_arguments(&files, arguments, error));
    stop_signal_take(stop_seed);
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    TRY(seed_files_open(&files, config, error));
    if (files.cut.ms > clock_wall_ms()) {
        return error_set(error, STATUS_INVALID,
                         "--cut: that moment is still to come, and files cannot have all that was "
                         "before it");
    }
    const struct seed_options options = {.job = config, .files = &files.config, .cut = files.cut};
    const enum status status = seed_run(&seed_log_kafka, &options, &seed_stopping, &summary, error);
    if (status != STATUS_OK && status != STATUS_END) return status;
    print_seed(&summary, status == STATUS_END);
    return STATUS_OK;
}

const struct command command_seed = {
    .name = "seed",
    .summary = "give a Kafka job that is yet to start histories from files",
    .help = help,
    .settings = true,
    .run = run_seed,
};
