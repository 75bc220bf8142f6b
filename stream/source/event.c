/* event.c - the names of the verdicts, and the reason of a bad one. */
#include "stream/source/event.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const verdict_names[] = {
    [EVENT_ACCEPTED] = "accepted",
    [EVENT_DROPPED] = "dropped",
    [EVENT_BLANK] = "blank",
    [EVENT_MALFORMED] = "malformed",
    [EVENT_MISSING_FIELD] = "missing_field",
    [EVENT_BAD_FIELD] = "bad_field",
    [EVENT_OVERSIZE] = "oversize",
    [EVENT_BAD_TIME] = "bad_time",
    [EVENT_BAD_UTF8] = "bad_utf8",
};

const char *event_verdict_name(enum event_verdict verdict)
{
    return verdict_names[verdict];
}

enum event_verdict event_refuse(struct event *event, enum event_verdict verdict, const char *format,
                                ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(event->why, sizeof event->why, format, arguments);
    va_end(arguments);
    return verdict;
}
