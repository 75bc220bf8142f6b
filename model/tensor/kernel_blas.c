/* kernel_blas.c - the only includer of cblas.h. */
#include "model/tensor/kernel_blas.h"

#include <cblas.h>

void kernel_blas_single_thread(void)
{
    openblas_set_num_threads(1);
}

void kernel_blas_matmul(float *y, const float *x, const float *weight, uint32_t rows, uint32_t out,
                        uint32_t in)
{
    if (rows == 1) {
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)out, (int)in, 1, weight, (int)in, x, 1, 0, y,
                    1);
    } else {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)out, (int)in, 1, x,
                    (int)in, weight, (int)in, 0, y, (int)out);
    }
}
