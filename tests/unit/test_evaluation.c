/* test_evaluation.c - which events each protocol shows to a ranker, and which it asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "model/eval/evaluation.h"
#include "tests/near.h"

enum { ROWS = 12, LOG_MAX = 64 };

/* Writes down what it is shown ('s') and asked ('q'), and ranks rows 1, 2, 3, ... */
struct recorder {
    struct {
        char kind;
        uint32_t user;
        uint32_t position;
    } log[LOG_MAX];
    uint32_t count;
    uint32_t excluded; /* rows left out, over all questions */
    uint32_t calls;
};

static void record(struct recorder *recorder, char kind, uint32_t user, uint32_t position)
{
    assert_true(recorder->count < LOG_MAX);
    recorder->log[recorder->count].kind = kind;
    recorder->log[recorder->count].user = user;
    recorder->log[recorder->count++].position = position;
}

static void recorder_observe(void *context, const struct dataset *dataset,
                             struct dataset_point point)
{
    (void)dataset;
    record(context, 's', point.user, point.position);
}

static enum status recorder_rank(void *context, const struct dataset *dataset,
                                 const struct ranker_query *queries, uint32_t count, uint32_t n,
                                 struct topn_list *lists, struct ranker_read *reads,
                                 struct error *error)
{
    struct recorder *recorder = context;
    real scores[ROWS];
    (void)error;
    for (uint32_t row = 0; row < ROWS; row++) {
        scores[row] = (real) - (double)row;
    }
    for (uint32_t i = 0; i < count; i++) {
        record(recorder, 'q', queries[i].user, queries[i].known);
        recorder->excluded += queries[i].excluded.count;
        topn_of_scores(scores, dataset_first_item(dataset), ROWS, queries[i].excluded, n,
                       &lists[i]);
        reads[i] = (struct ranker_read){.interests = 1 + queries[i].known,
                                        .ranked = 1 + queries[i].known,
                                        .idle = 1,
                                        .cosine = 0.5};
    }
    recorder->calls++;
    return STATUS_OK;
}

static struct dataset *dataset_of(const uint32_t (*log)[2], uint32_t count)
{
    struct dataset *dataset;
    struct error error;
    assert_int_equal(dataset_open(&dataset, ROWS, 0, &error), STATUS_OK);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(dataset_add(dataset, log[i][0], log[i][1], 0, i, 0, &error), STATUS_OK);
    }
    assert_int_equal(dataset_seal(dataset, &error), STATUS_OK);
    return dataset;
}

static struct evaluation_result run(struct recorder *recorder, const struct dataset *dataset,
                                    enum evaluation_protocol protocol, uint32_t batch_max)
{
    struct evaluation_options options = {
        .protocol = protocol,
        .cuts = {1, 3},
        .cuts_count = 2,
        .warm = dataset_behaviors(dataset) / 2,
        .asked = 1,
    };
    struct ranker ranker = {"recorder", recorder, batch_max, recorder_observe, recorder_rank};
    struct evaluation *evaluation;
    struct evaluation_result result;
    struct error error;
    assert_int_equal(evaluation_open(&evaluation, dataset, &options, &error), STATUS_OK);
    assert_int_equal(evaluation_run(evaluation, &ranker, NULL, &result, &error), STATUS_OK);
    evaluation_close(evaluation);
    return result;
}

static void expect(const struct recorder *recorder, const char *kinds, const uint32_t (*at)[2])
{
    assert_int_equal(recorder->count, strlen(kinds));
    for (uint32_t i = 0; i < recorder->count; i++) {
        assert_int_equal(recorder->log[i].kind, kinds[i]);
        assert_int_equal(recorder->log[i].user, at[i][0]);
        assert_int_equal(recorder->log[i].position, at[i][1]);
    }
}

static void leave_one_out_withholds_the_last_behavior_and_the_earlier_items(void **state)
{
    (void)state;
    static const uint32_t log[][2] = {{0, 1}, {0, 1}, {0, 2}, {1, 3}, {1, 4}, {2, 5}};
    static const uint32_t want[][2] = {{0, 0}, {0, 1}, {1, 0}, {0, 2}, {1, 1}};
    struct dataset *dataset = dataset_of(log, 6);
    struct recorder recorder = {0};
    struct evaluation_result result = run(&recorder, dataset, EVALUATION_LEAVE_ONE_OUT, 8);
    expect(&recorder, "sssqq", want); /* user 2 has nothing to predict from */
    assert_int_equal(recorder.excluded, 2);
    assert_int_equal(recorder.calls, 1);
    assert_int_equal(result.cases, 2);
    assert_near(result.cuts[0].metrics.hit_rate, 0.5, 0); /* 2 is first once 1 is out */
    assert_near(result.cuts[1].metrics.hit_rate, 1, 0);   /* 4 is third: 1, 2, 4 */
    assert_near(result.cuts[1].metrics.reciprocal_rank, (1 + 1.0 / 3) / 2, 1e-12);
    assert_near(result.cuts[1].coverage, 4.0 / 11, 1e-12);
    assert_near(result.interests, 2.5, 0);
    assert_near(result.idle, 0.4, 1e-12);
    assert_near(result.cosine, 0.5, 0);
    dataset_close(dataset);
}

/*
 * Items 1 to 5 have the categories 5 5 6 7 5, and the recorder ranks ascending. User 0 knows 1 and 2,
 * so of category 5 alone; its list is 3 4 5, its truth 3. User 1 knows 4, of category 7; its list is
 * 1 2 3, its truth 2.
 */
static void lists_are_measured_by_their_categories_and_chosen_for_them(void **state)
{
    (void)state;
    static const uint32_t log[][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 4}, {1, 2}};
    static const uint32_t category[ROWS] = {0, 5, 5, 6, 7, 5};
    struct dataset *dataset = dataset_of(log, 5);
    const struct evaluation_options options = {.protocol = EVALUATION_LEAVE_ONE_OUT,
                                               .cuts = {2, 3},
                                               .cuts_count = 2,
                                               .category = category,
                                               .weights = {0, 1000},
                                               .weights_count = 2};
    struct recorder recorder = {0};
    struct ranker ranker = {"recorder", &recorder, 8, recorder_observe, recorder_rank};
    struct evaluation *evaluation;
    struct evaluation_result result;
    assert_int_equal(evaluation_open(&evaluation, dataset, &options, NULL), STATUS_OK);
    assert_int_equal(evaluation_run(evaluation, &ranker, NULL, &result, NULL), STATUS_OK);
    /* Lists of 2: 3 4 differ, 1 2 do not; of 3: 3 4 5 all do, 1 2 3 in two pairs of three. */
    assert_near(result.cuts[0].diversity, 0.5, 1e-12);
    assert_near(result.cuts[1].diversity, (1 + 2.0 / 3) / 2, 1e-12);
    assert_near(result.cuts[0].categories, 0, 0);
    assert_near(result.cuts[1].categories, 0.5, 0);
    assert_int_equal(result.balances_count, 2);
    assert_near(result.balances[0].metrics.recall, result.cuts[0].metrics.recall, 0);
    assert_near(result.balances[0].metrics.recall, 1, 0);
    assert_near(result.balances[0].diversity, 0.5, 1e-12);
    /* With weight: 3 4 as before; 1 and then 3, and 2 is lost. */
    assert_near(result.balances[1].metrics.recall, 0.5, 0);
    assert_near(result.balances[1].diversity, 1, 1e-12);
    evaluation_close(evaluation);
    dataset_close(dataset);
}

static void prequential_predicts_before_it_learns_and_keeps_earlier_items(void **state)
{
    (void)state;
    static const uint32_t log[][2] = {{0, 1}, {1, 1}, {0, 2}, {0, 1}, {1, 3}, {2, 4}};
    static const uint32_t want[][2] = {{0, 0}, {1, 0}, {0, 1}, {0, 2},
                                       {0, 2}, {1, 1}, {1, 1}, {2, 0}};
    struct dataset *dataset = dataset_of(log, 6);
    struct recorder recorder = {0};
    struct evaluation_result result = run(&recorder, dataset, EVALUATION_PREQUENTIAL, 1);
    expect(&recorder, "sssqsqsq", want);
    assert_int_equal(recorder.excluded, 0);
    assert_int_equal(result.cases, 3);
    assert_near(result.cuts[0].metrics.hit_rate, 1.0 / 3, 1e-12); /* item 1, seen before */
    assert_near(result.cuts[1].metrics.hit_rate, 2.0 / 3, 1e-12);
    assert_int_equal(result.quartiles[0].known_max, 0);
    assert_int_equal(result.quartiles[0].cases, 1);
    assert_near(result.quartiles[0].interests, 1, 0);
    assert_near(result.quartiles[2].interests, 3, 0);
    assert_int_equal(result.quartiles[3].known_max, 2);
    dataset_close(dataset);
}

static void a_batch_never_asks_twice_about_a_user(void **state)
{
    (void)state;
    static const uint32_t log[][2] = {{0, 1}, {1, 1}, {2, 1}, {0, 2}, {1, 2}, {0, 3}};
    struct dataset *dataset = dataset_of(log, 6);
    struct recorder recorder = {0};
    run(&recorder, dataset, EVALUATION_PREQUENTIAL, 8);
    assert_int_equal(recorder.calls, 2); /* users 0 1, then 0 again */
    dataset_close(dataset);
}

static void who_is_not_asked_about_is_learned_from_and_each_case_says_what_it_is_worth(void **state)
{
    (void)state;
    static const uint32_t log[][2] = {{0, 1}, {1, 1}, {2, 1}, {0, 2}, {1, 2}, {2, 1}, {1, 4}};
    struct dataset *dataset = dataset_of(log, 7);
    double draws[3]; /* where each user is drawn */
    for (uint64_t user = 0; user < 3; user++) {
        draws[user] = (double)(splitmix64(~user) >> 11) * 0x1p-53;
    }
    struct evaluation_options options = {
        .protocol = EVALUATION_PREQUENTIAL, .cuts = {1, 3}, .cuts_count = 2, .warm = 3};
    struct recorder recorder = {0};
    struct ranker ranker = {"recorder", &recorder, 1, recorder_observe, recorder_rank};
    struct evaluation *evaluation;
    struct evaluation_result result;
    struct ranking_metrics each[4] = {{.ndcg = -1}, {.ndcg = -1}, {.ndcg = -1}, {.ndcg = -1}};
    uint32_t cases = 0, asked[3];
    options.asked = draws[1] + 1e-9; /* user 1, and whoever is drawn before it */
    for (int user = 0; user < 3; user++) {
        asked[user] = draws[user] < options.asked;
    }
    for (uint32_t i = options.warm; i < 7; i++) {
        cases += asked[log[i][0]];
    }
    assert_int_equal(evaluation_open(&evaluation, dataset, &options, NULL), STATUS_OK);
    assert_int_equal(evaluation_run(evaluation, &ranker, each, &result, NULL), STATUS_OK);
    assert_int_equal(result.cases, cases);
    double sum = 0;
    for (uint32_t i = 0; i < cases; i++) {
        assert_true(each[i].ndcg >= 0 && each[i].ndcg <= 1);
        sum += each[i].ndcg;
        const struct dataset_point point = evaluation_point(evaluation, i);
        assert_true(asked[point.user]);
    }
    assert_near(sum / cases, result.cuts[1].metrics.ndcg, 1e-12);
    /* Before the last question, everything that came before it was shown, asked about or not. */
    assert_int_equal(recorder.count, cases + 6);
    assert_int_equal(recorder.log[recorder.count - 1].kind, 'q');
    evaluation_close(evaluation);
    dataset_close(dataset);
}

static void user_split_tests_users_that_were_not_shown(void **state)
{
    (void)state;
    uint64_t tested = 0;
    while (splitmix64(tested) % 10) {
        tested++;
    }
    const uint32_t user = (uint32_t)tested, other = user + 1;
    assert_true(splitmix64(other) % 10);
    const uint32_t log[][2] = {{user, 1}, {user, 2},  {user, 3}, {user, 1},
                               {user, 9}, {other, 3}, {other, 4}};
    static const uint32_t want[][2] = {{1, 0}, {1, 1}, {0, 4}};
    struct dataset *dataset = dataset_of(log, 7);
    struct recorder recorder = {0};
    struct evaluation_result result = run(&recorder, dataset, EVALUATION_USER_SPLIT, 8);
    expect(&recorder, "ssq", want);
    assert_near(result.cuts[1].metrics.recall, 0, 0);
    dataset_close(dataset);
}

static void log_without_a_case_is_refused(void **state)
{
    (void)state;
    static const uint32_t log[][2] = {{0, 1}, {1, 2}};
    struct dataset *dataset = dataset_of(log, 2);
    struct evaluation_options options = {.cuts = {10}, .cuts_count = 1};
    struct evaluation *evaluation;
    struct error error;
    assert_int_equal(evaluation_open(&evaluation, dataset, &options, &error), STATUS_INVALID);
    assert_null(evaluation);
    dataset_close(dataset);
}

static void average_of_seeds_has_mean_and_standard_deviation(void **state)
{
    (void)state;
    struct evaluation_result results[2] = {{.name = "mind", .cases = 4, .cuts_count = 1},
                                           {.name = "mind", .cases = 4, .cuts_count = 1}};
    struct evaluation_result mean, deviation;
    results[0].cuts[0] = (struct evaluation_cut){.n = 10, .metrics = {.hit_rate = 0.25}};
    results[1].cuts[0] = (struct evaluation_cut){.n = 10, .metrics = {.hit_rate = 0.75}};
    evaluation_average(results, 2, &mean, &deviation);
    assert_string_equal(mean.name, "mind mean of 2");
    assert_near(mean.cuts[0].metrics.hit_rate, 0.5, 1e-12);
    assert_near(deviation.cuts[0].metrics.hit_rate, 0.25 * sqrt(2), 1e-12);
    assert_near(deviation.cuts[0].metrics.ndcg, 0, 0);
}

static void json_names_protocol_cases_and_every_metric(void **state)
{
    (void)state;
    static const uint32_t log[][2] = {{0, 1}, {0, 2}};
    struct dataset *dataset = dataset_of(log, 2);
    struct recorder recorder = {0};
    struct evaluation_options options = {.cuts = {1}, .cuts_count = 1};
    struct ranker ranker = {"recorder", &recorder, 1, recorder_observe, recorder_rank};
    struct evaluation *evaluation;
    struct evaluation_result result;
    struct error error;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(evaluation_open(&evaluation, dataset, &options, &error), STATUS_OK);
    assert_int_equal(evaluation_run(evaluation, &ranker, NULL, &result, &error), STATUS_OK);
    result.seconds = 0.5;
    const struct agreement_line agreement = {
        "sine", 1, {{30, 0.25, 0.125}, {4, 0.5, 0.0625}, .groups = 9, .groups_used = 7}};
    assert_int_equal(evaluation_print_json(evaluation, &result, 1, &agreement, 1, out, &error),
                     STATUS_OK);
    fclose(out);
    const char *quarter = "{\"known_max\":1,\"cases\":0,\"interests\":0,\"recall\":0,"
                          "\"hit_rate\":0,\"ndcg\":0,\"mrr\":0}";
    char want[1024];
    snprintf(want, sizeof want,
             "{\"protocol\":\"leave-one-out\",\"cases\":1,\"left_out\":0,\"results\":[{\"name\":"
             "\"recorder\","
             "\"seconds\":0.5,\"interests\":2,\"cosine\":0.5,\"idle\":0.5,"
             "\"cuts\":[{\"n\":1,\"recall\":1,\"hit_rate\":1,\"ndcg\":1,"
             "\"mrr\":1,\"coverage\":0.0909091,\"diversity\":0,\"categories\":0}],\"balances\":[],"
             "\"quartiles\":[{\"known_max\":1,\"cases\":1,\"interests\":2,"
             "\"recall\":1,\"hit_rate\":1,\"ndcg\":1,\"mrr\":1},"
             "%s,%s,%s]}],\"agreements\":[{\"model\":\"sine\",\"level\":1,\"groups\":9,"
             "\"groups_used\":7,\"items\":{\"count\":30,\"nmi\":0.25,\"shuffled\":0.125},"
             "\"users\":{\"count\":4,\"nmi\":0.5,\"shuffled\":0.0625}}]}\n",
             quarter, quarter, quarter);
    assert_string_equal(text, want);
    free(text);
    evaluation_close(evaluation);
    dataset_close(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leave_one_out_withholds_the_last_behavior_and_the_earlier_items),
        cmocka_unit_test(lists_are_measured_by_their_categories_and_chosen_for_them),
        cmocka_unit_test(prequential_predicts_before_it_learns_and_keeps_earlier_items),
        cmocka_unit_test(a_batch_never_asks_twice_about_a_user),
        cmocka_unit_test(
            who_is_not_asked_about_is_learned_from_and_each_case_says_what_it_is_worth),
        cmocka_unit_test(user_split_tests_users_that_were_not_shown),
        cmocka_unit_test(log_without_a_case_is_refused),
        cmocka_unit_test(average_of_seeds_has_mean_and_standard_deviation),
        cmocka_unit_test(json_names_protocol_cases_and_every_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
