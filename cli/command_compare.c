/* command_compare.c - `braid compare`: two jobs of the same source, side by side. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/generation.h"
#include "model/checkpoint.h"
#include "stream/query/compare.h"
#include "stream/query/compare_quality.h"

enum {
    QUALITY_SHARE = 4,     /* of job.memory: one part is the datasets */
    BEHAVIOR_SIZE = 2 * 40 /* bytes of a behavior in both */
};

static const char help[] =
    "usage: braid compare --with FILE [--behind N] [--no-quality] [--config FILE] [--KEY=VALUE "
    "...]\n\n"
    "Compares two jobs that read the same source, such as one that publishes and one that was "
    "built\n"
    "up beside it (output.publish: none), by their history logs; both may run. --config FILE is "
    "the\n"
    "first, --with FILE the configuration of the other.\n\n"
    "A user is the same in both; or the other job is ahead or behind by some behaviors, which it\n"
    "has read and the first not yet, or the reverse; or other: a behavior that both have differs, "
    "so\n"
    "they have not taken the same events from the same start on. --behind N lets users pass of "
    "whom\n"
    "one job has at most N behaviors more (0).\n\n"
    "Quality: behaviors that both have are replayed in the order of time, the last fifth is "
    "predicted\n"
    "one by one by the newest generation of either job, and learned from (prequential; braid "
    "evaluate\n"
    "--help). Only items that both dictionaries know are asked for.\n\n"
    "  braid compare --config old.yaml --with new.yaml\n\n"
    "The last line is for scripts: compare same=N ahead=N behind=N other=N most=N cases=N ...\n\n"
    "Exit codes: 0 they do not differ; 1 the operating system or a broker failed; 2 usage or\n"
    "configuration; 3 refused: other partitions, damage; 4 they differ.\n";

static enum status take_user(void *context, const struct history_user *one,
                             const struct history_user *other, struct error *error)
{
    return compare_quality_take(context, one, other, error);
}

static enum status open_newest(struct checkpoint **checkpointp, struct config *config,
                               struct error *error)
{
    TRY(generation_choose(config, false, error));
    if (!*config->model.checkpoint) {
        return error_set(error, STATUS_INVALID,
                         "model.checkpoint or model.dir must be set: or leave quality out with "
                         "--no-quality");
    }
    return checkpoint_open(checkpointp, config->model.checkpoint, error);
}

static enum status compare_inputs(struct config *configs[2], struct compare_quality *quality,
                                  struct compare_report *report, struct error *error)
{
    struct log_input *inputs[2] = {NULL, NULL};
    const struct log_input_ops *ops = log_input_of(configs[0]);
    const size_t memory = configs[0]->job.memory - configs[0]->job.memory / QUALITY_SHARE;
    enum status status = ops->open(&inputs[0], configs[0], error);
    if (status == STATUS_OK) status = ops->open(&inputs[1], configs[1], error);
    if (status == STATUS_OK) {
        status = compare_histories(ops, inputs[0], inputs[1], memory, stdout,
                                   quality ? take_user : NULL, quality, report, error);
    }
    for (int i = 0; i < 2; i++) {
        if (inputs[i]) ops->close(inputs[i]);
    }
    return status;
}

static void print_compared(const struct compare_report *report,
                           const struct ranking_metrics means[2], uint64_t cases)
{
    const uint64_t *users = report->users;
    printf("users: %" PRIu64 " the same, %" PRIu64 " ahead, %" PRIu64 " behind, %" PRIu64
           " other; numbers of behaviors differ by at most %" PRIu64 "\n",
           users[COMPARE_SAME], users[COMPARE_AHEAD], users[COMPARE_BEHIND], users[COMPARE_OTHER],
           report->most);
    for (int s = 0; s < 2 && cases > 0; s++) {
        printf("%s: NDCG@%d %.4f, HitRate@%d %.4f, MRR@%d %.4f over %" PRIu64 " events\n",
               s ? "the other" : "the first", COMPARE_QUALITY_CUT, means[s].ndcg,
               COMPARE_QUALITY_CUT, means[s].hit_rate, COMPARE_QUALITY_CUT,
               means[s].reciprocal_rank, cases);
    }
    printf("compare same=%" PRIu64 " ahead=%" PRIu64 " behind=%" PRIu64 " other=%" PRIu64
           " most=%" PRIu64 " cases=%" PRIu64 " ndcg=%.4f other_ndcg=%.4f hit_rate=%.4f "
           "other_hit_rate=%.4f\n",
           users[COMPARE_SAME], users[COMPARE_AHEAD], users[COMPARE_BEHIND], users[COMPARE_OTHER],
           report->most, cases, means[0].ndcg, means[1].ndcg, means[0].hit_rate, means[1].hit_rate);
}

static enum status compare_jobs(struct config *configs[2], bool with_quality, uint64_t behind,
                                struct error *error)
{
    struct checkpoint *checkpoints[2] = {NULL, NULL};
    struct compare_quality *quality = NULL;
    struct compare_report report;
    struct ranking_metrics means[2] = {{0}};
    uint64_t cases = 0;
    enum status status = STATUS_OK;
    const uint64_t most = configs[0]->job.memory / QUALITY_SHARE / BEHAVIOR_SIZE;
    for (int s = 0; s < 2 && with_quality && status == STATUS_OK; s++) {
        status = open_newest(&checkpoints[s], configs[s], error);
    }
    if (status == STATUS_OK && with_quality) {
        status = compare_quality_open(&quality, checkpoints[0], checkpoints[1], most, error);
    }
    if (status == STATUS_OK) status = compare_inputs(configs, quality, &report, error);
    if (status == STATUS_OK && quality) {
        status = compare_quality_measure(quality, means, &cases, error);
    }
    compare_quality_close(quality);
    checkpoint_close(checkpoints[0]);
    checkpoint_close(checkpoints[1]);
    TRY(status);
    print_compared(&report, means, cases);
    if (report.users[COMPARE_OTHER] == 0 && report.most <= behind) return STATUS_OK;
    return error_set(error, STATUS_UNPROVEN, "the jobs differ: see what was printed");
}

static enum status run_compare(struct arguments *arguments, struct config *config,
                               struct error *error)
{
    const char *with;
    uint64_t behind = 0;
    TRY(arguments_option(arguments, "--with", &with, error));
    TRY(arguments_count(arguments, "--behind", 0, INT64_MAX, &behind, error));
    const bool with_quality = !arguments_flag(arguments, "--no-quality");
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    if (!with) return error_set(error, STATUS_INVALID, "with which job? --with FILE");
    struct config other;
    config_defaults(&other);
    enum status status = config_file(&other, with, error);
    if (status == STATUS_OK && other.source.broker != config->source.broker) {
        status = error_set(error, STATUS_INVALID, "source.broker: one is file, the other kafka");
    }
    if (status == STATUS_OK) {
        struct config *configs[2] = {config, &other};
        status = compare_jobs(configs, with_quality, behind, error);
    }
    config_close(&other);
    return status;
}

const struct command command_compare = {
    .name = "compare",
    .summary = "compare two jobs of the same source",
    .help = help,
    .settings = true,
    .run = run_compare,
};
