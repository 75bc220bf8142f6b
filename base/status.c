/* status.c - the remedies, the exit codes and the formatting behind status.h. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum remedy remedy;
} statuses[] = {
    [STATUS_OK] = {"ok", REMEDY_NONE},
    [STATUS_END] = {"end", REMEDY_NONE},
    [STATUS_NOT_FOUND] = {"not found", REMEDY_NONE},
    [STATUS_BUSY] = {"busy", REMEDY_RETRY},
    [STATUS_ABORTABLE] = {"abortable", REMEDY_ABORT},
    [STATUS_FENCED] = {"fenced", REMEDY_STOP},
    [STATUS_INVALID] = {"invalid", REMEDY_STOP},
    [STATUS_REFUSED] = {"refused", REMEDY_STOP},
    [STATUS_CORRUPT] = {"corrupt", REMEDY_STOP},
    [STATUS_IO] = {"input/output", REMEDY_STOP},
};

enum remedy status_remedy(enum status status)
{
    return statuses[status].remedy;
}

const char *status_name(enum status status)
{
    return statuses[status].name;
}

int status_exit_code(enum status status)
{
    switch (status) {
    case STATUS_OK: return 0;
    case STATUS_INVALID: return 2;
    case STATUS_REFUSED:
    case STATUS_CORRUPT: return 3;
    default: return 1;
    }
}

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
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
    memcpy(error->text, text, sizeof text);
    return error->status;
}

void require_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "braid: %s:%d: required: %s\n", file, line, condition);
    abort();
}
