/*
 * op_check.h - one op against finite differences, in double.
 *
 * A case names an op, the tensors and parameters that it takes, and how it is called. The check
 * draws all of them, weights the result with random numbers, and compares the derivative of that
 * sum by every element of every input and parameter, 1e-6 relative, three times: as called; called
 * twice with the same inputs, the results having weights of their own, so that backward must add
 * and not overwrite; and with each input in turn wanting no gradient, which must change no other's.
 */
#ifndef TESTS_GRADIENT_OP_CHECK_H
#define TESTS_GRADIENT_OP_CHECK_H

#include "model/tensor/params.h"
#include "model/tensor/tape.h"

enum { CASE_TENSORS_MAX = 4, CASE_PARAMS_MAX = 6 };

struct op_case {
    const char *name; /* of the op; with what is special about the case */
    struct {
        uint32_t rows, cols;
    } tensors[CASE_TENSORS_MAX];               /* the rest is 0 */
    struct param_spec params[CASE_PARAMS_MAX]; /* tables first; the rest has rank 0 */
    /*
     * Calls the op. What the op keeps a pointer to (tables, a batch, a linear layer) must outlive
     * the call. `x` and `p` are the tensors and parameters in the order above.
     */
    struct tensor *(*run)(struct tape *tape, struct tensor *const *x, const struct param *const *p);
};

/* Fails the test with the name of the case, the input and the element. */
void check_op(const struct op_case *op_case);

#endif
