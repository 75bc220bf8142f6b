/*
 * event_reader.h - the configured source, one file or several, as one sequence of events.
 *
 * Files are read one after the other in the order of their names, each with its own header if it
 * is a table's. An event's offset is the number of lines before it, in all files together. Who
 * reads on later says what was read before: those files come first, in the order in which they were
 * read, whatever has been put between them since. Only the last of them may have grown.
 *
 *     open -> next ... until STATUS_END -> close
 *
 * What source.profile means is read before: its files that are new come before those of the source
 * that are new, and what they say is a line like the others.
 *
 * A source that is followed goes on after STATUS_END (event_reader_look): with what is written to
 * the file, then with the files that have come. Files that were renamed meanwhile are known by what
 * they begin with.
 *
 * Only finished lines are events (line_reader.h), but for a file behind which another one has
 * something: nobody writes to it any more.
 *
 * Thread: one; event_reader_file may be asked from another (see there).
 */
#ifndef STREAM_SOURCE_EVENT_READER_H
#define STREAM_SOURCE_EVENT_READER_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/source/event.h"
#include "stream/source/input.h"
#include "stream/source/line_reader.h"

/* A file, and how much of it was read. */
struct source_file {
    bool profiles;                  /* it is of source.profile */
    char *name;                     /* source_list.h's; "" if it is not known; owned */
    struct input_identity identity; /* of what was read of it; size 0: nothing known */
    struct line_position position;  /* of its first line that was not read */
};

struct source_files {
    struct source_file *at; /* in the order of reading */
    uint32_t count;
};

/* Adds a file of which nothing was read. */
MUST_CHECK enum status source_files_add(struct source_files *files, const char *name,
                                        struct error *error);
void source_files_close(struct source_files *files);

/* Behind the last event: lines of all files, the file, and the position in it. */
struct source_position {
    int64_t offset;
    uint32_t file;
    struct line_position line;
};

enum event_reader_mode {
    READ_ON,    /* from where `known` ends, to the end */
    READ_AGAIN, /* from the beginning to where `known` ends, and nothing else */
};

struct event_reader;

/*
 * Opens source.path. `known` says what was read before (count 0: nothing) and is copied; it is
 * checked before a position is used. Keeps `config`. STATUS_REFUSED: a file is gone, begins with
 * other bytes, is shorter, or has grown though a later one was begun; the text says what to do.
 * STATUS_INVALID: there is no such file, or its header lacks a column.
 */
MUST_CHECK enum status event_reader_open(struct event_reader **readerp, const struct config *config,
                                         const struct source_files *known,
                                         enum event_reader_mode mode, struct error *error);
/* Legal on NULL. */
void event_reader_close(struct event_reader *reader);

/*
 * The next event, bad ones included, valid until the next call; its partition is the caller's.
 * STATUS_END at the end. Reading standard input, nothing but the read itself is a cancellation
 * point.
 */
MUST_CHECK enum status event_reader_next(struct event_reader *reader, struct event *event,
                                         struct error *error);

/* After STATUS_END: logs a warning if a last line is not finished, and left for the next run. */
void event_reader_warn_of_rest(const struct event_reader *reader);

struct source_position event_reader_position(const struct event_reader *reader);

/* True if the source is standard input, which may pause and cannot be read again. */
bool event_reader_is_standard_input(const struct event_reader *reader);

/* STATUS_INVALID: something else than standard input cannot be read again after a crash. */
MUST_CHECK enum status event_reader_check_regular(const struct event_reader *reader,
                                                  struct error *error);

/*
 * Name and position of a file at or before that of a position. Of one before it the position is
 * final, and another thread that was given the position may read it.
 */
const struct source_file *event_reader_file(const struct event_reader *reader, uint32_t file);

/*
 * Takes the identity of that file's first `size` bytes, at most what identifies a file.
 * STATUS_REFUSED: it has become shorter.
 */
MUST_CHECK enum status event_reader_identify(struct event_reader *reader, uint32_t file,
                                             int64_t size, struct input_identity *identity,
                                             struct error *error);

/*
 * After STATUS_END, of a source that is followed (source.end: never): looks whether there is more.
 * *morep: event_reader_next may be called again. To be asked again after a pause: a file is left
 * when two looks in a row found another one and nothing new in it. STATUS_REFUSED: the file that is
 * being read was cut.
 */
MUST_CHECK enum status event_reader_look(struct event_reader *reader, bool *morep,
                                         struct error *error);

/* Where an event that was read lies, for people: "line 12", of several files "path, line 12". */
enum { SOURCE_PLACE_MAX = 4160 };
void event_reader_place(const struct event_reader *reader, int64_t offset,
                        char to[SOURCE_PLACE_MAX]);

/* Share of the bytes that was read (0..1), -1: unknown. */
double event_reader_progress(const struct event_reader *reader);

#endif
