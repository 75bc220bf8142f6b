/*
 * log.h - the program's log: one structured line per fact, on standard error.
 *
 * A line is a moment, a level, a message that never varies (so that it can be searched for) and
 * key=value fields that do:
 *
 *     log_info("partition restored", log_int("partition", 3), log_real("seconds", 1.5));
 *
 *     text  2024-05-01T12:00:00.123Z info partition restored partition=3 seconds=1.5
 *     json  {"time":"2024-05-01T12:00:00.123Z","level":"info","message":"partition restored",...}
 *
 * Fields that would make a line longer than LOG_LINE_MAX are left out, and cut=1 says so.
 *
 * Threads: lines of different threads never mix.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { LOG_LINE_MAX = 8192 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_kind { LOG_END, LOG_TEXT, LOG_INT, LOG_REAL };

struct log_field {
    const char *key;
    enum log_kind kind;
    struct bytes text; /* LOG_TEXT: any bytes; escaped as base/escape.h says */
    int64_t integer;
    double real;
};

/* Lines below `least` are dropped; `json` chooses the form. Call before other threads begin. */
void log_setup(enum log_level least, bool json);

/* Whether each line of standard error must be JSON. */
bool log_is_json(void);

/* Writes a line; `fields` ends with a LOG_END. Use the macros below. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

#define log_line(level, message, ...)                                                              \
    log_write(level, message, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = 0}})

#define log_debug(message, ...) log_line(LOG_DEBUG, message, __VA_ARGS__)
#define log_info(message, ...)  log_line(LOG_INFO, message, __VA_ARGS__)
#define log_warn(message, ...)  log_line(LOG_WARN, message, __VA_ARGS__)
#define log_error(message, ...) log_line(LOG_ERROR, message, __VA_ARGS__)

static inline struct log_field log_bytes(const char *key, struct bytes value)
{
    return (struct log_field){.key = key, .kind = LOG_TEXT, .text = value};
}

static inline struct log_field log_text(const char *key, const char *value)
{
    return log_bytes(key, bytes_of(value));
}

static inline struct log_field log_int(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_INT, .integer = value};
}

static inline struct log_field log_real(const char *key, double value)
{
    return (struct log_field){.key = key, .kind = LOG_REAL, .real = value};
}

#endif
