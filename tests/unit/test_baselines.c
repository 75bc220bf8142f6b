/* test_baselines.c - popularity and transition counts against counts made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "model/eval/baselines.h"
#include "tests/near.h"

enum { OOV = 2, A = 3, B, C, D, ROWS };

/* User 0: A B A C; user 1: B oov C D. */
static struct dataset *open_dataset(void)
{
    static const struct {
        uint64_t user;
        uint32_t item;
    } log[] = {{0, A}, {0, B}, {0, A}, {0, C}, {1, B}, {1, 1}, {1, C}, {1, D}};
    struct dataset *dataset;
    struct error error;
    assert_int_equal(dataset_open(&dataset, ROWS, OOV, &error), STATUS_OK);
    for (uint32_t i = 0; i < sizeof log / sizeof log[0]; i++) {
        assert_int_equal(dataset_add(dataset, log[i].user, log[i].item, 0, i, 0, &error),
                         STATUS_OK);
    }
    assert_int_equal(dataset_seal(dataset, &error), STATUS_OK);
    return dataset;
}

static void show_all(const struct ranker *ranker, const struct dataset *dataset)
{
    for (uint32_t user = 0; user < dataset_users(dataset); user++) {
        for (uint32_t i = 0; i < dataset_sequence(dataset, user).count; i++) {
            ranker->observe(ranker->context, dataset, (struct dataset_point){user, i});
        }
    }
}

static struct topn_list rank_one(const struct ranker *ranker, const struct dataset *dataset,
                                 struct ranker_query query, struct topn_item *room)
{
    struct topn_list list = {room, 0};
    struct ranker_read read;
    struct error error;
    assert_int_equal(ranker->rank(ranker->context, dataset, &query, 1, ROWS, &list, &read, &error),
                     STATUS_OK);
    return list;
}

static void popularity_counts_known_items(void **state)
{
    (void)state;
    struct dataset *dataset = open_dataset();
    struct popularity *popularity;
    struct topn_item room[ROWS];
    struct error error;
    assert_int_equal(popularity_open(&popularity, dataset, &error), STATUS_OK);
    struct ranker ranker = popularity_ranker(popularity);
    show_all(&ranker, dataset);
    const uint32_t excluded[] = {B};
    struct topn_list list =
        rank_one(&ranker, dataset, (struct ranker_query){0, 4, {excluded, 1}}, room);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.at[0].row, A); /* as often as C: the lower row */
    assert_int_equal(list.at[1].row, C);
    assert_int_equal(list.at[2].row, D);
    assert_near(list.at[0].score, 2, 0);
    popularity_close(popularity);
    dataset_close(dataset);
}

/*
 * Pairs: A-B 1, B-A 1, A-C 1 + 1/3, B-C 1/2 + 1/2, B-D 1/3, C-D 1. Popularity: A 2, B 2, C 2, D 1.
 * After C of user 0 (C, A, B, A backwards): D gets C's and, discounted twice, B's vote.
 */
static void transitions_vote_by_distance_decay_and_popularity(void **state)
{
    (void)state;
    struct dataset *dataset = open_dataset();
    struct transitions *transitions;
    struct topn_item room[ROWS];
    struct error error;
    assert_int_equal(transitions_open(&transitions, dataset, 100, &error), STATUS_OK);
    struct ranker ranker = transitions_ranker(transitions);
    show_all(&ranker, dataset);
    struct topn_list list =
        rank_one(&ranker, dataset, (struct ranker_query){0, 4, {NULL, 0}}, room);
    const double want[ROWS] = {
        [A] = 0.64 * 1 / 2,
        [B] = 0.8 * 1 / 2 + 0.512 * 1 / 2,
        [C] = 0.8 * (4.0 / 3) / 2 + 0.64 * 1 / 2 + 0.512 * (4.0 / 3) / 2,
        [D] = 1 / sqrt(2) + 0.64 * (1.0 / 3) / sqrt(2),
    };
    const uint32_t order[] = {C, D, B, A};
    assert_int_equal(list.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(list.at[i].row, order[i]);
        assert_near(list.at[i].score, want[order[i]], 1e-6);
    }
    assert_int_equal(transitions_dropped(transitions), 0);
    transitions_close(transitions);
    dataset_close(dataset);
}

/* Else rows would fill the list, and those are in the order of the whole log's frequencies. */
static void what_was_never_counted_is_not_listed(void **state)
{
    (void)state;
    struct dataset *dataset = open_dataset();
    struct popularity *popularity;
    struct transitions *transitions;
    struct topn_item room[ROWS];
    struct error error;
    assert_int_equal(popularity_open(&popularity, dataset, &error), STATUS_OK);
    assert_int_equal(transitions_open(&transitions, dataset, 100, &error), STATUS_OK);
    struct ranker counts = popularity_ranker(popularity), pairs = transitions_ranker(transitions);
    const struct ranker_query newcomer = {.user = 0, .known = 0};
    assert_int_equal(rank_one(&counts, dataset, newcomer, room).count, 0);
    show_all(&counts, dataset);
    show_all(&pairs, dataset);
    assert_int_equal(rank_one(&counts, dataset, newcomer, room).count, 4);
    assert_int_equal(rank_one(&pairs, dataset, newcomer, room).count, 0);
    transitions_close(transitions);
    popularity_close(popularity);
    dataset_close(dataset);
}

static void full_table_counts_what_it_drops(void **state)
{
    (void)state;
    struct dataset *dataset = open_dataset();
    struct transitions *transitions;
    struct error error;
    assert_int_equal(transitions_open(&transitions, dataset, 2, &error), STATUS_OK);
    struct ranker ranker = transitions_ranker(transitions);
    show_all(&ranker, dataset);
    assert_int_equal(transitions_dropped(transitions), 6);
    transitions_close(transitions);
    dataset_close(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(popularity_counts_known_items),
        cmocka_unit_test(transitions_vote_by_distance_decay_and_popularity),
        cmocka_unit_test(what_was_never_counted_is_not_listed),
        cmocka_unit_test(full_table_counts_what_it_drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
