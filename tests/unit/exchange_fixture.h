/*
 * exchange_fixture.h - two members of a group, `a` and `b`, who share generations over logs in memory.
 *
 * Each has a directory of its own under `base`. A failure fails the test that runs.
 */
#ifndef TESTS_UNIT_EXCHANGE_FIXTURE_H
#define TESTS_UNIT_EXCHANGE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/exchange/exchange_state.h"
#include "tests/unit/fake_generation_log.h"

enum { ITEMS = 40, KEEP = 2 };

/* A process: its configuration and directory. */
struct member {
    struct config config;
    char dir[64];
    struct exchange *exchange;
};

extern char base[];
extern struct member a, b;

int exchange_set_up(void **state);
int exchange_tear_down(void **state);
void expect_ok(enum status status, const struct error *error);
void member_open(struct member *member, const char *name);
void member_close(struct member *member);

/* Writes the next generation into a member's directory; returns its number. */
uint64_t make_generation(struct member *member, uint64_t seed);

/* The same, and publishes it. */
uint64_t publish(struct member *member, uint64_t seed);
void take_seat(struct member *member);

/* What a sync says is the newest. */
uint64_t synced(struct member *member);
void tend(struct member *member);

/* Whether a member's directory has a file, and whether both have the same. */
bool has(const struct member *member, uint64_t number);
void expect_same_file(uint64_t number);

/* Live records of a generation in one of the logs, as a reader who keeps the newest of a key. */
uint32_t live(enum shared_log which, uint64_t generation);

#endif
