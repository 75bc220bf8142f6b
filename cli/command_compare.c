/* command_compare.c - `braid compare`: two jobs of the same source, side by side. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/generation.h"
#include "model/checkpoint.h"
#include "stream/query/compare.h"
#include "stream/query/compare_quality.h"
#include "stream/query/compare_vectors.h"

enum {
    QUALITY_SHARE = 4,     /* of job.memory: one part is the datasets */
    BEHAVIOR_SIZE = 2 * 40 /* bytes of a behavior in both */
};

static const char help[] =
    "usage: braid compare --with FILE [--behind N] [--no-quality] [--no-vectors]\n"
    "                     [--config FILE] [--KEY=VALUE ...]\n\n"
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
    "Vectors: each user's interests by the newest generation of either job, from the behaviors "
    "that\n"
    "both have. What is compared is the share of a list of the 20 best items that both have; of "
    "two\n"
    "models of one kind and width also the interests themselves, each with its nearest one of the\n"
    "other set: their cosine and the greatest difference of two elements. Those on whom the two "
    "differ\n"
    "most are printed, the worst first. They do not decide the exit code. Of more than 20,000 "
    "users\n"
    "who are not the same a sample gets lists (lists=N); the mean is that of all.\n\n"
    "  braid compare --config old.yaml --with new.yaml\n\n"
    "The last line is for scripts: compare same=N ahead=N behind=N other=N most=N cases=N ...\n"
    "vectors=N equal=N cut=N lists=N overlap=X cosine=X least=X difference=X; the last three are 0 "
    "where "
    "vectors\n"
    "cannot be compared. cut: users of whom one job no longer has the behaviors of then.\n\n"
    "Exit codes: 0 they do not differ; 1 the operating system or a broker failed; 2 usage or\n"
    "configuration; 3 refused: other partitions, damage; 4 they differ.\n";

/* What is asked of the two jobs beside their histories; NULL: that is not asked. */
struct questions {
    struct compare_quality *quality;
    struct compare_vectors *vectors;
};

struct answers {
    struct compare_report report;
    struct ranking_metrics means[2];
    uint64_t cases; /* 0: quality was not measured */
    struct compare_vectors_report vectors;
};

static enum status take_user(void *context, const struct history_user *one,
                             const struct history_user *other, struct error *error)
{
    const struct questions *questions = context;
    if (questions->vectors) compare_vectors_take(questions->vectors, one, other);
    if (!questions->quality) return STATUS_OK;
    return compare_quality_take(questions->quality, one, other, error);
}

static enum status open_newest(struct checkpoint **checkpointp, struct config *config,
                               struct error *error)
{
    TRY(generation_choose(config, false, error));
    if (!*config->model.checkpoint) {
        return error_set(error, STATUS_INVALID,
                         "model.checkpoint or model.dir must be set: or leave the models out with "
                         "--no-quality and --no-vectors");
    }
    return checkpoint_open(checkpointp, config->model.checkpoint, error);
}

static enum status compare_inputs(struct config *const configs[2], struct questions *questions,
                                  struct compare_report *report, struct error *error)
{
    struct log_input *inputs[2] = {NULL, NULL};
    const struct log_input_ops *ops = log_input_of(configs[0]);
    const size_t memory = configs[0]->job.memory - configs[0]->job.memory / QUALITY_SHARE;
    enum status status = ops->open(&inputs[0], configs[0], error);
    if (status == STATUS_OK) status = ops->open(&inputs[1], configs[1], error);
    if (status == STATUS_OK) {
        status = compare_histories(ops, inputs[0], inputs[1], memory, stdout, take_user, questions,
                                   report, error);
    }
    for (int i = 0; i < 2; i++) {
        if (inputs[i]) ops->close(inputs[i]);
    }
    return status;
}

static void print_vectors(const struct compare_vectors_report *report)
{
    if (report->users == 0) return;
    printf("vectors: of %" PRIu64 " users, %" PRIu64
           " to the bit the same, the lists of %d items have %.1f %% in common",
           report->users, report->equal, COMPARE_VECTORS_LIST, 100 * report->overlap);
    if (report->alike) {
        printf("; cosine %.4f, of a user at least %.4f; elements differ by at most %.3g",
               report->cosine, report->least, report->difference);
    }
    putchar('\n');
}

static void print_answers(const struct answers *answers)
{
    const uint64_t *users = answers->report.users;
    const struct ranking_metrics *means = answers->means;
    const struct compare_vectors_report *vectors = &answers->vectors;
    const bool alike = vectors->users > 0 && vectors->alike;
    printf("users: %" PRIu64 " the same, %" PRIu64 " ahead, %" PRIu64 " behind, %" PRIu64
           " other; numbers of behaviors differ by at most %" PRIu64 "\n",
           users[COMPARE_SAME], users[COMPARE_AHEAD], users[COMPARE_BEHIND], users[COMPARE_OTHER],
           answers->report.most);
    for (int s = 0; s < 2 && answers->cases > 0; s++) {
        printf("%s: NDCG@%d %.4f, HitRate@%d %.4f, MRR@%d %.4f over %" PRIu64 " events\n",
               s ? "the other" : "the first", COMPARE_QUALITY_CUT, means[s].ndcg,
               COMPARE_QUALITY_CUT, means[s].hit_rate, COMPARE_QUALITY_CUT,
               means[s].reciprocal_rank, answers->cases);
    }
    print_vectors(vectors);
    printf("compare same=%" PRIu64 " ahead=%" PRIu64 " behind=%" PRIu64 " other=%" PRIu64
           " most=%" PRIu64 " cases=%" PRIu64 " ndcg=%.4f other_ndcg=%.4f hit_rate=%.4f "
           "other_hit_rate=%.4f vectors=%" PRIu64 " equal=%" PRIu64 " cut=%" PRIu64
           " lists=%" PRIu64 " overlap=%.4f cosine=%.4f least=%.4f difference=%.4g\n",
           users[COMPARE_SAME], users[COMPARE_AHEAD], users[COMPARE_BEHIND], users[COMPARE_OTHER],
           answers->report.most, answers->cases, means[0].ndcg, means[1].ndcg, means[0].hit_rate,
           means[1].hit_rate, vectors->users, vectors->equal, vectors->cut, vectors->lists,
           vectors->overlap, alike ? vectors->cosine : 0, alike ? vectors->least : 0,
           alike ? vectors->difference : 0);
}

static enum status ask_both(struct config *const configs[2], struct questions *questions,
                            struct answers *answers, struct error *error)
{
    TRY(compare_inputs(configs, questions, &answers->report, error));
    if (questions->vectors) {
        compare_vectors_finish(questions->vectors, stdout, &answers->vectors);
    }
    if (!questions->quality) return STATUS_OK;
    return compare_quality_measure(questions->quality, answers->means, &answers->cases, error);
}

static enum status compare_jobs(struct config *const configs[2], bool with_quality,
                                bool with_vectors, uint64_t behind, struct error *error)
{
    struct checkpoint *checkpoints[2] = {NULL, NULL};
    struct questions questions = {NULL, NULL};
    struct answers answers = {.cases = 0};
    enum status status = STATUS_OK;
    const uint64_t most = configs[0]->job.memory / QUALITY_SHARE / BEHAVIOR_SIZE;
    for (int s = 0; s < 2 && (with_quality || with_vectors) && status == STATUS_OK; s++) {
        status = open_newest(&checkpoints[s], configs[s], error);
    }
    if (status == STATUS_OK && with_quality) {
        status =
            compare_quality_open(&questions.quality, checkpoints[0], checkpoints[1], most, error);
    }
    if (status == STATUS_OK && with_vectors) {
        status = compare_vectors_open(&questions.vectors, checkpoints, configs,
                                      COMPARE_VECTORS_LISTS, error);
    }
    if (status == STATUS_OK) status = ask_both(configs, &questions, &answers, error);
    compare_vectors_close(questions.vectors);
    compare_quality_close(questions.quality);
    checkpoint_close(checkpoints[0]);
    checkpoint_close(checkpoints[1]);
    TRY(status);
    print_answers(&answers);
    if (answers.report.users[COMPARE_OTHER] == 0 && answers.report.most <= behind) {
        return STATUS_OK;
    }
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
    const bool with_vectors = !arguments_flag(arguments, "--no-vectors");
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
        struct config *const configs[2] = {config, &other};
        status = compare_jobs(configs, with_quality, with_vectors, behind, error);
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
