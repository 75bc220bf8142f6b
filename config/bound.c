/* bound.c - see bound.h. Digits alone are a number, not a date without dashes. */
#include "config/bound.h"

#include <string.h>

#include "base/iso8601.h"
#include "base/number_text.h"

static bool parse_place(struct bound *bound, const char *text)
{
    uint64_t number;
    bound->kind = BOUND_OFFSET;
    if (parse_unsigned(bytes_of(text), INT64_MAX, &number)) {
        bound->value = (int64_t)number;
        return true;
    }
    bound->kind = strcmp(text, "latest") == 0 ? BOUND_LATEST : BOUND_TIME;
    return bound->kind == BOUND_LATEST || iso8601_parse(bytes_of(text), &bound->value);
}

enum status bound_parse_start(struct bound *bound, const char *text, struct error *error)
{
    *bound = (struct bound){BOUND_NONE, 0};
    if (strcmp(text, "earliest") == 0 || parse_place(bound, text)) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "source.start: '%s' is not allowed; expected earliest, latest, a time as in "
                     "2024-05-01T12:00Z, or the number of an event from 0",
                     text);
}

enum status bound_parse_end(struct bound *bound, const char *text, struct error *error)
{
    *bound = (struct bound){BOUND_NONE, 0};
    if (strcmp(text, "never") == 0) bound->kind = BOUND_NEVER;
    if (*text == 0 || bound->kind == BOUND_NEVER || parse_place(bound, text)) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "source.end: '%s' is not allowed; expected latest, never, a time as in "
                     "2024-05-01T12:00Z, or the number of an event from 0",
                     text);
}
