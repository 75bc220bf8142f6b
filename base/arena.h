/*
 * arena.h - memory that is handed out by moving a pointer and given back all at once.
 *
 * An arena has one block of fixed size, so what it can ever use is known when it is opened. Scratch
 * memory of a call is taken between a mark and a release. Nothing here allocates after arena_open.
 *
 *     arena_open -> (arena_mark -> arena_take ... -> arena_release) ... -> arena_close
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/status.h"

enum { ARENA_ALIGNMENT = 64 }; /* bytes: a cache line and the widest vector register */

struct arena {
    unsigned char *block;
    size_t size; /* bytes of the block */
    size_t used; /* bytes taken so far */
    size_t peak; /* the greatest `used` ever */
};

/* Takes one block of `size` bytes from the heap; pages are touched when they are first used. */
MUST_CHECK enum status arena_open(struct arena *arena, size_t size, struct error *error);

/* Frees the block. Legal on a zeroed or closed arena. */
void arena_close(struct arena *arena);

/*
 * `size` bytes aligned to ARENA_ALIGNMENT, uninitialized. Whoever opened the arena sized it for the
 * worst case: a full one is a broken precondition.
 */
void *arena_take(struct arena *arena, size_t size);

/* Everything taken after a mark is given back by releasing to it. */
static inline size_t arena_mark(const struct arena *arena)
{
    return arena->used;
}

static inline void arena_release(struct arena *arena, size_t mark)
{
    arena->used = mark;
}

#endif
