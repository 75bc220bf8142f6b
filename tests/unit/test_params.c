/* test_params.c - declared parameters: layout, drawing, fingerprints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>

#include "model/param_draw.h"
#include "model/tensor/params.h"

/* Two weights, a table and a read-side query; `with_extra` declares one more in front. */
static struct param_set *declared(bool with_extra)
{
    struct param_set *set = NULL;
    const struct param_spec query = {
        .init = PARAM_NORMAL, .spread = 2, .rank = 2, .shape = {50, 40}, .read_side = true};
    assert_int_equal(param_set_open(&set, NULL), STATUS_OK);
    if (with_extra) param_declare(set, param_vector(PARAM_ONES, 3), "extra");
    param_declare(set, param_table(0.5, 100, 8), "item.embedding");
    param_declare(set, param_matrix(5, 7), "block.%d.query.weight", 1);
    param_declare(set, query, "extract.query");
    assert_int_equal(param_set_allocate(set, NULL), STATUS_OK);
    return set;
}

static void parameters_lie_aligned_in_declared_order(void **state)
{
    (void)state;
    struct param_set *set = declared(true);
    const char *names[] = {"extra", "item.embedding", "block.1.query.weight", "extract.query"};
    assert_int_equal(param_set_count(set), 4);
    const real *end = param_set_block(set);
    for (uint32_t i = 0; i < 4; i++) {
        const struct param *param = param_set_at(set, i);
        assert_string_equal(param->name, names[i]);
        assert_ptr_equal(param_set_find(set, names[i]), param);
        assert_int_equal((uintptr_t)param->data % 64, 0);
        assert_true(param->data >= end);
        end = param->data + param->count;
    }
    assert_true(end <= param_set_block(set) + param_set_size(set));
    assert_null(param_set_find(set, "block.2.query.weight"));
    param_set_close(set);
}

static void values_do_not_depend_on_other_parameters(void **state)
{
    (void)state;
    struct param_set *one = declared(false), *two = declared(true), *other = declared(false);
    param_set_draw(one, 5);
    param_set_draw(two, 5);
    param_set_draw(other, 6);
    for (uint32_t i = 0; i < param_set_count(one); i++) {
        const struct param *param = param_set_at(one, i);
        const size_t size = param->count * sizeof(real);
        assert_memory_equal(param->data, param_set_get(two, "%s", param->name)->data, size);
        assert_memory_not_equal(param->data, param_set_at(other, i)->data, size);
    }
    param_set_close(one);
    param_set_close(two);
    param_set_close(other);
}

static void queries_of_more_interests_begin_with_those_there_were(void **state)
{
    struct param_set *few, *more;
    struct param_spec queries = {
        .init = PARAM_NORMAL, .spread = 1, .rank = 2, .shape = {2, 3}, .read_side = true};
    struct param_spec weights = {.init = PARAM_NORMAL, .spread = 1, .rank = 2, .shape = {2, 3}};
    (void)state;
    assert_int_equal(param_set_open(&few, NULL), STATUS_OK);
    assert_int_equal(param_set_open(&more, NULL), STATUS_OK);
    param_declare(few, queries, "queries");
    param_declare(few, weights, "weights");
    queries.shape[0] = weights.shape[0] = 4;
    param_declare(more, queries, "queries");
    param_declare(more, weights, "weights");
    assert_int_equal(param_set_allocate(few, NULL), STATUS_OK);
    assert_int_equal(param_set_allocate(more, NULL), STATUS_OK);
    param_set_draw(few, 1);
    param_set_draw(more, 2);
    const struct param *grown = param_set_get(more, "queries"),
                       *other = param_set_get(more, "weights");
    const real last = grown->data[11], own = other->data[0];
    param_set_copy(more, few);
    assert_memory_equal(grown->data, param_set_get(few, "queries")->data, 6 * sizeof(real));
    assert_true(grown->data[11] == last);
    assert_true(other->data[0] == own); /* states depend on it: another shape is another thing */
    param_set_close(more);
    param_set_close(few);
}

static void draws_follow_their_initializers(void **state)
{
    (void)state;
    struct param_set *set = declared(true);
    param_set_draw(set, 1);
    const struct param *table = param_set_get(set, "item.embedding");
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(table->data[i] == 0 && table->data[8 + i] != 0);
    }
    const struct param *weight = param_set_get(set, "block.1.query.weight");
    for (size_t i = 0; i < weight->count; i++) {
        assert_true(fabs((double)weight->data[i]) <= sqrt(6.0 / 12) && weight->data[i] != 0);
    }
    const struct param *query = param_set_get(set, "extract.query");
    double squares = 0;
    for (size_t i = 0; i < query->count; i++) {
        squares += (double)query->data[i] * (double)query->data[i];
    }
    assert_float_equal(sqrt(squares / (double)query->count), 2, 0.15);
    assert_true(param_set_get(set, "extra")->data[2] == 1);
    param_set_close(set);
}

static void recurrent_initializers_know_their_blocks(void **state)
{
    (void)state;
    struct param_set *set = NULL;
    const struct param_spec gates = {.init = PARAM_GLOROT_GATES, .rank = 2, .shape = {9, 5}};
    const struct param_spec diagonal = {
        .init = PARAM_DIAGONAL, .value = 4, .rank = 1, .shape = {9}};
    const struct param_spec forget = {.init = PARAM_FILL, .value = -4, .rank = 1, .shape = {2}};
    assert_int_equal(param_set_open(&set, NULL), STATUS_OK);
    param_declare(set, gates, "gates");
    param_declare(set, diagonal, "diagonal");
    param_declare(set, forget, "forget");
    param_declare(set, param_vector(PARAM_GRU_BIAS, 9), "bias");
    param_declare(set, param_vector(PARAM_TANH_NORMAL, 99), "keys");
    assert_int_equal(param_set_allocate(set, NULL), STATUS_OK);
    param_set_draw(set, 1);
    double largest = 0;
    for (size_t i = 0; i < 45; i++) {
        largest = fmax(largest, fabs((double)param_set_at(set, 0)->data[i]));
    }
    assert_true(largest <= sqrt(6.0 / 8) && largest > sqrt(6.0 / 14)); /* 3 rows, not 9 */
    for (size_t i = 0; i < 9; i++) {
        assert_true(param_set_at(set, 1)->data[i] == (i % 4 == 0 ? 4 : 0));
        assert_true(param_set_at(set, 3)->data[i] == (i < 6 ? 1 : 0));
    }
    assert_true(param_set_at(set, 2)->data[1] == -4);
    for (size_t i = 0; i < 99; i++) {
        assert_true(fabs((double)param_set_at(set, 4)->data[i]) < 1);
    }
    param_set_close(set);
}

static void decays_begin_at_half_lives_from_an_eighth_to_64_days(void **state)
{
    (void)state;
    struct param_set *set = NULL;
    assert_int_equal(param_set_open(&set, NULL), STATUS_OK);
    param_declare(set, param_vector(PARAM_DECAY, 4), "decay");
    param_declare(set, param_vector(PARAM_DECAY, 1), "alone");
    assert_int_equal(param_set_allocate(set, NULL), STATUS_OK);
    param_set_draw(set, 1);
    const double days[] = {0.125, 1, 8, 64};
    for (size_t head = 0; head < 4; head++) {
        double softplus = log1p(exp((double)param_set_at(set, 0)->data[head]));
        assert_true(fabs(log(2) / softplus / days[head] - 1) < 1e-5);
    }
    assert_true(param_set_at(set, 1)->data[0] == param_set_at(set, 0)->data[2]);
    param_set_close(set);
}

static void only_state_producing_parameters_change_the_state_fingerprint(void **state)
{
    (void)state;
    struct param_set *set = declared(false);
    param_set_draw(set, 1);
    const uint64_t all = param_set_fingerprint(set, PARAMS_ALL);
    const uint64_t states = param_set_fingerprint(set, PARAMS_STATE_PRODUCING);
    param_set_find(set, "extract.query")->data[0] += 1;
    assert_int_not_equal(param_set_fingerprint(set, PARAMS_ALL), all);
    assert_int_equal(param_set_fingerprint(set, PARAMS_STATE_PRODUCING), states);
    param_set_find(set, "item.embedding")->data[9] += 1;
    assert_int_not_equal(param_set_fingerprint(set, PARAMS_STATE_PRODUCING), states);
    param_set_close(set);
}

static void a_value_that_is_not_finite_is_found(void **state)
{
    (void)state;
    struct param_set *set = declared(false);
    const struct param *bad = NULL;
    assert_true(param_set_within(set, 1e6, &bad));
    param_set_find(set, "extract.query")->data[1999] = NAN;
    assert_false(param_set_within(set, 1e6, &bad));
    assert_string_equal(bad->name, "extract.query");
    param_set_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_lie_aligned_in_declared_order),
        cmocka_unit_test(values_do_not_depend_on_other_parameters),
        cmocka_unit_test(queries_of_more_interests_begin_with_those_there_were),
        cmocka_unit_test(draws_follow_their_initializers),
        cmocka_unit_test(recurrent_initializers_know_their_blocks),
        cmocka_unit_test(decays_begin_at_half_lives_from_an_eighth_to_64_days),
        cmocka_unit_test(only_state_producing_parameters_change_the_state_fingerprint),
        cmocka_unit_test(a_value_that_is_not_finite_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
