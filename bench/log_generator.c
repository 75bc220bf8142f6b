/*
 * log_generator.c - draws ranks by Walker's alias method: one table look-up a draw, any law.
 *
 * The table has a column per rank. All columns are equally likely; a column keeps its own rank with
 * the probability `keep`, and gives the rest to its `alias`, a rank that is more frequent.
 */
#include "bench/log_generator.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/random.h"

struct column {
    uint32_t keep; /* of 2^32 */
    uint32_t alias;
};

struct ranks {
    struct column *columns;
    uint32_t count;
};

struct log_generator {
    struct ranks users;
    struct ranks items;
    struct random random;
    int64_t time_ms;
};

/*
 * Vose's construction over shares that fall with the rank and have a mean of 1. What is not filled
 * yet is `at` and the ranks rich .. poor - 1. `at` has less than 1 and is filled up by the richest;
 * when that has less than 1 itself, it is the next to be filled up.
 */
static void fill_columns(struct ranks *ranks, double *share)
{
    uint32_t rich = 0, poor = ranks->count - 1, at = poor;
    while (rich < poor) {
        uint32_t keep = (uint32_t)(fmin(share[at], 1) * UINT32_MAX);
        ranks->columns[at] = (struct column){keep, rich};
        share[rich] -= 1 - share[at];
        at = share[rich] < 1 ? rich++ : --poor;
    }
    ranks->columns[at] = (struct column){UINT32_MAX, at};
}

static enum status ranks_open(struct ranks *ranks, uint32_t count, double exponent,
                              struct error *error)
{
    double *share = malloc(count * sizeof *share);
    double sum = 0;
    ranks->count = count;
    ranks->columns = malloc(count * sizeof *ranks->columns);
    if (!share || !ranks->columns) {
        free(share);
        return error_set(error, STATUS_IO, "out of memory: a log generator");
    }
    for (uint32_t i = 0; i < count; i++) {
        sum += share[i] = pow(i + 1.0, -exponent);
    }
    for (uint32_t i = 0; i < count; i++) {
        share[i] *= count / sum;
    }
    fill_columns(ranks, share);
    free(share);
    return STATUS_OK;
}

static uint32_t draw(const struct ranks *ranks, struct random *random)
{
    uint64_t bits = random_next(random);
    uint32_t rank = (uint32_t)((bits >> 32) * ranks->count >> 32);
    const struct column *column = &ranks->columns[rank];
    return (uint32_t)bits <= column->keep ? rank : column->alias;
}

enum status log_generator_open(struct log_generator **generatorp, const struct log_options *options,
                               struct error *error)
{
    *generatorp = NULL;
    struct log_generator *generator = calloc(1, sizeof *generator);
    if (!generator) return error_set(error, STATUS_IO, "out of memory: a log generator");
    generator->random = random_seeded(options->seed);
    generator->time_ms = 1700000000000;
    enum status status =
        ranks_open(&generator->users, options->users, options->users_exponent, error);
    if (status == STATUS_OK) {
        status = ranks_open(&generator->items, options->items, options->items_exponent, error);
    }
    if (status != STATUS_OK) {
        log_generator_close(generator);
        return status;
    }
    *generatorp = generator;
    return STATUS_OK;
}

void log_generator_close(struct log_generator *generator)
{
    if (!generator) return;
    free(generator->users.columns);
    free(generator->items.columns);
    free(generator);
}

static char *put_number(char *to, uint64_t number)
{
    char digits[20];
    size_t size = 0;
    do {
        digits[sizeof digits - ++size] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    memcpy(to, digits + sizeof digits - size, size);
    return to + size;
}

size_t log_generator_next(struct log_generator *generator, char *to)
{
    uint32_t user = draw(&generator->users, &generator->random);
    uint32_t item = draw(&generator->items, &generator->random);
    bool buys = random_below(&generator->random, 10) == 0;
    char *at = put_number(stpcpy(to, "{\"user\":\"u"), user);
    at = put_number(stpcpy(at, "\",\"item\":\"i"), item);
    at = put_number(stpcpy(at, "\",\"time\":"), (uint64_t)generator->time_ms++);
    at = stpcpy(at, buys ? ",\"action\":\"buy\"" : ",\"action\":\"view\"");
    at = put_number(stpcpy(at, ",\"category\":\"c"), splitmix64(item) % LOG_CATEGORIES);
    at = stpcpy(at, "\"}\n");
    return (size_t)(at - to);
}

enum status log_generator_write(struct log_generator *generator, uint64_t events, const char *path,
                                struct error *error)
{
    FILE *file = fopen(path, "wb");
    if (!file) return error_set(error, STATUS_IO, "writing %s: %s", path, strerror(errno));
    char line[LOG_LINE_SIZE_MAX];
    for (uint64_t i = 0; i < events; i++) {
        size_t size = log_generator_next(generator, line);
        fwrite_unlocked(line, 1, size, file);
    }
    bool failed = ferror(file);
    if (fclose(file) != 0 || failed) {
        return error_set(error, STATUS_IO, "writing %s: %s", path, strerror(errno));
    }
    return STATUS_OK;
}
