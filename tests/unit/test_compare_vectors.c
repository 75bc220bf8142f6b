/* test_compare_vectors.c - what two jobs make of the same users: on whom, and by how much they differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/interest_ops.h"
#include "model/tensor/params.h"
#include "stream/query/compare.h"
#include "stream/query/compare_vectors.h"
#include "tests/unit/job_fixture.h"

enum { SEED = 5, MANY = 2000, LAST = 300, USERS = 60, MEMORY = 1 << 20, ITEMS = 50, OOV = 5 };

static struct fixture one, other;

static int open_both(void **state)
{
    (void)state;
    fixture_open(&one, SEED);
    fixture_open(&other, SEED);
    fixture_log(&one, MANY, USERS);
    fixture_log(&other, MANY, USERS);
    one.config.state.history_max = other.config.state.history_max = 4096;
    return 0;
}

static int close_both(void **state)
{
    (void)state;
    fixture_close(&one);
    fixture_close(&other);
    return 0;
}

static enum status take_user(void *context, const struct history_user *a,
                             const struct history_user *b, struct error *error)
{
    (void)error;
    compare_vectors_take(context, a, b);
    return STATUS_OK;
}

static char *said; /* of the last comparison */
static uint64_t lists_max = 1000;

/* Fixture `one`'s job beside `other`'s, which serves `served`. Takes `served`. */
static struct compare_vectors_report compared(struct checkpoint *served)
{
    struct checkpoint *checkpoints[2] = {NULL, served};
    struct config *configs[2] = {&one.config, &other.config};
    struct log_input *inputs[2];
    struct compare_vectors *vectors;
    struct compare_vectors_report report;
    struct compare_report histories;
    struct error error = {.text = ""};
    size_t size;
    FILE *silent = fopen("/dev/null", "w"), *out;
    assert_non_null(silent);
    assert_int_equal(checkpoint_open(&checkpoints[0], one.checkpoint, NULL), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(log_input_file.open(&inputs[i], configs[i], &error), STATUS_OK);
    }
    enum status status = compare_vectors_open(&vectors, checkpoints, configs, lists_max, &error);
    if (status == STATUS_OK) {
        status = compare_histories(&log_input_file, inputs[0], inputs[1], MEMORY, silent, take_user,
                                   vectors, &histories, &error);
    }
    if (status != STATUS_OK) fail_msg("%s", error.text);
    free(said);
    out = open_memstream(&said, &size);
    compare_vectors_finish(vectors, out, &report);
    fclose(out);
    fclose(silent);
    compare_vectors_close(vectors);
    for (int i = 0; i < 2; i++) {
        log_input_file.close(inputs[i]);
        checkpoint_close(checkpoints[i]);
    }
    const uint64_t both = histories.users[COMPARE_SAME] + histories.users[COMPARE_BEHIND] +
                          histories.users[COMPARE_AHEAD] + histories.users[COMPARE_OTHER];
    assert_true(report.users + report.cut <= both && report.users + report.cut > USERS / 2);
    return report;
}

static struct checkpoint *the_same(void)
{
    struct checkpoint *checkpoint;
    assert_int_equal(checkpoint_open(&checkpoint, one.checkpoint, NULL), STATUS_OK);
    return checkpoint;
}

/* Lines that were printed, whose lists have ever more in common. */
static int lines_in_order(void)
{
    int lines = 0;
    double before = 0, share;
    for (const char *line = said; *line; line = strchr(line, '\n') + 1) {
        if (sscanf(line, "differs: user '%*[^']': n=%*d, %lf %% of the lists", &share) != 1) {
            fail_msg("'%s'", line);
        }
        assert_true(share >= before);
        before = share;
        lines++;
    }
    return lines;
}

static void one_generation_makes_the_same_of_what_both_jobs_have_read(void **state)
{
    (void)state;
    fixture_log(&one, LAST, USERS); /* which the other has not read */
    fixture_run(&one);
    fixture_run(&other);
    const struct compare_vectors_report report = compared(the_same());
    assert_int_equal(report.equal, report.users);
    assert_int_equal(report.cut, 0);
    assert_true(report.alike && report.overlap == 1 && report.cosine == 1 && report.least == 1);
    assert_true(report.difference == 0);
    assert_string_equal(said, "");
}

static void whose_behaviors_of_then_are_gone_is_counted_and_not_compared(void **state)
{
    (void)state;
    one.config.state.history_max = other.config.state.history_max = 128;
    fixture_log(&one, MANY, USERS);
    fixture_run(&one);
    fixture_run(&other);
    const struct compare_vectors_report report = compared(the_same());
    assert_true(report.cut > 0);
    assert_int_equal(report.equal, report.users);
}

static void who_differs_is_listed_the_worst_first_and_nobody_else(void **state)
{
    (void)state;
    char line[128];
    for (int i = 0; i < 8; i++) { /* x has other items, y one, and z the same */
        for (int user = 'x'; user <= 'z'; user++) {
            for (int job = 0; job < 2; job++) {
                const int item = i + (job && (user == 'x' || (user == 'y' && i == 7)) ? 20 : 0);
                snprintf(line, sizeof line,
                         "{\"user\":\"%c\",\"item\":\"i%d\",\"time\":170100000%d000}", user, item,
                         i);
                fixture_line(job ? &other : &one, line);
            }
        }
    }
    fixture_run(&one);
    fixture_run(&other);
    const struct compare_vectors_report report = compared(the_same());
    assert_int_equal(report.equal, report.users - 2);
    assert_true(report.cosine < 1 && report.least < report.cosine && report.difference > 0);
    assert_true(report.overlap < 1);
    assert_int_equal(lines_in_order(), 2);
    assert_non_null(strstr(said, "user 'x': n=8, "));
    assert_non_null(strstr(said, "user 'y': n=8, "));
}

/* Another generation that has item vectors of its own, so of everybody. */
static struct checkpoint *with_other_items(void)
{
    struct checkpoint *checkpoint = the_same();
    struct param *items = param_set_find(checkpoint->params, "item.embedding");
    for (size_t i = items->count / 2; i < items->count; i++) {
        items->data[i] = -items->data[i];
    }
    checkpoint->fingerprint++;
    return checkpoint;
}

static void of_many_who_differ_the_worst_are_listed(void **state)
{
    (void)state;
    fixture_run(&one);
    fixture_run(&other);
    const struct compare_vectors_report report = compared(with_other_items());
    assert_int_equal(report.lists, report.users);
    assert_int_equal(report.equal, 0);
    assert_true(report.overlap > 0 && report.overlap < 1 && report.least < report.cosine);
    assert_int_equal(lines_in_order(), COMPARE_VECTORS_WORST);
}

static void of_very_many_who_differ_a_sample_is_listed_and_stands_for_all(void **state)
{
    (void)state;
    fixture_run(&one);
    fixture_run(&other);
    const struct compare_vectors_report all = compared(with_other_items());
    lists_max = 12;
    const struct compare_vectors_report some = compared(with_other_items());
    lists_max = 1000;
    assert_true(some.lists >= 12 && some.lists < all.users * 2 / 3);
    assert_true(some.overlap > all.overlap - 0.1 && some.overlap < all.overlap + 0.1);
    assert_true(some.users == all.users && some.cosine == all.cosine && some.least == all.least);
    assert_int_equal(lines_in_order(), COMPARE_VECTORS_WORST);
}

/* The items of the fixture's checkpoint, the last of them first. */
static struct item_table *backwards(void)
{
    static char names[ITEMS][8];
    struct item_entry items[ITEMS];
    struct item_table *table;
    for (int i = 0; i < ITEMS; i++) {
        snprintf(names[i], sizeof names[i], "i%d", ITEMS - 1 - i);
        items[i] = (struct item_entry){bytes_of(names[i]), 0};
    }
    assert_int_equal(item_table_open(&table, items, ITEMS, NULL, 0, OOV, NULL), STATUS_OK);
    return table;
}

static void items_are_the_same_by_their_ids_whatever_their_rows(void **state)
{
    (void)state;
    fixture_run(&one);
    fixture_run(&other);
    struct checkpoint *served = the_same(), *turned;
    assert_int_equal(checkpoint_init(&turned, served->model, &served->dims, backwards(), 7, NULL),
                     STATUS_OK);
    param_set_copy(turned->params, served->params);
    const struct param *from = param_set_find(served->params, "item.embedding");
    const struct param *to = param_set_find(turned->params, "item.embedding");
    const uint32_t d = served->dims.d;
    for (uint32_t i = 0; i < ITEMS; i++) {
        memcpy(to->data + (1 + OOV + i) * d, from->data + (OOV + ITEMS - i) * d, d * sizeof(real));
    }
    checkpoint_close(served);
    const struct compare_vectors_report report = compared(turned);
    assert_true(report.overlap == 1 && report.cosine == 1 && report.difference == 0);
    assert_string_equal(said, "");
}

static void models_of_other_kinds_are_compared_by_their_lists_alone(void **state)
{
    (void)state;
    fixture_run(&one);
    fixture_run(&other);
    struct checkpoint *checkpoint;
    struct model_dims dims = interest_ops_find("lru")->defaults;
    dims.use_category = false;
    dims.d = dims.ffn = dims.width = 8;
    assert_int_equal(checkpoint_init(&checkpoint, "lru", &dims, backwards(), 3, NULL), STATUS_OK);
    const struct compare_vectors_report report = compared(checkpoint);
    assert_false(report.alike);
    assert_int_equal(report.equal, 0);
    assert_true(report.overlap > 0 && report.overlap < 1);
    assert_int_equal(lines_in_order(), COMPARE_VECTORS_WORST);
    assert_null(strstr(said, "cosine"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)
    const struct CMUnitTest tests[] = {
        TEST(one_generation_makes_the_same_of_what_both_jobs_have_read),
        TEST(whose_behaviors_of_then_are_gone_is_counted_and_not_compared),
        TEST(who_differs_is_listed_the_worst_first_and_nobody_else),
        TEST(of_many_who_differ_the_worst_are_listed),
        TEST(of_very_many_who_differ_a_sample_is_listed_and_stands_for_all),
        TEST(items_are_the_same_by_their_ids_whatever_their_rows),
        TEST(models_of_other_kinds_are_compared_by_their_lists_alone),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(said);
    return failed;
}
