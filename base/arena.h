/*
 * arena.h - memory that is handed out by moving a pointer and given back all at once.
 *
 * An arena has one block of fixed size, so what it can ever use is known when it is opened. Scratch
 * memory of a call is taken between a mark and a release. Nothing here allocates after arena_open.
 *
 *     arena_open -> (arena_mark -> arena_take ... -> arena_release) ... -> arena_close
 *
 * How large a block must be is found out with one that grows: the work is done once in it, and
 * `peak` is what it took.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum { ARENA_ALIGNMENT = 64 }; /* bytes: a cache line and the widest vector register */

struct arena_overflow;

struct arena {
    unsigned char *block;
    size_t size; /* bytes of the block */
    size_t used; /* bytes taken so far */
    size_t peak; /* the greatest `used` ever */
    bool grows;
    jmp_buf *tried;                  /* where arena_try goes on if the heap has no more */
    struct arena_overflow *overflow; /* what was taken beyond the block, the newest first */
};

/*
 * `size` bytes of the heap aligned to ARENA_ALIGNMENT, for what is used all over and for long: on
 * huge pages if the system gives them, which spares a walk of the page table for each row of a
 * scattered access. Uninitialized; goes back by free(). NULL: there are no more.
 */
void *arena_block(size_t size);

/* Takes one block of `size` bytes from the heap; pages are touched when they are first used. */
MUST_CHECK enum status arena_open(struct arena *arena, size_t size, struct error *error);

/* One that takes from the heap what its block has no room for. For measuring, with arena_try. */
MUST_CHECK enum status arena_open_growing(struct arena *arena, size_t size, struct error *error);

/*
 * Calls work(context), which takes from an arena that grows. STATUS_IO: the heap had no more; the
 * work was left where it stood (longjmp), so it may own nothing but what it has taken.
 */
MUST_CHECK enum status arena_try(struct arena *arena, void (*work)(void *context), void *context,
                                 struct error *error);

/* Frees everything. Legal on a zeroed or closed arena. */
void arena_close(struct arena *arena);

/*
 * `size` bytes aligned to ARENA_ALIGNMENT, uninitialized. Whoever opened the arena sized it for the
 * worst case: a full one is a broken precondition. One that grows is taken from within arena_try.
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
