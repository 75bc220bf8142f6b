/*
 * event_reader_follow.c - a source that is followed: which file a known one is under another name,
 * which ones come after it, and whether there is more.
 *
 * The file being read is held open, so it does not matter what becomes of its name. Another one is
 * begun when two looks in a row found it there and nothing new in this one: who renames a log goes on
 * writing to it for a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "stream/source/event_reader_parts.h"

enum { LOOKS = 2 };

/* ---- which file is which ---- */

static enum status has_content(const struct source_entry *entry, const struct input_identity *known,
                               bool *samep, struct error *error)
{
    struct input_identity found;
    *samep = false;
    if (known->size == 0 || entry->size <= 0) return STATUS_OK;
    const enum status status = input_identify(entry->path, known->size, &found, error);
    if (status == STATUS_INVALID) return STATUS_OK; /* renamed since it was listed */
    *samep = found.size == known->size && found.hash == known->hash;
    return status;
}

enum status follow_find(const struct event_reader *reader, const struct source_file *known,
                        bool last, struct source_entry **entryp, struct error *error)
{
    const struct source_list *list = &reader->list;
    struct source_entry *named = source_list_find(list, known->name);
    bool same = false;
    *entryp = named;
    if (known->identity.size == 0) return STATUS_OK;
    if (named && !named->known) TRY(has_content(named, &known->identity, &same, error));
    for (uint32_t i = 0; i < list->count && !same; i++) {
        if (list->at[i].known || &list->at[i] == named) continue;
        *entryp = &list->at[i];
        TRY(has_content(*entryp, &known->identity, &same, error));
    }
    if (!same) *entryp = last && named && !named->known ? named : NULL; /* to be refused, or gone */
    return STATUS_OK;
}

/* Whether the entry is a file of the sequence: by what it is, or, compressed since, what it has. */
static enum status is_known(const struct event_reader *reader, const struct source_entry *entry,
                            bool *knownp, struct error *error)
{
    *knownp = entry->known;
    for (uint32_t i = 0; i < reader->parts_count && !*knownp; i++) {
        const struct part *part = &reader->parts[i];
        *knownp = part->device == entry->device && part->inode == entry->inode;
        const bool header_only = part->file.position.line <= event_reader_has_header(reader);
        if (*knownp || header_only) continue;
        TRY(has_content(entry, &part->file.identity, knownp, error));
    }
    return STATUS_OK;
}

/* A file beside the one that is meant comes after what was read if it was written after that. */
static bool comes_after(const struct source_entry *entry, int64_t modified_ns)
{
    return !entry->beside || entry->modified_ns >= modified_ns;
}

/* Which of two files comes first: rotated ones by when they were written last, others by name. */
static bool precedes(const struct source_list *list, const struct source_entry *a,
                     const struct source_entry *b)
{
    bool rotated = false;
    for (uint32_t i = 0; i < list->count; i++) {
        rotated |= list->at[i].beside;
    }
    return rotated ? a->modified_ns < b->modified_ns : a < b;
}

/* The first file of the list that is new and has something, NULL: there is none. */
static enum status find_new(const struct event_reader *reader, struct source_list *list,
                            int64_t modified_ns, struct source_entry **foundp, struct error *error)
{
    *foundp = NULL;
    for (uint32_t i = 0; i < list->count; i++) {
        struct source_entry *entry = &list->at[i];
        bool known;
        if (entry->size == 0 || !comes_after(entry, modified_ns)) continue;
        TRY(is_known(reader, entry, &known, error));
        if (!known && (!*foundp || precedes(list, entry, *foundp))) *foundp = entry;
    }
    return STATUS_OK;
}

enum status follow_order(struct event_reader *reader, struct error *error)
{
    struct source_entry *entry;
    bool any = false;
    int64_t modified_ns = INT64_MAX; /* of the file of events that was read last */
    for (uint32_t i = 0; i < reader->known_count; i++) {
        const struct part *part = &reader->parts[i];
        if (part->file.profiles) continue;
        any = true;
        modified_ns = part->modified_ns;
    }
    for (;;) {
        TRY(find_new(reader, &reader->list, modified_ns, &entry, error));
        if (!entry) break;
        entry->known = any = true;
        TRY(event_reader_add_part(reader, NULL, entry, false, error));
    }
    if (any) return STATUS_OK;
    if (reader->list.at[0].beside) {
        return error_set(error, STATUS_INVALID, "%s: no such file", reader->config->source.path);
    }
    return event_reader_add_part(reader, NULL, &reader->list.at[0], false, error); /* empty yet */
}

/* ---- the current file ---- */

enum status follow_hold(struct event_reader *reader, struct error *error)
{
    const struct part *part = &reader->parts[reader->current];
    struct stat facts;
    const int file = reader->next >= 0 ? reader->next : open(part->path, O_RDONLY | O_CLOEXEC);
    reader->next = -1;
    pthread_mutex_lock(&reader->lock);
    reader->held = file;
    snprintf(reader->held_path, sizeof reader->held_path, "/proc/self/fd/%d", file);
    pthread_mutex_unlock(&reader->lock);
    if (file < 0 || fstat(file, &facts) != 0) {
        return error_set(error, STATUS_IO, "%s: %s", part->path, strerror(errno));
    }
    if (facts.st_dev == part->device && facts.st_ino == part->inode) return STATUS_OK;
    return error_set(error, STATUS_IO,
                     "%s: another file has got this name since it was listed: start again",
                     part->path);
}

enum status follow_leave(struct event_reader *reader, struct error *error)
{
    struct source_file *file = &reader->parts[reader->current].file;
    const int64_t read = line_reader_position(reader->lines).byte;
    enum status status = STATUS_OK;
    pthread_mutex_lock(&reader->lock);
    if (read > 0 && reader->held >= 0) {
        status = input_identify(reader->held_path,
                                read < INPUT_IDENTITY_MAX ? (uint32_t)read : INPUT_IDENTITY_MAX,
                                &file->identity, error);
    }
    if (reader->held >= 0) close(reader->held);
    reader->held = -1;
    pthread_mutex_unlock(&reader->lock);
    return status;
}

/* How many bytes have come to the current file since it was read to its end; < 0: it was cut. */
static enum status has_grown(const struct event_reader *reader, int64_t *byp, struct error *error)
{
    struct stat facts;
    int64_t done, total;
    if (fstat(reader->held, &facts) != 0) {
        return error_set(error, STATUS_IO, "%s: %s", reader->parts[reader->current].path,
                         strerror(errno));
    }
    line_reader_progress(reader->lines, &done, &total);
    *byp = facts.st_size - done;
    if (*byp >= 0) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s was cut to %lld bytes while it was read, and what was written meanwhile "
                     "may be lost: let it be renamed instead, and another one be begun",
                     reader->parts[reader->current].path, (long long)facts.st_size);
}

/* ---- the next one ---- */

/* Opens it, if it still is what was listed under its name, and adds it to the sequence. */
static enum status take_next(struct event_reader *reader, const struct source_entry *entry,
                             bool *takenp, struct error *error)
{
    struct stat facts;
    *takenp = false;
    const int file = open(entry->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return STATUS_OK;
    if (fstat(file, &facts) != 0 || facts.st_dev != entry->device || facts.st_ino != entry->inode) {
        close(file);
        return STATUS_OK;
    }
    if (reader->parts_count - reader->known_count == SOURCE_FILES_MAX) {
        close(file);
        return error_set(error, STATUS_INVALID, "source.path: more than %d files",
                         SOURCE_FILES_MAX);
    }
    reader->next = file;
    *takenp = true;
    return event_reader_add_part(reader, NULL, entry, false, error);
}

/* Files come and go while they are listed: what cannot be had now can be had at the next look. */
static bool list_files(struct event_reader *reader, struct source_list *list)
{
    const char *path = reader->config->source.path;
    struct error why;
    const enum status status = source_list_open_followed(list, path, &why);
    if (status != STATUS_OK && !reader->warned) {
        log_warn("the source's files can't be listed now", log_text("why", why.text));
    }
    reader->warned = status != STATUS_OK;
    return status == STATUS_OK;
}

static enum status look_for_next(struct event_reader *reader, bool *takenp, struct error *error)
{
    struct source_list list;
    struct source_entry *entry;
    struct stat facts;
    *takenp = false;
    if (fstat(reader->held, &facts) != 0 || !list_files(reader, &list)) return STATUS_OK;
    const int64_t modified_ns = facts.st_mtim.tv_sec * INT64_C(1000000000) + facts.st_mtim.tv_nsec;
    enum status status = find_new(reader, &list, modified_ns, &entry, error);
    if (status == STATUS_OK) {
        reader->quiet = entry ? reader->quiet + 1 : 0;
        if (reader->quiet >= LOOKS) status = take_next(reader, entry, takenp, error);
    }
    source_list_close(&list);
    return status;
}

enum status follow_look(struct event_reader *reader, bool *morep, struct error *error)
{
    int64_t by = 0;
    *morep = false;
    TRY(has_grown(reader, &by, error));
    *morep = by > 0;
    if (!*morep) TRY(look_for_next(reader, morep, error));
    if (*morep) reader->quiet = 0;
    return STATUS_OK;
}
