/*
 * fake_log.h - what the fake broker has: a seeded source, and copies of the records that were sent.
 */
#ifndef TESTS_UNIT_FAKE_LOG_H
#define TESTS_UNIT_FAKE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/broker/broker.h"

enum { FAKE_NAME_SIZE = 16 };

struct source_event {
    char user[FAKE_NAME_SIZE], item[FAKE_NAME_SIZE];
    uint32_t user_number;
    bool bad;
};

struct kept_record {
    enum record_kind kind;
    uint32_t partition;
    struct bytes key, value; /* one allocation behind key.at; value.at NULL: a tombstone */
};

struct record_list {
    struct kept_record *at;
    size_t count, capacity;
};

/* `events` events of one partition, half of them of one user; the caller frees them. */
struct source_event *fake_source(uint64_t seed, uint32_t partition, uint32_t events);

/* Copies a record, without its headers, to the end. */
void fake_log_add(struct record_list *list, const struct record *record);

/* Forgets all records; the list's own memory stays the caller's to free. */
void fake_log_clear(struct record_list *list);

/* Behaviors of a user that the newest record of its history names. */
uint64_t fake_log_events(const struct record_list *list, const char *user);

/* True if a record tells the name of this item. */
bool fake_log_names(const struct record_list *list, const char *item);

#endif
