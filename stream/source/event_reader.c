/* event_reader.c - known files, then new ones; lines, headers, events. */
#include "stream/source/event_reader.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/bound.h"
#include "stream/source/event_reader_parts.h"

static const char standard_input[] = "-";

/* ---- what was read before ---- */

enum status source_files_add(struct source_files *files, const char *name, struct error *error)
{
    struct source_file *at = realloc(files->at, (files->count + 1) * sizeof *at);
    if (!at) return error_set(error, STATUS_IO, "out of memory: names of files");
    files->at = at;
    char *copy = strdup(name);
    if (!copy) return error_set(error, STATUS_IO, "out of memory: names of files");
    files->at[files->count++] = (struct source_file){.name = copy};
    return STATUS_OK;
}

void source_files_close(struct source_files *files)
{
    for (uint32_t i = 0; i < files->count; i++) {
        free(files->at[i].name);
    }
    free(files->at);
    *files = (struct source_files){0};
}

/* ---- the sequence: known files first, then new ones ---- */

/*
 * The entry of a file that was read, NULL if there is none. One file that follows one may have
 * another name, for what it begins with is compared.
 */
static enum status known_entry(const struct event_reader *reader, const struct source_files *known,
                               uint32_t i, struct source_entry **entryp, struct error *error)
{
    const bool profiles = known->at[i].profiles;
    const struct source_list *list = profiles ? &reader->profiles : &reader->list;
    uint32_t alike = 0;
    for (uint32_t k = 0; k < known->count; k++) {
        alike += known->at[k].profiles == profiles;
    }
    const bool only = alike == 1 && list->count == 1;
    if (reader->follows && !profiles && !only) {
        return follow_find(reader, &known->at[i], i + 1 == known->count, entryp, error);
    }
    *entryp = only ? &list->at[0] : source_list_find(list, known->at[i].name);
    return STATUS_OK;
}

static enum status add_new(struct event_reader *reader, const struct source_list *list,
                           bool profiles, struct error *error)
{
    for (uint32_t e = 0; e < list->count; e++) {
        if (list->at[e].known) continue;
        TRY(event_reader_add_part(reader, NULL, &list->at[e], profiles, error));
    }
    return STATUS_OK;
}

/* A file that is followed may not be left for one of these while it still grows. */
static enum status check_no_new_profiles(const struct event_reader *reader, struct error *error)
{
    for (uint32_t i = 0; i < reader->profiles.count; i++) {
        if (reader->profiles.at[i].known) continue;
        return error_set(error, STATUS_INVALID,
                         "source.profile: %s has come since the source was begun, which is "
                         "followed (source.end: never): let events say what it says, or read it in "
                         "a run that ends",
                         reader->profiles.at[i].path);
    }
    return STATUS_OK;
}

static enum status order_files(struct event_reader *reader, const struct source_files *known,
                               struct error *error)
{
    const size_t files = (size_t)known->count + reader->profiles.count + reader->list.count;
    reader->known_count = known->count;
    const size_t room = reader->follows ? SOURCE_FILES_MAX : 0;
    reader->parts = calloc(files + room, sizeof *reader->parts);
    if (!reader->parts) return error_set(error, STATUS_IO, "out of memory: names of files");
    for (uint32_t i = 0; i < known->count; i++) {
        struct source_entry *entry;
        TRY(known_entry(reader, known, i, &entry, error));
        if (entry) entry->known = true;
        TRY(event_reader_add_part(reader, &known->at[i], entry, known->at[i].profiles, error));
    }
    if (reader->mode == READ_AGAIN) return STATUS_OK;
    const bool begun = known->count > 0 && !known->at[known->count - 1].profiles;
    if (reader->follows && begun) TRY(check_no_new_profiles(reader, error));
    TRY(add_new(reader, &reader->profiles, true, error));
    if (reader->follows) return follow_order(reader, error);
    return add_new(reader, &reader->list, false, error);
}

/* ---- whether the known files are still what they were ---- */

static const char *part_option(const struct part *part)
{
    return part->file.profiles ? "source.profile" : "source.path";
}

static enum status refuse_missing(const struct event_reader *reader, const struct part *part,
                                  struct error *error)
{
    return error_set(
        error, STATUS_REFUSED,
        "%s: '%s' was read, and is not there any more: put it back, or name it with %s",
        reader->config->source.path, part->file.name, part_option(part));
}

/* True if the file begins as gzip does. */
static bool is_compressed(const char *path)
{
    uint8_t magic[2] = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    bool compressed = read(file, magic, 2) == 2 && magic[0] == 0x1F && magic[1] == 0x8B;
    close(file);
    return compressed;
}

/* A file that another one has followed: its new lines would come out of order. */
static enum status check_finished(const struct part *part, struct error *error)
{
    int64_t read = part->file.position.byte;
    if (!part->path || part->size <= read || is_compressed(part->path)) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s has grown by %" PRId64 " bytes since the file after it was begun, which "
                     "would come out of order: put them into a file of their own with a later name",
                     part->path, part->size - read);
}

static enum status check_identity(const struct event_reader *reader, const struct part *part,
                                  struct error *error)
{
    const struct input_identity *known = &part->file.identity;
    struct input_identity found;
    if (!part->path) return refuse_missing(reader, part, error);
    bool piped = strcmp(part->path, standard_input) == 0;
    bool was_piped = strcmp(part->file.name, standard_input) == 0;
    if (known->size == 0) {
        if (reader->mode == READ_AGAIN || part->file.position.line == 0) return STATUS_OK;
        if (piped == was_piped) return STATUS_OK;
    } else if (!piped) {
        TRY(input_identify(event_reader_path(reader), known->size, &found, error));
        if (found.size == known->size && found.hash == known->hash) return STATUS_OK;
    }
    return error_set(error, STATUS_REFUSED,
                     "%s is not the input that was read before (its first %" PRIu32
                     " bytes differ): give the same %s, or another state.dir and output.dir",
                     part->path, known->size, part_option(part));
}

/* A new file that begins with all that is known of one that was read: renamed, or a copy. */
static enum status check_new(const struct event_reader *reader, const struct part *part,
                             struct error *error)
{
    struct input_identity found = {0};
    for (uint32_t i = 0; i < reader->known_count; i++) {
        const struct source_file *file = &reader->parts[i].file;
        const struct input_identity *known = &file->identity;
        if (known->size == 0 || file->position.line <= event_reader_has_header(reader)) continue;
        if (found.size != known->size) {
            TRY(input_identify(event_reader_path(reader), known->size, &found, error));
        }
        if (found.size != known->size || found.hash != known->hash) continue;
        return error_set(error, STATUS_REFUSED,
                         "%s begins with the same %" PRIu32 " bytes as '%s', which was read: is it "
                         "that file under another name, or a copy? Give it its name back, or leave "
                         "it out",
                         part->path, known->size, reader->parts[i].file.name);
    }
    return STATUS_OK;
}

/* ---- one file after the other ---- */

/* True if a later file has something: then nobody writes to this one any more. */
static bool is_followed(const struct event_reader *reader, uint32_t file)
{
    for (uint32_t i = file + 1; i < reader->parts_count; i++) {
        if (reader->parts[i].size != 0) return true;
    }
    return false;
}

static enum status open_lines(const struct event_reader *reader, struct line_position start,
                              struct line_reader **linesp, struct error *error)
{
    struct line_options options = line_options_of(reader->config);
    if (reader->mode == READ_AGAIN || is_followed(reader, reader->current)) {
        options.take_unfinished = true;
    }
    return line_reader_open(linesp, event_reader_path(reader), options, start, error);
}

static struct event_decoder *current_decoder(const struct event_reader *reader)
{
    const bool profiles = reader->parts[reader->current].file.profiles;
    return profiles ? reader->profile_decoder : reader->decoder;
}

/* Reads the names of the columns, if the first line has been written. */
static enum status read_columns(struct event_reader *reader, struct line_reader *lines,
                                struct error *error)
{
    struct line line;
    enum status status = line_reader_next(lines, &line, error);
    if (status == STATUS_END) return STATUS_OK;
    TRY(status);
    status = event_decoder_header(current_decoder(reader), line.text, error);
    if (status != STATUS_OK) error_prefix(error, "%s: ", reader->parts[reader->current].path);
    return status;
}

/* Opens the current file where it is to be read from; its header comes first in any case. */
static enum status open_current(struct event_reader *reader, struct error *error)
{
    struct part *part = &reader->parts[reader->current];
    struct line_position start = {0};
    bool is_new = reader->current >= reader->known_count;
    if (reader->follows && part->path) TRY(follow_hold(reader, error));
    TRY(is_new ? check_new(reader, part, error) : check_identity(reader, part, error));
    if (reader->mode == READ_ON) start = part->file.position;
    if (event_reader_has_header(reader) && start.byte > 0) {
        struct line_reader *lines;
        TRY(open_lines(reader, (struct line_position){0}, &lines, error));
        enum status status = read_columns(reader, lines, error);
        line_reader_close(lines);
        TRY(status);
    }
    TRY(open_lines(reader, start, &reader->lines, error));
    if (event_reader_has_header(reader) && start.byte == 0)
        return read_columns(reader, reader->lines, error);
    return STATUS_OK;
}

/* Opens the current file's lines again behind those delivered: there may be more. */
static enum status reopen(struct event_reader *reader, struct error *error)
{
    const struct line_position start = line_reader_position(reader->lines);
    line_reader_close(reader->lines);
    reader->lines = NULL;
    TRY(open_lines(reader, start, &reader->lines, error));
    if (event_reader_has_header(reader) && start.byte == 0) {
        return read_columns(reader, reader->lines, error);
    }
    return STATUS_OK;
}

/* Leaves the current file for the next one, of which there is one. */
static enum status open_next(struct event_reader *reader, struct error *error)
{
    struct part *part = &reader->parts[reader->current];
    struct line_position end = line_reader_position(reader->lines);
    if (reader->mode == READ_ON) part->file.position = end;
    if (reader->follows) TRY(follow_leave(reader, error));
    reader->before += end.line;
    if (part->size > 0) reader->size_done += part->size;
    line_reader_close(reader->lines);
    reader->lines = NULL;
    reader->current++;
    return open_current(reader, error);
}

/* The last known file, behind those before it, of which nothing is read. */
static enum status go_to_known(struct event_reader *reader, struct error *error)
{
    if (reader->mode == READ_AGAIN || reader->known_count == 0) return STATUS_OK;
    reader->current = reader->known_count - 1;
    for (uint32_t i = 0; i < reader->current; i++) {
        TRY(check_finished(&reader->parts[i], error));
        reader->before += reader->parts[i].file.position.line;
        if (reader->parts[i].size > 0) reader->size_done += reader->parts[i].size;
    }
    const struct source_file *last = &reader->parts[reader->current].file;
    reader->position = (struct source_position){
        .offset = reader->before + last->position.line,
        .file = reader->current,
        .line = last->position,
    };
    return STATUS_OK;
}

static void sum_sizes(struct event_reader *reader)
{
    for (uint32_t i = 0; i < reader->parts_count; i++) {
        int64_t size = reader->parts[i].size;
        if (size < 0) reader->size_total = -1;
        if (reader->size_total >= 0) reader->size_total += size;
    }
}

static enum status open_reader(struct event_reader *reader, const struct source_files *known,
                               struct error *error)
{
    const struct config *config = reader->config;
    reader->scratch = malloc(event_scratch_size(line_options_of(config).size_max));
    if (!reader->scratch) return error_set(error, STATUS_IO, "out of memory: one event");
    TRY(erased_read(&reader->erased, config->state.dir, error));
    TRY(event_decoder_open(&reader->decoder, config, error));
    TRY((reader->follows ? source_list_open_followed
                         : source_list_open)(&reader->list, config->source.path, error));
    if (*config->source.profile) {
        TRY(source_list_open(&reader->profiles, config->source.profile, error));
        TRY(event_decoder_open_profiles(&reader->profile_decoder, config, error));
    }
    TRY(order_files(reader, known, error));
    sum_sizes(reader);
    TRY(go_to_known(reader, error));
    return reader->parts_count > 0 ? open_current(reader, error) : STATUS_OK;
}

enum status event_reader_open(struct event_reader **readerp, const struct config *config,
                              const struct source_files *known, enum event_reader_mode mode,
                              struct error *error)
{
    *readerp = NULL;
    struct event_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return error_set(error, STATUS_IO, "out of memory: a reader of the source");
    reader->config = config;
    reader->mode = mode;
    reader->held = reader->next = -1;
    pthread_mutex_init(&reader->lock, NULL);
    struct bound end;
    reader->follows = config->source.broker == CONFIG_BROKER_FILE &&
                      bound_parse_end(&end, config->source.end, NULL) == STATUS_OK &&
                      end.kind == BOUND_NEVER;
    enum status status = open_reader(reader, known, error);
    if (status != STATUS_OK) {
        event_reader_close(reader);
        return status;
    }
    *readerp = reader;
    return STATUS_OK;
}

void event_reader_close(struct event_reader *reader)
{
    if (!reader) return;
    for (uint32_t i = 0; i < reader->parts_count; i++) {
        free(reader->parts[i].file.name);
        free(reader->parts[i].path);
    }
    if (reader->held >= 0) close(reader->held);
    if (reader->next >= 0) close(reader->next);
    pthread_mutex_destroy(&reader->lock);
    free(reader->parts);
    source_list_close(&reader->list);
    source_list_close(&reader->profiles);
    line_reader_close(reader->lines);
    erased_close(&reader->erased);
    event_decoder_close(reader->decoder);
    event_decoder_close(reader->profile_decoder);
    free(reader->scratch);
    free(reader);
}

/* The current file's next line; *lastp: it has no more of them to give. */
static enum status next_line(struct event_reader *reader, struct line *line, bool *lastp,
                             struct error *error)
{
    const struct part *part = &reader->parts[reader->current];
    int64_t number = line_reader_position(reader->lines).line;
    bool again = reader->mode == READ_AGAIN;
    *lastp = again && number >= part->file.position.line;
    if (*lastp) return STATUS_OK;
    enum status status = line_reader_next(reader->lines, line, error);
    if (status != STATUS_END) return status;
    *lastp = true;
    if (!again) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s ends after %" PRId64 " lines, but %" PRId64 " were processed", part->path,
                     number, part->file.position.line);
}

/* True if another file is to be read, once the current one has no more lines. */
static bool has_next(const struct event_reader *reader)
{
    if (reader->mode == READ_AGAIN) return reader->current + 1 < reader->parts_count;
    return is_followed(reader, reader->current);
}

/* What somebody did before it was erased is as if it had not been written. */
static void drop_erased(const struct erased *erased, struct event *event)
{
    if (event->verdict != EVENT_ACCEPTED && event->verdict != EVENT_PROFILE) return;
    const struct erased_user *user = erased_find(erased, event->user);
    if (!user || event->offset >= user->cut) return;
    event->erased = event->verdict == EVENT_ACCEPTED;
    event->verdict = EVENT_DROPPED;
}

enum status event_reader_next(struct event_reader *reader, struct event *event, struct error *error)
{
    struct line line;
    bool last;
    if (!reader->lines) return STATUS_END;
    for (;;) {
        TRY(next_line(reader, &line, &last, error));
        if (!last) break;
        if (!has_next(reader)) return STATUS_END;
        TRY(open_next(reader, error));
    }
    event_decode(current_decoder(reader), line.text, -1, reader->scratch, event);
    reader->position.file = reader->current;
    reader->position.line = line_reader_position(reader->lines);
    reader->position.offset = reader->before + reader->position.line.line;
    event->offset = reader->position.offset - 1;
    drop_erased(&reader->erased, event);
    return STATUS_OK;
}

enum status event_reader_look(struct event_reader *reader, bool *morep, struct error *error)
{
    TRY(follow_look(reader, morep, error));
    if (*morep) TRY(reopen(reader, error)); /* also to take a last line that has no end */
    return STATUS_OK;
}

/* ---- what is asked ---- */

void event_reader_warn_of_rest(const struct event_reader *reader)
{
    if (reader->lines) line_reader_warn_of_rest(reader->lines);
}

struct source_position event_reader_position(const struct event_reader *reader)
{
    return reader->position;
}

bool event_reader_is_standard_input(const struct event_reader *reader)
{
    return strcmp(reader->config->source.path, standard_input) == 0;
}

static enum status check_regular(const struct source_list *list, struct error *error)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->at[i].size >= 0) continue;
        return error_set(error, STATUS_INVALID,
                         "%s: not a regular file, so it cannot be read again after a crash: pipe "
                         "it in and set source.path=-",
                         list->at[i].path);
    }
    return STATUS_OK;
}

enum status event_reader_check_regular(const struct event_reader *reader, struct error *error)
{
    TRY(check_regular(&reader->profiles, error));
    if (event_reader_is_standard_input(reader)) return STATUS_OK;
    return check_regular(&reader->list, error);
}

const struct source_file *event_reader_file(const struct event_reader *reader, uint32_t file)
{
    REQUIRE(file < reader->parts_count);
    return &reader->parts[file].file;
}

/* Of a file that was left the identity is known; `path` is of one that is being read. */
static enum status identify_part(const struct event_reader *reader, uint32_t file, int64_t size,
                                 struct input_identity *identity, struct error *error)
{
    const bool left = reader->follows && file < reader->current;
    const char *path =
        left || file != reader->current ? reader->parts[file].path : event_reader_path(reader);
    if (left) {
        *identity = reader->parts[file].file.identity;
        return STATUS_OK;
    }
    uint32_t wanted = size < INPUT_IDENTITY_MAX ? (uint32_t)size : INPUT_IDENTITY_MAX;
    *identity = (struct input_identity){0};
    if (wanted == 0) return STATUS_OK;
    TRY(input_identify(path, wanted, identity, error));
    if (identity->size == wanted) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s has %" PRIu32 " bytes, and %" PRIu32 " were read: it was cut meanwhile",
                     path, identity->size, wanted);
}

enum status event_reader_identify(struct event_reader *reader, uint32_t file, int64_t size,
                                  struct input_identity *identity, struct error *error)
{
    pthread_mutex_lock(&reader->lock);
    const enum status status = identify_part(reader, file, size, identity, error);
    pthread_mutex_unlock(&reader->lock);
    return status;
}

void event_reader_place(const struct event_reader *reader, int64_t offset,
                        char to[SOURCE_PLACE_MAX])
{
    uint32_t i = 0;
    for (; i < reader->current && offset >= reader->parts[i].file.position.line; i++) {
        offset -= reader->parts[i].file.position.line;
    }
    bool several = reader->parts_count > 1;
    snprintf(to, SOURCE_PLACE_MAX, "%s%sline %" PRId64, several ? reader->parts[i].path : "",
             several ? ", " : "", offset + 1);
}

double event_reader_progress(const struct event_reader *reader)
{
    int64_t done, total;
    if (!reader->lines || reader->size_total <= 0) return -1;
    line_reader_progress(reader->lines, &done, &total);
    return (double)(reader->size_done + done) / (double)reader->size_total;
}
