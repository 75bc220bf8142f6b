/* test_log_dataset.c - a log of events becomes sequences of known rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "stream/learn/log_dataset.h"

static const struct item_entry items[] = {{{"alien", 5}, 1}, {{"brazil", 6}, 0}};
static const struct bytes categories[] = {{"horror", 6}};

struct world {
    char path[32];
    struct config config;
    struct dataset *dataset;
    struct log_dataset_summary summary;
    struct error error;
};

static enum status read_lives(struct world *world, const char *text, uint32_t oov, const char *ttl)
{
    struct item_table *table;
    *world = (struct world){.path = "/tmp/braid-log-XXXXXX"};
    int file = mkstemp(world->path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    assert_int_equal(item_table_open(&table, items, 2, categories, 1, oov, &world->error),
                     STATUS_OK);
    config_defaults(&world->config);
    const char *const settings[][2] = {{"source.path", world->path},
                                       {"source.format", "csv"},
                                       {"source.time", "s"},
                                       {"state.ttl", ttl}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (config_set(&world->config, settings[i][0], settings[i][1], "test", &world->error)) {
            fail_msg("%s", world->error.text);
        }
    }
    enum status status = log_dataset_open(&world->dataset, &world->config, table, NULL,
                                          &world->summary, &world->error);
    item_table_close(table);
    unlink(world->path);
    return status;
}

static enum status read_log(struct world *world, const char *text, uint32_t oov)
{
    return read_lives(world, text, oov, "0s");
}

static void world_close(struct world *world)
{
    dataset_close(world->dataset);
    config_close(&world->config);
}

static const char log_text[] = "user,item,time\n"
                               "ann,alien,1000000000\n"
                               "bob,brazil,1000000001\n"
                               "ann,cube,1000000002\n"
                               "ann,brazil,yesterday\n"
                               "ann,brazil,1000000005\n";

static void events_become_rows_of_the_dictionary(void **state)
{
    (void)state;
    static struct world world;
    if (read_log(&world, log_text, 3) != STATUS_OK) fail_msg("%s", world.error.text);
    assert_int_equal(world.summary.log.events, 5);
    assert_int_equal(world.summary.log.accepted, 4);
    assert_int_equal(world.summary.unknown, 1);
    assert_int_equal(world.summary.log.bad, 1);
    assert_non_null(strstr(world.summary.log.bad_why, "line 5"));
    assert_int_equal(dataset_users(world.dataset), 2);
    assert_true(dataset_user_hash(world.dataset, 0) == identity_of("ann", 3));
    struct dataset_sequence ann = dataset_sequence(world.dataset, 0);
    assert_int_equal(ann.count, 3);
    assert_int_equal(ann.at[0].item, 4);
    assert_int_equal(ann.at[0].category, 1);
    assert_in_range(ann.at[1].item, 1, 3); /* one of the shared rows */
    assert_int_equal(ann.at[2].item, 5);
    assert_int_equal(ann.at[2].gap_s, 3);
    world_close(&world);
}

static void unknown_items_are_passed_over_without_shared_rows(void **state)
{
    (void)state;
    static struct world world;
    if (read_log(&world, log_text, 0) != STATUS_OK) fail_msg("%s", world.error.text);
    struct dataset_sequence ann = dataset_sequence(world.dataset, 0);
    assert_int_equal(ann.count, 2);
    assert_int_equal(ann.at[1].gap_s, 5);
    assert_int_equal(world.summary.unknown, 1);
    world_close(&world);
}

/* Of one user, whose partition has no other: the clock is its own latest time. */
static void each_life_of_a_user_is_a_sequence_of_its_own(void **state)
{
    (void)state;
    static struct world world;
    static const char log[] = "user,item,time\n"
                              "ann,alien,1000000000\n"
                              "ann,brazil,1000003600\n"
                              "ann,alien,1000000001\n" /* late, and of this life */
                              "ann,brazil,1000007201\n"
                              "ann,alien,1000007202\n";
    if (read_lives(&world, log, 3, "1h") != STATUS_OK) fail_msg("%s", world.error.text);
    assert_int_equal(dataset_users(world.dataset), 2);
    const struct dataset_sequence first = dataset_sequence(world.dataset, 0);
    const struct dataset_sequence second = dataset_sequence(world.dataset, 1);
    assert_int_equal(first.count, 3);
    assert_int_equal(second.count, 2);
    assert_int_equal(second.at[0].ordinal, 3);
    assert_int_equal(second.at[0].gap_s, -1);
    assert_int_equal(second.at[1].gap_s, 1);
    assert_true(dataset_user_hash(world.dataset, 1) == identity_of("ann", 3));
    world_close(&world);
}

/* Others bring the clock of the partition on by a sixteenth of the ttl each. */
static void a_user_that_the_partition_has_left_behind_begins_another_life(void **state)
{
    (void)state;
    static struct world world;
    char log[4096];
    int size = snprintf(log, sizeof log, "user,item,time\nann,alien,1000000000\n");
    for (int i = 0; i < 20; i++) { /* bob is of its partition */
        size +=
            snprintf(log + size, sizeof log - (size_t)size, "bob,alien,%d\n", 1000000000 + 225 * i);
    }
    (void)snprintf(log + size, sizeof log - (size_t)size, "ann,brazil,1000000001\n");
    if (read_lives(&world, log, 3, "1h") != STATUS_OK) fail_msg("%s", world.error.text);
    assert_int_equal(dataset_users(world.dataset), 3);
    assert_int_equal(dataset_sequence(world.dataset, 2).at[0].ordinal, 1);
    world_close(&world);
}

static void log_without_a_usable_event_is_refused(void **state)
{
    (void)state;
    static struct world world;
    assert_int_equal(read_log(&world, "user,item,time\nann,alien,soon\n", 1), STATUS_INVALID);
    assert_null(world.dataset);
    assert_non_null(strstr(world.error.text, "line 2"));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_become_rows_of_the_dictionary),
        cmocka_unit_test(unknown_items_are_passed_over_without_shared_rows),
        cmocka_unit_test(each_life_of_a_user_is_a_sequence_of_its_own),
        cmocka_unit_test(a_user_that_the_partition_has_left_behind_begins_another_life),
        cmocka_unit_test(log_without_a_usable_event_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
