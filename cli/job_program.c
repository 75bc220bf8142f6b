/* job_program.c - a job, its learner and its server, which know nothing of each other. */
#include "cli/job_program.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/progress.h"
#include "cli/learning.h"
#include "stream/http/server.h"

static void print_summary(const char *command, const struct job_summary *summary)
{
    char events[PROGRESS_NUMBER_MAX];
    char rate[PROGRESS_NUMBER_MAX];
    char records[PROGRESS_NUMBER_MAX];
    double per_s = summary->seconds > 0 ? (double)summary->events / summary->seconds : 0;
    printf("%s events in %.1f s, %s events/s: %s interest records in %" PRIu64 " commits%s\n",
           progress_number(summary->events, events), summary->seconds,
           progress_number((uint64_t)per_s, rate), progress_number(summary->records, records),
           summary->commits, summary->stopped ? "; stopped as asked, run again to go on" : "");
    printf("%s events=%" PRIu64 " accepted=%" PRIu64 " dropped=%" PRIu64 " dead_letters=%" PRIu64
           " blank=%" PRIu64 " flooded=%" PRIu64 " duplicates=%" PRIu64 " profiles=%" PRIu64
           " records=%" PRIu64 " commits=%" PRIu64 " seconds=%.3f events_per_s=%.0f stopped=%s\n",
           command, summary->events, summary->accepted, summary->dropped, summary->dead_letters,
           summary->blank, summary->flooded, summary->duplicates, summary->profiles,
           summary->records, summary->commits, summary->seconds, per_s,
           summary->stopped ? "true" : "false");
}

/* What would otherwise go by in silence: nonsense is absorbed as readily as sense. */
static void warn_of_nonsense(const struct job_summary *summary)
{
    const uint64_t unused = summary->dead_letters + summary->dropped;
    const double accepted = summary->accepted ? (double)summary->accepted : 1;
    if (2 * unused > summary->events) {
        log_warn("most events cannot be used", log_int("events", (int64_t)summary->events),
                 log_int("bad", (int64_t)summary->dead_letters),
                 log_int("dropped", (int64_t)summary->dropped),
                 log_text("see", "source.format, source.fields, source.time, actions"));
    }
    if (summary->late) {
        log_warn("events come after later ones of their user: is the source in the order of time?",
                 log_int("late", (int64_t)summary->late),
                 log_real("share", (double)summary->late / accepted),
                 log_real("worst_hours", (double)summary->worst_late.by_ms / 3.6e6),
                 log_text("user", summary->worst_late.user),
                 log_int("partition", summary->worst_late.partition),
                 log_int("offset", summary->worst_late.offset));
    }
    if (summary->odd_categories) {
        log_warn("events count without a category or feature that cannot be used",
                 log_int("events", (int64_t)summary->odd_categories),
                 log_real("share", (double)summary->odd_categories / accepted),
                 log_text("see", "source.fields.category, profile.fields"));
    }
    if (summary->unknown) {
        log_warn("events of items that the generation does not know",
                 log_int("unknown", (int64_t)summary->unknown),
                 log_real("share", (double)summary->unknown / accepted));
    }
}

/* ---- the job and its learner, which know nothing of each other ---- */

static enum status run_round(void *context, const struct job_round *round, struct error *error)
{
    const struct learner_place at = learning_place(round);
    return learner_round(context, &at, error);
}

static void tend(void *context, bool seat)
{
    learner_tend(context, seat);
}

static enum status learn_and_serve(const struct config *config, const struct job_viewer *viewer,
                                   struct job_summary *summary, struct error *error)
{
    struct learner *learner;
    TRY(learner_open(&learner, config, error));
    const struct job_learner callbacks = {learner, learner_generations(learner), run_round, tend};
    const enum status status = job_run(config, &callbacks, viewer, summary, error);
    learner_close(learner);
    return status;
}

/* The server is there first: a job may be long in opening, and is alive meanwhile. */
enum status job_program_run(const struct config *config, struct generations *generations,
                            struct job_summary *summary, struct error *error)
{
    struct server *server;
    TRY(server_open(&server, config, error));
    const struct job_viewer viewer = server ? server_viewer(server) : (struct job_viewer){0};
    const struct job_viewer *shown = server ? &viewer : NULL;
    const struct job_learner given = {.generations = generations};
    const enum status status =
        !generations && config_moves(config)
            ? learn_and_serve(config, shown, summary, error)
            : job_run(config, generations ? &given : NULL, shown, summary, error);
    server_close(server);
    return status;
}

enum status job_program_report(const char *command, const struct job_summary *summary,
                               struct error *error)
{
    print_summary(command, summary);
    warn_of_nonsense(summary);
    if (summary->accepted > 0 || summary->dead_letters + summary->dropped == 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "none of %" PRIu64 " events could be used (%" PRIu64 " bad, %" PRIu64
                     " dropped for their action): see the warning of the first, and source.format, "
                     "source.fields, source.time, actions",
                     summary->events, summary->dead_letters, summary->dropped);
}
