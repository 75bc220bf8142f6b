/* test_recent_items.c - ids of items that the model does not know, as many as there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "stream/source/recent_items.h"

enum { ITEMS = 100000 }; /* more than there is room for */

static struct bytes id_of(unsigned item, char room[16])
{
    return (struct bytes){room, (size_t)snprintf(room, 16, "item %u", item)};
}

static void what_is_kept_is_right_and_the_newest_is(void **state)
{
    (void)state;
    struct recent_items *items;
    char name[16], room[RECENT_ITEM_SIZE_MAX];
    unsigned kept = 0;
    assert_int_equal(recent_items_open(&items, NULL), STATUS_OK);
    for (unsigned i = 0; i < ITEMS; i++) {
        const struct bytes id = id_of(i, name);
        recent_items_add(items, identity_of(id.at, id.size), id);
        assert_true(bytes_equal(recent_items_id(items, identity_of(id.at, id.size), room), id));
    }
    for (unsigned i = 0; i < ITEMS; i++) {
        const struct bytes id = id_of(i, name);
        const struct bytes found = recent_items_id(items, identity_of(id.at, id.size), room);
        assert_true(found.size == 0 || bytes_equal(found, id));
        kept += found.size > 0;
    }
    assert_in_range(kept, 1, recent_items_size() / RECENT_ITEM_SIZE_MAX);
    recent_items_close(items);
}

static void a_longer_id_than_there_is_room_for_is_not_kept(void **state)
{
    (void)state;
    struct recent_items *items;
    char room[RECENT_ITEM_SIZE_MAX], longest[RECENT_ITEM_SIZE_MAX + 1];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(recent_items_open(&items, NULL), STATUS_OK);
    recent_items_add(items, 7, (struct bytes){longest, sizeof longest});
    assert_int_equal(recent_items_id(items, 7, room).size, 0);
    recent_items_add(items, 7, (struct bytes){longest, sizeof longest - 1});
    assert_int_equal(recent_items_id(items, 7, room).size, sizeof longest - 1);
    assert_int_equal(recent_items_id(items, 8, room).size, 0);
    assert_int_equal(recent_items_id(NULL, 7, room).size, 0);
    recent_items_close(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_right_and_the_newest_is),
        cmocka_unit_test(a_longer_id_than_there_is_room_for_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
