/* kernel_blas.c - the only includer of cblas.h. */
#include "model/kernel/kernel_blas.h"

#include <cblas.h>

#ifdef REAL_IS_DOUBLE
#define GEMM cblas_dgemm
#define GEMV cblas_dgemv
#else
#define GEMM cblas_sgemm
#define GEMV cblas_sgemv
#endif

void kernel_blas_single_thread(void)
{
    openblas_set_num_threads(1);
}

void kernel_blas_product(real *c, uint32_t stride, struct blas_factor a, struct blas_factor b,
                         uint32_t m, uint32_t n, uint32_t k, real keep)
{
    GEMM(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
         b.transposed ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, a.at, (int)a.stride,
         b.at, (int)b.stride, keep, c, (int)stride);
}

void kernel_blas_matmul(real *y, const real *x, const real *weight, uint32_t rows, uint32_t out,
                        uint32_t in)
{
    if (rows == 1) {
        GEMV(CblasRowMajor, CblasNoTrans, (int)out, (int)in, 1, weight, (int)in, x, 1, 0, y, 1);
    } else {
        kernel_blas_product(y, out, blas_plain(x, in), blas_transposed(weight, in), rows, out, in,
                            0);
    }
}
