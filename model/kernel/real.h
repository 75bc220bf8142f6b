/*
 * real.h - the one number type of the numerical library.
 *
 * `real` is float. The library is built a second time from the same sources with REAL_IS_DOUBLE, as
 * model_double: that build is slow and exact, and is what parity and gradient tests compare with.
 */
#ifndef MODEL_KERNEL_REAL_H
#define MODEL_KERNEL_REAL_H

#ifdef REAL_IS_DOUBLE
typedef double real;
#else
typedef float real;
#endif

#endif
