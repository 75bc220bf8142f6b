/*
 * tape.h - where the tensors of a forward pass come from, and what remembers how they were made.
 *
 * Ops (op.h) take a tape and give a new tensor out of its arena; nobody frees a tensor, the arena
 * is released as a whole. A serving tape has no nodes: nothing is recorded, and what a model wrote
 * as one forward pass costs no more than its kernels. A recording tape notes a node for each op.
 * The order of execution is a valid order, so the backward pass is that list from its end.
 *
 *     struct tape tape = {.arena = &arena};                    serving
 *     struct tape tape = tape_recording(&arena, &gradients);   training; then, for one pass:
 *         forward ops -> tape_gradient(of the result) seeded -> tape_backward -> arena_release
 *
 * An op with a gradient, in its whole:
 *
 *     static void double_backward(struct tape *tape, const struct node *node)
 *     {
 *         struct tensor *x = node->inputs[0], *y = node->output;
 *         real *dx = tape_gradient(tape, x);
 *         if (dx) kernel_double_backward(dx, y->gradient, ...);       adds: dx += ...
 *     }
 *
 *     struct tensor *op_double(struct tape *tape, struct tensor *x)      consumes x
 *     {
 *         struct tensor *y = tape_consume(tape, x);
 *         kernel_double(y->data, tensor_count(y));
 *         tape_record(tape, (struct node){double_backward, y, {x}});
 *         return y;
 *     }
 *
 * On a recording tape an op leaves the data of its inputs as they are, also where it may consume
 * them in serving. Parameters are inputs like others: `tape_param` (only if the tape records) gives
 * their tensor. Whatever else backward needs goes into `saved`, in the arena.
 */
#ifndef MODEL_TENSOR_TAPE_H
#define MODEL_TENSOR_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/random.h"
#include "model/tensor/gradients.h"
#include "model/kernel/kernel.h"
#include "model/tensor/params.h"
#include "model/kernel/real.h"

enum { NODE_INPUTS_MAX = 8 };

/* A dense, row-major matrix [rows, cols]. */
struct tensor {
    uint32_t rows;
    uint32_t cols;
    real *data;
    real *gradient;      /* of the same shape; NULL until the backward pass first adds to it */
    bool wants_gradient; /* it depends on a parameter, or on a leaf whose gradient is asked for */
};

static inline size_t tensor_count(const struct tensor *x)
{
    return (size_t)x->rows * x->cols;
}

struct tape;
struct node;

/*
 * Adds to the gradients of the inputs what the output's gradient (complete, never NULL) passes back
 * to them. An input whose tape_gradient is NULL wants none.
 */
typedef void node_backward(struct tape *tape, const struct node *node);

struct node {
    node_backward *backward;
    struct tensor *output;
    struct tensor *inputs[NODE_INPUTS_MAX]; /* the rest is NULL */
    const void *saved;                      /* what the op kept of its forward pass */
};

struct recorded;      /* a node on the tape */
struct packed_linear; /* weights that its products multiply with (op.h) */

struct tape {
    struct arena *arena;
    struct prefetch prefetch;            /* what products bring nearer while they compute */
    bool records;                        /* else nothing is kept of how a tensor was made */
    struct recorded *newest;             /* NULL: nothing is recorded yet */
    uint32_t count;                      /* of nodes */
    const struct packed_linear *packed;  /* the newest; NULL: no product is ready yet */
    struct gradients *gradients;         /* of parameters; NULL: they are constants */
    const struct user_profile *profiles; /* of each row that is read; NULL: nothing is known */
    struct random *random;               /* draws the masks of op_dropout */
    float dropout;                       /* share of elements that op_dropout zeroes; 0 = none */
};

/* A tape that records, its nodes taken from the arena. `gradients` may be NULL. */
struct tape tape_recording(struct arena *arena, struct gradients *gradients);

static inline bool tape_records(const struct tape *tape)
{
    return tape->records;
}

/* An uninitialized tensor. The arena was sized for the worst case. */
struct tensor *tape_tensor(struct tape *tape, uint32_t rows, uint32_t cols);

/* Where an op that consumes x may write: x itself if the tape serves, a copy if it records. */
struct tensor *tape_consume(struct tape *tape, struct tensor *x);

/*
 * A parameter as a tensor [product of all dimensions but the last, last], its gradient where the
 * tape's gradients keep it. Not for tables (PARAM_TABLE): their gradients are rows of
 * tape->gradients.
 */
struct tensor *tape_param(struct tape *tape, const struct param *param);

/*
 * Notes how `output` was made. Does nothing on a serving tape, or if no input wants a gradient;
 * else the output wants one. An op that reads tables sets output->wants_gradient beforehand.
 */
void tape_record(struct tape *tape, struct node node);

/* Where the gradient of x is added up, zeros at first; NULL if x wants none. */
real *tape_gradient(struct tape *tape, struct tensor *x);

/*
 * The same for who writes all of it at once and need not add: *keep says if there is something to
 * add to; else the reals are not zeros but anything.
 */
real *tape_gradient_over(struct tape *tape, struct tensor *x, bool *keep);

/*
 * Runs the nodes from the last to the first. The caller has filled the gradients of the results; a
 * node whose output has none is left out. Once per forward pass: the nodes are forgotten.
 */
void tape_backward(struct tape *tape);

/*
 * What was taken since the mark is no longer needed for the forward pass. A recording tape keeps it
 * for the backward pass.
 */
static inline size_t tape_mark(const struct tape *tape)
{
    return arena_mark(tape->arena);
}

static inline void tape_release(struct tape *tape, size_t mark)
{
    if (!tape_records(tape)) arena_release(tape->arena, mark);
}

#endif
