/* status.c - the exit codes and the formatting behind status.h. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/log.h"

int status_exit_code(enum status status)
{
    switch (status) {
    case STATUS_OK: return 0;
    case STATUS_INVALID: return 2;
    case STATUS_REFUSED:
    case STATUS_CORRUPT: return 3;
    case STATUS_UNPROVEN: return 4;
    default: return 1;
    }
}

/* What a message quotes may come from anywhere: it is escaped here, for all of them. */
static void set_text(struct error *error, const char *text)
{
    escape_message(bytes_of(text), error->text, sizeof error->text);
}

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list arguments;
    if (!error) return status;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error->status = status;
    set_text(error, text);
    return status;
}

enum status error_prefix(struct error *error, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0) length = 0;
    if ((size_t)length >= sizeof text) length = sizeof text - 1;
    snprintf(text + length, sizeof text - (size_t)length, "%s", error->text);
    set_text(error, text);
    return error->status;
}

void require_failed(const char *condition, const char *file, int line)
{
    if (log_is_structured()) {
        log_error("a required condition does not hold", log_text("condition", condition),
                  log_text("file", file), log_int("line", line));
    } else {
        fprintf(stderr, "braid: %s:%d: required: %s\n", file, line, condition);
    }
    abort();
}
