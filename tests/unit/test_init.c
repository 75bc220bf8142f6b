/* test_init.c - the dictionary and parameters that init makes of a log, and logs it refuses. */
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
#include "base/random.h"
#include "model/interest_ops.h"
#include "model/safetensors.h"
#include "stream/learn/init.h"

enum { SEED = 20240502 };

static char directory[] = "/tmp/braid-init-XXXXXX";
static char log_path[64];
static char out_path[64];
static struct config config;
static struct init_options options;
static struct init_summary summary;
static struct error error;

static int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory)) return 1;
    snprintf(log_path, sizeof log_path, "%s/log", directory);
    snprintf(out_path, sizeof out_path, "%s/out.safetensors", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static void set(const char *key, const char *value)
{
    assert_int_equal(config_set(&config, key, value, "test", &error), STATUS_OK);
}

static int set_up(void **state)
{
    (void)state;
    config_defaults(&config);
    set("source.path", log_path);
    set("source.fields.category", "category");
    init_options_defaults(&options);
    options.dims.d = 8;
    options.dims.ffn = 8;
    options.oov = 2;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_close(&config);
    unlink(log_path);
    unlink(out_path);
    return 0;
}

static void write_log(const char *text)
{
    FILE *out = fopen(log_path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void init(void)
{
    if (init_checkpoint(&config, &options, out_path, NULL, &summary, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static struct checkpoint *init_and_open(void)
{
    struct checkpoint *checkpoint;
    init();
    assert_int_equal(checkpoint_open(&checkpoint, out_path, &error), STATUS_OK);
    return checkpoint;
}

static void expect_refused(enum status status, const char *why)
{
    assert_int_equal(init_checkpoint(&config, &options, out_path, NULL, &summary, &error), status);
    if (!strstr(error.text, why)) fail_msg("'%s' does not say '%s'", error.text, why);
}

static void expect_item(const struct item_table *items, uint32_t row, const char *id,
                        const char *category)
{
    const struct bytes name = item_table_category_name(items, item_table_category_of(items, row));
    assert_true(bytes_equal(item_table_id(items, row), bytes_of(id)));
    assert_true(bytes_equal(name, bytes_of(category)));
}

#define EVENT(item, rest) "{\"user\":\"u\",\"item\":\"" item "\",\"time\":1700000000000" rest "}\n"

static void items_are_ranked_by_frequency_then_by_id(void **state)
{
    (void)state;
    write_log(EVENT("once-b", "") EVENT("twice", "") EVENT("thrice", "") EVENT("once", "")
                  EVENT("thrice", "") EVENT("twice", "") EVENT("once-a", "") EVENT("thrice", ""));
    struct checkpoint *checkpoint = init_and_open();
    static const char *const expected[] = {"thrice", "twice", "once", "once-a", "once-b"};
    for (uint32_t i = 0; i < 5; i++) {
        expect_item(checkpoint->items, 1 + options.oov + i, expected[i], "");
    }
    assert_int_equal(item_table_rows(checkpoint->items), 1 + 2 + 5);
    assert_int_equal(checkpoint->generation, 1);
    assert_int_equal(summary.log.accepted, 8);
    assert_int_equal(summary.items_seen, 5);
    assert_int_equal(summary.items, 5);
    checkpoint_close(checkpoint);
}

static void an_item_has_the_category_it_was_last_seen_with(void **state)
{
    (void)state;
    write_log(EVENT("a", ",\"category\":\"old\"") EVENT("b", ",\"category\":\"other\"")
                  EVENT("a", ",\"category\":\"new\"") EVENT("a", "") EVENT("c", ""));
    struct checkpoint *checkpoint = init_and_open();
    expect_item(checkpoint->items, 3, "a", "new");
    expect_item(checkpoint->items, 4, "b", "other");
    expect_item(checkpoint->items, 5, "c", "");
    assert_int_equal(item_table_categories(checkpoint->items), 2);
    assert_int_equal(item_table_category_of(checkpoint->items, 3), 1);
    assert_int_equal(summary.categories, 2);
    assert_true(checkpoint->dims.use_category);
    checkpoint_close(checkpoint);
}

static void without_categories_the_model_uses_none(void **state)
{
    (void)state;
    write_log(EVENT("a", ""));
    struct checkpoint *checkpoint = init_and_open();
    assert_false(checkpoint->dims.use_category);
    checkpoint_close(checkpoint);
}

static void what_the_model_does_not_use_is_zero(void **state)
{
    (void)state;
    write_log(EVENT("a", ""));
    struct checkpoint *checkpoint = init_and_open();
    assert_int_equal(checkpoint->dims.gap_buckets, 32);
    assert_true(checkpoint->dims.temperature == 0);
    checkpoint_close(checkpoint);
    unlink(out_path);
    options.dims.use_gap = false;
    options.dims.cosine = true;
    checkpoint = init_and_open();
    assert_int_equal(checkpoint->dims.gap_buckets, 0);
    assert_true(checkpoint->dims.temperature == 0.1f);
    checkpoint_close(checkpoint);
}

static void rare_items_and_those_beyond_the_limit_get_no_row(void **state)
{
    (void)state;
    write_log(EVENT("a", "") EVENT("a", "") EVENT("a", "") EVENT("b", "") EVENT("b", "")
                  EVENT("c", "") EVENT("c", "") EVENT("d", ",\"category\":\"rare\""));
    options.count_min = 2;
    options.items_max = 2;
    struct checkpoint *checkpoint = init_and_open();
    assert_int_equal(summary.items_seen, 4);
    assert_int_equal(summary.items, 2);
    assert_int_equal(summary.categories, 0);
    expect_item(checkpoint->items, 3, "a", "");
    expect_item(checkpoint->items, 4, "b", "");
    assert_int_equal(item_table_find(checkpoint->items, identity_of("d", 1)), 0);
    checkpoint_close(checkpoint);
    unlink(out_path);
    options.count_min = 4;
    expect_refused(STATUS_INVALID, "none of its 4 items has 4 events");
}

static void bad_and_dropped_events_are_counted_and_passed_over(void **state)
{
    (void)state;
    set("source.fields.action", "action");
    set("actions", "view:1");
    write_log(EVENT("a", ",\"action\":\"view\"")
                  EVENT("a", ",\"action\":\"hover\"") "{\"user\":\n"
                                                      "{\"user\":\"u\",\"item\":\"b\",\"time\":"
                                                      "\"noon\",\"action\":\"view\"}\n");
    struct checkpoint *checkpoint = init_and_open();
    assert_int_equal(summary.log.events, 4);
    assert_int_equal(summary.log.accepted, 1);
    assert_int_equal(summary.log.dropped, 1);
    assert_int_equal(summary.log.bad, 2);
    assert_memory_equal(summary.log.bad_why, "line 3: malformed: ", 19);
    assert_int_equal(item_table_items(checkpoint->items), 1);
    checkpoint_close(checkpoint);
}

static void tables_are_read_by_their_header(void **state)
{
    (void)state;
    set("source.format", "tsv");
    set("source.time", "s");
    write_log("time\titem\tuser\tcategory\n1700000000\tx\tu\tk\n1700000001\ty\tu\t\n");
    struct checkpoint *checkpoint = init_and_open();
    assert_int_equal(summary.log.events, 2);
    expect_item(checkpoint->items, 3, "x", "k");
    expect_item(checkpoint->items, 4, "y", "");
    checkpoint_close(checkpoint);
}

static void a_log_without_a_good_event_is_refused(void **state)
{
    (void)state;
    write_log("");
    expect_refused(STATUS_INVALID, "no event that can be used");
    write_log("nonsense\n");
    expect_refused(STATUS_INVALID, "1 bad");
    assert_non_null(strstr(error.text, "line 1: malformed"));
    set("source.format", "csv");
    write_log("");
    expect_refused(STATUS_INVALID, "no event that can be used");
    write_log("user,thing,time\n");
    expect_refused(STATUS_INVALID, "item");
    set("source.path", "");
    expect_refused(STATUS_INVALID, "source.path");
    assert_int_equal(access(out_path, F_OK), -1);
}

static void every_model_can_be_made_with_its_own_dimensions(void **state)
{
    (void)state;
    const struct interest_ops *ops = NULL;
    write_log(EVENT("a", ",\"category\":\"c\"") EVENT("b", ""));
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        struct interest_model *model = NULL;
        assert_int_equal(init_options_model(&options, ops->name, &error), STATUS_OK);
        assert_memory_equal(&options.dims, &ops->defaults, sizeof options.dims);
        struct checkpoint *checkpoint = init_and_open();
        assert_string_equal(checkpoint->model, ops->name);
        assert_int_equal(interest_model_open(&model, checkpoint, &error), STATUS_OK);
        interest_model_close(model);
        checkpoint_close(checkpoint);
        unlink(out_path);
    }
    assert_int_equal(init_options_model(&options, "nonesuch", &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "limarec"));
}

static void what_cannot_work_is_refused_before_the_log_is_read(void **state)
{
    (void)state;
    set("source.path", "/nonexistent/log");
    options.model = "nonesuch";
    expect_refused(STATUS_INVALID, "nonesuch");
    options.model = "limarec";
    options.dims.heads = 3;
    expect_refused(STATUS_INVALID, "3");
}

static void an_existing_checkpoint_is_never_replaced(void **state)
{
    (void)state;
    write_log(EVENT("a", ""));
    init();
    expect_refused(STATUS_REFUSED, out_path);
}

static uint64_t out_checksum(void)
{
    struct safetensors *file;
    assert_int_equal(safetensors_open(&file, out_path, &error), STATUS_OK);
    const struct bytes bytes = safetensors_bytes(file);
    const uint64_t checksum = checksum_of(bytes.at, bytes.size);
    safetensors_close(file);
    unlink(out_path);
    return checksum;
}

static void the_log_and_the_seed_decide_every_byte(void **state)
{
    (void)state;
    write_log(EVENT("a", "") EVENT("b", ""));
    init();
    const uint64_t first = out_checksum();
    write_log(EVENT("b", "") EVENT("a", ""));
    init();
    assert_int_equal(out_checksum(), first);
    options.seed = 2;
    init();
    assert_int_not_equal(out_checksum(), first);
}

/* Item i of many occurs 1 + i % 5 times, in a random order. */
static void a_large_log_is_counted_right(void **state)
{
    (void)state;
    enum { ITEMS = 20000, EVENTS = 3 * ITEMS };
    static uint32_t sequence[EVENTS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        for (uint32_t k = 0; k <= i % 5; k++) {
            sequence[count++] = i;
        }
    }
    assert_int_equal(count, EVENTS);
    struct random random = random_seeded(SEED);
    FILE *out = fopen(log_path, "w");
    assert_non_null(out);
    for (; count; count--) {
        const uint64_t pick = random_below(&random, count);
        fprintf(out, EVENT("%u", ",\"category\":\"%u\""), sequence[pick], sequence[pick] % 7);
        sequence[pick] = sequence[count - 1];
    }
    assert_int_equal(fclose(out), 0);

    struct checkpoint *checkpoint;
    init();
    assert_int_equal(summary.log.accepted, EVENTS);
    assert_int_equal(checkpoint_open(&checkpoint, out_path, &error), STATUS_OK);
    assert_int_equal(item_table_items(checkpoint->items), ITEMS);
    assert_int_equal(item_table_categories(checkpoint->items), 7);
    for (uint32_t i = 0; i < ITEMS; i++) {
        char id[16], category[16];
        snprintf(id, sizeof id, "%u", i);
        snprintf(category, sizeof category, "%u", i % 7);
        const uint32_t row = item_table_find(checkpoint->items, identity_of(id, strlen(id)));
        expect_item(checkpoint->items, row, id, category);
        assert_int_equal((row - 3) / (ITEMS / 5), 4 - i % 5); /* five blocks of equal counts */
    }
    checkpoint_close(checkpoint);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void a_ledger_stands_on_the_items_of_a_trained_checkpoint(void **state)
{
    (void)state;
    char path[80];
    struct checkpoint *ledger;
    snprintf(path, sizeof path, "%s/ledger.safetensors", directory);
    write_log(EVENT("a", ",\"category\":\"c\"") EVENT("b", "") EVENT("a", ""));
    struct checkpoint *trained = init_and_open();
    assert_int_equal(init_options_model(&options, "ledger", &error), STATUS_OK);
    assert_int_equal(init_on_items(&options, out_path, path, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "d = 64: the items of"));
    options.dims.d = 8;
    options.dims.new_cosine = 0.25f;
    assert_int_equal(init_on_items(&options, out_path, path, &error), STATUS_OK);
    assert_int_equal(checkpoint_open(&ledger, path, &error), STATUS_OK);
    const struct param *items = param_set_get(ledger->params, "item.embedding");
    assert_string_equal(ledger->model, "ledger");
    assert_int_equal(ledger->generation, 1);
    assert_true(ledger->dims.new_cosine == 0.25f && ledger->dims.publish_mass == 1.5f);
    assert_int_equal(param_set_count(ledger->params), 1);
    assert_memory_equal(items->data, param_set_get(trained->params, "item.embedding")->data,
                        items->count * sizeof(real));
    expect_item(ledger->items, 3, "a", "c");
    assert_int_equal(init_on_items(&options, out_path, path, &error), STATUS_REFUSED);
    unlink(path);
    assert_int_equal(init_options_model(&options, "gdelta", &error), STATUS_OK);
    assert_int_equal(init_on_items(&options, out_path, path, &error), STATUS_INVALID);
    checkpoint_close(ledger);
    checkpoint_close(trained);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(items_are_ranked_by_frequency_then_by_id),
        TEST(an_item_has_the_category_it_was_last_seen_with),
        TEST(without_categories_the_model_uses_none),
        TEST(what_the_model_does_not_use_is_zero),
        TEST(rare_items_and_those_beyond_the_limit_get_no_row),
        TEST(bad_and_dropped_events_are_counted_and_passed_over),
        TEST(tables_are_read_by_their_header),
        TEST(a_log_without_a_good_event_is_refused),
        TEST(every_model_can_be_made_with_its_own_dimensions),
        TEST(what_cannot_work_is_refused_before_the_log_is_read),
        TEST(an_existing_checkpoint_is_never_replaced),
        TEST(the_log_and_the_seed_decide_every_byte),
        TEST(a_large_log_is_counted_right),
        TEST(a_ledger_stands_on_the_items_of_a_trained_checkpoint),
    };
    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
