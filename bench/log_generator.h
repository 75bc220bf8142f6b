/*
 * log_generator.h - seeded click logs for the benches: JSON lines, users and items by Zipf's law.
 *
 *     {"user":"u17","item":"i4","time":1700000000000,"action":"view","category":"c3"}
 *
 * A generator gives the same log for the same options on every machine. Users and items are named
 * by their rank, times rise by a millisecond an event, every tenth event or so is a "buy".
 */
#ifndef BENCH_LOG_GENERATOR_H
#define BENCH_LOG_GENERATOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    LOG_LINE_SIZE_MAX = 160, /* bytes of a line with its \n */
    LOG_CATEGORIES = 40,
};

struct log_options {
    uint32_t users;
    uint32_t items;
    double users_exponent; /* of Zipf's law: 0 = all alike, 1 = rank r has a share like 1 / r */
    double items_exponent;
    uint64_t seed;
};

struct log_generator;

/* Takes 8 bytes a user and item. */
MUST_CHECK enum status log_generator_open(struct log_generator **generatorp,
                                          const struct log_options *options, struct error *error);
void log_generator_close(struct log_generator *generator);

/* Writes the next event with its \n to `to` (LOG_LINE_SIZE_MAX bytes); returns its size. */
size_t log_generator_next(struct log_generator *generator, char *to);

/* Writes the next `events` events to a new file. */
MUST_CHECK enum status log_generator_write(struct log_generator *generator, uint64_t events,
                                           const char *path, struct error *error);

#endif
