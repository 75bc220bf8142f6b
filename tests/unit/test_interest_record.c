/* test_interest_record.c - the published line: a golden one, round trips, and damaged lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/random.h"
#include "stream/interests/interest_record.h"

enum { LINE_MAX_SIZE = 1 << 16, SEED = 20240501 };

static char line[LINE_MAX_SIZE + JSON_PADDING];
static float arena[LINE_MAX_SIZE / 2];

static const float small_vectors[] = {0.5f, -1, 0, 3};
static const float small_weights[] = {0.75f, 0.25f};

static struct interest_record small_record(void)
{
    return (struct interest_record){.user = bytes_of("u1"),
                                    .generation = 1,
                                    .from = 32,
                                    .events = 70,
                                    .event_ms = 1700000000123,
                                    .partition = 3,
                                    .offset = 41,
                                    .count = 2,
                                    .width = 2,
                                    .vectors = small_vectors,
                                    .weights = small_weights};
}

static size_t encode(const struct interest_record *record, enum config_vectors vectors)
{
    const size_t bound = interest_record_size_max((uint32_t)record->user.size, record->count,
                                                  record->width, vectors);
    assert_true(bound <= LINE_MAX_SIZE);
    const size_t size = interest_record_encode_json(record, vectors, line);
    assert_true(size <= bound);
    return size;
}

static enum status decode(size_t size, struct interest_record *record, struct error *error)
{
    return interest_record_decode_json((struct bytes){line, size}, arena, 2 * size, record, error);
}

static void expect_equal(const struct interest_record *a, const struct interest_record *b)
{
    const size_t floats = (size_t)a->count * a->width;
    assert_true(bytes_equal(a->user, b->user));
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->events, b->events);
    assert_int_equal(a->event_ms, b->event_ms);
    assert_int_equal(a->partition, b->partition);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->width, b->width);
    assert_memory_equal(a->vectors, b->vectors, floats * sizeof(float));
    assert_memory_equal(a->weights, b->weights, a->count * sizeof(float));
    assert_int_equal(a->intent != NULL, b->intent != NULL);
    if (a->intent) assert_memory_equal(a->intent, b->intent, a->width * sizeof(float));
}

static void expect_round_trip(const struct interest_record *record)
{
    for (enum config_vectors form = CONFIG_VECTORS_BASE64; form <= CONFIG_VECTORS_NUMBERS; form++) {
        struct interest_record read;
        struct error error;
        const size_t size = encode(record, form);
        if (decode(size, &read, &error) != STATUS_OK) fail_msg("%s", error.text);
        expect_equal(record, &read);
        assert_int_equal(read.checksum, interest_record_checksum(record));
        assert_int_equal(interest_record_checksum(&read), read.checksum);
    }
}

static void the_forms_never_change(void **state)
{
    (void)state;
    static const char head[] =
        "{\"user\":\"u1\",\"generation\":1,\"from\":32,\"events\":70,"
        "\"event_time_ms\":1700000000123,\"partition\":3,\"offset\":41,\"count\":2,\"width\":2,"
        "\"weights\":[0.75,0.25],\"vectors\":";
    static const char tail[] = ",\"checksum\":\"3514b1adbc9aa13f\"}";
    const struct interest_record record = small_record();
    char expected[512];

    line[encode(&record, CONFIG_VECTORS_BASE64)] = 0;
    snprintf(expected, sizeof expected, "%s%s%s", head, "\"AAAAPwAAgL8AAAAAAABAQA==\"", tail);
    assert_string_equal(line, expected);
    line[encode(&record, CONFIG_VECTORS_NUMBERS)] = 0;
    snprintf(expected, sizeof expected, "%s%s%s", head, "[[0.5,-1],[0,3]]", tail);
    assert_string_equal(line, expected);
}

/* Appended to a form that is as it was without: old records keep their checksums. */
static void an_intent_vector_comes_back_and_is_under_the_checksum(void **state)
{
    (void)state;
    static const float intent[] = {0.25f, -8}, other[] = {0.25f, -9};
    struct interest_record record = small_record();
    const uint64_t without = interest_record_checksum(&record);
    record.intent = intent;
    const uint64_t with = interest_record_checksum(&record);
    expect_round_trip(&record);
    line[encode(&record, CONFIG_VECTORS_NUMBERS)] = 0;
    assert_non_null(
        strstr(line, ",\"vectors\":[[0.5,-1],[0,3]],\"intent\":[0.25,-8],\"checksum\""));
    record.intent = other;
    assert_true(with != without && interest_record_checksum(&record) != with);
}

static void any_user_id_comes_back(void **state)
{
    (void)state;
    static const struct bytes users[] = {
        {"", 0},
        {"\"", 1},
        {"\\u0041\\", 8},
        {"a\0b", 3},
        {"\n\r\t/", 4},
        {"\x1f\x20\x7f", 3},
        {"\xC3\xA9\xE2\x82\xAC", 5},
        {"\xF0\x9F\x8E\xAC", 4},
        {"\xEF\xBF\xBF", 3},
    };
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        struct interest_record record = small_record();
        record.user = users[i];
        expect_round_trip(&record);
    }
}

static void a_user_of_control_characters_fits_the_bound(void **state)
{
    (void)state;
    char user[4096];
    memset(user, 1, sizeof user);
    struct interest_record record = small_record();
    record.user = (struct bytes){user, sizeof user};
    expect_round_trip(&record);
}

static void every_float_comes_back_bit_for_bit(void **state)
{
    (void)state;
    enum { WIDTH = 64, COUNT = 4 };
    float vectors[COUNT * WIDTH] = {0.0f, -0.0f, FLT_MIN, -FLT_MAX, FLT_TRUE_MIN, 16777216, 1e10f};
    const float weights[COUNT] = {1, FLT_EPSILON, FLT_TRUE_MIN, 0.1f};
    struct random random = random_seeded(SEED);
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 7; i < COUNT * WIDTH; i++) {
            const uint32_t bits = (uint32_t)random_next(&random);
            memcpy(&vectors[i], &bits, sizeof bits);
            if (!(vectors[i] >= -FLT_MAX && vectors[i] <= FLT_MAX)) vectors[i] = 0;
        }
        struct interest_record record = small_record();
        record.count = COUNT;
        record.width = WIDTH;
        record.vectors = vectors;
        record.weights = weights;
        expect_round_trip(&record);
    }
}

static void extreme_integers_come_back(void **state)
{
    (void)state;
    struct interest_record record = small_record();
    record.generation = record.from = record.events = INT64_MAX;
    record.event_ms = record.offset = INT64_MIN;
    record.partition = UINT32_MAX;
    expect_round_trip(&record);
    record.count = record.width = 0;
    expect_round_trip(&record);
}

static void the_checksum_covers_every_field(void **state)
{
    (void)state;
    const float others[] = {0.5f, -1, -0.0f, 3}, other_weights[] = {0.25f, 0.75f};
    const uint64_t checksum = interest_record_checksum(&(struct interest_record){0});
    struct interest_record changed[12];
    for (size_t i = 0; i < 12; i++) {
        changed[i] = small_record();
    }
    changed[1].user = bytes_of("u2");
    changed[2].generation++;
    changed[3].from++;
    changed[4].events++;
    changed[5].event_ms++;
    changed[6].partition++;
    changed[7].offset++;
    changed[8].vectors = others;
    changed[9].weights = other_weights;
    changed[10].count = 1;
    changed[11].width = 1;
    for (size_t i = 0; i < 12; i++) {
        assert_int_not_equal(interest_record_checksum(&changed[i]), checksum);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(interest_record_checksum(&changed[i]),
                                 interest_record_checksum(&changed[j]));
        }
    }
}

/* No change of a byte may pass unseen: the line is refused or its checksum fails. */
static void every_changed_byte_is_found(void **state)
{
    (void)state;
    for (enum config_vectors form = CONFIG_VECTORS_BASE64; form <= CONFIG_VECTORS_NUMBERS; form++) {
        const struct interest_record record = small_record();
        const size_t size = encode(&record, form);
        for (size_t i = 0; i < size; i++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                struct interest_record read;
                line[i] ^= (char)(1 << bit);
                if (decode(size, &read, NULL) == STATUS_OK &&
                    interest_record_checksum(&read) == read.checksum) {
                    fail_msg("bit %u of byte %zu: %.*s", bit, i, (int)size, line);
                }
                line[i] ^= (char)(1 << bit);
            }
        }
    }
}

static void a_cut_line_is_refused(void **state)
{
    (void)state;
    const struct interest_record record = small_record();
    const size_t size = encode(&record, CONFIG_VECTORS_BASE64);
    for (size_t cut = 0; cut < size; cut++) {
        struct interest_record read;
        assert_int_equal(decode(cut, &read, NULL), STATUS_CORRUPT);
    }
}

static void what_contradicts_itself_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from; /* replaced in a good line ... */
        const char *to;   /* ... by this */
        const char *why;
    } cases[] = {
        {"{", "[", "not JSON"},
        {"\"user\":\"u1\"", "\"user\":1", "\"user\" is not a text"},
        {"\"user\"", "\"users\"", "unknown \"users\""},
        {"\"user\":\"u1\",", "", "\"user\" is missing"},
        {"\"from\":32", "\"events\":70", "\"events\" occurs twice"},
        {"\"generation\":1", "\"generation\":-1", "\"generation\" is not an integer"},
        {"\"generation\":1", "\"generation\":1.0", "\"generation\" is not an integer"},
        {"\"partition\":3", "\"partition\":4294967296", "\"partition\" is not an integer"},
        {"\"events\":70", "\"events\":18446744073709551615", "\"events\" is not an integer"},
        {"\"count\":2", "\"count\":3", "\"vectors\" are not"},
        {"\"count\":2", "\"count\":4294967295", "more than the line can hold"},
        {"\"width\":2", "\"width\":1", "\"vectors\" are not"},
        {"[0.75,0.25]", "[0.75]", "\"weights\" are not"},
        {"[0.75,0.25]", "[0.75,0.25,0]", "\"weights\" are not"},
        {"[0.75,0.25]", "[0.75,1e39]", "\"weights\" are not"},
        {"[0.75,0.25]", "[0.75,null]", "\"weights\" are not"},
        {"[0.75,0.25]", "1", "\"weights\" are not"},
        {"\"AAAAPwAAgL8AAAAAAABAQA==\"", "\"AAAAPwAAgL8AAAAAAABAQB==\"", "\"vectors\" are not"},
        {"\"AAAAPwAAgL8AAAAAAABAQA==\"", "[[0.5,-1],[0,3],[1,1]]", "\"vectors\" are not"},
        {"\"AAAAPwAAgL8AAAAAAABAQA==\"", "[[0.5,-1],[0]]", "\"vectors\" are not"},
        {"\"AAAAPwAAgL8AAAAAAABAQA==\"", "[0.5,-1]", "\"vectors\" are not"},
        {"\"AAAAPwAAgL8AAAAAAABAQA==\"", "null", "\"vectors\" are not"},
        {"\"checksum\":\"", "\"checksum\":\"0", "\"checksum\" is not 16"},
        {"\"checksum\":\"", "\"checksum\":\"\",\"x\":\"", "unknown \"x\""},
    };
    const struct interest_record record = small_record();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char good[1024];
        line[encode(&record, CONFIG_VECTORS_BASE64)] = 0;
        memcpy(good, line, sizeof good - 1);
        good[sizeof good - 1] = 0;
        char *at = strstr(good, cases[i].from);
        assert_non_null(at);
        *at = 0;
        const int size =
            snprintf(line, sizeof line, "%s%s%s", good, cases[i].to, at + strlen(cases[i].from));
        struct interest_record read;
        struct error error;
        assert_int_equal(decode((size_t)size, &read, &error), STATUS_CORRUPT);
        if (!strstr(error.text, cases[i].why)) {
            fail_msg("'%s' does not say '%s'", error.text, cases[i].why);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forms_never_change),
        cmocka_unit_test(an_intent_vector_comes_back_and_is_under_the_checksum),
        cmocka_unit_test(any_user_id_comes_back),
        cmocka_unit_test(a_user_of_control_characters_fits_the_bound),
        cmocka_unit_test(every_float_comes_back_bit_for_bit),
        cmocka_unit_test(extreme_integers_come_back),
        cmocka_unit_test(the_checksum_covers_every_field),
        cmocka_unit_test(every_changed_byte_is_found),
        cmocka_unit_test(a_cut_line_is_refused),
        cmocka_unit_test(what_contradicts_itself_is_refused),
    };
    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
