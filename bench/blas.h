/*
 * blas.h - products by OpenBLAS at its best: the ceiling that benches hold the own ones against.
 *
 * OpenBLAS has code for each kind of processor and guesses which one it runs on; 0.3.21 takes some
 * new ones for a Prescott, a sixth as fast. So each code that this processor can run is tried, and
 * the bench is started again with the fastest.
 */
#ifndef BENCH_BLAS_H
#define BENCH_BLAS_H

#include <stdint.h>

/*
 * First of all in main, with its arguments: comes back in a process that OpenBLAS is fastest in, one
 * thread a call. An OPENBLAS_CORETYPE that is set is kept. Says on standard output which code it is.
 */
void blas_open(char **arguments);

/* y [rows, out] = x [rows, in] W^T, W [out, in]; one row as a matrix-vector product. */
void blas_matmul(float *y, const float *x, const float *weight, uint32_t rows, uint32_t out,
                 uint32_t in);

#endif
