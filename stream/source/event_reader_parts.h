/*
 * event_reader_parts.h - what event_reader.c and event_reader_follow.c share: the reader's memory and
 * the files of its sequence. For them alone; everybody else includes event_reader.h.
 *
 * Thread: the reader's, but for what the lock guards.
 */
#ifndef STREAM_SOURCE_EVENT_READER_PARTS_H
#define STREAM_SOURCE_EVENT_READER_PARTS_H

#include <pthread.h>
#include <stdbool.h>

#include "stream/source/event_decoder.h"
#include "stream/source/erasure/erased.h"
#include "stream/source/event_reader.h"
#include "stream/source/source_list.h"

enum { HELD_PATH_MAX = 32 };

/* A file of the sequence. */
struct part {
    struct source_file file;
    char *path;   /* owned; NULL: it was read, and is gone */
    int64_t size; /* bytes, as they lie there; -1: not known */
    dev_t device; /* which file it is; 0, 0: that does not matter */
    ino_t inode;
    int64_t modified_ns;
};

struct event_reader {
    const struct config *config;
    enum event_reader_mode mode;
    struct source_list list;
    struct source_list profiles; /* of source.profile */
    struct part *parts;
    uint32_t parts_count;
    uint32_t known_count;
    uint32_t current;
    int64_t before; /* lines of the files before the current one */
    struct line_reader *lines;
    struct erased erased;
    struct event_decoder *decoder;
    struct event_decoder *profile_decoder; /* NULL: no source.profile */
    uint8_t *scratch;                      /* of one event */
    struct source_position position;
    int64_t size_done, size_total; /* of the files before the current one; of all, -1: unknown */

    /* of a source that is followed (source.end: never): */
    bool follows;
    pthread_mutex_t lock; /* of `held`, and of the identities of files that were left */
    int held;             /* the current file, whatever becomes of its name; -1: none */
    char held_path[HELD_PATH_MAX];
    int next;       /* the file that comes after it, already opened; -1: none */
    uint32_t quiet; /* looks in a row that found another file, and nothing new in this one */
    bool warned;    /* that the files cannot be listed */
};

/* The path by which the current file is opened. */
static inline const char *event_reader_path(const struct event_reader *reader)
{
    return reader->held >= 0 ? reader->held_path : reader->parts[reader->current].path;
}

/* True if the first line of a file names columns and is no event. */
static inline bool event_reader_has_header(const struct event_reader *reader)
{
    return reader->config->source.format != CONFIG_JSON && reader->config->source.header;
}

/* The part of an entry, in the first place that is free. */
MUST_CHECK enum status event_reader_add_part(struct event_reader *reader,
                                             const struct source_file *file,
                                             const struct source_entry *entry, bool profiles,
                                             struct error *error);

/* ---- event_reader_follow.c, of a source that is followed ---- */

/* The entry of a file that was read, by its content whatever its name; NULL: there is none. */
MUST_CHECK enum status follow_find(const struct event_reader *reader,
                                   const struct source_file *known, bool last,
                                   struct source_entry **entryp, struct error *error);

/* Adds the files that come after those known. */
MUST_CHECK enum status follow_order(struct event_reader *reader, struct error *error);

/* Takes hold of the current file; then lets go of it, having taken its identity. */
MUST_CHECK enum status follow_hold(struct event_reader *reader, struct error *error);
MUST_CHECK enum status follow_leave(struct event_reader *reader, struct error *error);

/* As event_reader_look, but for the lines, which are not opened again. */
MUST_CHECK enum status follow_look(struct event_reader *reader, bool *morep, struct error *error);

#endif
