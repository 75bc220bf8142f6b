/*
 * test_verify_slice.c - a slice works out how many events its source has forgotten of each user, and
 * takes those of a seed before the source's.
 *
 * The input is two short lists, and a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "stream/verify/verify_slice.h"

enum { MEMORY = 1 << 16 };

/* An accepted event, or a record that names one. A list ends with offset -1. */
struct told {
    int64_t offset;
    uint64_t events; /* n, of a record */
};

struct log_input {
    const struct told *events;
    const struct told *records;
    int64_t first;
    size_t next;
};

static int64_t first(const struct log_input *input)
{
    return input->first;
}

static enum status begin(struct log_input *input, enum log_sequence sequence, uint32_t partition,
                         struct error *error)
{
    (void)sequence, (void)partition, (void)error;
    input->next = 0;
    return STATUS_OK;
}

static enum status next_event(struct log_input *input, struct event *event, struct error *error)
{
    (void)error;
    const struct told *told = &input->events[input->next++];
    if (told->offset < 0) return STATUS_END;
    *event =
        (struct event){.verdict = EVENT_ACCEPTED, .user = bytes_of("u"), .offset = told->offset};
    return STATUS_OK;
}

static enum status next_record(struct log_input *input, struct interest_record *record,
                               struct error *error)
{
    (void)error;
    const struct told *told = &input->records[input->next++];
    if (told->offset < 0) return STATUS_END;
    *record = (struct interest_record){
        .user = bytes_of("u"), .events = told->events, .offset = told->offset};
    record->checksum = interest_record_checksum(record);
    return STATUS_OK;
}

static enum status no_dead_letter(struct log_input *input, int64_t *offsetp, struct bytes *reasonp,
                                  struct error *error)
{
    (void)input, (void)offsetp, (void)reasonp, (void)error;
    return STATUS_END;
}

static struct log_place place(const struct log_input *input)
{
    return (struct log_place){0, (int64_t)input->next - 1};
}

/* "u" is in partition 0, all others in 1. */
static uint32_t partition_of(const struct log_input *input, struct bytes user, bool *certainp)
{
    (void)input;
    *certainp = false;
    return !bytes_equal(user, bytes_of("u"));
}

static const struct log_input_ops ops = {
    .first = first,
    .begin = begin,
    .event = next_event,
    .record = next_record,
    .dead_letter = no_dead_letter,
    .place = place,
    .partition_of = partition_of,
};

static const struct config takes_all = {.source.profile = ""};
static const struct verify_seed none;

/* How many of the user's events came before `begins`, the first offset that is left. */
static uint64_t forgotten(const struct told *events, const struct told *records, int64_t begins)
{
    struct verify_slice slice;
    struct log_input input = {.events = events, .records = records, .first = begins};
    assert_int_equal(verify_slice_open(&slice, &takes_all, &none, MEMORY, NULL), STATUS_OK);
    assert_int_equal(verify_slice_load(&slice, &ops, &input, 0, 0, 0, NULL), STATUS_OK);
    uint64_t found = slice.first_user->forgotten;
    verify_slice_close(&slice);
    return found;
}

static void a_record_of_an_event_that_is_left_says_its_ordinal(void **state)
{
    (void)state;
    const struct told events[] = {{40, 0}, {44, 0}, {47, 0}, {-1, 0}};
    const struct told records[] = {{12, 3}, {44, 7}, {47, 8}, {-1, 0}};
    assert_int_equal(forgotten(events, records, 30), 5); /* 44 is its 7th, so 40 is its 6th */
}

static void older_records_say_how_many_there_were(void **state)
{
    (void)state;
    const struct told events[] = {{-1, 0}};
    const struct told records[] = {{5, 2}, {20, 9}, {-1, 0}};
    assert_int_equal(forgotten(events, records, 30), 9);
}

static void a_user_that_came_later_has_all_its_events(void **state)
{
    (void)state;
    const struct told events[] = {{40, 0}, {44, 0}, {-1, 0}};
    const struct told records[] = {{44, 2}, {-1, 0}};
    assert_int_equal(forgotten(events, records, 30), 0);
}

static void a_record_that_counts_fewer_events_than_are_left_is_no_witness(void **state)
{
    (void)state;
    const struct told events[] = {{40, 0}, {44, 0}, {45, 0}, {-1, 0}};
    const struct told records[] = {{44, 1}, {45, 6}, {-1, 0}};
    assert_int_equal(forgotten(events, records, 30), 3);
}

/* Else an event that was counted twice could pass for one that is gone. */
static void a_source_that_has_everything_forgets_nothing(void **state)
{
    (void)state;
    const struct told events[] = {{1, 0}, {-1, 0}};
    const struct told records[] = {{1, 2}, {-1, 0}};
    assert_int_equal(forgotten(events, records, 0), 0);
}

static void events_of_a_seed_come_before_those_of_the_source(void **state)
{
    (void)state;
    static const char text[] = "user,item,time\n"
                               "u,a,1000000000\n"
                               "v,a,1000000000\n"
                               "no event\n"
                               "u,b,1000000500\n" /* the source has it */
                               "u,c,1000000001\n";
    static const char *const settings[][2] = {{"source.format", "csv"}, {"source.time", "s"}};
    const struct told events[] = {{40, 0}, {-1, 0}}, records[] = {{40, 3}, {-1, 0}};
    char path[] = "/tmp/braid-seed-XXXXXX";
    struct config files;
    struct verify_slice slice;
    struct log_input input = {.events = events, .records = records};
    const int file = mkstemp(path);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    config_defaults(&files);
    assert_int_equal(config_set(&files, "source.path", path, "test", NULL), STATUS_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(config_set(&files, settings[i][0], settings[i][1], "test", NULL),
                         STATUS_OK);
    }
    const struct verify_seed seed = {&files, {1000000500000, NULL}};
    assert_int_equal(verify_slice_open(&slice, &takes_all, &seed, MEMORY, NULL), STATUS_OK);
    assert_int_equal(verify_slice_load(&slice, &ops, &input, 0, 0, 0, NULL), STATUS_OK);
    const struct verify_user *user = slice.first_user;
    assert_null(user->next);
    assert_int_equal(user->events, 3);
    assert_int_equal(user->seeded, 2);
    assert_int_equal(slice.seeded, 2);
    assert_int_equal(user->first_event->offset, -1);
    assert_int_equal(user->first_event->next->behavior.item, identity_of("c", 1));
    assert_int_equal(user->last_event->offset, 40);
    assert_int_equal(verify_slice_load(&slice, &ops, &input, 1, 0, 0, NULL), STATUS_OK);
    assert_int_equal(slice.seeded, 1);
    verify_slice_close(&slice);
    config_close(&files);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_of_an_event_that_is_left_says_its_ordinal),
        cmocka_unit_test(older_records_say_how_many_there_were),
        cmocka_unit_test(a_user_that_came_later_has_all_its_events),
        cmocka_unit_test(a_record_that_counts_fewer_events_than_are_left_is_no_witness),
        cmocka_unit_test(events_of_a_seed_come_before_those_of_the_source),
        cmocka_unit_test(a_source_that_has_everything_forgets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
