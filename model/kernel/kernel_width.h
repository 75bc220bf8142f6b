/*
 * kernel_width.h - which of two copies of the kernels is called: 256 or 512 bits wide.
 *
 * Every kernel is compiled twice from one source, for AVX2 and for AVX-512, and both give the same
 * bytes. When a program starts it has the widest that the processor can run.
 */
#ifndef MODEL_KERNEL_KERNEL_WIDTH_H
#define MODEL_KERNEL_KERNEL_WIDTH_H

#include <stdint.h>

#include "base/status.h"

/* Bits of the vectors in use: 256 or 512. */
uint32_t kernel_width(void);

/*
 * Changes to `bits`; 0 is the widest that the processor can run. STATUS_INVALID: it cannot run
 * that. Before any other thread calls a kernel.
 */
MUST_CHECK enum status kernel_width_choose(uint32_t bits, struct error *error);

#endif
