/* test_verify_users.c - a user with events in two partitions is found, also if few fit the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "stream/verify/verify_users.h"

enum { PARTITIONS = 3, USERS = 2000, SPLIT_EVERY = 100, EVENTS = 2 };

/*
 * The source: each user has EVENTS events in its partition; every SPLIT_EVERY-th one has as many in
 * the next.
 */
struct log_input {
    uint32_t partition;
    uint32_t next;
    uint32_t passes;
    char user[16];
};

static uint32_t parts(const struct log_input *input, enum log_sequence sequence)
{
    (void)input, (void)sequence;
    return PARTITIONS;
}

static enum status begin(struct log_input *input, enum log_sequence sequence, uint32_t part,
                         struct error *error)
{
    (void)sequence, (void)error;
    input->partition = part;
    input->next = 0;
    input->passes += part == 0;
    return STATUS_OK;
}

static bool lies_in(uint32_t user, uint32_t partition)
{
    return user % PARTITIONS == partition ||
           (user % SPLIT_EVERY == 0 && (user + 1) % PARTITIONS == partition);
}

static enum status next_event(struct log_input *input, struct event *event, struct error *error)
{
    (void)error;
    while (input->next < USERS * EVENTS && !lies_in(input->next / EVENTS, input->partition)) {
        input->next++;
    }
    if (input->next == USERS * EVENTS) return STATUS_END;
    snprintf(input->user, sizeof input->user, "u%u", input->next++ / EVENTS);
    *event = (struct event){
        .verdict = EVENT_ACCEPTED, .user = bytes_of(input->user), .partition = input->partition};
    return STATUS_OK;
}

static const struct log_input_ops ops = {.parts = parts, .begin = begin, .event = next_event};

/* Counts who was found, each of whom must be one that lies in both. */
static void count_found(void *context, struct bytes user, uint32_t partition, uint32_t other)
{
    char text[16] = {0};
    unsigned number;
    memcpy(text, user.at, user.size);
    assert_int_equal(sscanf(text, "u%u", &number), 1);
    assert_int_equal(number % SPLIT_EVERY, 0);
    assert_int_not_equal(partition, other);
    assert_true(lies_in(number, partition) && lies_in(number, other));
    ++*(uint32_t *)context;
}

/* Adds all users once, as verify does, then finishes; returns the passes of its own that took. */
static uint32_t passes_with(size_t size)
{
    struct verify_users users;
    struct log_input input = {0};
    uint32_t found = 0;
    assert_int_equal(verify_users_open(&users, size, count_found, &found, NULL), STATUS_OK);
    for (uint32_t part = 0; part < PARTITIONS; part++) {
        for (uint32_t user = 0; user < USERS; user++) {
            char text[16];
            if (!lies_in(user, part)) continue;
            snprintf(text, sizeof text, "u%u", user);
            verify_users_add(&users, bytes_of(text), part);
        }
    }
    assert_int_equal(verify_users_finish(&users, &ops, &input, NULL), STATUS_OK);
    assert_int_equal(found, USERS / SPLIT_EVERY);
    verify_users_close(&users);
    return input.passes;
}

static void users_in_two_partitions_are_found_without_reading_the_source_but_for_their_names(
    void **state)
{
    (void)state;
    assert_int_equal(passes_with((size_t)1 << 20), 1);
}

static void users_that_do_not_fit_have_passes_of_their_own(void **state)
{
    (void)state;
    assert_true(passes_with(16 << 10) > 2);
    assert_true(passes_with(VERIFY_USERS_MIN) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            users_in_two_partitions_are_found_without_reading_the_source_but_for_their_names),
        cmocka_unit_test(users_that_do_not_fit_have_passes_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
