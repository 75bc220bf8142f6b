/*
 * command_replay.c - `braid replay`: a range of the source into a job of its own, beside the live one.
 *
 * It is a job under derived names (replay_names.h). With --publish none it serves a generation 0,
 * which has learned nothing, folds nothing and publishes nothing: histories alone are written. With
 * --publish last it does that first, and then serves the model to a sweep, which publishes every
 * user once: who was published is said by each user's record and by the seals, so a killed replay
 * knows where it was.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/generation.h"
#include "cli/job_program.h"
#include "cli/replay_names.h"
#include "cli/stop_signal.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "base/progress.h"
#include "config/bound.h"
#include "model/checkpoint.h"
#include "model/interest_ops.h"
#include "model/item_table.h"
#include "stream/broker/replay_plan.h"

static const char help[] =
    "usage: braid replay --as NAME [--publish none|last|all] [--dry-run]\n"
    "                    [--config FILE] [--KEY=VALUE ...]\n\n"
    "Reads source.topic from source.start to source.end into a group and topics of its own, "
    "beside\n"
    "the job that is configured and without touching it:\n\n"
    "  kafka.group, output.topic   NAME\n"
    "  the other output topics     NAME-history, NAME-dead-letters, NAME-items, NAME-models,\n"
    "                              NAME-item-vectors\n"
    "  state.dir, model.dir        the directory NAME inside them\n\n"
    "--publish none  writes histories and item names, and needs no model; a job under those names\n"
    "                can go on from them\n"
    "--publish last  the same, and at source.end publishes each user once, by model.checkpoint\n"
    "--publish all   as a job does, at each commit (default)\n\n"
    "Ends at source.end; without one goes on live. Killed, or stopped by a signal, it goes on "
    "behind\n"
    "its last commit when it is run again. Names that hold records of something else are refused.\n"
    "job.rate_max leaves room for the live job. Several processes, each with its kafka.instance, "
    "may\n"
    "replay together.\n\n"
    "--dry-run prints what would be read and written, and changes nothing.\n\n"
    "  braid replay --config braid.yaml --as spring --source.start=2024-03-01 \\\n"
    "               --source.end=latest --publish last --dry-run\n\n"
    "The last line is for scripts: replay events=N accepted=N ... records=N ... stopped=BOOL\n\n"
    "Exit codes: those of braid run; 3 also: the names are taken.\n";

enum {
    SWEEP_MAX = 100000000,  /* users a second: as fast as may be */
    POLL_EVENTS_MAX = 1000, /* of histories alone: no model gains by more, and so many stay in a
                             * processor's cache from their decoding to their histories */
};

/* ---- a dry run ---- */

enum { /* bytes of a history record for each event: users are hot, or act once a commit */
       HISTORY_BYTES_HOT = 73,
       HISTORY_BYTES_COLD = 330,
       RECORD_BYTES = 1100, /* of four interests of 64 */
};

static uint64_t events_of(const struct replay_plan *plan, bool all)
{
    uint64_t events = 0;
    for (uint32_t p = 0; p < plan->partitions; p++) {
        const int64_t begin = all ? plan->first[p] : plan->next[p];
        if (plan->end[p] > begin) events += (uint64_t)(plan->end[p] - begin);
    }
    return events;
}

static void print_plan(const struct config *config, const struct replay_plan *plan,
                       const struct replay_sample *sample, enum config_publish publish)
{
    char text[PROGRESS_NUMBER_MAX];
    const uint64_t events = events_of(plan, false), all = events_of(plan, true);
    const double size = sample->records ? (double)sample->bytes / (double)sample->records : 0;
    const double users = floor(sample->users + 0.5);
    const double published = publish == CONFIG_PUBLISH_NONE   ? 0
                             : publish == CONFIG_PUBLISH_LAST ? users
                                                              : (double)events;
    for (uint32_t p = 0; p < plan->partitions; p++) {
        printf("%s[%u]: offsets %" PRId64 " to %" PRId64 ", read from %" PRId64 " on\n",
               config->source.topic, p, plan->first[p], plan->end[p], plan->next[p]);
    }
    printf("%s events at most (offsets), %.0f bytes each; about %.0f users, by a sample of %" PRIu64
           "\n",
           progress_number(events, text), size, users, sample->records);
    printf("histories: %.0f to %.0f MB before compaction; records: %s%.0f MB\n",
           (double)events * HISTORY_BYTES_HOT / 1e6, (double)events * HISTORY_BYTES_COLD / 1e6,
           publish == CONFIG_PUBLISH_ALL ? "at most " : "", published * RECORD_BYTES / 1e6);
    const double per_s = config->job.rate_max ? (double)config->job.rate_max : sample->per_s;
    printf("about %.0f s, %s\n", per_s > 0 ? (double)events / per_s : 0,
           config->job.rate_max
               ? "by job.rate_max"
               : "if it is read as fast as the sample was, and nothing else is slower");
    printf("the settings of its own: ");
    replay_names_print(config);
    printf("replay partitions=%u events=%" PRIu64 " of=%" PRIu64 " users=%.0f begun=%s dry=true\n",
           plan->partitions, events, all, users, plan->begun ? "true" : "false");
}

/* ---- the replay ---- */

/* Generation 0, of a model of the smallest states, since none is kept. */
static enum status open_nothing(struct generations **generationsp, struct error *error)
{
    const struct interest_ops *ops = interest_ops_find("lru");
    struct model_dims dims = ops->defaults;
    struct item_table *items;
    struct checkpoint *checkpoint;
    dims.use_category = false;
    dims.d = dims.blocks = dims.ffn = dims.width = 1;
    TRY(item_table_open(&items, NULL, 0, NULL, 0, 1, error));
    TRY(checkpoint_init(&checkpoint, ops->name, &dims, items, 0, error));
    checkpoint->generation = checkpoint->state_generation = 0;
    return generations_open(generationsp, checkpoint, error);
}

/*
 * Nobody waits for a commit in which nothing is published, and each rewrites the records of all users
 * who acted since the last one: so they come as rarely as the transaction's timeout lets them.
 */
static uint32_t rare_commits_ms(const struct config *config)
{
    const uint32_t rare_ms = config->kafka.transaction_timeout_ms / 3;
    return config->job.commit_interval_ms > rare_ms ? config->job.commit_interval_ms : rare_ms;
}

static enum status write_histories(const struct config *config, struct job_summary *summary,
                                   struct error *error)
{
    struct config alone = *config;
    struct generations *generations;
    TRY(open_nothing(&generations, error));
    alone.output.publish = CONFIG_PUBLISH_NONE;
    alone.output.sweep = 0;
    alone.job.histories_alone = true;
    alone.job.commit_interval_ms = rare_commits_ms(config);
    if (alone.job.poll_events_max > POLL_EVENTS_MAX) alone.job.poll_events_max = POLL_EVENTS_MAX;
    const enum status status = job_program_run(&alone, generations, summary, error);
    generations_close(generations);
    return status;
}

/* Everybody's histories are there: the generation that serves publishes each user. */
static enum status publish_everybody(const struct config *config, struct job_summary *summary,
                                     struct error *error)
{
    struct config last = *config;
    struct job_summary before = *summary;
    last.output.sweep = SWEEP_MAX;
    FAULT_POINT("replay_publishes");
    TRY(job_program_run(&last, NULL, summary, error));
    const uint64_t records = summary->records, commits = summary->commits;
    const double seconds = summary->seconds;
    const bool stopped = summary->stopped;
    *summary = before;
    summary->records += records;
    summary->commits += commits;
    summary->seconds += seconds;
    summary->stopped = stopped;
    return STATUS_OK;
}

static enum status replay(const struct config *config, const struct replay_plan *plan,
                          enum config_publish publish, struct job_summary *summary,
                          struct error *error)
{
    *summary = (struct job_summary){0};
    if (publish == CONFIG_PUBLISH_ALL) return job_program_run(config, NULL, summary, error);
    if (plan->generation == 0) TRY(write_histories(config, summary, error));
    if (publish == CONFIG_PUBLISH_NONE || summary->stopped) return STATUS_OK;
    return publish_everybody(config, summary, error);
}

/* ---- the command ---- */

/* Histories alone need no model; what is published at the end needs one that stays the same. */
static enum status check_replay(struct config *config, enum config_publish publish,
                                struct error *error)
{
    struct bound end;
    if (config->source.broker != CONFIG_BROKER_KAFKA) {
        return error_set(error, STATUS_INVALID,
                         "source.broker is file: braid run with another state.dir and output.dir "
                         "reads files anew; a replay is of a topic");
    }
    TRY(bound_parse_end(&end, config->source.end, error));
    if (publish == CONFIG_PUBLISH_LAST && (end.kind == BOUND_NONE || end.kind == BOUND_NEVER)) {
        return error_set(error, STATUS_INVALID,
                         "--publish last: users are published at source.end, which is not set");
    }
    if (publish == CONFIG_PUBLISH_LAST && !*config->model.checkpoint) {
        return error_set(error, STATUS_INVALID,
                         "--publish last: by which generation? Set model.checkpoint");
    }
    if (publish == CONFIG_PUBLISH_NONE) {
        config->model.checkpoint = "(none)";
        config->train.enabled = CONFIG_TRAIN_OFF;
    } else {
        TRY(generation_choose(config, true, error));
    }
    config->output.publish = CONFIG_PUBLISH_ALL;
    return config_check(config, error);
}

static enum status check_not_ahead(const struct replay_plan *plan, enum config_publish publish,
                                   const char *name, struct error *error)
{
    if (publish != CONFIG_PUBLISH_NONE || plan->generation == 0) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "--as %s: it has published by generation %" PRIu64
                     " already; go on with --publish last or all, or take another name",
                     name, plan->generation);
}

static enum status make_parent(const char *dir, struct error *error)
{
    if (!*dir || mkdir(dir, 0777) == 0 || errno == EEXIST) return STATUS_OK;
    return error_set(error, STATUS_IO, "making %s: %s", dir, strerror(errno));
}

static enum status run_replay(struct arguments *arguments, struct config *config,
                              struct error *error)
{
    const char *name, *publishes;
    struct replay_sample sample;
    struct job_summary summary;
    static struct replay_plan plan;
    const bool dry = arguments_flag(arguments, "--dry-run");
    TRY(arguments_option(arguments, "--as", &name, error));
    TRY(arguments_option(arguments, "--publish", &publishes, error));
    stop_signal_take(job_stop);
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    TRY(config_set(config, "output.publish", publishes ? publishes : "all", "--publish", error));
    const enum config_publish publish = config->output.publish;
    const char *state = config->state.dir, *models = config->model.dir;
    TRY(replay_names_set(config, name, error));
    TRY(check_replay(config, publish, error));
    TRY(replay_plan_look(&plan, config, error));
    TRY(check_not_ahead(&plan, publish, name, error));
    if (dry) {
        TRY(replay_plan_sample(&sample, &plan, config, error));
        print_plan(config, &plan, &sample, publish);
        return STATUS_OK;
    }
    metric_set(metrics_get("braid_build_info", "version", BRAID_VERSION), 1);
    TRY(make_parent(state, error));
    TRY(make_parent(models, error));
    TRY(replay(config, &plan, publish, &summary, error));
    return job_program_report("replay", &summary, error);
}

const struct command command_replay = {
    .name = "replay",
    .summary = "read a range of the source into a job of its own, beside the live one",
    .help = help,
    .settings = true,
    .run = run_replay,
};
