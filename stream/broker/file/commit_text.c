/* commit_text.c - line by line, with one form for each kind of line. */
#include "stream/broker/file/commit_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

enum {
    COMMIT_VERSION = 2,
    CHECKSUM_LINE = sizeof "checksum 0123456789abcdef",
};

static const char *const remedy =
    "the state cannot be trusted: restore state.dir and output.dir from the same backup, or begin "
    "anew with empty ones";

/* ---- printing ---- */

static void print_head(const struct commit_file *commit, FILE *out)
{
    fprintf(out, "braid-commit %d\nsource %016" PRIx64 "\noffset %" PRId64 "\ndecoding",
            COMMIT_VERSION, commit->source, commit->offset);
    for (int i = 0; i < HISTORY_DECODING_MAX; i++) {
        fprintf(out, " %08" PRIx32, commit->decoding[i]);
    }
    fprintf(out, "\npartitions %" PRIu32 "\ninputs %" PRIu32 "\n", commit->partitions,
            commit->inputs.count);
}

static void print_input(const struct source_file *input, FILE *out)
{
    fprintf(out, "input %016" PRIx64 " %" PRIu32 " line %" PRId64 " byte %" PRId64 " %s\n",
            input->identity.hash, input->identity.size, input->position.line, input->position.byte,
            input->name);
}

static void print_partition(const struct commit_entry *entry, uint32_t partition, FILE *out)
{
    fprintf(out,
            "partition %" PRIu32 " seal %" PRIu64 " generation %" PRIu64 " checkpoint %016" PRIx64
            " log %" PRIu64 " base %" PRIu64 " interests %" PRIu64 " history %" PRIu64
            " dead-letters %" PRIu64 " items %" PRIu64 "\n",
            partition, entry->seal, entry->generation, entry->checkpoint, entry->log, entry->base,
            entry->length[RECORD_INTERESTS], entry->length[RECORD_HISTORY],
            entry->length[RECORD_DEAD_LETTER], entry->length[RECORD_ITEM]);
}

/* The last line, over the `size` bytes of `text`; `line` has room for it and its zero. */
static void print_checksum(char *line, const char *text, size_t size)
{
    snprintf(line, CHECKSUM_LINE + 1, "checksum %016" PRIx64 "\n", checksum_of(text, size));
}

char *commit_text_print(const struct commit_file *commit, size_t *sizep)
{
    char last[CHECKSUM_LINE + 1];
    char *text = NULL;
    FILE *out = open_memstream(&text, sizep);
    if (!out) return NULL;
    print_head(commit, out);
    for (uint32_t i = 0; i < commit->inputs.count; i++) {
        print_input(&commit->inputs.at[i], out);
    }
    for (uint32_t p = 0; p < commit->partitions; p++) {
        print_partition(&commit->entries[p], p, out);
    }
    bool printed = fflush(out) == 0;
    if (printed) {
        print_checksum(last, text, *sizep);
        printed = fputs(last, out) >= 0;
    }
    if (fclose(out) == 0 && printed) return text;
    free(text);
    return NULL;
}

/* ---- parsing: each takes a line off the text, false if it is another ---- */

static bool take_decoding(const char **textp, uint32_t decoding[HISTORY_DECODING_MAX])
{
    static const char name[] = "decoding";
    if (strncmp(*textp, name, sizeof name - 1) != 0) return false;
    *textp += sizeof name - 1;
    for (int i = 0; **textp == ' '; i++) {
        char *end;
        unsigned long print = strtoul(*textp, &end, 16);
        if (end == *textp) return false;
        if (i < HISTORY_DECODING_MAX) decoding[i] = (uint32_t)print;
        *textp = end;
    }
    return *(*textp)++ == '\n';
}

/* What comes before the inputs; *inputsp is their number. */
static bool take_head(const char **textp, struct commit_file *head, uint32_t *inputsp)
{
    int size = 0;
    if (sscanf(*textp, "braid-commit %*d\nsource %" SCNx64 "\noffset %" SCNd64 "\n%n",
               &head->source, &head->offset, &size) != 2 ||
        size == 0) {
        return false;
    }
    *textp += size;
    size = 0;
    if (!take_decoding(textp, head->decoding)) return false;
    int fields = sscanf(*textp, "partitions %" SCNu32 "\ninputs %" SCNu32 "\n%n", &head->partitions,
                        inputsp, &size);
    *textp += size;
    return fields == 2 && size > 0;
}

/* An input's line into the last of `inputs`, which is added. */
static bool take_input(char **textp, struct source_files *inputs)
{
    struct source_file input = {0};
    int size = 0;
    int fields = sscanf(*textp, "input %" SCNx64 " %" SCNu32 " line %" SCNd64 " byte %" SCNd64 "%n",
                        &input.identity.hash, &input.identity.size, &input.position.line,
                        &input.position.byte, &size);
    if (fields != 4 || size == 0 || (*textp)[size] != ' ') return false;
    char *name = *textp + size + 1;
    char *end = strchr(name, '\n');
    if (!end) return false;
    *end = 0;
    *textp = end + 1;
    if (source_files_add(inputs, name, NULL) != STATUS_OK) return false;
    struct source_file *added = &inputs->at[inputs->count - 1];
    added->identity = input.identity;
    added->position = input.position;
    return true;
}

/* Format 1: one input without a name, whose identity was the source's. */
static bool take_head_of_format_1(const char **textp, struct commit_file *head,
                                  struct source_file *input)
{
    int size = 0;
    int fields = sscanf(*textp,
                        "braid-commit %*d\ninput %" SCNx64 " %" SCNu32 "\npartitions %" SCNu32
                        "\nposition %" SCNd64 " %" SCNd64 "\n%n",
                        &input->identity.hash, &input->identity.size, &head->partitions,
                        &input->position.line, &input->position.byte, &size);
    *textp += size;
    head->source = splitmix64(input->identity.hash ^ input->identity.size);
    head->offset = input->position.line;
    return fields == 5 && size > 0;
}

/* A partition's line, which in format 1 has no checkpoint. */
static bool take_partition(char **textp, struct commit_entry *entry, uint32_t partition)
{
    uint32_t number;
    int size = 0, checkpoint = 0, rest = 0;
    int fields = sscanf(*textp, "partition %" SCNu32 " seal %" SCNu64 " generation %" SCNu64 " %n",
                        &number, &entry->seal, &entry->generation, &size);
    if (fields != 3 || size == 0 || number != partition) return false;
    if (sscanf(*textp + size, "checkpoint %" SCNx64 " %n", &entry->checkpoint, &checkpoint) < 1) {
        checkpoint = 0;
    }
    fields = sscanf(*textp + size + checkpoint,
                    "log %" SCNu64 " base %" SCNu64 " interests %" SCNu64 " history %" SCNu64
                    " dead-letters %" SCNu64 " items %" SCNu64 "\n%n",
                    &entry->log, &entry->base, &entry->length[RECORD_INTERESTS],
                    &entry->length[RECORD_HISTORY], &entry->length[RECORD_DEAD_LETTER],
                    &entry->length[RECORD_ITEM], &rest);
    *textp += size + checkpoint + rest;
    return fields == 6 && rest > 0;
}

static enum status refuse_line(const char *path, const char *text, struct error *error)
{
    return error_set(error, STATUS_CORRUPT, "%s: not a commit file's line: '%.40s'; %s", path, text,
                     remedy);
}

/* Parses the lines before the checksum. */
static enum status parse_lines(struct commit_file *commit, int version, char *text,
                               const char *path, struct error *error)
{
    struct commit_file head = {0};
    struct source_file first = {.name = (char[]){""}};
    uint32_t inputs = 0;
    const char *at = text;
    bool taken =
        version == 1 ? take_head_of_format_1(&at, &head, &first) : take_head(&at, &head, &inputs);
    if (!taken || head.partitions == 0 || head.partitions > POLL_PARTITIONS_MAX) {
        return refuse_line(path, at, error);
    }
    TRY(commit_file_init(commit, head.partitions, error));
    commit->source = head.source;
    commit->offset = head.offset;
    memcpy(commit->decoding, head.decoding, sizeof commit->decoding);
    text += at - text;
    if (version == 1) {
        bool piped = first.identity.hash == 0 && first.identity.size == 0;
        TRY(source_files_add(&commit->inputs, piped ? "-" : "", error));
        commit->inputs.at[0].identity = first.identity;
        commit->inputs.at[0].position = first.position;
    }
    for (uint32_t i = 0; i < inputs; i++) {
        if (!take_input(&text, &commit->inputs)) return refuse_line(path, text, error);
    }
    for (uint32_t p = 0; p < commit->partitions; p++) {
        if (!take_partition(&text, &commit->entries[p], p)) return refuse_line(path, text, error);
    }
    return STATUS_OK;
}

enum status commit_text_parse(struct commit_file *commit, char *text, size_t size, const char *path,
                              struct error *error)
{
    int version = 0;
    *commit = (struct commit_file){0};
    if (sscanf(text, "braid-commit %d\n", &version) != 1 || version < 1) {
        return refuse_line(path, text, error);
    }
    if (version > COMMIT_VERSION) {
        return error_set(error, STATUS_REFUSED,
                         "%s: format %d is newer than this build reads (%d): use the version of "
                         "Braid that wrote it, or a later one",
                         path, version, COMMIT_VERSION);
    }
    char last[CHECKSUM_LINE + 1];
    size_t covered = size > CHECKSUM_LINE ? size - CHECKSUM_LINE : 0;
    print_checksum(last, text, covered);
    if (strcmp(text + covered, last) != 0) {
        return error_set(error, STATUS_CORRUPT, "%s: its checksum fails; %s", path, remedy);
    }
    text[covered] = 0;
    enum status status = parse_lines(commit, version, text, path, error);
    if (status != STATUS_OK) commit_file_close(commit);
    return status;
}
