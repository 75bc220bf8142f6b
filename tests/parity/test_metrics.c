/*
 * test_metrics.c - lists and metrics against their fixture, through the code that evaluation runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/eval/ranking.h"
#include "tests/near.h"
#include "tests/parity/auc.h"
#include "tests/parity/fixture.h"

/* Everything that the fixture gives, and the lists that follow from it. */
struct lists {
    struct fixture file;
    uint32_t users;
    uint32_t interests;
    uint32_t items;
    uint32_t n;
    uint32_t pool;
    uint32_t *category;
    struct topn_item *at;   /* [users][pool] */
    struct topn_list *list; /* [users] */
};

/*
 * The scores become interests in a space of one dimension per item, in which the catalogue is the
 * unit matrix: then the score of an item is what the fixture says.
 */
static void rank(struct lists *lists, uint32_t n)
{
    uint32_t items = lists->items, users = lists->users;
    size_t size = (size_t)lists->interests * items;
    real *unit = calloc((size_t)items * items, sizeof *unit);
    real *scores = fixture_reals(&lists->file, "input/scores", NULL);
    struct topn_query *queries = calloc(users, sizeof *queries);
    struct topn_catalogue *catalogue;
    struct topn_scratch *scratch;
    struct error error;
    for (uint32_t i = 0; i < items; i++) {
        unit[(size_t)i * items + i] = 1;
    }
    for (uint32_t u = 0; u < users; u++) {
        queries[u] = (struct topn_query){scores + u * size, lists->interests, {NULL, 0}};
        lists->list[u].at = lists->at + (size_t)u * lists->pool;
    }
    assert_int_equal(topn_catalogue_open(&catalogue, unit, items, 0, items, false, &error),
                     STATUS_OK);
    assert_int_equal(topn_scratch_open(&scratch, catalogue, &error), STATUS_OK);
    topn_rank(catalogue, scratch, queries, users, n, lists->list);
    topn_scratch_close(scratch);
    topn_catalogue_close(catalogue);
    free(queries);
    free(scores);
    free(unit);
}

static int set_up(void **context)
{
    struct lists *lists = calloc(1, sizeof *lists);
    const struct fixture *file = &lists->file;
    const uint64_t *shape = NULL;
    fixture_open_named(&lists->file, "metrics.default");
    fixture_f64(file, "input/scores", &shape);
    lists->users = (uint32_t)shape[0];
    lists->interests = (uint32_t)shape[1];
    lists->items = (uint32_t)shape[2];
    lists->n = fixture_number(file, "n");
    lists->pool = fixture_number(file, "pool");
    lists->category = calloc(lists->items, sizeof *lists->category);
    lists->at = calloc((size_t)lists->users * lists->pool, sizeof *lists->at);
    lists->list = calloc(lists->users, sizeof *lists->list);
    for (uint32_t i = 0; i < lists->items; i++) {
        lists->category[i] = (uint32_t)fixture_i64(file, "input/category", NULL)[i];
    }
    *context = lists;
    return 0;
}

static int tear_down(void **context)
{
    struct lists *lists = *context;
    fixture_close(&lists->file);
    free(lists->category);
    free(lists->at);
    free(lists->list);
    free(lists);
    return 0;
}

static void compare_rows(const struct lists *lists, const char *name)
{
    const int64_t *want = fixture_i64(&lists->file, name, NULL);
    for (uint32_t u = 0; u < lists->users; u++) {
        assert_int_equal(lists->list[u].count, lists->n);
        for (uint32_t i = 0; i < lists->n; i++) {
            assert_int_equal(lists->list[u].at[i].row, want[u * lists->n + i]);
        }
    }
}

static void merged_lists_equal_the_fixture(void **context)
{
    struct lists *lists = *context;
    rank(lists, lists->n);
    compare_rows(lists, "output/top");
}

static void diverse_lists_equal_the_fixture(void **context)
{
    struct lists *lists = *context;
    rank(lists, lists->pool);
    for (uint32_t u = 0; u < lists->users; u++) {
        ranking_diversify(&lists->list[u], lists->n, lists->category,
                          fixture_real(&lists->file, "diversity_weight"));
    }
    compare_rows(lists, "output/diverse_top");
}

static void metrics_of_users_equal_the_fixture(void **context)
{
    struct lists *lists = *context;
    const struct fixture *file = &lists->file;
    const uint64_t *shape = NULL;
    const int64_t *truths = fixture_i64(file, "input/truth", &shape);
    rank(lists, lists->n);
    for (uint32_t u = 0; u < lists->users; u++) {
        uint32_t truth[64];
        uint32_t count = (uint32_t)fixture_i64(file, "input/truth_count", NULL)[u];
        assert_true(count <= 64);
        for (uint32_t i = 0; i < count; i++) {
            truth[i] = (uint32_t)truths[u * shape[1] + i];
        }
        struct ranking_metrics metrics =
            ranking_measure(&lists->list[u], lists->n, truth, ranking_distinct(truth, count));
        assert_near(metrics.recall, fixture_f64(file, "output/recall", NULL)[u], 1e-12);
        assert_near(metrics.hit_rate, fixture_f64(file, "output/hit_rate", NULL)[u], 1e-12);
        assert_near(metrics.ndcg, fixture_f64(file, "output/ndcg", NULL)[u], 1e-12);
        assert_near(metrics.reciprocal_rank, fixture_f64(file, "output/reciprocal_rank", NULL)[u],
                    1e-12);
    }
}

static void diversity_and_coverage_equal_the_fixture(void **context)
{
    struct lists *lists = *context;
    uint8_t *seen = calloc(lists->items, 1);
    double diversity = 0;
    uint32_t covered = 0;
    rank(lists, lists->n);
    for (uint32_t u = 0; u < lists->users; u++) {
        diversity += ranking_diversity(&lists->list[u], lists->n, lists->category);
        covered += ranking_cover(&lists->list[u], lists->n, seen);
    }
    assert_near(diversity / lists->users, fixture_f64(&lists->file, "output/diversity", NULL)[0],
                1e-12);
    assert_near((double)covered / lists->items,
                fixture_f64(&lists->file, "output/coverage", NULL)[0], 1e-12);
    free(seen);
}

static void auc_and_gauc_equal_the_fixture(void **context)
{
    const struct fixture *file = &((struct lists *)*context)->file;
    const uint64_t *shape = NULL;
    fixture_f64(file, "input/logit", &shape);
    uint32_t count = (uint32_t)shape[0];
    struct impression *at = calloc(count, sizeof *at);
    double auc = 0, gauc = 0;
    for (uint32_t i = 0; i < count; i++) {
        at[i].user = (uint32_t)fixture_i64(file, "input/user", NULL)[i];
        at[i].score = fixture_f64(file, "input/logit", NULL)[i];
        at[i].positive = fixture_i64(file, "input/label", NULL)[i] != 0;
    }
    assert_true(auc_of_impressions(at, count, &auc));
    assert_true(auc_of_users(at, count, &gauc));
    assert_near(auc, fixture_f64(file, "output/auc", NULL)[0], 1e-12);
    assert_near(gauc, fixture_f64(file, "output/gauc", NULL)[0], 1e-12);
    free(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(merged_lists_equal_the_fixture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(diverse_lists_equal_the_fixture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(metrics_of_users_equal_the_fixture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(diversity_and_coverage_equal_the_fixture, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(auc_and_gauc_equal_the_fixture, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
