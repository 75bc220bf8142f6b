/*
 * verify_files.c - what the file broker left behind, as verify's input.
 *
 * The commit file says how far the source was processed and how long each output is; what lies
 * beyond was never committed and is not read. All partitions come from one source file, so a
 * partition's events are those of a whole pass that belong to it.
 */
#include "stream/verify/verify_input.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "stream/broker/file/commit_file.h"
#include "stream/broker/file/file_reader.h"
#include "stream/source/dead_letter.h"

enum { OUTPUT_LINE_MAX = 1 << 20 }; /* bytes of a record or dead letter */

struct verify_input {
    const struct config *config;
    struct commit_file commit;
    struct event_decoder *decoder;
    struct json_decoder *json;
    struct line_reader *reader;
    uint32_t line_max; /* bytes of an output line */
    uint32_t partition;
    char path[COMMIT_PATH_MAX];
    int64_t end;    /* source: lines; outputs: bytes */
    int64_t number; /* of the line last read, from 0; -1 before the first */
    uint8_t *scratch;
    size_t scratch_size;
};

static void files_close(struct verify_input *input)
{
    line_reader_close(input->reader);
    event_decoder_close(input->decoder);
    json_decoder_close(input->json);
    commit_file_close(&input->commit);
    free(input->scratch);
    free(input);
}

/* The input must be the one that was processed, as far as the commit file knows it. */
static enum status check_identity(const struct verify_input *input, struct error *error)
{
    const struct input_identity *known = &input->commit.input;
    const char *path = input->config->source.path;
    struct input_identity found;
    if (strcmp(path, "-") == 0) {
        return error_set(error, STATUS_INVALID,
                         "standard input cannot be read again: give the same events as a file, "
                         "--source.path=FILE");
    }
    if (known->size == 0) return STATUS_OK;
    TRY(input_identify(path, known->size, &found, error));
    if (found.size == known->size && found.hash == known->hash) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s is not the input that %s was made from: name that one with source.path",
                     path, input->config->state.dir);
}

static enum status open_parts(struct verify_input *input, struct error *error)
{
    const struct config *config = input->config;
    size_t letter = dead_letter_size_max(config->output.dead_letter_payload_max);
    input->line_max = (uint32_t)(letter > OUTPUT_LINE_MAX ? letter : OUTPUT_LINE_MAX);
    input->scratch_size = 2 * (size_t)input->line_max + EVENT_PADDING;
    size_t event = (size_t)config->source.event_size_max + 1 + EVENT_PADDING;
    if (input->scratch_size < event) input->scratch_size = event;
    input->scratch = malloc(input->scratch_size);
    if (!input->scratch) return error_set(error, STATUS_IO, "out of memory: verify");
    TRY(commit_file_expect(&input->commit, config->state.dir, error));
    TRY(check_identity(input, error));
    return json_decoder_open(&input->json, input->line_max, error);
}

static enum status files_open(struct verify_input **inputp, const struct config *config,
                              struct error *error)
{
    *inputp = NULL;
    struct verify_input *input = calloc(1, sizeof *input);
    if (!input) return error_set(error, STATUS_IO, "out of memory: verify");
    input->config = config;
    enum status status = open_parts(input, error);
    if (status != STATUS_OK) {
        files_close(input);
        return status;
    }
    *inputp = input;
    return STATUS_OK;
}

static uint32_t files_partitions(const struct verify_input *input)
{
    return input->commit.partitions;
}

/* True if the first line of the source names columns and is no event. */
static bool has_header(const struct config *config)
{
    return config->source.format != CONFIG_JSON && config->source.header;
}

static uint64_t files_events(const struct verify_input *input)
{
    uint64_t lines = (uint64_t)input->commit.position.line;
    return lines && has_header(input->config) ? lines - 1 : lines;
}

/* A file forgets nothing. */
static int64_t files_first(const struct verify_input *input)
{
    (void)input;
    return 0;
}

static enum status begin_source(struct verify_input *input, struct error *error)
{
    const struct config *config = input->config;
    struct line_options options = line_options_of(config);
    struct line line;
    options.take_unfinished = true; /* the job took so many lines, in whichever way */
    event_decoder_close(input->decoder);
    TRY(event_decoder_open(&input->decoder, config, error));
    TRY(line_reader_open(&input->reader, config->source.path, options, (struct line_position){0},
                         error));
    input->end = input->commit.position.line;
    if (!has_header(config)) return STATUS_OK;
    enum status status = line_reader_next(input->reader, &line, error);
    if (status == STATUS_END) {
        return error_set(error, STATUS_REFUSED, "%s is empty: it is not the input of this job",
                         config->source.path);
    }
    TRY(status);
    return event_decoder_header(input->decoder, line.text, error);
}

static enum status begin_output(struct verify_input *input, enum record_kind kind,
                                struct error *error)
{
    input->end = (int64_t)input->commit.entries[input->partition].length[kind];
    if (input->end == 0) return STATUS_OK;
    TRY(commit_file_path(input->config, kind, input->partition, 0, input->path, error));
    return line_reader_open(&input->reader, input->path,
                            (struct line_options){input->line_max, false},
                            (struct line_position){0}, error);
}

static enum status files_begin(struct verify_input *input, enum verify_sequence sequence,
                               uint32_t partition, struct error *error)
{
    line_reader_close(input->reader);
    input->reader = NULL; /* stays so if the sequence is empty */
    input->partition = partition;
    input->number = -1;
    switch (sequence) {
    case VERIFY_SOURCE: return begin_source(input, error);
    case VERIFY_RECORDS: return begin_output(input, RECORD_INTERESTS, error);
    default: return begin_output(input, RECORD_DEAD_LETTER, error);
    }
}

static enum status files_event(struct verify_input *input, struct event *event, struct error *error)
{
    for (;;) {
        struct line line;
        input->number = line_reader_position(input->reader).line;
        if (input->number >= input->end) return STATUS_END;
        enum status status = line_reader_next(input->reader, &line, error);
        if (status == STATUS_END) {
            return error_set(error, STATUS_REFUSED,
                             "%s ends after %" PRId64 " lines, but %" PRId64 " were processed",
                             input->config->source.path, input->number, input->end);
        }
        TRY(status);
        file_event_decode(input->decoder, &line, input->number, input->commit.partitions,
                          input->scratch, event);
        if (event->partition == input->partition) return STATUS_OK;
    }
}

/* The next committed line of an output. */
static enum status next_output(struct verify_input *input, struct line *line, struct error *error)
{
    struct line_position position = {0};
    if (input->reader) position = line_reader_position(input->reader);
    if (position.byte >= input->end) return STATUS_END;
    input->number = position.line;
    enum status status = line_reader_next(input->reader, line, error);
    if (status == STATUS_END) {
        return error_set(error, STATUS_REFUSED,
                         "%s has %" PRId64 " bytes, but %" PRId64 " were committed", input->path,
                         position.byte, input->end);
    }
    TRY(status);
    if (line->cut) return error_set(error, STATUS_CORRUPT, "longer than a record can be");
    return STATUS_OK;
}

static enum status files_record(struct verify_input *input, struct interest_record *record,
                                struct error *error)
{
    struct line line;
    TRY(next_output(input, &line, error));
    return interest_record_decode_json(line.text, input->scratch, input->scratch_size, record,
                                       error);
}

static enum status files_dead_letter(struct verify_input *input, int64_t *offsetp,
                                     struct bytes *reasonp, struct error *error)
{
    struct line line;
    TRY(next_output(input, &line, error));
    return dead_letter_decode(input->json, line.text, input->scratch, offsetp, reasonp, error);
}

static int64_t files_at(const struct verify_input *input)
{
    return input->number;
}

static void files_place(const struct verify_input *input, enum verify_sequence sequence,
                        uint32_t partition, int64_t at, char to[VERIFY_PLACE_MAX])
{
    char path[COMMIT_PATH_MAX];
    struct error error;
    const char *name = path;
    if (sequence == VERIFY_SOURCE) {
        name = input->config->source.path;
    } else if (commit_file_path(input->config,
                                sequence == VERIFY_RECORDS ? RECORD_INTERESTS : RECORD_DEAD_LETTER,
                                partition, 0, path, &error) != STATUS_OK) {
        name = "?";
    }
    snprintf(to, VERIFY_PLACE_MAX, "%s:%" PRId64, name, at + 1);
}

const struct verify_input_ops verify_files = {
    .open = files_open,
    .close = files_close,
    .partitions = files_partitions,
    .events = files_events,
    .first = files_first,
    .begin = files_begin,
    .event = files_event,
    .record = files_record,
    .dead_letter = files_dead_letter,
    .at = files_at,
    .place = files_place,
};
