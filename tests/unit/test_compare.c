/* test_compare.c - two jobs of the same log: on whom they agree, and what their difference is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/tensor/params.h"
#include "stream/query/compare.h"
#include "stream/query/compare_quality.h"
#include "tests/unit/job_fixture.h"

enum { SEED = 5, MANY = 2000, LAST = 300, USERS = 60, MEMORY = 1 << 20 };

static struct fixture one, other;

static void open_both(void)
{
    fixture_open(&one, SEED);
    fixture_open(&other, SEED);
    fixture_log(&one, MANY, USERS);
    fixture_log(&other, MANY, USERS);
}

static void close_both(void)
{
    fixture_close(&one);
    fixture_close(&other);
}

static enum status take_user(void *context, const struct history_user *a,
                             const struct history_user *b, struct error *error_)
{
    return compare_quality_take(context, a, b, error_);
}

/* By how much the users that were printed differ: the worst first, and by `most`. */
static void expect_worst_first(const char *said, uint64_t most)
{
    uint64_t before = most;
    int lines = 0;
    for (const char *line = said; *line; line = strchr(line, '\n') + 1) {
        uint64_t a, b;
        if (sscanf(line, "%*[a-z]: user '%*[^']' of partition %*u: n=%" SCNu64 " and n=%" SCNu64,
                   &a, &b) != 2) {
            continue;
        }
        const uint64_t by = a < b ? b - a : a - b;
        assert_true(lines++ ? by <= before : by == most);
        before = by;
    }
    assert_true(lines > 0 && lines <= COMPARE_SHOWN_MAX);
}

static struct compare_quality *quality; /* shown all users, unless it is NULL */

/* Compares what both have committed; what is printed must contain `word`. */
static struct compare_report compared(const struct fixture *a, const struct fixture *b,
                                      size_t memory, const char *word)
{
    struct log_input *inputs[2];
    struct compare_report report;
    struct error error = {.text = ""};
    char *said;
    size_t size;
    FILE *out = open_memstream(&said, &size);
    const struct log_input_ops *ops = &log_input_file;
    assert_int_equal(ops->open(&inputs[0], &a->config, &error), STATUS_OK);
    assert_int_equal(ops->open(&inputs[1], &b->config, &error), STATUS_OK);
    if (compare_histories(ops, inputs[0], inputs[1], memory, out, quality ? take_user : NULL,
                          quality, &report, &error)) {
        fail_msg("%s", error.text);
    }
    fclose(out);
    if (!strstr(said, word)) fail_msg("'%s' says nothing of '%s'", said, word);
    if (report.most > 1) expect_worst_first(said, report.most);
    free(said);
    ops->close(inputs[0]);
    ops->close(inputs[1]);
    return report;
}

static void jobs_of_the_same_log_have_the_same_histories(void **state)
{
    (void)state;
    open_both();
    other.config.job.workers = 1;
    other.config.job.commit_events_max = 100;
    fixture_run(&one);
    fixture_run(&other);
    const struct compare_report report = compared(&one, &other, MEMORY, "");
    assert_true(report.users[COMPARE_SAME] > USERS / 2);
    assert_int_equal(report.users[COMPARE_AHEAD] + report.users[COMPARE_BEHIND], 0);
    assert_int_equal(report.users[COMPARE_OTHER], 0);
    assert_int_equal(report.most, 0);
    close_both();
}

static void a_job_that_has_read_less_is_behind_and_the_other_ahead(void **state)
{
    (void)state;
    open_both();
    fixture_run(&other);
    fixture_log(&one, LAST, USERS);
    fixture_run(&one);
    const struct compare_report report = compared(&one, &other, MEMORY, "behind: user 'u");
    assert_true(report.users[COMPARE_BEHIND] > 0 && report.most > 0);
    assert_int_equal(report.users[COMPARE_AHEAD] + report.users[COMPARE_OTHER], 0);
    const struct compare_report reverse = compared(&other, &one, MEMORY, "ahead: user 'u");
    assert_int_equal(reverse.users[COMPARE_AHEAD], report.users[COMPARE_BEHIND]);
    assert_int_equal(reverse.users[COMPARE_SAME], report.users[COMPARE_SAME]);
    assert_int_equal(reverse.users[COMPARE_BEHIND] + reverse.users[COMPARE_OTHER], 0);
    const struct compare_report shared = compared(&one, &other, MEMORY / 16, "behind: ... and ");
    assert_memory_equal(&shared, &report, sizeof report);
    close_both();
}

static void who_has_another_behavior_under_an_ordinal_differs_whatever_its_number(void **state)
{
    (void)state;
    fixture_open(&one, SEED);
    fixture_open(&other, SEED);
    fixture_line(&one, "{\"user\":\"x\",\"item\":\"i1\",\"time\":1700000000000}");
    fixture_line(&one, "{\"user\":\"x\",\"item\":\"i2\",\"time\":1700000001000}");
    fixture_line(&other, "{\"user\":\"x\",\"item\":\"i2\",\"time\":1700000001000}");
    fixture_line(&other, "{\"user\":\"y\",\"item\":\"i2\",\"time\":1700000001000}");
    fixture_run(&one);
    fixture_run(&other);
    const struct compare_report report =
        compared(&one, &other, MEMORY, "other: user 'x' of partition ");
    assert_int_equal(report.users[COMPARE_OTHER], 1);
    assert_int_equal(report.users[COMPARE_AHEAD], 1);
    assert_int_equal(report.most, 1);
    close_both();
}

/* Fixture `one`'s checkpoint; `scale` changes the vectors of its items. */
static struct checkpoint *checkpoint_scaled(real scale)
{
    struct checkpoint *checkpoint;
    assert_int_equal(checkpoint_open(&checkpoint, one.checkpoint, NULL), STATUS_OK);
    struct param *param = param_set_find(checkpoint->params, "item.embedding");
    assert_non_null(param);
    for (size_t i = param->count / 2; i < param->count; i++) {
        param->data[i] *= scale;
    }
    return checkpoint;
}

/* What both are worth on the behaviors that both jobs have; returns how many were asked for. */
static uint64_t measured(real scale, struct ranking_metrics means[2])
{
    struct checkpoint *checkpoints[2] = {checkpoint_scaled(1), checkpoint_scaled(scale)};
    struct error error = {.text = ""};
    uint64_t cases;
    assert_int_equal(compare_quality_open(&quality, checkpoints[0], checkpoints[1], 100000, &error),
                     STATUS_OK);
    compared(&one, &other, MEMORY, "");
    if (compare_quality_measure(quality, means, &cases, &error)) fail_msg("%s", error.text);
    compare_quality_close(quality);
    quality = NULL;
    checkpoint_close(checkpoints[0]);
    checkpoint_close(checkpoints[1]);
    return cases;
}

static void both_are_asked_for_the_same_behaviors_those_that_both_jobs_have(void **state)
{
    (void)state;
    struct ranking_metrics means[2];
    open_both();
    one.config.state.history_max = other.config.state.history_max = 4096;
    fixture_log(&one, LAST, USERS); /* which the other has not read */
    fixture_run(&one);
    fixture_run(&other);
    const uint64_t cases = measured(1, means);
    assert_true(cases > MANY / 10 && cases <= MANY / 5);
    assert_true(means[0].hit_rate > 0);
    assert_memory_equal(&means[0], &means[1], sizeof means[0]);
    const struct ranking_metrics before = means[0];
    assert_int_equal(measured(-1, means), cases);
    assert_memory_equal(&means[0], &before, sizeof before);
    assert_true(means[1].ndcg != before.ndcg);
    close_both();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_of_the_same_log_have_the_same_histories),
        cmocka_unit_test(a_job_that_has_read_less_is_behind_and_the_other_ahead),
        cmocka_unit_test(both_are_asked_for_the_same_behaviors_those_that_both_jobs_have),
        cmocka_unit_test(who_has_another_behavior_under_an_ordinal_differs_whatever_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
