/* event.c - the names of the verdicts, and the reason of a bad one. */
#include "stream/source/event.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/escape.h"

static const char *const verdict_names[] = {
    [EVENT_ACCEPTED] = "accepted",
    [EVENT_DROPPED] = "dropped",
    [EVENT_BLANK] = "blank",
    [EVENT_FLOODED] = "flooded",
    [EVENT_DUPLICATE] = "duplicate",
    [EVENT_PROFILE] = "profile",
    [EVENT_ERASURE] = "erasure",
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

const char *event_verdict_option(enum event_verdict verdict)
{
    static const char *const options[] = {
        [EVENT_ACCEPTED] = "",
        [EVENT_DROPPED] = "actions",
        [EVENT_BLANK] = "",
        [EVENT_FLOODED] = "source.user_events_max",
        [EVENT_DUPLICATE] = "source.deduplicate",
        [EVENT_PROFILE] = "",
        [EVENT_ERASURE] = "",
        [EVENT_MALFORMED] = "source.format",
        [EVENT_MISSING_FIELD] = "source.fields",
        [EVENT_BAD_FIELD] = "source.fields",
        [EVENT_OVERSIZE] = "source.event_size_max and source.id_size_max",
        [EVENT_BAD_TIME] = "source.time, source.time_min and source.time_max",
        [EVENT_BAD_UTF8] = "source.path: the file's encoding",
    };
    return options[verdict];
}

enum event_verdict event_refuse(struct event *event, enum event_verdict verdict, const char *format,
                                ...)
{
    char why[sizeof event->why];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    escape_message(bytes_of(why), event->why, sizeof event->why);
    return verdict;
}
