/* test_table_row.c - cells of a row, and where rows end, by RFC 4180 and by lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "stream/source/table_row.h"

enum { ROW_MAX = 200, CELLS_MAX = 8 };

static struct table_parser *parser;

static int tear_down(void **state)
{
    (void)state;
    table_parser_close(parser);
    parser = NULL;
    return 0;
}

static void open_parser(char separator, bool quotes)
{
    table_parser_close(parser);
    assert_int_equal(
        table_parser_open(&parser, (struct table_form){separator, quotes}, ROW_MAX, NULL),
        STATUS_OK);
}

/* The cells of a row, each ended with a bar; in place of a bad one what is wrong. */
static const char *cells_of(struct bytes row)
{
    static const int wanted[CELLS_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    static char text[2 * ROW_MAX];
    char scratch[ROW_MAX];
    struct bytes cells[CELLS_MAX] = {0};
    int columns;
    const char *why = table_parse(parser, row, scratch, wanted, CELLS_MAX, cells, &columns);
    text[0] = '\0';
    for (int i = 0; i < columns - (why != NULL) && i < CELLS_MAX; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%.*s|", (int)cells[i].size,
                 cells[i].size ? (const char *)cells[i].at : "");
    }
    if (why) snprintf(text + strlen(text), sizeof text - strlen(text), "%s", why);
    return text;
}

static void rows_are_cut_into_cells(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        char separator;
        bool quotes;
        const char *cells;
    } cases[] = {
        {"", ',', true, "|"},
        {"a", ',', true, "a|"},
        {",", ',', true, "||"},
        {"a,b\t,", ',', true, "a|b\t||"},
        {" a , b ", ',', true, " a | b |"},
        {"a,b\t\"c\"", '\t', false, "a,b|\"c\"|"},
        {"a,b\t\"c\td\"", '\t', true, "a,b|c\td|"},
        {"a;\"b;c\"", ';', true, "a|b;c|"},
        {"a\x01"
         "b",
         '\x01', false, "a|b|"},
        {"\"\",x", ',', true, "|x|"},
        {"x,\"\"", ',', true, "x||"},
        {"\"a,\"\"b\"\"\",c\"d\"", ',', true, "a,\"b\"|c\"d\"|"},
        {"24\" screen,x", ',', true, "24\" screen|x|"},
        {"\"a\nb\",\"c\r\nd\"", ',', true, "a\nb|c\r\nd|"},
        {"a\rb,c", ',', true, "a\rb|c|"},
        {"x,\"", ',', true, "x|its quote is not closed"},
        {"\"a\"b,c", ',', true, "quotes do not match"},
        {"\"a\" ,c", ',', true, "quotes do not match"},
        {"\"a\"\"", ',', true, "its quote is not closed"},
        {"a\nb", ',', true, "a line break outside quotes"},
        {"\"a\"\n\"b\"", ',', true, "a|b|a line break outside quotes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_parser(cases[i].separator, cases[i].quotes);
        cells_of(
            bytes_of("\"left open")); /* what was wrong with one row is no matter to the next */
        assert_string_equal(cells_of(bytes_of(cases[i].line)), cases[i].cells);
    }
}

static void columns_are_found_by_name(void **state)
{
    (void)state;
    const struct bytes names[] = {bytes_of("user"), bytes_of("the \"item\""), bytes_of("none")};
    char scratch[ROW_MAX];
    int columns[3], count;
    open_parser(',', true);
    assert_null(table_find(parser, bytes_of("x,\"the \"\"item\"\"\",user,user"), scratch, names, 3,
                           columns, &count));
    assert_int_equal(count, 4);
    assert_int_equal(columns[0], 2);
    assert_int_equal(columns[1], 1);
    assert_int_equal(columns[2], -1);
}

static struct row_scanner *scanner;

/* True if the row ends with `piece`. */
static bool feed(const char *piece, size_t size)
{
    bool ended;
    assert_int_equal(row_scanner_feed(scanner, (struct bytes){piece, size}, &ended, NULL),
                     STATUS_OK);
    return ended;
}

static void a_line_break_in_quotes_does_not_end_a_row(void **state)
{
    (void)state;
    assert_int_equal(row_scanner_open(&scanner, ',', NULL), STATUS_OK);
    assert_true(feed("a,b\n", 4));
    assert_false(feed("a,\"b\n", 5));
    assert_false(feed("c,d\r\n", 5));
    assert_false(feed("e\"", 2));
    assert_true(feed(",f\r\n", 4));
    assert_true(feed("a,24\" screen\n", 13));
    assert_true(feed("a,\"b\"\r\n", 7));
    assert_true(feed("a,\"b\"c,\"d\n", 10)); /* its quotes do not match: the line is all of it */
    assert_true(feed("\"a\"\n", 4));
    assert_false(feed("\"a\n", 3));
    row_scanner_reset(scanner);
    assert_true(feed("b\n", 2));
    row_scanner_close(scanner);
}

/* What the scanner gives out as a row is one: it has no line break outside quotes. */
static void scanner_and_parser_agree(void **state)
{
    (void)state;
    const uint64_t seed = 4180;
    struct random random = random_seeded(seed);
    open_parser(',', true);
    assert_int_equal(row_scanner_open(&scanner, ',', NULL), STATUS_OK);
    for (int round = 0; round < 20000; round++) {
        char text[ROW_MAX];
        size_t size = 0, begin = 0;
        while (size < 60) {
            text[size++] = "a,\"\"\n\r"[random_below(&random, 6)];
        }
        text[size++] = '\n';
        for (size_t from = 0, to; from < size; from = to) {
            const char *end = memchr(text + from, '\n', size - from);
            to = (size_t)(end - text) + 1;
            if (!feed(text + from, to - from)) continue;
            const char *said = cells_of((struct bytes){text + begin, to - begin - 1});
            if (strstr(said, "outside quotes") || strstr(said, "not closed")) {
                fail_msg("seed %d, round %d: %s", (int)seed, round, said);
            }
            begin = to;
        }
        row_scanner_reset(scanner);
    }
    row_scanner_close(scanner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(rows_are_cut_into_cells, tear_down),
        cmocka_unit_test_teardown(columns_are_found_by_name, tear_down),
        cmocka_unit_test(a_line_break_in_quotes_does_not_end_a_row),
        cmocka_unit_test_teardown(scanner_and_parser_agree, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
