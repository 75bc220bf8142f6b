/*
 * tape.h - where the tensors of a forward pass come from.
 *
 * Ops (op.h) take a tape and give a new tensor out of its arena; nobody frees a tensor, the arena is
 * released as a whole. A serving tape records nothing, so what a model wrote as one forward pass
 * costs no more than its kernels.
 */
#ifndef MODEL_TENSOR_TAPE_H
#define MODEL_TENSOR_TAPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/tensor/kernel.h"
#include "model/tensor/real.h"

/* A dense, row-major matrix [rows, cols]. */
struct tensor {
    uint32_t rows;
    uint32_t cols;
    real *data;
};

struct tape {
    struct arena *arena;
    struct prefetch prefetch; /* what products bring nearer while they compute */
};

/* An uninitialised tensor. The arena was sized for the worst case. */
struct tensor *tape_tensor(struct tape *tape, uint32_t rows, uint32_t cols);

/* What was taken since the mark is no longer needed for the forward pass. */
static inline size_t tape_mark(const struct tape *tape)
{
    return arena_mark(tape->arena);
}

static inline void tape_release(struct tape *tape, size_t mark)
{
    arena_release(tape->arena, mark);
}

#endif
