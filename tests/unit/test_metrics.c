/* test_metrics.c - one metric per name and label, and how they are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

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

static void metrics_print_in_the_order_of_registration(void **state)
{
    (void)state;
    metric_set(metrics_get("memory_bytes", NULL, NULL), 7);
    metric_add(metrics_get("events_total", "reason", "malformed"), 1);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    metrics_print(out);
    fclose(out);
    assert_string_equal(text, "events_total{reason=\"dropped\"} 20000\n"
                              "memory_bytes 7\n"
                              "events_total{reason=\"malformed\"} 1\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(additions_of_all_threads_count),
        cmocka_unit_test(metrics_print_in_the_order_of_registration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
