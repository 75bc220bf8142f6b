/*
 * store_memory.h - the reference store: obviously right, in memory.
 */
#ifndef TESTS_STORE_STORE_MEMORY_H
#define TESTS_STORE_STORE_MEMORY_H

#include "state/store.h"

/* Nothing survives close; `path` is only a label. */
extern const struct store_ops store_memory;

#endif
