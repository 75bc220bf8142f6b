/* catalogue.c - titles end to end in one block, found by bisection of the sorted item hashes. */
#include "stream/query/catalogue.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/number_text.h"
#include "stream/source/line_reader.h"
#include "stream/source/table_row.h"

struct entry {
    uint64_t hash;
    uint64_t at; /* of the title in `titles` */
    uint32_t size;
};

struct catalogue {
    struct entry *entries;
    uint32_t count;
    uint32_t room; /* entries that fit */
    char *titles;
    size_t titles_used;
    size_t titles_room;
};

/* What reading needs beside the catalogue it fills. */
struct reading {
    struct catalogue *catalogue;
    struct line_reader *lines;
    const char *path;
    struct table_parser *parser;
    int item; /* columns, from 0 */
    int title;
    char *scratch; /* of one line */
};

static enum status add_title(struct catalogue *catalogue, struct bytes item, struct bytes title,
                             struct error *error)
{
    if (catalogue->count == catalogue->room) {
        const uint32_t room = catalogue->room ? 2 * catalogue->room : 1024;
        struct entry *entries = realloc(catalogue->entries, room * sizeof *entries);
        if (!entries) return error_set(error, STATUS_IO, "out of memory: a catalogue");
        catalogue->entries = entries;
        catalogue->room = room;
    }
    if (title.size > catalogue->titles_room - catalogue->titles_used) {
        const size_t room = 2 * catalogue->titles_room + title.size + 65536;
        char *titles = realloc(catalogue->titles, room);
        if (!titles) return error_set(error, STATUS_IO, "out of memory: a catalogue");
        catalogue->titles = titles;
        catalogue->titles_room = room;
    }
    catalogue->entries[catalogue->count++] = (struct entry){
        identity_of(item.at, item.size), catalogue->titles_used, (uint32_t)title.size};
    memcpy(catalogue->titles + catalogue->titles_used, title.at, title.size);
    catalogue->titles_used += title.size;
    return STATUS_OK;
}

static enum status add_title_row(struct reading *reading, struct bytes line, struct error *error)
{
    enum { ITEM, TITLE, WANTED };
    const int wanted[WANTED] = {reading->item, reading->title};
    struct bytes cells[WANTED] = {0};
    int columns;
    const char *why =
        table_parse(reading->parser, line, reading->scratch, wanted, WANTED, cells, &columns);
    if (why) {
        return error_set(error, STATUS_INVALID, "%s:%" PRId64 ": column %d: %s", reading->path,
                         line_reader_position(reading->lines).line, columns, why);
    }
    if (cells[ITEM].size == 0 || cells[TITLE].size == 0) return STATUS_OK;
    return add_title(reading->catalogue, cells[ITEM], cells[TITLE], error);
}

/* The column of that name in the first line, -1 if there is none. */
static int column_named(const struct reading *reading, struct bytes line, const char *name)
{
    const struct bytes names[] = {bytes_of(name)};
    int column, columns;
    const char *why =
        table_find(reading->parser, line, reading->scratch, names, 1, &column, &columns);
    return why ? -1 : column;
}

static enum status find_column(const struct reading *reading, struct bytes line, const char *name,
                               int *columnp, bool *namedp, struct error *error)
{
    uint64_t number = 0;
    *namedp = !parse_unsigned(bytes_of(name), INT_MAX, &number) || number == 0;
    *columnp = *namedp ? column_named(reading, line, name) : (int)(number - 1);
    if (*columnp >= 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s: no column is named '%s'; the first line is: %.*s",
                     reading->path, name, (int)(line.size < 200 ? line.size : 200),
                     (const char *)line.at);
}

/* The first line says what separates cells and, if a column is given by name, where it is. */
static enum status read_title_header(struct reading *reading, struct bytes line,
                                     const char *item_column, const char *title_column,
                                     struct error *error)
{
    bool item_named, title_named;
    const bool tabs = memchr(line.at, '\t', line.size);
    const struct table_form form = {.separator = tabs ? '\t' : ',', .quotes = !tabs};
    TRY(table_parser_open(&reading->parser, form, CATALOGUE_LINE_SIZE_MAX, error));
    if (!item_column && !title_column) {
        const bool named =
            column_named(reading, line, "item") >= 0 && column_named(reading, line, "title") >= 0;
        item_column = named ? "item" : "1";
        title_column = named ? "title" : "2";
    }
    TRY(find_column(reading, line, item_column, &reading->item, &item_named, error));
    TRY(find_column(reading, line, title_column, &reading->title, &title_named, error));
    return item_named || title_named ? STATUS_OK : add_title_row(reading, line, error);
}

static enum status read_title_lines(struct reading *reading, const char *item_column,
                                    const char *title_column, struct error *error)
{
    struct line line;
    enum status status = line_reader_next(reading->lines, &line, error);
    if (status == STATUS_OK) {
        status = read_title_header(reading, line.text, item_column, title_column, error);
    }
    while (status == STATUS_OK) {
        status = line_reader_next(reading->lines, &line, error);
        if (status == STATUS_OK) status = add_title_row(reading, line.text, error);
    }
    return status == STATUS_END ? STATUS_OK : status;
}

/* By hash; the earlier of two titles, which lies before the other, first. */
static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void sort_and_drop_repetitions(struct catalogue *catalogue)
{
    if (catalogue->count == 0) return;
    uint32_t kept = 1;
    qsort(catalogue->entries, catalogue->count, sizeof *catalogue->entries, compare_entries);
    for (uint32_t i = 1; i < catalogue->count; i++) {
        if (catalogue->entries[i].hash == catalogue->entries[kept - 1].hash) continue;
        catalogue->entries[kept++] = catalogue->entries[i];
    }
    catalogue->count = kept;
}

enum status catalogue_open(struct catalogue **cataloguep, const char *path, const char *item_column,
                           const char *title_column, struct error *error)
{
    *cataloguep = NULL;
    struct reading reading = {.catalogue = calloc(1, sizeof *reading.catalogue),
                              .scratch = malloc(CATALOGUE_LINE_SIZE_MAX),
                              .path = path};
    enum status status;
    if (!reading.catalogue || !reading.scratch) {
        status = error_set(error, STATUS_IO, "out of memory: a catalogue");
        goto done;
    }
    status = line_reader_open(
        &reading.lines, path,
        (struct line_options){.size_max = CATALOGUE_LINE_SIZE_MAX, .take_unfinished = true},
        (struct line_position){0}, error);
    if (status != STATUS_OK) goto done;
    status = read_title_lines(&reading, item_column, title_column, error);
    if (status != STATUS_OK) goto done;
    sort_and_drop_repetitions(reading.catalogue);
    *cataloguep = reading.catalogue;
    reading.catalogue = NULL;
done:
    table_parser_close(reading.parser);
    line_reader_close(reading.lines);
    free(reading.scratch);
    catalogue_close(reading.catalogue);
    return status;
}

void catalogue_close(struct catalogue *catalogue)
{
    if (!catalogue) return;
    free(catalogue->titles);
    free(catalogue->entries);
    free(catalogue);
}

struct bytes catalogue_title(const struct catalogue *catalogue, uint64_t item_hash)
{
    uint32_t least = 0, beyond = catalogue ? catalogue->count : 0;
    while (least < beyond) {
        const uint32_t middle = least + (beyond - least) / 2;
        const struct entry *entry = &catalogue->entries[middle];
        if (entry->hash == item_hash) {
            return (struct bytes){catalogue->titles + entry->at, entry->size};
        }
        if (entry->hash < item_hash) {
            least = middle + 1;
        } else {
            beyond = middle;
        }
    }
    return (struct bytes){NULL, 0};
}
