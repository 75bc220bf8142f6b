/* test_arena.c - the arena's size, alignment and marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"

static void takes_are_aligned_and_fill_the_arena(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_open(&arena, 256, NULL), STATUS_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal((uintptr_t)arena_take(&arena, 1) % ARENA_ALIGNMENT, 0);
    }
    assert_int_equal(arena.used, arena.size);
    arena_close(&arena);
}

static void release_gives_back_and_keeps_the_peak(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_open(&arena, 128, NULL), STATUS_OK);
    size_t mark = arena_mark(&arena);
    void *first = arena_take(&arena, 100);
    arena_release(&arena, mark);
    assert_ptr_equal(arena_take(&arena, 10), first);
    assert_int_equal(arena.peak, 128);
    arena_close(&arena);
}

static void one_that_grows_tells_what_its_block_must_hold(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_open_growing(&arena, 128, NULL), STATUS_OK);
    unsigned char *inside = arena_take(&arena, 64);
    const size_t mark = arena_mark(&arena);
    for (int round = 0; round < 3; round++) {
        unsigned char *beyond = arena_take(&arena, 1000), *last = arena_take(&arena, 1);
        assert_int_equal((uintptr_t)beyond % ARENA_ALIGNMENT, 0);
        memset(beyond, 1, 1000);
        *last = 2;
        arena_release(&arena, mark);
    }
    *inside = 3;
    assert_ptr_equal(arena_take(&arena, 64), inside + 64);
    assert_int_equal(arena.peak, 64 + 1024 + 64);
    arena_close(&arena);
}

struct greedy {
    struct arena *arena;
    size_t size;
    bool finished;
};

static void take_much(void *context)
{
    struct greedy *greedy = context;
    arena_take(greedy->arena, 1000);
    arena_take(greedy->arena, greedy->size);
    greedy->finished = true;
}

static void a_heap_that_has_no_more_is_an_error_of_what_is_measured(void **state)
{
    (void)state;
    struct arena arena;
    struct error error;
    assert_int_equal(arena_open_growing(&arena, 128, NULL), STATUS_OK);
    struct greedy greedy = {&arena, SIZE_MAX / 4, false};
    assert_int_equal(arena_try(&arena, take_much, &greedy, &error), STATUS_IO);
    assert_non_null(strstr(error.text, "out of memory"));
    assert_false(greedy.finished);
    greedy.size = 100;
    assert_int_equal(arena_try(&arena, take_much, &greedy, &error), STATUS_OK);
    assert_true(greedy.finished);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_are_aligned_and_fill_the_arena),
        cmocka_unit_test(release_gives_back_and_keeps_the_peak),
        cmocka_unit_test(one_that_grows_tells_what_its_block_must_hold),
        cmocka_unit_test(a_heap_that_has_no_more_is_an_error_of_what_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
