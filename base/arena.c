/* arena.c - one block of memory and a pointer into it. */
#include "base/arena.h"

#include <stdlib.h>

static size_t align_up(size_t size)
{
    return (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
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

void arena_close(struct arena *arena)
{
    free(arena->block);
    *arena = (struct arena){0};
}

void *arena_take(struct arena *arena, size_t size)
{
    size_t rounded = align_up(size);
    REQUIRE(rounded <= arena->size - arena->used);
    void *at = arena->block + arena->used;
    arena->used += rounded;
    if (arena->used > arena->peak) arena->peak = arena->used;
    return at;
}
