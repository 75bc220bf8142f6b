/* commit_text.c - line by line, with one form for each kind of line. */
#include "stream/broker/file/commit_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/hex.h"
#include "base/number_text.h"

enum {
    COMMIT_VERSION = 6,          /* some partition has a clock: lives end (state.ttl) */
    COMMIT_VERSION_PROFILE = 5,  /* some inputs are of source.profile */
    COMMIT_VERSION_FIRST = 4,    /* of a job that began behind the first event */
    COMMIT_VERSION_EARLIEST = 3, /* of a job that began with the first event */
    CHECKSUM_LINE = sizeof "checksum 0123456789abcdef",
};

static const char *const remedy =
    "the state cannot be trusted: restore state.dir and output.dir from the same backup, or begin "
    "anew with empty ones";

/* ---- printing ---- */

static int least_version(const struct commit *commit)
{
    for (uint32_t p = 0; p < commit->partitions; p++) {
        if (commit->entries[p].clock) return COMMIT_VERSION;
    }
    for (uint32_t i = 0; i < commit->inputs.count; i++) {
        if (commit->inputs.at[i].profiles) return COMMIT_VERSION_PROFILE;
    }
    return commit->first ? COMMIT_VERSION_FIRST : COMMIT_VERSION_EARLIEST;
}

static void print_head(const struct commit *commit, FILE *out)
{
    fprintf(out, "braid-commit %d\nsource %016" PRIx64 "\n", least_version(commit), commit->source);
    if (commit->first) fprintf(out, "first %" PRId64 "\n", commit->first);
    fprintf(out, "offset %" PRId64 "\ndecoding", commit->offset);
    for (int i = 0; i < HISTORY_DECODING_MAX; i++) {
        fprintf(out, " %08" PRIx32, commit->decoding[i]);
    }
    fprintf(out, "\npartitions %" PRIu32 "\ninputs %" PRIu32 "\n", commit->partitions,
            commit->inputs.count);
}

static void print_input(const struct source_file *input, FILE *out)
{
    fprintf(out, "%s %016" PRIx64 " %" PRIu32 " line %" PRId64 " byte %" PRId64 " %s\n",
            input->profiles ? "profiles" : "input", input->identity.hash, input->identity.size,
            input->position.line, input->position.byte, input->name);
}

static void print_partition(const struct commit_entry *entry, uint32_t partition, FILE *out)
{
    fprintf(out,
            "partition %" PRIu32 " seal %" PRIu64 " generation %" PRIu64 " target %" PRIu64
            " checkpoint %016" PRIx64 " log %" PRIu64 " base %" PRIu64 " interests %" PRIu64
            " history %" PRIu64 " dead-letters %" PRIu64 " items %" PRIu64,
            partition, entry->seal, entry->generation, entry->target, entry->checkpoint, entry->log,
            entry->base, entry->length[RECORD_INTERESTS], entry->length[RECORD_HISTORY],
            entry->length[RECORD_DEAD_LETTER], entry->length[RECORD_ITEM]);
    if (entry->clock) fprintf(out, " clock %" PRIu64, entry->clock);
    fputc('\n', out);
}

/* The last line, over the `size` bytes of `text`; `line` has room for it and its zero. */
static void print_checksum(char *line, const char *text, size_t size)
{
    snprintf(line, CHECKSUM_LINE + 1, "checksum %016" PRIx64 "\n", checksum_of(text, size));
}

char *commit_text_print(const struct commit *commit, size_t *sizep)
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

/* ---- parsing: each takes something off the text, false if it is another ---- */

static bool take_literal(char **textp, const char *word)
{
    const size_t size = strlen(word);
    if (strncmp(*textp, word, size) != 0) return false;
    *textp += size;
    return true;
}

/* What comes before the next blank or line end, which stays. */
static struct bytes take_token(char **textp)
{
    const struct bytes word = {*textp, strcspn(*textp, " \n")};
    *textp += word.size;
    return word;
}

static bool take_number(char **textp, const char *before, uint64_t most, uint64_t *valuep)
{
    return take_literal(textp, before) && parse_unsigned(take_token(textp), most, valuep);
}

static bool take_u32(char **textp, const char *before, uint32_t *valuep)
{
    uint64_t value;
    if (!take_number(textp, before, UINT32_MAX, &value)) return false;
    *valuep = (uint32_t)value;
    return true;
}

static bool take_place(char **textp, const char *before, int64_t *valuep)
{
    return take_literal(textp, before) && parse_signed(take_token(textp), valuep);
}

static bool take_hex(char **textp, const char *before, uint64_t *valuep)
{
    return take_literal(textp, before) && parse_hex(take_token(textp), valuep);
}

/* A program that knew of fewer options wrote fewer; what a later one knows of is passed over. */
static bool take_decoding(char **textp, uint32_t decoding[HISTORY_DECODING_MAX])
{
    uint64_t print;
    if (!take_literal(textp, "decoding")) return false;
    for (int i = 0; **textp == ' '; i++) {
        if (!take_hex(textp, " ", &print) || print > UINT32_MAX) return false;
        if (i < HISTORY_DECODING_MAX) decoding[i] = (uint32_t)print;
    }
    return take_literal(textp, "\n");
}

/* What comes before the inputs; *inputsp is their number. */
static bool take_head(char **textp, struct commit *head, uint32_t *inputsp)
{
    return take_hex(textp, "source ", &head->source) && take_literal(textp, "\n") &&
           (!take_literal(textp, "first ") ||
            (take_place(textp, "", &head->first) && take_literal(textp, "\n"))) &&
           take_place(textp, "offset ", &head->offset) && take_literal(textp, "\n") &&
           take_decoding(textp, head->decoding) &&
           take_u32(textp, "partitions ", &head->partitions) &&
           take_u32(textp, "\ninputs ", inputsp) && take_literal(textp, "\n");
}

/* An input's line; its name stays in the text. */
static bool take_input(char **textp, struct source_file *input)
{
    input->profiles = take_literal(textp, "profiles ");
    if (!take_hex(textp, input->profiles ? "" : "input ", &input->identity.hash) ||
        !take_u32(textp, " ", &input->identity.size) ||
        !take_place(textp, " line ", &input->position.line) ||
        !take_place(textp, " byte ", &input->position.byte) || !take_literal(textp, " ")) {
        return false;
    }
    char *end = strchr(*textp, '\n');
    if (!end) return false;
    *end = 0;
    input->name = *textp;
    *textp = end + 1;
    return true;
}

/* Format 1: one input without a name, whose identity was the source's. */
static bool take_head_of_format_1(char **textp, struct commit *head, struct source_file *input)
{
    if (!take_hex(textp, "input ", &input->identity.hash) ||
        !take_u32(textp, " ", &input->identity.size) ||
        !take_u32(textp, "\npartitions ", &head->partitions) ||
        !take_place(textp, "\nposition ", &input->position.line) ||
        !take_place(textp, " ", &input->position.byte) || !take_literal(textp, "\n")) {
        return false;
    }
    head->source = splitmix64(input->identity.hash ^ input->identity.size);
    head->offset = input->position.line;
    return true;
}

/* A partition's line, which in format 1 has no checkpoint, and no target before format 3. */
static bool take_partition_line(char **textp, struct commit_entry *entry, uint32_t partition)
{
    static const struct {
        const char *before;
        enum record_kind kind;
    } lengths[] = {
        {" interests ", RECORD_INTERESTS},
        {" history ", RECORD_HISTORY},
        {" dead-letters ", RECORD_DEAD_LETTER},
        {" items ", RECORD_ITEM},
    };
    uint32_t number;
    if (!take_u32(textp, "partition ", &number) || number != partition ||
        !take_number(textp, " seal ", UINT64_MAX, &entry->seal) ||
        !take_number(textp, " generation ", UINT64_MAX, &entry->generation)) {
        return false;
    }
    entry->target = entry->generation;
    if (take_literal(textp, " target ") && !take_number(textp, "", UINT64_MAX, &entry->target)) {
        return false;
    }
    if (take_literal(textp, " checkpoint ") && !take_hex(textp, "", &entry->checkpoint))
        return false;
    if (!take_number(textp, " log ", UINT64_MAX, &entry->log) ||
        !take_number(textp, " base ", UINT64_MAX, &entry->base)) {
        return false;
    }
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint64_t *length = &entry->length[lengths[i].kind];
        if (!take_number(textp, lengths[i].before, UINT64_MAX, length)) return false;
    }
    if (take_literal(textp, " clock ") && !take_number(textp, "", UINT64_MAX, &entry->clock)) {
        return false;
    }
    return entry->clock <= (uint64_t)HISTORY_TIME_MAX_MS + 1 && take_literal(textp, "\n");
}

static enum status refuse_line(const char *path, const char *text, struct error *error)
{
    return error_set(error, STATUS_CORRUPT, "%s: not a commit file's line: '%.40s'; %s", path, text,
                     remedy);
}

static enum status add_input(struct source_files *inputs, const struct source_file *input,
                             struct error *error)
{
    TRY(source_files_add(inputs, input->name, error));
    struct source_file *added = &inputs->at[inputs->count - 1];
    added->identity = input->identity;
    added->position = input->position;
    added->profiles = input->profiles;
    return STATUS_OK;
}

/* Parses the lines between the version and the checksum. */
static enum status parse_lines(struct commit *commit, uint32_t version, char *text,
                               const char *path, struct error *error)
{
    struct commit head = {0};
    struct source_file input = {0};
    uint32_t inputs = 0;
    bool taken = version == 1 ? take_head_of_format_1(&text, &head, &input)
                              : take_head(&text, &head, &inputs);
    if (!taken || head.partitions == 0 || head.partitions > POLL_PARTITIONS_MAX) {
        return refuse_line(path, text, error);
    }
    TRY(commit_init(commit, head.partitions, error));
    commit->source = head.source;
    commit->first = head.first;
    commit->offset = head.offset;
    memcpy(commit->decoding, head.decoding, sizeof commit->decoding);
    if (version == 1) {
        const bool piped = input.identity.hash == 0 && input.identity.size == 0;
        input.name = piped ? (char[]){"-"} : (char[]){""};
        TRY(add_input(&commit->inputs, &input, error));
    }
    for (uint32_t i = 0; i < inputs; i++) {
        if (!take_input(&text, &input)) return refuse_line(path, text, error);
        TRY(add_input(&commit->inputs, &input, error));
    }
    for (uint32_t p = 0; p < commit->partitions; p++) {
        if (!take_partition_line(&text, &commit->entries[p], p))
            return refuse_line(path, text, error);
    }
    return STATUS_OK;
}

enum status commit_text_parse(struct commit *commit, char *text, size_t size, const char *path,
                              struct error *error)
{
    uint32_t version = 0;
    char *rest = text;
    *commit = (struct commit){0};
    if (!take_u32(&rest, "braid-commit ", &version) || !take_literal(&rest, "\n") || version < 1) {
        return refuse_line(path, text, error);
    }
    if (version > COMMIT_VERSION) {
        return error_set(error, STATUS_REFUSED,
                         "%s: format %" PRIu32 " is newer than this build reads (%d): use the "
                         "version of Braid that wrote it, or a later one",
                         path, version, COMMIT_VERSION);
    }
    char last[CHECKSUM_LINE + 1];
    size_t covered = size > CHECKSUM_LINE ? size - CHECKSUM_LINE : 0;
    print_checksum(last, text, covered);
    if (strcmp(text + covered, last) != 0) {
        return error_set(error, STATUS_CORRUPT, "%s: its checksum fails; %s", path, remedy);
    }
    text[covered] = 0;
    enum status status = parse_lines(commit, version, rest, path, error);
    if (status != STATUS_OK) commit_close(commit);
    return status;
}
