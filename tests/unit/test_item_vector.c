/* test_item_vector.c - a generation's items as they are published: golden records, and their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "item_vector.pb-c.h"
#include "model/interest_ops.h"
#include "model/tensor/params.h"
#include "stream/interests/item_vector.h"

enum { ROOM = 4096, ITEMS = 3, WIDTH = 8 };

static const float golden_vector[] = {0.5f, -1, 0, 3};
static const struct item_vector golden = {.generation = 12,
                                          .width = 4,
                                          .vector = golden_vector,
                                          .item = {"i\"1", 3},
                                          .category = {"c", 1}};

static struct checkpoint *make_checkpoint(bool cosine)
{
    const struct item_entry entries[] = {
        {bytes_of("one"), 1}, {bytes_of("two"), 0}, {bytes_of("three"), 2}};
    const struct bytes categories[] = {bytes_of("films"), bytes_of("books")};
    struct model_dims dims = interest_ops_find("gdelta")->defaults;
    struct item_table *items;
    struct checkpoint *checkpoint;
    struct error error;
    dims.d = WIDTH;
    dims.cosine = cosine;
    if (!cosine) dims.temperature = 0;
    if (item_table_open(&items, entries, ITEMS, categories, 2, 4, &error) != STATUS_OK ||
        checkpoint_init(&checkpoint, "gdelta", &dims, items, 1, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    checkpoint->generation = 7;
    return checkpoint;
}

static void a_json_line_never_changes(void **state)
{
    (void)state;
    static const char head[] =
        "{\"generation\":12,\"item\":\"i\\\"1\",\"category\":\"c\",\"width\":4,\"vector\":";
    static const char tail[] = ",\"checksum\":\"aad021199b37e79b\"}";
    static const char *const vectors[] = {[CONFIG_VECTORS_BASE64] = "\"AAAAPwAAgL8AAAAAAABAQA==\"",
                                          [CONFIG_VECTORS_NUMBERS] = "[0.5,-1,0,3]"};
    char line[ROOM], expected[ROOM];
    for (enum config_vectors form = CONFIG_VECTORS_BASE64; form <= CONFIG_VECTORS_NUMBERS; form++) {
        const size_t size = item_vector_encode(&golden, CONFIG_RECORD_JSON, form, line);
        assert_true(size <= item_vector_size(&golden));
        line[size] = 0;
        snprintf(expected, sizeof expected, "%s%s%s", head, vectors[form], tail);
        assert_string_equal(line, expected);
    }
    const struct items_end end = {12, 280, 4, 0xabc, true};
    line[items_end_encode(&end, CONFIG_RECORD_JSON, line)] = 0;
    assert_string_equal(line, "{\"generation\":12,\"items\":280,\"width\":4,"
                              "\"checksum\":\"0000000000000abc\",\"complete\":true}");
}

static void protobuf_holds_every_field(void **state)
{
    (void)state;
    uint8_t room[ROOM];
    size_t size = item_vector_encode(&golden, CONFIG_RECORD_PROTOBUF, CONFIG_VECTORS_BASE64, room);
    assert_true(size <= item_vector_size(&golden));
    Braid__ItemVector *vector = braid__item_vector__unpack(NULL, size, room);
    assert_non_null(vector);
    assert_int_equal(vector->generation, 12);
    assert_true(bytes_equal((struct bytes){vector->item.data, vector->item.len}, golden.item));
    assert_true(
        bytes_equal((struct bytes){vector->category.data, vector->category.len}, golden.category));
    assert_int_equal(vector->n_vector, 4);
    assert_memory_equal(vector->vector, golden_vector, sizeof golden_vector);
    assert_int_equal(vector->checksum, item_vector_checksum(&golden));
    braid__item_vector__free_unpacked(vector, NULL);

    const struct items_end told = {12, 280, 4, 0xabc, true};
    size = items_end_encode(&told, CONFIG_RECORD_PROTOBUF, room);
    assert_true(size <= item_vector_size_max(0, 0));
    Braid__ItemsEnd *end = braid__items_end__unpack(NULL, size, room);
    assert_non_null(end);
    assert_int_equal(end->generation, 12);
    assert_int_equal(end->items, 280);
    assert_int_equal(end->width, 4);
    assert_int_equal(end->checksum, 0xabc);
    assert_true(end->complete);
    braid__items_end__free_unpacked(end, NULL);
}

static void the_checksum_covers_every_field(void **state)
{
    (void)state;
    static const float other[] = {0.5f, -1, 0, 4};
    struct item_vector changed[5];
    for (int i = 0; i < 5; i++) {
        changed[i] = golden;
    }
    changed[0].generation = 13;
    changed[1].item = bytes_of("i\"2");
    changed[2].category = (struct bytes){NULL, 0};
    changed[3].width = 3;
    changed[4].vector = other;
    for (int i = 0; i < 5; i++) {
        assert_int_not_equal(item_vector_checksum(&changed[i]), item_vector_checksum(&golden));
    }
}

static void several_categories_are_all_in_a_record_and_in_its_checksum(void **state)
{
    (void)state;
    struct item_vector several = golden;
    char line[ROOM];
    uint8_t room[ROOM];
    several.more[several.more_count++] = bytes_of("d");
    const uint64_t checksum = item_vector_checksum(&several);
    size_t size = item_vector_encode(&several, CONFIG_RECORD_JSON, CONFIG_VECTORS_NUMBERS, line);
    line[size] = 0;
    assert_non_null(strstr(line, "\"category\":\"c\",\"categories\":[\"c\",\"d\"],\"width\""));
    size = item_vector_encode(&several, CONFIG_RECORD_PROTOBUF, CONFIG_VECTORS_NUMBERS, room);
    Braid__ItemVector *vector = braid__item_vector__unpack(NULL, size, room);
    assert_non_null(vector);
    assert_int_equal(vector->n_categories, 2);
    assert_memory_equal(vector->categories[1].data, "d", 1);
    braid__item_vector__free_unpacked(vector, NULL);

    /* the layout that records.md states */
    static const char layout[] = "\x0C\0\0\0\0\0\0\0\3\0\0\0i\"1\1\0\0\0c\4\0\0\0";
    static const char end[] = "\2\0\0\0\1\0\0\0c\1\0\0\0d";
    const struct bytes parts[] = {
        {layout, sizeof layout - 1}, {golden_vector, sizeof golden_vector}, {end, sizeof end - 1}};
    assert_true(checksum == checksum_of_parts(parts, 3));
    several.more[0] = bytes_of("e");
    assert_true(checksum != item_vector_checksum(&several));
}

static void items_are_those_of_the_dictionary_with_their_rows(void **state)
{
    (void)state;
    struct checkpoint *checkpoint = make_checkpoint(false);
    const char *const ids[] = {"one", "two", "three"}, *const categories[] = {"films", "", "books"};
    const struct param *table = param_set_get(checkpoint->params, "item.embedding");
    float room[WIDTH];
    assert_int_equal(item_vectors_count(checkpoint), ITEMS);
    assert_int_equal(item_vectors_width(checkpoint), WIDTH);
    for (uint32_t i = 0; i < ITEMS; i++) {
        const struct item_vector vector = item_vector_at(checkpoint, i, room);
        assert_int_equal(vector.generation, 7);
        assert_true(bytes_equal(vector.item, bytes_of(ids[i])));
        assert_true(bytes_equal(vector.category, bytes_of(categories[i])));
        assert_memory_equal(vector.vector, table->data + (size_t)(5 + i) * WIDTH, sizeof room);
    }
    checkpoint_close(checkpoint);
}

static void a_model_that_compares_by_cosine_has_vectors_of_length_1(void **state)
{
    (void)state;
    struct checkpoint *checkpoint = make_checkpoint(true);
    float room[WIDTH];
    for (uint32_t i = 0; i < ITEMS; i++) {
        const struct item_vector vector = item_vector_at(checkpoint, i, room);
        double square = 0;
        for (uint32_t k = 0; k < WIDTH; k++) {
            square += (double)vector.vector[k] * (double)vector.vector[k];
        }
        assert_true(fabs(square - 1) < 1e-5);
    }
    checkpoint_close(checkpoint);
}

static void the_end_does_not_depend_on_the_order_of_what_is_before_it(void **state)
{
    (void)state;
    struct checkpoint *checkpoint = make_checkpoint(false);
    struct items_end forth = items_end_begin(checkpoint), back = items_end_begin(checkpoint);
    float room[WIDTH];
    for (uint32_t i = 0; i < ITEMS; i++) {
        const struct item_vector a = item_vector_at(checkpoint, i, room);
        items_end_add(&forth, &a);
        const struct item_vector b = item_vector_at(checkpoint, ITEMS - 1 - i, room);
        items_end_add(&back, &b);
    }
    assert_int_equal(forth.items, ITEMS);
    assert_int_equal(forth.width, WIDTH);
    assert_int_equal(forth.generation, 7);
    assert_int_equal(forth.checksum, back.checksum);
    assert_false(forth.complete);
    checkpoint_close(checkpoint);
}

static void keys_sort_by_generation_and_tell_an_item_from_the_end(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0, 0, 0, 0, 0, 0, 1, 2, 'i', '1'};
    uint8_t key[64];
    uint64_t generation;
    size_t size = item_key_encode(258, bytes_of("i1"), key);
    assert_true(bytes_equal((struct bytes){key, size}, (struct bytes){expected, sizeof expected}));
    assert_true(item_key_decode((struct bytes){key, size}, &generation));
    assert_int_equal(generation, 258);
    size = item_key_encode(UINT64_MAX, (struct bytes){NULL, 0}, key);
    assert_true(item_key_decode((struct bytes){key, size}, &generation));
    assert_int_equal(generation, UINT64_MAX);
    assert_int_equal(size, ITEM_KEY_GENERATION_SIZE);
    assert_false(item_key_decode((struct bytes){key, 7}, &generation));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_json_line_never_changes),
        cmocka_unit_test(protobuf_holds_every_field),
        cmocka_unit_test(the_checksum_covers_every_field),
        cmocka_unit_test(several_categories_are_all_in_a_record_and_in_its_checksum),
        cmocka_unit_test(items_are_those_of_the_dictionary_with_their_rows),
        cmocka_unit_test(a_model_that_compares_by_cosine_has_vectors_of_length_1),
        cmocka_unit_test(the_end_does_not_depend_on_the_order_of_what_is_before_it),
        cmocka_unit_test(keys_sort_by_generation_and_tell_an_item_from_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
