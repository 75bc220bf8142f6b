/*
 * log_input_file.c - what the file broker has committed.
 *
 * The commit file says how far the source was processed and how long each output is; what lies
 * beyond was never committed and is not read. All partitions come from one source, which is decoded
 * once for all of them; outputs are read partition by partition.
 */
#include "stream/log_input/log_input.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "stream/broker/file/commit_file.h"
#include "stream/broker/file/file_reader.h"
#include "stream/broker/file/history_file.h"
#include "stream/source/dead_letter.h"

enum {
    OUTPUT_LINE_MAX = 1 << 20, /* bytes of a record, a dead letter or an item's name */
    HISTORY_BATCH = 256,       /* records of one read */
};

struct log_input {
    const struct config *config;
    struct commit_file commit;
    struct event_decoder *decoder;
    struct json_decoder *json;
    uint32_t line_max; /* bytes of an output line */
    uint8_t *scratch;
    size_t scratch_size;

    /* the sequence being read: */
    struct line_reader *reader; /* of the source, or of an output of `place.partition` */
    enum record_kind kind;      /* of the output */
    char path[COMMIT_PATH_MAX]; /* of the output */
    int64_t end;                /* source: lines; outputs: bytes */
    struct log_place place;     /* of what was read last */
    struct history_file *history;
    struct record records[HISTORY_BATCH];
    uint32_t records_count;
    uint32_t records_next;
};

/* Ends the sequence that was read. */
static void end_sequence(struct log_input *input)
{
    line_reader_close(input->reader);
    history_file_close(input->history);
    input->reader = NULL;
    input->history = NULL;
    input->records_count = input->records_next = 0;
}

static void file_input_close(struct log_input *input)
{
    end_sequence(input);
    event_decoder_close(input->decoder);
    json_decoder_close(input->json);
    commit_file_close(&input->commit);
    free(input->scratch);
    free(input);
}

/* The input must be the one that was processed, as far as the commit file knows it. */
static enum status check_identity(const struct log_input *input, struct error *error)
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

static enum status open_input(struct log_input *input, struct error *error)
{
    const struct config *config = input->config;
    size_t letter = dead_letter_size_max(config->output.dead_letter_payload_max);
    input->line_max = (uint32_t)(letter > OUTPUT_LINE_MAX ? letter : OUTPUT_LINE_MAX);
    input->scratch_size = 2 * (size_t)input->line_max + EVENT_PADDING;
    size_t event = (size_t)config->source.event_size_max + 1 + EVENT_PADDING;
    if (input->scratch_size < event) input->scratch_size = event;
    input->scratch = malloc(input->scratch_size);
    if (!input->scratch) return error_set(error, STATUS_IO, "out of memory: reading a job's files");
    TRY(commit_file_expect(&input->commit, config->state.dir, error));
    return json_decoder_open(&input->json, input->line_max, error);
}

static enum status file_input_open(struct log_input **inputp, const struct config *config,
                                   struct error *error)
{
    *inputp = NULL;
    struct log_input *input = calloc(1, sizeof *input);
    if (!input) return error_set(error, STATUS_IO, "out of memory: reading a job's files");
    input->config = config;
    enum status status = open_input(input, error);
    if (status != STATUS_OK) {
        file_input_close(input);
        return status;
    }
    *inputp = input;
    return STATUS_OK;
}

static uint32_t file_input_partitions(const struct log_input *input)
{
    return input->commit.partitions;
}

static uint32_t file_input_parts(const struct log_input *input, enum log_sequence sequence)
{
    return sequence == LOG_HISTORY ? input->commit.partitions : 1;
}

static uint32_t file_input_partition_of(const struct log_input *input, struct bytes user,
                                        bool *certainp)
{
    *certainp = true;
    return file_partition(user, input->commit.partitions);
}

static enum status file_input_seal(struct log_input *input, uint32_t partition,
                                   struct history_seal *seal, struct error *error)
{
    (void)error;
    *seal = commit_file_seal(&input->commit, partition);
    return STATUS_OK;
}

/* True if the first line of the source names columns and is no event. */
static bool has_header(const struct config *config)
{
    return config->source.format != CONFIG_JSON && config->source.header;
}

static uint64_t file_input_events(const struct log_input *input)
{
    uint64_t lines = (uint64_t)input->commit.position.line;
    return lines && has_header(input->config) ? lines - 1 : lines;
}

/* A file forgets nothing. */
static int64_t file_input_first(const struct log_input *input)
{
    (void)input;
    return 0;
}

static enum status begin_source(struct log_input *input, struct error *error)
{
    const struct config *config = input->config;
    struct line_options options = line_options_of(config);
    struct line line;
    options.take_unfinished = true; /* the job took so many lines, in whichever way */
    TRY(check_identity(input, error));
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

/* Opens the output of partition `place.partition`; an empty one stays closed. */
static enum status open_output(struct log_input *input, struct error *error)
{
    uint32_t partition = input->place.partition;
    input->end = (int64_t)input->commit.entries[partition].length[input->kind];
    input->place.number = -1;
    if (input->end == 0) return STATUS_OK;
    TRY(commit_file_path(input->config, input->kind, partition, 0, input->path, error));
    return line_reader_open(&input->reader, input->path,
                            (struct line_options){.size_max = input->line_max},
                            (struct line_position){0}, error);
}

static enum status begin_output(struct log_input *input, enum record_kind kind, struct error *error)
{
    input->kind = kind;
    return open_output(input, error);
}

static enum status begin_history(struct log_input *input, struct error *error)
{
    char path[COMMIT_PATH_MAX];
    uint32_t partition = input->place.partition;
    const struct commit_entry *entry = &input->commit.entries[partition];
    if (entry->length[RECORD_HISTORY] == 0) return STATUS_OK;
    TRY(commit_file_path(input->config, RECORD_HISTORY, partition, entry->log, path, error));
    return history_file_open(&input->history, path, 0, entry->length[RECORD_HISTORY], error);
}

static enum status file_input_begin(struct log_input *input, enum log_sequence sequence,
                                    uint32_t part, struct error *error)
{
    end_sequence(input);
    input->place = (struct log_place){part, -1};
    switch (sequence) {
    case LOG_SOURCE: return begin_source(input, error);
    case LOG_RECORDS: return begin_output(input, RECORD_INTERESTS, error);
    case LOG_DEAD_LETTERS: return begin_output(input, RECORD_DEAD_LETTER, error);
    case LOG_HISTORY: return begin_history(input, error);
    default: return begin_output(input, RECORD_ITEM, error);
    }
}

static enum status file_input_event(struct log_input *input, struct event *event,
                                    struct error *error)
{
    struct line line;
    int64_t number = line_reader_position(input->reader).line;
    if (number >= input->end) return STATUS_END;
    enum status status = line_reader_next(input->reader, &line, error);
    if (status == STATUS_END) {
        return error_set(error, STATUS_REFUSED,
                         "%s ends after %" PRId64 " lines, but %" PRId64 " were processed",
                         input->config->source.path, number, input->end);
    }
    TRY(status);
    file_event_decode(input->decoder, &line, number, input->commit.partitions, input->scratch,
                      event);
    input->place = (struct log_place){event->partition, number};
    return STATUS_OK;
}

/* The next committed line of an output, of all partitions one after the other. */
static enum status next_output(struct log_input *input, struct line *line, struct error *error)
{
    struct line_position position = {0};
    for (;;) {
        if (input->reader) position = line_reader_position(input->reader);
        if (input->reader && position.byte < input->end) break;
        if (input->place.partition + 1 == input->commit.partitions) return STATUS_END;
        end_sequence(input);
        input->place.partition++;
        TRY(open_output(input, error));
    }
    input->place.number = position.line;
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

static enum status file_input_record(struct log_input *input, struct interest_record *record,
                                     struct error *error)
{
    struct line line;
    TRY(next_output(input, &line, error));
    return interest_record_decode_json(line.text, input->scratch, input->scratch_size, record,
                                       error);
}

static enum status file_input_dead_letter(struct log_input *input, int64_t *offsetp,
                                          struct bytes *reasonp, struct error *error)
{
    struct line line;
    TRY(next_output(input, &line, error));
    return dead_letter_decode(input->json, line.text, input->scratch, offsetp, reasonp, error);
}

static enum status file_input_item(struct log_input *input, struct bytes *recordp,
                                   struct error *error)
{
    struct line line;
    TRY(next_output(input, &line, error));
    *recordp = line.text;
    return STATUS_OK;
}

static enum status file_input_history(struct log_input *input, struct record *record,
                                      struct error *error)
{
    if (input->records_next == input->records_count) {
        if (!input->history) return STATUS_END;
        input->records_next = 0;
        TRY(history_file_next(input->history, input->records, HISTORY_BATCH, &input->records_count,
                              error));
        if (input->records_count == 0) return STATUS_END;
    }
    *record = input->records[input->records_next++];
    return STATUS_OK;
}

static struct log_place file_input_place(const struct log_input *input)
{
    return input->place;
}

static void file_input_place_text(const struct log_input *input, enum log_sequence sequence,
                                  struct log_place place, char to[LOG_PLACE_MAX])
{
    static const enum record_kind kinds[] = {[LOG_RECORDS] = RECORD_INTERESTS,
                                             [LOG_DEAD_LETTERS] = RECORD_DEAD_LETTER,
                                             [LOG_HISTORY] = RECORD_HISTORY,
                                             [LOG_ITEMS] = RECORD_ITEM};
    char path[COMMIT_PATH_MAX];
    struct error error;
    const char *name = path;
    uint64_t log = input->commit.entries[place.partition].log;
    if (sequence == LOG_SOURCE) {
        name = input->config->source.path;
    } else if (commit_file_path(input->config, kinds[sequence], place.partition, log, path,
                                &error) != STATUS_OK) {
        name = "?";
    }
    snprintf(to, LOG_PLACE_MAX, "%s:%" PRId64, name, place.number + 1);
}

/* Of a history log; nothing else takes long enough. */
static double file_input_progress(const struct log_input *input)
{
    uint64_t end = input->commit.entries[input->place.partition].length[RECORD_HISTORY];
    if (!input->history || end == 0) return -1;
    return (double)history_file_at(input->history) / (double)end;
}

static enum status file_input_print(struct log_input *input, FILE *out, struct error *error)
{
    const struct commit_file *commit = &input->commit;
    (void)error;
    fprintf(out,
            "  input      identity %016" PRIx64 " (%" PRIu32 " bytes), %" PRId64
            " lines processed\n",
            commit->input.hash, commit->input.size, commit->position.line);
    return STATUS_OK;
}

static enum status file_input_print_partition(struct log_input *input, uint32_t partition,
                                              FILE *out, struct error *error)
{
    const struct commit_entry *entry = &input->commit.entries[partition];
    (void)error;
    fprintf(out,
            "  committed  seal %" PRIu64 ", generation %" PRIu64 ", log %" PRIu64 " of %" PRIu64
            " bytes, interests %" PRIu64 " bytes, dead letters %" PRIu64 " bytes\n",
            entry->seal, entry->generation, entry->log, entry->length[RECORD_HISTORY],
            entry->length[RECORD_INTERESTS], entry->length[RECORD_DEAD_LETTER]);
    return STATUS_OK;
}

static enum status file_input_store(struct log_input *input, uint32_t partition,
                                    struct store_identity *identity,
                                    struct store_position *position, struct error *error)
{
    const struct commit_entry *entry = &input->commit.entries[partition];
    (void)error;
    *identity = (struct store_identity){
        .source = commit_file_source(&input->commit),
        .partition = partition,
        .partitions = input->commit.partitions,
    };
    *position = (struct store_position){
        .log = entry->log,
        .next = (int64_t)entry->length[RECORD_HISTORY],
        .seal = entry->seal,
    };
    return STATUS_OK;
}

const struct log_input_ops log_input_file = {
    .open = file_input_open,
    .close = file_input_close,
    .partitions = file_input_partitions,
    .parts = file_input_parts,
    .partition_of = file_input_partition_of,
    .seal = file_input_seal,
    .events = file_input_events,
    .first = file_input_first,
    .begin = file_input_begin,
    .event = file_input_event,
    .record = file_input_record,
    .dead_letter = file_input_dead_letter,
    .history = file_input_history,
    .item = file_input_item,
    .place = file_input_place,
    .place_text = file_input_place_text,
    .progress = file_input_progress,
    .print = file_input_print,
    .print_partition = file_input_print_partition,
    .store = file_input_store,
};
