/* tape.c - tensors out of an arena, and the list of how they were made. */
#include "model/tensor/tape.h"

#include <string.h>

struct recorded {
    struct node node;
    const struct recorded *before;
};

struct tape tape_recording(struct arena *arena, struct gradients *gradients)
{
    return (struct tape){
        .arena = arena,
        .records = true,
        .gradients = gradients,
    };
}

static struct tensor *new_tensor(struct tape *tape, uint32_t rows, uint32_t cols)
{
    struct tensor *tensor = arena_take(tape->arena, sizeof(*tensor));
    *tensor = (struct tensor){.rows = rows, .cols = cols};
    return tensor;
}

struct tensor *tape_tensor(struct tape *tape, uint32_t rows, uint32_t cols)
{
    struct tensor *tensor = new_tensor(tape, rows, cols);
    tensor->data = arena_take(tape->arena, (size_t)rows * cols * sizeof(real));
    return tensor;
}

struct tensor *tape_consume(struct tape *tape, struct tensor *x)
{
    if (!tape_records(tape)) return x;
    struct tensor *y = tape_tensor(tape, x->rows, x->cols);
    memcpy(y->data, x->data, tensor_count(x) * sizeof(real));
    return y;
}

struct tensor *tape_param(struct tape *tape, const struct param *param)
{
    REQUIRE(tape_records(tape) && param->spec.init != PARAM_TABLE);
    uint32_t cols = param->spec.shape[param->spec.rank - 1];
    struct tensor *tensor = new_tensor(tape, (uint32_t)(param->count / cols), cols);
    tensor->data = param->data;
    if (tape->gradients && !param->spec.constant) {
        tensor->wants_gradient = true;
        tensor->gradient = gradients_of(tape->gradients, param);
    }
    return tensor;
}

void tape_record(struct tape *tape, struct node node)
{
    if (!tape_records(tape)) return;
    for (uint32_t i = 0; i < NODE_INPUTS_MAX && node.inputs[i]; i++) {
        if (node.inputs[i]->wants_gradient) node.output->wants_gradient = true;
    }
    if (!node.output->wants_gradient) return;
    struct recorded *recorded = arena_take(tape->arena, sizeof *recorded);
    *recorded = (struct recorded){node, tape->newest};
    tape->newest = recorded;
    tape->count++;
}

real *tape_gradient_over(struct tape *tape, struct tensor *x, bool *keep)
{
    if (!x->wants_gradient) return NULL;
    *keep = x->gradient != NULL;
    if (!x->gradient) x->gradient = arena_take(tape->arena, tensor_count(x) * sizeof(real));
    return x->gradient;
}

real *tape_gradient(struct tape *tape, struct tensor *x)
{
    bool keep = true;
    real *gradient = tape_gradient_over(tape, x, &keep);
    if (gradient && !keep) memset(gradient, 0, tensor_count(x) * sizeof(real));
    return gradient;
}

void tape_backward(struct tape *tape)
{
    for (const struct recorded *at = tape->newest; at; at = at->before) {
        if (at->node.output->gradient) at->node.backward(tape, &at->node);
    }
    tape->newest = NULL;
    tape->packed = NULL;
    tape->count = 0;
}
