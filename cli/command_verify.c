/* command_verify.c - `braid verify`: checks what a job has published. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/generation.h"
#include "cli/seed_files.h"
#include "base/progress.h"
#include "stream/verify/verify.h"

static const char help[] =
    "usage: braid verify [--config FILE] [--KEY=VALUE ...] [--checkpoint FILE ...]\n"
    "                    [--allow-unverifiable] [--files PATH --cut TIME\n"
    "                     [--cut-field NAME] [--files-config FILE]]\n\n"
    "Proves what a job has published. Decodes the source again up to the last commit, one event\n"
    "at a time, computes every record anew from the events of its user, and checks that\n\n"
    "  - each record is what its user's events make it, and names the right source position;\n"
    "  - no record was published twice, and each user's records come in order;\n"
    "  - no user has events in two partitions;\n"
    "  - each user's newest record names its last event: nothing was lost;\n"
    "  - every event was accepted, dropped by its action, blank, not taken, or is in the dead "
    "letters "
    "once.\n\n"
    "The job's configuration says where everything is. The job may go on meanwhile: what it had\n"
    "committed when verify began is what is verified.\n\n"
    "  braid verify --config braid.yaml\n"
    "  braid verify --config braid.yaml --checkpoint old/generation-1.safetensors\n"
    "      records of an earlier generation are checked with its own checkpoint; all those of\n"
    "      model.dir are taken anyway\n"
    "  braid verify --config braid.yaml --allow-unverifiable\n"
    "      records whose generation has no checkpoint here, or whose events a topic no longer\n"
    "      has, are counted, and not a failure\n"
    "  braid verify --config braid.yaml --files days/ --cut 2024-05-01\n"
    "      for a job that was seeded: with the options of `braid seed`\n"
    "  braid verify --config braid.yaml --source.path=same-events.jsonl\n"
    "      for a job that read standard input\n\n"
    "The last line is for scripts: verify records=N users=N events=N ... verdict=ok|failed\n\n"
    "Exit codes: 0 all proven; 1 the operating system failed; 2 usage or configuration;\n"
    "3 refused: another source, damage; 4 violations, or records that could not be verified.\n";

static void print_verdict(const struct config *config, const struct verify_report *report,
                          bool passed)
{
    uint64_t violations = 0;
    char records[PROGRESS_NUMBER_MAX];
    char users[PROGRESS_NUMBER_MAX];
    char events[PROGRESS_NUMBER_MAX];
    for (int kind = 0; kind < VERIFY_KINDS; kind++) {
        violations += report->violations[kind];
    }
    printf("%s records of %s users, against %s events (%" PRIu64 " accepted, %" PRIu64
           " dropped, %" PRIu64 " blank, %" PRIu64 " not taken, %" PRIu64 " dead letters)\n",
           progress_number(report->records, records), progress_number(report->users, users),
           progress_number(report->events, events), report->accepted, report->dropped,
           report->blank, report->flooded + report->duplicates, report->dead_letters);
    if (passed && config->output.publish == CONFIG_PUBLISH_NONE) {
        puts("verdict: ok. All events are accounted for; the job publishes no records "
             "(output.publish: none).");
    } else if (passed) {
        puts("verdict: ok. Every record is what its events make it; nothing is lost or repeated.");
    } else {
        printf("verdict: FAILED.");
        for (int kind = 0; kind < VERIFY_KINDS; kind++) {
            if (!report->violations[kind]) continue;
            printf(" %s: %" PRIu64 ".", verify_kind_name(kind), report->violations[kind]);
        }
        putchar('\n');
    }
    if (report->unverifiable) {
        printf("%" PRIu64
               " records could not be verified: their generation has no --checkpoint, or "
               "the source no longer has their events.\n",
               report->unverifiable);
    }
    if (report->profiles_gone) {
        printf("%" PRIu64
               " records are right with what the history log says was known of their users, "
               "which source.profile no longer has.\n",
               report->profiles_gone);
    }
    if (report->profiles_unplaced) {
        printf("%" PRIu64
               " records are right with something that source.profile says of their users; "
               "the history log no longer says with which.\n",
               report->profiles_unplaced);
    }
    if (report->unknown_items) {
        printf("%" PRIu64 " events are of items that the newest generation does not know.\n",
               report->unknown_items);
    }
    if (report->odd_categories) {
        printf("%" PRIu64 " events count without a category or feature that cannot be used "
               "(source.fields.category, profile.fields)"
               ".\n",
               report->odd_categories);
    }
    printf("verify records=%" PRIu64 " users=%" PRIu64 " events=%" PRIu64 " accepted=%" PRIu64
           " dropped=%" PRIu64 " dead_letters=%" PRIu64 " blank=%" PRIu64 " flooded=%" PRIu64
           " duplicates=%" PRIu64 " profiles=%" PRIu64 " seeded=%" PRIu64 " profiles_gone=%" PRIu64
           " profiles_unplaced=%" PRIu64 " unknown_items=%" PRIu64 " odd_categories=%" PRIu64
           " unverifiable=%" PRIu64 " violations=%" PRIu64 " lost=%" PRIu64 " repeated=%" PRIu64
           " verdict=%s\n",
           report->records, report->users, report->events, report->accepted, report->dropped,
           report->dead_letters, report->blank, report->flooded, report->duplicates,
           report->profiles, report->seeded, report->profiles_gone, report->profiles_unplaced,
           report->unknown_items, report->odd_categories, report->unverifiable, violations,
           report->violations[VERIFY_LOST] + report->violations[VERIFY_BAD_EVENT_LOST],
           report->violations[VERIFY_REPEATED] + report->violations[VERIFY_BAD_EVENT_REPEATED],
           passed ? "ok" : "failed");
}

/* A proof that nothing was lost says little if nothing was taken. */
static void warn_of_unused(const struct verify_report *report)
{
    if (2 * (report->dead_letters + report->dropped) <= report->events) return;
    log_warn("most events cannot be used", log_int("events", (int64_t)report->events),
             log_int("bad", (int64_t)report->dead_letters),
             log_int("dropped", (int64_t)report->dropped),
             log_text("see", "source.format, source.fields, source.time, actions"));
}

static enum status run_verify(struct arguments *arguments, struct config *config,
                              struct error *error)
{
    const char *checkpoints[VERIFY_CHECKPOINTS_MAX];
    struct verify_options options = {.config = config, .checkpoints = checkpoints};
    struct verify_report report;
    struct seed_files files;
    options.allow_unverifiable = arguments_flag(arguments, "--allow-unverifiable");
    for (const char *path = ""; path;) {
        TRY(arguments_next_option(arguments, "--checkpoint", &path, error));
        if (!path) break;
        if (options.checkpoints_count + 1 == VERIFY_CHECKPOINTS_MAX) {
            return error_set(error, STATUS_INVALID, "more than %d checkpoints",
                             VERIFY_CHECKPOINTS_MAX);
        }
        checkpoints[options.checkpoints_count++] = path;
    }
    TRY(seed_files_arguments(&files, arguments, error));
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    if (files.path || files.cut.ms >= 0) {
        TRY(seed_files_open(&files, config, error));
        options.seed = (struct verify_seed){&files.config, files.cut};
    }
    TRY(generation_choose(config, false, error));
    TRY(config_check(config, error));
    checkpoints[options.checkpoints_count++] = config->model.checkpoint;
    TRY(generation_list(config, checkpoints, VERIFY_CHECKPOINTS_MAX, &options.checkpoints_count,
                        error));
    options.memory = config->job.memory;
    TRY(verify_run(&options, stdout, &report, error));
    const bool passed = verify_passed(&report, options.allow_unverifiable);
    print_verdict(config, &report, passed);
    warn_of_unused(&report);
    if (passed) return STATUS_OK;
    return error_set(error, STATUS_UNPROVEN, "not all is proven: see what was printed");
}

const struct command command_verify = {
    .name = "verify",
    .summary = "prove the published records against the source",
    .help = help,
    .settings = true,
    .run = run_verify,
};
