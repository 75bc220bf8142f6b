/*
 * log.h - the program's log: one structured line per fact, on standard error.
 *
 * A line is a moment, a level, a message that never varies (so that it can be searched for) and
 * key=value fields that do:
 *
 *     log_info("partition restored", log_int("partition", 3), log_real("seconds", 1.5));
 *
 *     text    2024-05-01T12:00:00.123Z info partition restored partition=3 seconds=1.5
 *     logfmt  time=2024-05-01T12:00:00.123Z level=info message="partition restored" partition=3 ...
 *     json    {"time":"2024-05-01T12:00:00.123Z","level":"info","message":"partition restored",...}
 *
 * Fields that would make a line longer than LOG_LINE_MAX are left out, and cut=1 says so. A message
 * that comes too often (base/log_repeats.h) is left out, and "lines left out" says how often; errors
 * never are.
 *
 * Threads: lines of different threads never mix.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

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

enum log_form { LOG_PLAIN, LOG_LOGFMT, LOG_JSON };

/* Lines below `least` are dropped. Call before other threads begin. */
void log_setup(enum log_level least, enum log_form form);

/* Whether a program reads the log, which must then be all that there is on standard error. */
bool log_is_structured(void);

/*
 * What a command has to tell a person beside its result: "braid COMMAND: ..." on standard error, or
 * a warning with the fields command and text where a program reads the log.
 */
void log_note(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);

/* Says what was left out and not yet told. Call at the end of the program. */
void log_finish(void);

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
