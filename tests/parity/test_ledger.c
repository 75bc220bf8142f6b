/*
 * test_ledger.c - the interest ledger against its fixtures, and the laws of models.md section 7.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/interest_ledger.h"
#include "tests/near.h"
#include "tests/parity/fixture.h"

static struct interest_ledger options_of(const struct fixture *file)
{
    return (struct interest_ledger){
        .d = fixture_number(file, "d"),
        .interests_max = fixture_number(file, "interests_max"),
        .half_life_days = fixture_real(file, "half_life_days"),
        .new_cosine = fixture_real(file, "new_cosine"),
        .merge_cosine = fixture_real(file, "merge_cosine"),
        .drop_mass = fixture_real(file, "drop_mass"),
        .publish_mass = fixture_real(file, "publish_mass"),
        .split_mass = fixture_real(file, "split_mass"),
        .split_scatter = fixture_real(file, "split_scatter"),
        .split_share = fixture_real(file, "split_share"),
    };
}

/* Those of models.md for vectors of width d. */
static struct interest_ledger default_options(uint32_t d)
{
    return (struct interest_ledger){
        .d = d,
        .interests_max = 16,
        .half_life_days = 30,
        .new_cosine = 0.5,
        .merge_cosine = 0.9,
        .drop_mass = 0.1,
        .publish_mass = 1.5,
        .split_mass = 8,
        .split_scatter = 0.5,
        .split_share = 0.5,
    };
}

static void *empty_state(const struct interest_ledger *ledger)
{
    void *state = calloc(1, interest_ledger_size(ledger));
    assert_non_null(state);
    return state;
}

/* The whole list after event `t`. */
static void compare_entries(const struct fixture *file, const struct interest_ledger *ledger,
                            const void *state, uint32_t t)
{
    const double *s = fixture_f64(file, "output/s", NULL), *m = fixture_f64(file, "output/m", NULL);
    const double *q = fixture_f64(file, "output/q", NULL);
    for (uint32_t k = 0; k < interest_ledger_count(ledger, state); k++) {
        size_t at = (size_t)t * ledger->interests_max + k;
        struct interest_ledger_entry entry = interest_ledger_at(ledger, state, k);
        assert_close(file, "output/s", entry.s, s + at * ledger->d, ledger->d);
        assert_close(file, "output/m", &entry.m, m + at, 1);
        assert_close(file, "output/q", &entry.q, q + at, 1);
        assert_int_equal(entry.last_s, fixture_i64(file, "output/last", NULL)[at]);
    }
}

/* Entries whose masses no `real` tells apart may be published in either order. */
static void compare_published(const struct fixture *file, const struct interest_ledger *ledger,
                              const void *state, uint32_t t)
{
    uint32_t limit = fixture_number(file, "publish_limit");
    uint32_t indices[INTEREST_LEDGER_MAX];
    const double *mass = fixture_f64(file, "output/m", NULL) + (size_t)t * ledger->interests_max;
    const int64_t *want = fixture_i64(file, "output/publish", NULL) + (size_t)t * limit;
    uint32_t count = interest_ledger_publish(ledger, state, limit, indices);
    assert_int_equal(count, fixture_i64(file, "output/publish_count", NULL)[t]);
    for (uint32_t k = 0; k < count; k++) {
        if (indices[k] != want[k])
            assert_near(mass[indices[k]], mass[want[k]], sizeof(real) == sizeof(float) ? 1e-6 : 0);
    }
}

static void replay_fixture(const char *name)
{
    struct fixture file;
    fixture_open_named(&file, name);
    struct interest_ledger ledger = options_of(&file);
    const uint64_t *shape = NULL;
    real *vectors = fixture_reals(&file, "input/events", &shape);
    void *state = empty_state(&ledger);
    for (uint32_t t = 0; t < shape[0]; t++) {
        enum interest_ledger_action action =
            interest_ledger_absorb(&ledger, state, vectors + (size_t)t * ledger.d,
                                   fixture_i64(&file, "input/seconds", NULL)[t]);
        assert_int_equal(action, fixture_i64(&file, "output/action", NULL)[t]);
        assert_int_equal(interest_ledger_count(&ledger, state),
                         fixture_i64(&file, "output/count", NULL)[t]);
        assert_int_equal(interest_ledger_time_s(state), fixture_i64(&file, "output/time", NULL)[t]);
        compare_entries(&file, &ledger, state, t);
        compare_published(&file, &ledger, state, t);
    }
    free(state);
    free(vectors);
    fixture_close(&file);
}

static void default_ledger_equals_its_fixture(void **context)
{
    (void)context;
    replay_fixture("ledger.default");
}

static void small_ledger_equals_its_fixture(void **context)
{
    (void)context;
    replay_fixture("ledger.small");
}

static void splitting_ledger_equals_its_fixture(void **context)
{
    (void)context;
    replay_fixture("ledger.splits");
}

static void state_at_64_has_the_documented_size(void **context)
{
    (void)context;
    struct interest_ledger ledger = default_options(64);
    assert_int_equal(interest_ledger_size(&ledger), 8 + 16 * (66 * sizeof(real) + sizeof(int64_t)));
}

static void random_unit(struct random *random, real *vector, uint32_t d)
{
    double sum = 0;
    double normal[64];
    for (uint32_t i = 0; i < d; i++) {
        normal[i] = random_normal(random);
        sum += normal[i] * normal[i];
    }
    for (uint32_t i = 0; i < d; i++) {
        vector[i] = (real)(normal[i] / __builtin_sqrt(sum));
    }
}

/* Without decay and pruning, masses add up to the events, whatever grew, split and merged. */
static void mass_is_conserved(void **context)
{
    (void)context;
    struct interest_ledger ledger = default_options(8);
    ledger.interests_max = 6;
    ledger.drop_mass = 0;
    ledger.split_mass = 3;
    ledger.new_cosine = 0;
    ledger.merge_cosine = 0.6;
    struct random random = random_seeded(7);
    void *state = empty_state(&ledger);
    uint32_t seen[3] = {0};
    for (uint32_t t = 1; t <= 2000; t++) {
        real vector[8];
        random_unit(&random, vector, 8);
        seen[interest_ledger_absorb(&ledger, state, vector, 100)]++;
        double mass = 0;
        for (uint32_t k = 0; k < interest_ledger_count(&ledger, state); k++) {
            mass += interest_ledger_at(&ledger, state, k).m;
        }
        assert_near(mass, t, 1e-5 * t);
    }
    assert_true(seen[INTEREST_LEDGER_ASSIGN] && seen[INTEREST_LEDGER_GROW] &&
                seen[INTEREST_LEDGER_SPLIT]);
    free(state);
}

/* What is left of every behavior, added up entry by entry, is the entries' mass. */
static void parts_of_behaviors_add_up_to_the_masses(void **context)
{
    (void)context;
    enum { EVENTS = 600, ENTRIES = 6 };
    static real at[EVENTS][ENTRIES];
    static int64_t time_s[EVENTS];
    struct interest_ledger ledger = default_options(8);
    ledger.interests_max = ENTRIES;
    ledger.split_mass = 3;
    ledger.new_cosine = 0;
    ledger.merge_cosine = 0.6;
    struct random random = random_seeded(8);
    void *state = empty_state(&ledger);
    struct interest_ledger_parts parts = {&at[0][0], ENTRIES, 0};
    for (uint32_t t = 0; t < EVENTS; t++) {
        real vector[8];
        random_unit(&random, vector, 8);
        const int64_t gap_s = (int64_t)random_below(&random, t % 50 ? 600000 : 20000000);
        interest_ledger_absorb_part(&ledger, state, vector, interest_ledger_time_s(state) + gap_s,
                                    &parts);
        time_s[t] = interest_ledger_time_s(state);
        for (uint32_t k = 0; k < ENTRIES; k++) {
            double mass = 0;
            for (uint32_t i = 0; i <= t; i++) {
                mass += (double)at[i][k] *
                        interest_ledger_left(&ledger, (double)(time_s[t] - time_s[i]));
            }
            const bool live = k < interest_ledger_count(&ledger, state);
            assert_near(mass, live ? interest_ledger_at(&ledger, state, k).m : 0, 1e-4);
        }
    }
    free(state);
}

/* 500 half-lives are below what a float can hold; the user still has one interest. */
static void long_absence_leaves_one_live_interest(void **context)
{
    (void)context;
    struct interest_ledger ledger = default_options(4);
    void *state = empty_state(&ledger);
    const real first[4] = {1, 0, 0, 0}, other[4] = {0, 1, 0, 0};
    interest_ledger_absorb(&ledger, state, first, 0);
    int64_t day_s = 86400;
    assert_int_equal(interest_ledger_absorb(&ledger, state, other, 500 * 30 * day_s),
                     INTEREST_LEDGER_GROW);
    real vectors[8], weights[2];
    assert_int_equal(interest_ledger_read(&ledger, state, 2, vectors, weights), 1);
    assert_near(vectors[1], 1, 1e-6);
    assert_near(weights[0], 1, 0);
    assert_near(weights[1], 0, 0);
    free(state);
}

static void first_event_publishes_exactly_one(void **context)
{
    (void)context;
    struct interest_ledger ledger = default_options(4);
    void *state = empty_state(&ledger);
    uint32_t indices[4];
    assert_int_equal(interest_ledger_publish(&ledger, state, 4, indices), 0);
    interest_ledger_absorb(&ledger, state, (const real[4]){0, 0, 1, 0}, -5);
    assert_int_equal(interest_ledger_publish(&ledger, state, 4, indices), 1);
    free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_ledger_equals_its_fixture),
        cmocka_unit_test(small_ledger_equals_its_fixture),
        cmocka_unit_test(splitting_ledger_equals_its_fixture),
        cmocka_unit_test(state_at_64_has_the_documented_size),
        cmocka_unit_test(mass_is_conserved),
        cmocka_unit_test(parts_of_behaviors_add_up_to_the_masses),
        cmocka_unit_test(long_absence_leaves_one_live_interest),
        cmocka_unit_test(first_event_publishes_exactly_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
