/* tape.c - tensors out of an arena. */
#include "model/tensor/tape.h"

struct tensor *tape_tensor(struct tape *tape, uint32_t rows, uint32_t cols)
{
    struct tensor *tensor = arena_take(tape->arena, sizeof(*tensor));
    tensor->rows = rows;
    tensor->cols = cols;
    tensor->data = arena_take(tape->arena, (size_t)rows * cols * sizeof(real));
    return tensor;
}
