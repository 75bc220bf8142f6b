/* cut_reader.c - one reader, or two that are always at the same line. */
#include "stream/source/cut_reader.h"

#include <stdlib.h>

struct cut_reader {
    struct config events_config, stamps_config; /* the file's */
    int64_t cut_ms;
    struct event_reader *events;
    struct event_reader *stamps; /* NULL: an event's own time decides */
};

void cut_reader_close(struct cut_reader *reader)
{
    if (!reader) return;
    event_reader_close(reader->events);
    event_reader_close(reader->stamps);
    free(reader);
}

static enum status open_readers(struct cut_reader *reader, const char *field, struct error *error)
{
    static const struct source_files nothing;
    TRY(event_reader_open(&reader->events, &reader->events_config, &nothing, READ_ON, error));
    if (!field) return STATUS_OK;
    reader->stamps_config = reader->events_config;
    reader->stamps_config.source.field_time = field;
    return event_reader_open(&reader->stamps, &reader->stamps_config, &nothing, READ_ON, error);
}

enum status cut_reader_open(struct cut_reader **readerp, const struct config *files,
                            const char *path, const struct cut *cut, struct error *error)
{
    *readerp = NULL;
    struct cut_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    reader->cut_ms = cut->ms;
    reader->events_config = *files;
    reader->events_config.source.path = path;
    reader->events_config.source.unfinished_line =
        CONFIG_UNFINISHED_TAKE; /* nobody writes to it any more */
    const enum status status = open_readers(reader, cut->field, error);
    if (status != STATUS_OK) {
        cut_reader_close(reader);
        return status;
    }
    *readerp = reader;
    return STATUS_OK;
}

enum status cut_reader_next(struct cut_reader *reader, struct event *event, bool *beforep,
                            struct error *error)
{
    struct event stamp;
    TRY(event_reader_next(reader->events, event, error));
    int64_t time_ms = event->time_ms;
    if (reader->stamps) {
        TRY(event_reader_next(reader->stamps, &stamp, error));
        time_ms = stamp.time_ms;
        if (event->verdict == EVENT_ACCEPTED && stamp.verdict != EVENT_ACCEPTED) *event = stamp;
    }
    *beforep = event->verdict == EVENT_ACCEPTED && time_ms < reader->cut_ms;
    return STATUS_OK;
}

void cut_reader_place(const struct cut_reader *reader, const struct event *event,
                      char to[SOURCE_PLACE_MAX])
{
    event_reader_place(reader->events, event->offset, to);
}
