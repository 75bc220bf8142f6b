/* test_catalogue.c - titles by item, from tables as they are found in practice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "stream/query/catalogue.h"

static char path[] = "/tmp/braid-catalogue-XXXXXX";
static struct error error;

static int make_path(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 || close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static enum status open_text(const char *text, const char *item, const char *title,
                             struct catalogue **cataloguep)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    return catalogue_open(cataloguep, path, item, title, &error);
}

static void expect_title(const struct catalogue *catalogue, const char *item, const char *title)
{
    const struct bytes found = catalogue_title(catalogue, identity_of(item, strlen(item)));
    if (!bytes_equal(found, bytes_of(title))) {
        fail_msg("%s: '%.*s', not '%s'", item, (int)found.size, (const char *)found.at, title);
    }
}

static void columns_named_item_and_title_are_found(void **state)
{
    (void)state;
    struct catalogue *catalogue;
    assert_int_equal(open_text("title\tgenre\titem\nAlien\thorror\t7\n\"8\" Mile\tdrama\t9\n", NULL,
                               NULL, &catalogue),
                     STATUS_OK);
    expect_title(catalogue, "7", "Alien");
    expect_title(catalogue, "9", "\"8\" Mile");
    expect_title(catalogue, "item", "");
    catalogue_close(catalogue);
}

static void without_a_header_the_first_two_columns_count(void **state)
{
    (void)state;
    struct catalogue *catalogue;
    assert_int_equal(open_text("7\tAlien\n9\tBrazil\n", NULL, NULL, &catalogue), STATUS_OK);
    expect_title(catalogue, "7", "Alien");
    expect_title(catalogue, "9", "Brazil");
    catalogue_close(catalogue);
}

static void columns_are_given_by_name_or_number(void **state)
{
    (void)state;
    static const char text[] = "item_id:token\tmovie_title:token_seq\tyear\n1\tToy Story\t1995\n";
    struct catalogue *catalogue;
    assert_int_equal(open_text(text, "item_id:token", "movie_title:token_seq", &catalogue),
                     STATUS_OK);
    expect_title(catalogue, "1", "Toy Story");
    catalogue_close(catalogue);
    assert_int_equal(open_text(text, "item_id:token", "3", &catalogue), STATUS_OK);
    expect_title(catalogue, "1", "1995");
    catalogue_close(catalogue);
}

static void csv_cells_may_be_quoted(void **state)
{
    (void)state;
    struct catalogue *catalogue;
    assert_int_equal(open_text("item,title\r\n1,\"American President, The (1995)\"\r\n"
                               "2,\"\"\"Great Performances\"\" Cats\"\r\n",
                               NULL, NULL, &catalogue),
                     STATUS_OK);
    expect_title(catalogue, "1", "American President, The (1995)");
    expect_title(catalogue, "2", "\"Great Performances\" Cats");
    catalogue_close(catalogue);
}

static void of_two_titles_the_first_counts(void **state)
{
    (void)state;
    struct catalogue *catalogue;
    assert_int_equal(open_text("1,Alien\n2,Brazil\n1,Aliens\n", NULL, NULL, &catalogue), STATUS_OK);
    expect_title(catalogue, "1", "Alien");
    catalogue_close(catalogue);
}

static void lines_without_a_title_are_passed_over(void **state)
{
    (void)state;
    struct catalogue *catalogue;
    assert_int_equal(open_text("1,\n\n2\n,none\n3,Clue", NULL, NULL, &catalogue), STATUS_OK);
    expect_title(catalogue, "1", "");
    expect_title(catalogue, "3", "Clue");
    catalogue_close(catalogue);
    assert_int_equal(open_text("", NULL, NULL, &catalogue), STATUS_OK);
    expect_title(catalogue, "1", "");
    catalogue_close(catalogue);
    expect_title(NULL, "1", "");
}

static void many_items_are_found(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    FILE *out = fopen(path, "w");
    struct catalogue *catalogue;
    assert_non_null(out);
    for (unsigned i = 0; i < MANY; i++) {
        fprintf(out, "i%u,title of %u\n", i, i);
    }
    assert_int_equal(fclose(out), 0);
    assert_int_equal(catalogue_open(&catalogue, path, "1", "2", &error), STATUS_OK);
    for (unsigned i = 0; i < MANY; i++) {
        char item[16], title[32];
        snprintf(item, sizeof item, "i%u", i);
        snprintf(title, sizeof title, "title of %u", i);
        expect_title(catalogue, item, title);
    }
    catalogue_close(catalogue);
}

static void unknown_columns_and_open_quotes_are_told(void **state)
{
    (void)state;
    struct catalogue *catalogue;
    static const char *const columns[] = {"name", "0", "-1", "2x", ""};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(open_text("item,title\n", "item", columns[i], &catalogue), STATUS_INVALID);
        assert_null(catalogue);
        assert_non_null(strstr(error.text, "item,title"));
    }
    assert_int_equal(open_text("1,Alien\n2,\"Brazil\n", NULL, NULL, &catalogue), STATUS_INVALID);
    assert_non_null(strstr(error.text, ":2: column 2: its quote is not closed"));
    assert_int_not_equal(catalogue_open(&catalogue, "/nonexistent/x", NULL, NULL, &error),
                         STATUS_OK);
    assert_null(catalogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_named_item_and_title_are_found),
        cmocka_unit_test(without_a_header_the_first_two_columns_count),
        cmocka_unit_test(columns_are_given_by_name_or_number),
        cmocka_unit_test(csv_cells_may_be_quoted),
        cmocka_unit_test(of_two_titles_the_first_counts),
        cmocka_unit_test(lines_without_a_title_are_passed_over),
        cmocka_unit_test(many_items_are_found),
        cmocka_unit_test(unknown_columns_and_open_quotes_are_told),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
