/*
 * test_verify_slice.c - a slice works out how many events its source has forgotten of each user.
 *
 * The input is two short lists.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

static const struct log_input_ops ops = {
    .first = first,
    .begin = begin,
    .event = next_event,
    .record = next_record,
    .dead_letter = no_dead_letter,
    .place = place,
};

static const struct config takes_all = {.source.profile = ""};

/* How many of the user's events came before `begins`, the first offset that is left. */
static uint64_t forgotten(const struct told *events, const struct told *records, int64_t begins)
{
    struct verify_slice slice;
    struct log_input input = {.events = events, .records = records, .first = begins};
    assert_int_equal(verify_slice_open(&slice, &takes_all, MEMORY, NULL), STATUS_OK);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_of_an_event_that_is_left_says_its_ordinal),
        cmocka_unit_test(older_records_say_how_many_there_were),
        cmocka_unit_test(a_user_that_came_later_has_all_its_events),
        cmocka_unit_test(a_record_that_counts_fewer_events_than_are_left_is_no_witness),
        cmocka_unit_test(a_source_that_has_everything_forgets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
