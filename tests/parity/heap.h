/*
 * heap.h - counts every call of the heap in a test program, whose linker wraps them (heap_watched in
 * CMakeLists.txt). Included by one file of it.
 */
#ifndef TESTS_PARITY_HEAP_H
#define TESTS_PARITY_HEAP_H

#include <stddef.h>

static unsigned allocations;

#define WATCH(result, name, parameters, arguments)                                                 \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        allocations++;                                                                             \
        return __real_##name arguments;                                                            \
    }

WATCH(void *, malloc, (size_t size), (size))
WATCH(void *, calloc, (size_t count, size_t size), (count, size))
WATCH(void *, realloc, (void *at, size_t size), (at, size))
WATCH(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
WATCH(void, free, (void *at), (at))

#endif
