/* test_metrics.c - one metric per name and label. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/metrics.h"

enum { ADDITIONS = 10000 };

static void *add_many(void *argument)
{
    struct metric *metric = metrics_get("events_total", "reason", argument);
    for (int i = 0; i < ADDITIONS; i++) {
        metric_add(metric, 1);
    }
    return NULL;
}

static void additions_of_all_threads_count(void **state)
{
    (void)state;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, "dropped"), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(metric_value(metrics_get("events_total", "reason", "dropped")), 2 * ADDITIONS);
}

static void name_label_and_value_make_a_metric(void **state)
{
    (void)state;
    struct metric *metric = metrics_get("reads_total", "use", "kept");
    assert_ptr_equal(metrics_get("reads_total", "use", "kept"), metric);
    assert_ptr_not_equal(metrics_get("reads_total", "use", "ignored"), metric);
    assert_ptr_not_equal(metrics_get("writes_total", "use", "kept"), metric);
    assert_ptr_not_equal(metrics_get("reads_total", NULL, NULL), metric);
}

static void a_histogram_counts_at_the_least_bound_that_is_not_below(void **state)
{
    (void)state;
    static const int64_t bounds[] = {10, 100};
    struct histogram *histogram = histograms_get("waits", bounds, 2);
    assert_ptr_equal(histograms_get("waits", bounds, 2), histogram);
    histogram_add(histogram, 10, 3);
    histogram_add(histogram, 11, 1);
    histogram_add(histogram, 101, 1);
    assert_int_equal(histogram->counts[0], 3);
    assert_int_equal(histogram->counts[1], 1);
    assert_int_equal(histogram->counts[2], 1);
    assert_int_equal(histogram->sum, 3 * 10 + 11 + 101);
    assert_ptr_equal(histograms_at(0), histogram);
    assert_null(histograms_at(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(additions_of_all_threads_count),
        cmocka_unit_test(name_label_and_value_make_a_metric),
        cmocka_unit_test(a_histogram_counts_at_the_least_bound_that_is_not_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
