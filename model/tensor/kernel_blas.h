/*
 * kernel_blas.h - products by BLAS, for work whose bits may differ by machine and by batch.
 *
 * Serving never comes here: OpenBLAS chooses its code by processor, and a row's bits change with the
 * number of rows. Its one thread is the caller's.
 */
#ifndef MODEL_TENSOR_KERNEL_BLAS_H
#define MODEL_TENSOR_KERNEL_BLAS_H

#include <stdint.h>

/* Keeps OpenBLAS to the calling thread, whatever its environment says. Before any other call. */
void kernel_blas_single_thread(void);

/* y [rows, out] = x [rows, in] W^T, W [out, in]; one row as a matrix-vector product. */
void kernel_blas_matmul(float *y, const float *x, const float *weight, uint32_t rows, uint32_t out,
                        uint32_t in);

#endif
