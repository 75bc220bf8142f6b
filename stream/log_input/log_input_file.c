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
#include "stream/source/file_partition.h"

enum {
    OUTPUT_LINE_MAX = 1 << 20, /* bytes of a record, a dead letter or an item's name */
    HISTORY_BATCH = 256,       /* records of one read */
};

struct log_input {
    const struct config *config;
    struct commit commit;
    struct json_decoder *json;
    uint32_t line_max; /* bytes of an output line */
    uint8_t *scratch;
    size_t scratch_size;

    /* the sequence being read: */
    struct event_reader *source;
    struct line_reader *reader; /* of an output of `place.partition` */
    enum record_kind kind;      /* of the output */
    char path[COMMIT_PATH_MAX]; /* of the output */
    int64_t end;                /* of the output, in bytes */
    struct log_place place;     /* of what was read last */
    struct history_file *history;
    struct record records[HISTORY_BATCH];
    uint32_t records_count;
    uint32_t records_next;
};

/* Ends the sequence that was read. */
static void end_sequence(struct log_input *input)
{
    event_reader_close(input->source);
    line_reader_close(input->reader);
    history_file_close(input->history);
    input->source = NULL;
    input->reader = NULL;
    input->history = NULL;
    input->records_count = input->records_next = 0;
}

static void file_input_close(struct log_input *input)
{
    end_sequence(input);
    json_decoder_close(input->json);
    commit_close(&input->commit);
    free(input->scratch);
    free(input);
}

static enum status open_file_input(struct log_input *input, struct error *error)
{
    const struct config *config = input->config;
    size_t letter = dead_letter_size_max(config->output.dead_letter_payload_max);
    input->line_max = (uint32_t)(letter > OUTPUT_LINE_MAX ? letter : OUTPUT_LINE_MAX);
    input->scratch_size = 2 * (size_t)input->line_max + EVENT_PADDING;
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
    enum status status = open_file_input(input, error);
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
    *seal = commit_seal(&input->commit, partition);
    return STATUS_OK;
}

/* Each file's lines from the job's first event on, but for the one that names a table's columns. */
static uint64_t file_input_events(const struct log_input *input)
{
    const struct source_files *inputs = &input->commit.inputs;
    const struct config *config = input->config;
    bool header = config->source.format != CONFIG_JSON && config->source.header;
    int64_t events = 0, before = 0;
    for (uint32_t i = 0; i < inputs->count; i++) {
        const int64_t end = before + inputs->at[i].position.line;
        int64_t begin = before + (header && end > before);
        if (begin < input->commit.first) begin = input->commit.first;
        if (end > begin) events += end - begin;
        before = end;
    }
    return (uint64_t)events;
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
    if (strcmp(config->source.path, "-") == 0) {
        return error_set(error, STATUS_INVALID,
                         "standard input cannot be read again: give the same events as a file, "
                         "--source.path=FILE");
    }
    return event_reader_open(&input->source, config, &input->commit.inputs, READ_AGAIN, error);
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

static enum status begin_file_history(struct log_input *input, struct error *error)
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
    case LOG_HISTORY: return begin_file_history(input, error);
    case LOG_PROFILES: return STATUS_OK; /* they are in the source's */
    default: return begin_output(input, RECORD_ITEM, error);
    }
}

static enum status file_input_begin_items(struct log_input *input, uint32_t part, int64_t from,
                                          struct error *error)
{
    (void)from;
    return file_input_begin(input, LOG_ITEMS, part, error);
}

static enum status file_input_event(struct log_input *input, struct event *event,
                                    struct error *error)
{
    do {
        TRY(event_reader_next(input->source, event, error));
    } while (event->offset < input->commit.first);
    event->partition = event->user.size ? file_partition(event->user, input->commit.partitions) : 0;
    input->place = (struct log_place){event->partition, event->offset};
    return STATUS_OK;
}

/* The next committed line of an output, of all partitions one after the other. */
static enum status next_file_output(struct log_input *input, struct line *line, struct error *error)
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
    do {
        TRY(next_file_output(input, &line, error));
        TRY(interest_record_decode_json(line.text, input->scratch, input->scratch_size, record,
                                        error));
    } while (record->gone && record->user.size == 0); /* what was erased */
    return STATUS_OK;
}

static enum status file_input_dead_letter(struct log_input *input, int64_t *offsetp,
                                          struct bytes *reasonp, struct error *error)
{
    struct line line;
    TRY(next_file_output(input, &line, error));
    return dead_letter_decode(input->json, line.text, input->scratch, offsetp, reasonp, error);
}

static enum status file_input_item(struct log_input *input, struct bytes *recordp,
                                   struct error *error)
{
    struct line line;
    TRY(next_file_output(input, &line, error));
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

/* An event's offset counts the lines of all files. */
static void place_of_event(const struct log_input *input, int64_t offset, char to[LOG_PLACE_MAX])
{
    const struct source_files *inputs = &input->commit.inputs;
    uint32_t i = 0;
    for (; i + 1 < inputs->count && offset >= inputs->at[i].position.line; i++) {
        offset -= inputs->at[i].position.line;
    }
    const char *path = input->config->source.path;
    if (inputs->count > 1) path = inputs->at[i].name;
    snprintf(to, LOG_PLACE_MAX, "%s:%" PRId64, path, offset + 1);
}

static void file_input_place_text(const struct log_input *input, enum log_sequence sequence,
                                  struct log_place place, char to[LOG_PLACE_MAX])
{
    static const enum record_kind kinds[] = {[LOG_RECORDS] = RECORD_INTERESTS,
                                             [LOG_DEAD_LETTERS] = RECORD_DEAD_LETTER,
                                             [LOG_HISTORY] = RECORD_HISTORY,
                                             [LOG_ITEMS] = RECORD_ITEM};
    if (sequence == LOG_SOURCE) {
        place_of_event(input, place.number, to);
        return;
    }
    char path[COMMIT_PATH_MAX];
    struct error error;
    const char *name = path;
    uint64_t log = input->commit.entries[place.partition].log;
    if (commit_file_path(input->config, kinds[sequence], place.partition, log, path, &error) !=
        STATUS_OK) {
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
    const struct source_files *inputs = &input->commit.inputs;
    (void)error;
    for (uint32_t i = 0; i < inputs->count; i++) {
        const struct source_file *file = &inputs->at[i];
        fprintf(out,
                "  input      %s: identity %016" PRIx64 " (%" PRIu32 " bytes), %" PRId64
                " lines processed\n",
                file->name, file->identity.hash, file->identity.size, file->position.line);
    }
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
        .source = input->commit.source,
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
    .begin_items = file_input_begin_items,
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
