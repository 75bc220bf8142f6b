/* test_known_items.c - names of items are read once, and take no more memory than they may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "stream/learn/known_items.h"
#include "tests/unit/job_fixture.h"

enum { ITEMS = 3000, MORE = 500, ROOM = 100000 };

static struct fixture fixture;

/* Events of the items from .. to - 1, of ten users, through the job. */
static void meet(uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        char line[96];
        snprintf(line, sizeof line, "{\"user\":\"u%u\",\"item\":\"thing-%u\",\"time\":%llu}",
                 i % 10, i, 1700000000000 + (unsigned long long)i);
        fixture_line(&fixture, line);
    }
    fixture_run(&fixture);
}

static void read_names(struct known_items *known)
{
    struct error error;
    if (known_items_read(known, &fixture.config, &error) != STATUS_OK) fail_msg("%s", error.text);
}

/* Of the items below `end`, how many have their names. */
static uint32_t named(const struct known_items *known, uint32_t end)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < end; i++) {
        char id[32];
        const size_t size = (size_t)snprintf(id, sizeof id, "thing-%u", i);
        const struct name *name = name_set_find(&known->items, identity_of(id, size));
        if (!name) continue;
        assert_int_equal(name->size, size);
        assert_memory_equal(known->items.bytes + name->at, id, size);
        found++;
    }
    return found;
}

static void every_name_is_known_where_there_is_room(void **state)
{
    (void)state;
    struct known_items known = {.size_max = 0};
    read_names(&known);
    assert_int_equal(named(&known, ITEMS), ITEMS);
    assert_int_equal(known.left_out, 0);
    known_items_close(&known);
}

static void names_take_no_more_than_their_room_and_the_others_are_counted(void **state)
{
    (void)state;
    struct known_items known = {.size_max = ROOM};
    read_names(&known);
    const uint32_t found = named(&known, ITEMS);
    assert_true(found > 0 && found < ITEMS);
    assert_int_equal(known.items.count, found);
    assert_int_equal(known.left_out, ITEMS - found);
    const struct name_set *items = &known.items;
    assert_true(items->bytes_room + items->slots_count * sizeof *items->slots +
                    items->slots_count / 2 * sizeof *items->names <=
                ROOM);

    /* What comes later finds no room either. */
    meet(ITEMS, ITEMS + MORE);
    read_names(&known);
    assert_int_equal(named(&known, ITEMS + MORE), found);
    assert_int_equal(known.left_out, ITEMS + MORE - found);
    known_items_close(&known);
}

static int open_all(void **state)
{
    (void)state;
    fixture_open(&fixture, 1);
    meet(0, ITEMS);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_known_where_there_is_room),
        cmocka_unit_test(names_take_no_more_than_their_room_and_the_others_are_counted),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
