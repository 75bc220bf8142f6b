/* arena.c - one block of memory and a pointer into it. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/*
 * Bytes; from HUGE_BLOCK on huge pages are asked for. Blocks of less than 32 MB may lie in the heap,
 * which would keep the huge pages of what was given back.
 */
enum { PAGE = 4096, HUGE_BLOCK = 64 << 20 };

static size_t align_up(size_t size)
{
    return (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

void *arena_block(size_t size)
{
    void *block = aligned_alloc(ARENA_ALIGNMENT, align_up(size ? size : 1));
    if (!block || size < HUGE_BLOCK) return block;
    const uintptr_t from = ((uintptr_t)block + PAGE - 1) / PAGE * PAGE;
    const uintptr_t to = ((uintptr_t)block + size) / PAGE * PAGE;
    (void)madvise((void *)from, to - from, MADV_HUGEPAGE); /* a wish: without, it is slower */
    return block;
}

enum status arena_open(struct arena *arena, size_t size, struct error *error)
{
    *arena = (struct arena){0};
    size_t rounded = align_up(size ? size : 1);
    arena->block = aligned_alloc(ARENA_ALIGNMENT, rounded);
    if (!arena->block) return error_set(error, STATUS_IO, "out of memory: %zu bytes", rounded);
    arena->size = rounded;
    return STATUS_OK;
}

enum status arena_open_growing(struct arena *arena, size_t size, struct error *error)
{
    TRY(arena_open(arena, size, error));
    arena->grows = true;
    return STATUS_OK;
}

/* In front of what was taken from the heap, where `used` was `before`. */
struct arena_overflow {
    struct arena_overflow *next;
    size_t before;
};

/* Frees what has been released: all that was taken where `used` was `from` or more. */
static void free_overflow(struct arena *arena, size_t from)
{
    while (arena->overflow && arena->overflow->before >= from) {
        struct arena_overflow *next = arena->overflow->next;
        free(arena->overflow);
        arena->overflow = next;
    }
}

static void *take_overflow(struct arena *arena, size_t rounded)
{
    free_overflow(arena, arena->used);
    struct arena_overflow *overflow = aligned_alloc(ARENA_ALIGNMENT, ARENA_ALIGNMENT + rounded);
    if (!overflow) {
        REQUIRE(arena->tried);
        longjmp(*arena->tried, 1);
    }
    *overflow = (struct arena_overflow){arena->overflow, arena->used};
    arena->overflow = overflow;
    return (unsigned char *)overflow + ARENA_ALIGNMENT;
}

enum status arena_try(struct arena *arena, void (*work)(void *context), void *context,
                      struct error *error)
{
    jmp_buf place;
    REQUIRE(arena->grows && !arena->tried);
    arena->tried = &place;
    if (setjmp(place) == 0) {
        work(context);
        arena->tried = NULL;
        return STATUS_OK;
    }
    arena->tried = NULL;
    return error_set(error, STATUS_IO, "out of memory: what is measured takes more than %zu MB",
                     arena->used >> 20);
}

void arena_close(struct arena *arena)
{
    free_overflow(arena, 0);
    free(arena->block);
    *arena = (struct arena){0};
}

void *arena_take(struct arena *arena, size_t size)
{
    size_t rounded = align_up(size);
    const bool fits = arena->used <= arena->size && rounded <= arena->size - arena->used;
    REQUIRE(fits || arena->grows);
    void *at = fits ? arena->block + arena->used : take_overflow(arena, rounded);
    arena->used += rounded;
    if (arena->used > arena->peak) arena->peak = arena->used;
    return at;
}
