/*
 * table_row.c - the only includer of csv.h.
 *
 * libcsv is strict about quotes but for one thing that harms nobody: a quote inside a cell that does
 * not begin with one. Its own line ends and trimming of blanks are switched off. Rows in which
 * there is no quote, which are most, are cut at their separators without it.
 */
#include "stream/source/table_row.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPTIONS = CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL,
    CELL_GROWTH = 1 << 18, /* bytes by which a long cell's room grows; libcsv's own are 128 */
};

static int is_no_blank(unsigned char byte)
{
    (void)byte;
    return 0;
}

static int is_line_break(unsigned char byte)
{
    return byte == '\n';
}

static void set_up_csv(struct csv_parser *csv, char separator)
{
    csv_init(csv, OPTIONS); /* never fails */
    csv_set_delim(csv, (unsigned char)separator);
    csv_set_space_func(csv, is_no_blank);
    csv_set_term_func(csv, is_line_break);
    csv_set_blk_size(csv, CELL_GROWTH);
}

/* Makes the parser forget what it is in the middle of. */
static void reset_csv(struct csv_parser *csv)
{
    csv_set_opts(csv, 0);
    csv_fini(csv, NULL, NULL, NULL);
    csv_set_opts(csv, OPTIONS);
}

/* Parses until the first fault, of which this returns the place; text.size if there is none. */
static size_t feed_csv(struct csv_parser *csv, struct bytes text,
                       void (*cell)(void *, size_t, void *), void (*row)(int, void *),
                       void *context)
{
    const char *at = text.at;
    size_t done = 0;
    for (;;) {
        done += csv_parse(csv, at + done, text.size - done, cell, row, context);
        const bool lenient = done < text.size && csv_error(csv) == CSV_EPARSE && at[done] == '"';
        if (!lenient) return done;
        csv_set_opts(csv, 0);
        done += csv_parse(csv, at + done, 1, cell, row, context);
        csv_set_opts(csv, OPTIONS);
    }
}

struct table_form table_form_of(const struct config *config)
{
    const bool csv = config->source.format == CONFIG_CSV;
    const enum config_quotes quotes = config->source.quotes;
    return (struct table_form){
        .separator = config->source.separator ? config->source.separator
                     : csv                    ? ','
                                              : '\t',
        .quotes = quotes == CONFIG_QUOTES_AUTO ? csv : quotes == CONFIG_QUOTES_ON,
    };
}

/* ---- cells ---- */

struct table_parser {
    struct table_form form;
    struct csv_parser csv;
};

enum status table_parser_open(struct table_parser **parserp, struct table_form form,
                              size_t size_max, struct error *error)
{
    struct table_parser *parser = calloc(1, sizeof *parser);
    *parserp = parser;
    if (!parser) return error_set(error, STATUS_IO, "out of memory: a parser of rows");
    parser->form = form;
    set_up_csv(&parser->csv, form.separator);
    csv_set_blk_size(&parser->csv, size_max + 2);
    const bool allocated = csv_parse(&parser->csv, "x", 1, NULL, NULL, NULL) == 1;
    reset_csv(&parser->csv);
    if (allocated) return STATUS_OK;
    table_parser_close(parser);
    *parserp = NULL;
    return error_set(error, STATUS_IO, "out of memory: a parser of rows");
}

void table_parser_close(struct table_parser *parser)
{
    if (!parser) return;
    csv_free(&parser->csv);
    free(parser);
}

/* A row that is being taken apart. */
struct walk {
    void (*take)(struct walk *walk, struct bytes cell); /* the cell of `column` */
    int column;
    char *scratch;
    bool broken; /* a line break outside quotes */
    const int *wanted;
    const struct bytes *names;
    unsigned count;
    struct bytes *cells;
    int *columns;
};

static void take_wanted(struct walk *walk, struct bytes cell)
{
    for (unsigned i = 0; i < walk->count; i++) {
        if (walk->wanted[i] == walk->column) walk->cells[i] = cell;
    }
}

static void take_name(struct walk *walk, struct bytes cell)
{
    for (unsigned i = 0; i < walk->count; i++) {
        if (walk->columns[i] < 0 && bytes_equal(walk->names[i], cell)) {
            walk->columns[i] = walk->column;
        }
    }
}

static void csv_cell(void *text, size_t size, void *context)
{
    struct walk *walk = context;
    if (size) memcpy(walk->scratch, text, size);
    walk->take(walk, (struct bytes){walk->scratch, size});
    walk->scratch += size;
    walk->column++;
}

static void csv_row(int end, void *context)
{
    struct walk *walk = context;
    if (end >= 0) walk->broken = true;
}

static const char *walk_with_quotes(struct table_parser *parser, struct bytes row,
                                    struct walk *walk)
{
    const char *why = NULL;
    if (feed_csv(&parser->csv, row, csv_cell, csv_row, walk) < row.size) {
        why = "quotes do not match";
    } else if (csv_fini(&parser->csv, csv_cell, csv_row, walk) != 0) {
        why = "its quote is not closed";
    }
    if (why) reset_csv(&parser->csv);
    return why ? why : walk->broken ? "a line break outside quotes" : NULL;
}

static const char *walk_without_quotes(const struct table_parser *parser, struct bytes row,
                                       struct walk *walk)
{
    const char *at = row.at, *end = at + row.size;
    if (memchr(at, '\n', row.size)) return "a line break outside quotes";
    for (;;) {
        const char *cut = memchr(at, parser->form.separator, (size_t)(end - at));
        walk->take(walk, (struct bytes){at, (size_t)((cut ? cut : end) - at)});
        walk->column++;
        if (!cut) return NULL;
        at = cut + 1;
    }
}

static const char *walk_row(struct table_parser *parser, struct bytes row, struct walk *walk,
                            int *columnsp)
{
    const bool quotes = parser->form.quotes && row.size && memchr(row.at, '"', row.size);
    const char *why =
        quotes ? walk_with_quotes(parser, row, walk) : walk_without_quotes(parser, row, walk);
    *columnsp = walk->column + (why != NULL);
    return why;
}

const char *table_parse(struct table_parser *parser, struct bytes row, void *scratch,
                        const int *wanted, unsigned count, struct bytes *cells, int *columnsp)
{
    struct walk walk = {
        .take = take_wanted, .scratch = scratch, .wanted = wanted, .count = count, .cells = cells};
    return walk_row(parser, row, &walk, columnsp);
}

const char *table_find(struct table_parser *parser, struct bytes row, void *scratch,
                       const struct bytes *names, unsigned count, int *columns, int *columnsp)
{
    struct walk walk = {
        .take = take_name, .scratch = scratch, .names = names, .count = count, .columns = columns};
    for (unsigned i = 0; i < count; i++) {
        columns[i] = -1;
    }
    return walk_row(parser, row, &walk, columnsp);
}

/* ---- ends of rows ---- */

struct row_scanner {
    struct csv_parser csv;
    bool ended;
    bool mismatched; /* quotes do not match: the row ends with the line */
};

enum status row_scanner_open(struct row_scanner **scannerp, char separator, struct error *error)
{
    struct row_scanner *scanner = calloc(1, sizeof *scanner);
    *scannerp = scanner;
    if (!scanner) return error_set(error, STATUS_IO, "out of memory: a scanner of rows");
    set_up_csv(&scanner->csv, separator);
    return STATUS_OK;
}

void row_scanner_close(struct row_scanner *scanner)
{
    if (!scanner) return;
    csv_free(&scanner->csv);
    free(scanner);
}

static void scanned_row(int end, void *context)
{
    (void)end;
    ((struct row_scanner *)context)->ended = true;
}

enum status row_scanner_feed(struct row_scanner *scanner, struct bytes piece, bool *endedp,
                             struct error *error)
{
    const char *at = piece.at;
    if (!scanner->mismatched &&
        feed_csv(&scanner->csv, piece, NULL, scanned_row, scanner) < piece.size) {
        if (csv_error(&scanner->csv) != CSV_EPARSE) {
            return error_set(error, STATUS_IO, "out of memory: a quoted cell");
        }
        scanner->mismatched = true;
    }
    *endedp = scanner->mismatched ? piece.size && at[piece.size - 1] == '\n' : scanner->ended;
    if (*endedp) row_scanner_reset(scanner);
    return STATUS_OK;
}

void row_scanner_reset(struct row_scanner *scanner)
{
    reset_csv(&scanner->csv);
    scanner->ended = scanner->mismatched = false;
}
