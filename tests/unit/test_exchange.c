/*
 * test_exchange.c - generations shared over logs in memory: what one directory has reaches another,
 * whole or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "model/model_dir.h"
#include "tests/unit/exchange_fixture.h"

/* The first committed record of that part of a generation. */
static struct fake_record *part_of(uint64_t generation, uint32_t part)
{
    uint32_t count;
    struct fake_record *records = fake_generation_log_records(&count);
    uint8_t key[SHARED_KEY_SIZE];
    shared_key_encode(generation, part, key);
    for (uint32_t i = 0; i < count; i++) {
        if (records[i].state == FAKE_COMMITTED && records[i].which == SHARED_MODELS &&
            memcmp(records[i].key, key, sizeof key) == 0) {
            return &records[i];
        }
    }
    fail_msg("no such record");
    return NULL;
}

/* ---- what is right ---- */

static void a_generation_reaches_another_directory_to_the_byte(void **state)
{
    (void)state;
    assert_int_equal(synced(&b), 0);
    take_seat(&a);
    assert_int_equal(publish(&a, 1), 1);
    assert_int_equal(synced(&b), 1);
    expect_same_file(1);
    assert_int_equal(synced(&a), 1);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 1), ITEMS + 1);
}

static void item_vectors_and_their_end_come_before_the_parameters(void **state)
{
    (void)state;
    uint32_t count, vectors = 0;
    take_seat(&a);
    publish(&a, 1);
    struct fake_record *records = fake_generation_log_records(&count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t generation;
        uint32_t part = 0;
        const struct bytes key = {records[i].key, records[i].key_size};
        if (records[i].which == SHARED_ITEM_VECTORS) vectors++;
        if (records[i].which != SHARED_MODELS) continue;
        assert_true(shared_key_decode(key, &generation, &part));
        assert_int_equal(vectors, ITEMS + 1);
    }
    assert_int_equal(records[count - 1].which, SHARED_MODELS);
    assert_memory_equal(records[count - 1].key + 8, "\xff\xff\xff\xff", 4);
}

static void numbers_go_on_from_those_of_the_group(void **state)
{
    (void)state;
    take_seat(&a);
    publish(&a, 1);
    publish(&a, 2);
    take_seat(&b);
    assert_int_equal(publish(&b, 3), 3);
    assert_int_equal(synced(&a), 3);
    expect_same_file(3);
}

static void a_directory_that_has_the_files_gets_none(void **state)
{
    (void)state;
    struct stat before, after;
    char path[MODEL_DIR_PATH_MAX];
    take_seat(&a);
    publish(&a, 1);
    synced(&b);
    assert_int_equal(model_dir_path(b.dir, 1, path, NULL), STATUS_OK);
    assert_int_equal(stat(path, &before), 0);
    member_close(&b);
    member_open(&b, "b");
    assert_int_equal(synced(&b), 1);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void a_file_that_differs_from_the_groups_is_replaced(void **state)
{
    (void)state;
    take_seat(&a);
    publish(&a, 1);
    make_generation(&b, 99); /* sealed here and never published */
    assert_int_equal(synced(&b), 1);
    expect_same_file(1);
}

static void what_was_sealed_and_never_published_is_not_the_groups(void **state)
{
    (void)state;
    take_seat(&a);
    publish(&a, 1);
    synced(&b);
    assert_int_equal(make_generation(&b, 99), 2);
    assert_int_equal(synced(&b), 1);
}

static void a_topic_that_was_made_anew_is_read_from_its_beginning(void **state)
{
    (void)state;
    take_seat(&a);
    publish(&a, 1);
    publish(&a, 2);
    assert_int_equal(synced(&b), 2);
    fake_generation_log_reset();
    assert_int_equal(synced(&b), 0);
    take_seat(&a);
    assert_int_equal(publish(&a, 3), 3);
    assert_int_equal(synced(&b), 3);
}

/* ---- damage ---- */

static void expect_passed_over(void)
{
    assert_int_equal(synced(&b), 1);
    assert_true(has(&b, 1));
    assert_false(has(&b, 2));
    take_seat(&a);
    publish(&a, 3);
    assert_int_equal(synced(&b), 3); /* and the next one is taken */
    expect_same_file(3);
}

static void two_generations(void)
{
    take_seat(&a);
    publish(&a, 1);
    publish(&a, 2);
}

static void a_generation_without_one_of_its_chunks_is_passed_over(void **state)
{
    (void)state;
    two_generations();
    part_of(2, 3)->state = FAKE_ABORTED;
    expect_passed_over();
}

static void a_generation_with_a_flipped_bit_is_passed_over(void **state)
{
    (void)state;
    two_generations();
    part_of(2, 2)->value[100] ^= 4;
    expect_passed_over();
}

static void a_manifest_without_chunks_is_passed_over(void **state)
{
    (void)state;
    two_generations();
    for (uint32_t chunk = 0; chunk < 1000; chunk++) {
        uint32_t count;
        struct fake_record *records = fake_generation_log_records(&count), *found = NULL;
        uint8_t key[SHARED_KEY_SIZE];
        shared_key_encode(2, chunk, key);
        for (uint32_t i = 0; i < count; i++) {
            if (memcmp(records[i].key, key, sizeof key) == 0) found = &records[i];
        }
        if (!found) break;
        found->state = FAKE_ABORTED;
    }
    expect_passed_over();
}

static void a_manifest_that_says_otherwise_is_believed_in_nothing(void **state)
{
    (void)state;
    two_generations();
    part_of(2, SHARED_MANIFEST)->value[1] ^= 1; /* of the size */
    expect_passed_over();
}

static void foreign_records_are_passed_over(void **state)
{
    (void)state;
    struct error error;
    const struct generation_log_ops *ops = &fake_generation_log;
    const struct shared_record foreign[] = {
        {{"k", 1}, {"v", 1}},
        {{"\0\0\0\0\0\0\0\0\0\0\0\1", 12}, {"v", 1}},
        {{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12}, {"v", 1}},
        {{"\0\0\0\0\0\0\0\7\0\0\0\5", 12}, {"a chunk of its own", 18}},
    };
    take_seat(&a);
    publish(&a, 1);
    expect_ok(ops->begin(a.exchange->log, &error), &error);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        expect_ok(ops->send(a.exchange->log, SHARED_MODELS, &foreign[i], &error), &error);
    }
    expect_ok(ops->commit(a.exchange->log, &error), &error);
    assert_int_equal(synced(&b), 1);
}

/* ---- the seat ---- */

static void who_does_not_hold_the_seat_publishes_nothing(void **state)
{
    (void)state;
    struct error error;
    take_seat(&a);
    take_seat(&b);
    make_generation(&a, 1);
    assert_int_equal(exchange_publish(a.exchange, 1, &error), STATUS_FENCED);
    assert_int_equal(synced(&b), 0);
}

static void a_group_begins_with_what_the_first_holder_of_the_seat_has(void **state)
{
    (void)state;
    make_generation(&a, 1);
    make_generation(&a, 2);
    take_seat(&a);
    assert_int_equal(synced(&b), 2);
    expect_same_file(2);
    assert_false(has(&b, 1));
    make_generation(&b, 3);
    take_seat(&b); /* the group has one */
    assert_int_equal(synced(&a), 2);
}

/* The seat is lost at each place of a publication: nothing is seen of it, and the next one is. */
static void a_publisher_that_is_shut_out_on_the_way_leaves_nothing_to_adopt(void **state)
{
    (void)state;
    struct error error;
    uint32_t count;
    take_seat(&a);
    publish(&a, 1);
    fake_generation_log_records(&count);
    for (uint32_t place = 1; place <= count; place += place < 5 ? 1 : 7) {
        take_seat(&a);
        const uint64_t number = make_generation(&a, place);
        fake_fenced_after = place;
        assert_int_equal(exchange_publish(a.exchange, number, &error), STATUS_FENCED);
        assert_int_equal(synced(&b), 1);
        assert_false(has(&b, number));
    }
    take_seat(&b);
    const uint64_t number = publish(&b, 7);
    assert_int_equal(live(SHARED_ITEM_VECTORS, number), ITEMS + 1);
    assert_int_equal(synced(&a), number);
    expect_same_file(number);
}

/* Its vectors were seen, so the number is another's for ever. */
static void a_number_that_was_announced_is_not_given_out_again(void **state)
{
    (void)state;
    struct error error;
    take_seat(&a);
    make_generation(&a, 1);
    fake_fenced_after = ITEMS + 5; /* among the chunks */
    assert_int_equal(exchange_publish(a.exchange, 1, &error), STATUS_FENCED);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 1), ITEMS + 1);
    take_seat(&b);
    assert_int_equal(publish(&b, 2), 2);
    take_seat(&a);
    assert_int_equal(exchange_publish(a.exchange, 1, &error), STATUS_INVALID);
}

/* It is built up beside a job that publishes, whose item vectors have the same numbers. */
static void who_publishes_no_records_writes_no_item_vectors(void **state)
{
    (void)state;
    struct error error;
    a.config.output.publish = CONFIG_PUBLISH_NONE;
    a.config.output.items_grace_ms = 0;
    take_seat(&a);
    for (uint64_t number = 1; number <= 3; number++) {
        assert_int_equal(publish(&a, number), number);
        fake_oldest_generation = number;
        tend(&a);
        tend(&a);
        assert_int_equal(live(SHARED_ITEM_VECTORS, number), 0);
    }
    assert_int_equal(synced(&b), 3);
    expect_same_file(3);
    expect_ok(exchange_check_vectors(a.exchange, 3, &error), &error);

    /* As it takes that one's place it needs a number with vectors. */
    a.config.output.publish = CONFIG_PUBLISH_ALL;
    assert_int_equal(exchange_check_vectors(a.exchange, 3, &error), STATUS_REFUSED);
    take_seat(&a);
    assert_int_equal(publish(&a, 4), 4);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 4), ITEMS + 1);
    assert_int_equal(synced(&a), 4);
    expect_ok(exchange_check_vectors(a.exchange, 4, &error), &error);
}

/* A member that could not take over the newest one, for want of memory, goes on from an older one. */
static void what_goes_on_from_an_older_generation_gets_a_number_above_the_newest(void **state)
{
    (void)state;
    char path[MODEL_DIR_PATH_MAX];
    struct checkpoint *checkpoint;
    struct error error = {.text = ""};
    take_seat(&a);
    assert_int_equal(publish(&a, 1), 1);
    take_seat(&b);
    assert_int_equal(publish(&b, 2), 2);
    take_seat(&a);
    expect_ok(model_dir_path(a.dir, 1, path, &error), &error);
    expect_ok(checkpoint_open(&checkpoint, path, &error), &error);
    checkpoint->generation++; /* as a round does that goes on from it */
    expect_ok(model_dir_write(a.dir, checkpoint, &error), &error);
    assert_int_equal(checkpoint->generation, 3);
    expect_ok(exchange_publish(a.exchange, 3, &error), &error);
    checkpoint_close(checkpoint);
    assert_int_equal(synced(&b), 3);
}

/* ---- files ---- */

/* Lines of a file of output.dir, 0: there is none; `last` [room] is the last one. */
static uint32_t lines_of(const char *dir, uint64_t number, char *last, size_t room)
{
    char path[MODEL_DIR_PATH_MAX];
    uint32_t lines = 0;
    snprintf(path, sizeof path, "%s/items-%010d.jsonl", dir, (int)number);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    while (fgets(last, (int)room, file)) {
        lines++;
    }
    fclose(file);
    return lines;
}

static void on_files_item_vectors_lie_beside_the_records(void **state)
{
    (void)state;
    char out[128], last[4096], expected[256];
    struct error error;
    uint64_t newest;
    struct exchange *files;
    snprintf(out, sizeof out, "%s/out", base);
    a.config.output.dir = out;
    expect_ok(exchange_open(&files, &a.config, &error), &error);
    for (uint64_t number = 1; number <= 3; number++) {
        assert_int_equal(make_generation(&a, number), number);
        expect_ok(exchange_take_seat(files, &error), &error);
        expect_ok(exchange_publish(files, number, &error), &error);
        expect_ok(exchange_tend(files, &error), &error);
        assert_int_equal(lines_of(out, number, last, sizeof last), ITEMS + 1);
        snprintf(expected, sizeof expected, "{\"generation\":%d,\"items\":%d,", (int)number, ITEMS);
        assert_memory_equal(last, expected, strlen(expected));
        expect_ok(exchange_sync(files, &newest, &error), &error);
        assert_int_equal(newest, number);
    }
    expect_ok(model_dir_prune(a.dir, 2, NULL, 0, &error), &error);
    expect_ok(exchange_publish(files, 3, &error), &error);
    assert_int_equal(lines_of(out, 1, last, sizeof last), 0);
    assert_int_equal(lines_of(out, 2, last, sizeof last), ITEMS + 1);
    exchange_close(files);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, exchange_set_up, exchange_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_generation_reaches_another_directory_to_the_byte),
        TEST(item_vectors_and_their_end_come_before_the_parameters),
        TEST(numbers_go_on_from_those_of_the_group),
        TEST(a_directory_that_has_the_files_gets_none),
        TEST(a_file_that_differs_from_the_groups_is_replaced),
        TEST(what_was_sealed_and_never_published_is_not_the_groups),
        TEST(a_topic_that_was_made_anew_is_read_from_its_beginning),
        TEST(a_generation_without_one_of_its_chunks_is_passed_over),
        TEST(a_generation_with_a_flipped_bit_is_passed_over),
        TEST(a_manifest_without_chunks_is_passed_over),
        TEST(a_manifest_that_says_otherwise_is_believed_in_nothing),
        TEST(foreign_records_are_passed_over),
        TEST(who_does_not_hold_the_seat_publishes_nothing),
        TEST(a_group_begins_with_what_the_first_holder_of_the_seat_has),
        TEST(a_publisher_that_is_shut_out_on_the_way_leaves_nothing_to_adopt),
        TEST(a_number_that_was_announced_is_not_given_out_again),
        TEST(who_publishes_no_records_writes_no_item_vectors),
        TEST(what_goes_on_from_an_older_generation_gets_a_number_above_the_newest),
        TEST(on_files_item_vectors_lie_beside_the_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
