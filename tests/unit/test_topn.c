/* test_topn.c - blocked ranking against sorting everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/eval/topn.h"
#include "tests/near.h"

enum { D = 6, ROWS = 2600, FIRST = 5, USERS = 90, INTERESTS = 4, N = 20 };

/* Small integers: products are exact whatever their order, and ties are many. */
static void fill(struct random *random, real *at, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        at[i] = (real)((double)random_below(random, 7) - 3);
    }
}

static real score_of(const real *item, const real *interests, uint32_t count, uint32_t *interestp)
{
    real best = 0;
    for (uint32_t k = 0; k < count; k++) {
        real score = 0;
        for (uint32_t i = 0; i < D; i++) {
            score += item[i] * interests[k * D + i];
        }
        if (k == 0 || score > best) best = score, *interestp = k;
    }
    return best;
}

static int compare_items(const void *a, const void *b)
{
    const struct topn_item *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* All candidates of a query, sorted. */
static uint32_t sort_all(const real *items, const struct topn_query *query, struct topn_item *all)
{
    uint32_t count = 0, next = 0;
    for (uint32_t row = FIRST; row < ROWS && query->count; row++) {
        if (next < query->excluded.count && query->excluded.at[next] == row) {
            next++;
            continue;
        }
        struct topn_item item = {.row = row};
        item.score = score_of(items + row * D, query->interests, query->count, &item.interest);
        all[count++] = item;
    }
    qsort(all, count, sizeof *all, compare_items);
    return count;
}

static void lists_equal_sorting_the_whole_catalogue(void **state)
{
    (void)state;
    struct random random = random_seeded(11);
    static real items[ROWS * D], interests[USERS * INTERESTS * D];
    static uint32_t excluded[USERS][ROWS];
    static struct topn_item room[USERS * N], all[ROWS];
    struct topn_query queries[USERS];
    struct topn_list lists[USERS];
    fill(&random, items, ROWS * D);
    fill(&random, interests, USERS * INTERESTS * D);
    for (uint32_t u = 0; u < USERS; u++) {
        uint32_t count = 0;
        for (uint32_t row = FIRST; row < ROWS; row++) {
            bool out = u == 7 ? row >= FIRST + 3 : random_below(&random, 4) == 0;
            if (out) excluded[u][count++] = row;
        }
        queries[u] = (struct topn_query){
            interests + u * INTERESTS * D, u % (INTERESTS + 1), {excluded[u], count}};
        lists[u].at = room + u * N;
    }
    struct topn_catalogue *catalogue;
    struct topn_scratch *scratch;
    struct error error;
    assert_int_equal(topn_catalogue_open(&catalogue, items, ROWS, FIRST, D, false, &error), 0);
    assert_int_equal(topn_scratch_open(&scratch, catalogue, &error), 0);
    topn_rank(catalogue, scratch, queries, USERS, N, lists);
    for (uint32_t u = 0; u < USERS; u++) {
        uint32_t count = sort_all(items, &queries[u], all);
        assert_int_equal(lists[u].count, count < N ? count : N);
        for (uint32_t i = 0; i < lists[u].count; i++) {
            assert_int_equal(lists[u].at[i].row, all[i].row);
            assert_int_equal(lists[u].at[i].interest, all[i].interest);
            assert_true(lists[u].at[i].score == all[i].score);
        }
    }
    assert_int_equal(lists[7].count, 3); /* fewer candidates than were asked for */
    assert_int_equal(lists[0].count, 0); /* no interests */
    topn_scratch_close(scratch);
    topn_catalogue_close(catalogue);
}

static void known_scores_are_ranked_alike(void **state)
{
    (void)state;
    const real scores[] = {9, 9, 1, 5, 5, 0, 7};
    const uint32_t excluded[] = {0, 6};
    struct topn_item room[3];
    struct topn_list list = {room, 0};
    topn_of_scores(scores, 2, 7, (struct topn_excluded){excluded, 2}, 3, &list);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.at[0].row, 3);
    assert_int_equal(list.at[1].row, 4);
    assert_int_equal(list.at[2].row, 2);
}

static void cosine_ignores_the_length_of_items(void **state)
{
    (void)state;
    const real items[] = {0, 0, 100, 100, (real)0.1, 0};
    const real interest[] = {1, 0};
    struct topn_query query = {interest, 1, {NULL, 0}};
    struct topn_item room[2];
    struct topn_list list = {room, 0};
    struct topn_catalogue *catalogue;
    struct topn_scratch *scratch;
    struct error error;
    assert_int_equal(topn_catalogue_open(&catalogue, items, 3, 1, 2, true, &error), 0);
    assert_int_equal(topn_scratch_open(&scratch, catalogue, &error), 0);
    topn_rank(catalogue, scratch, &query, 1, 2, &list);
    assert_int_equal(list.at[0].row, 2);
    assert_near(list.at[0].score, 1, 1e-6);
    topn_scratch_close(scratch);
    topn_catalogue_close(catalogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_equal_sorting_the_whole_catalogue),
        cmocka_unit_test(known_scores_are_ranked_alike),
        cmocka_unit_test(cosine_ignores_the_length_of_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
