/*
 * kernel_blas.h - products by BLAS, for work whose bits may differ by machine and by batch.
 *
 * Serving never comes here: OpenBLAS chooses its code by processor, and a row's bits change with
 * the number of rows. Its one thread is the caller's.
 */
#ifndef MODEL_KERNEL_KERNEL_BLAS_H
#define MODEL_KERNEL_KERNEL_BLAS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/kernel/real.h"

/* Keeps OpenBLAS to the calling thread, whatever its environment says. Before any other call. */
void kernel_blas_single_thread(void);

/*
 * A factor of a product: reals from one row to the next in memory; whether it is meant transposed.
 */
struct blas_factor {
    const real *at;
    uint32_t stride;
    bool transposed;
};

static inline struct blas_factor blas_plain(const real *at, uint32_t stride)
{
    return (struct blas_factor){at, stride, false};
}

static inline struct blas_factor blas_transposed(const real *at, uint32_t stride)
{
    return (struct blas_factor){at, stride, true};
}

/* c [m, n] = a [m, k] b [k, n] + keep * c; c has rows of `stride` reals. `keep` is 0 or 1. */
void kernel_blas_product(real *c, uint32_t stride, struct blas_factor a, struct blas_factor b,
                         uint32_t m, uint32_t n, uint32_t k, real keep);

/* y [rows, out] = x [rows, in] W^T, W [out, in]; one row as a matrix-vector product. */
void kernel_blas_matmul(real *y, const real *x, const real *weight, uint32_t rows, uint32_t out,
                        uint32_t in);

#endif
