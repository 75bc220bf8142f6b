/*
 * limarec_products.h - the time of LimaRec's matrix products by sgemm: the ceiling of folding.
 *
 * d = 64 and two blocks, its defaults. Call blas_open first of all.
 */
#ifndef BENCH_LIMAREC_PRODUCTS_H
#define BENCH_LIMAREC_PRODUCTS_H

#include <stdint.h>

enum { PRODUCTS_THREADS_MAX = 16 };

/* Seconds of the products of `behaviors` behaviors, shared out among `threads` threads. */
double limarec_products_seconds(uint64_t behaviors, uint32_t threads);

#endif
