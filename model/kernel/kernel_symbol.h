/*
 * kernel_symbol.h - gives the kernels of a translation unit the symbols of its width.
 *
 * The build includes this before each kernel source, which it compiles once for each width: what is
 * written kernel_exp is the symbol kernel_exp_256 in one object and kernel_exp_512 in the other.
 */
#ifndef MODEL_KERNEL_KERNEL_SYMBOL_H
#define MODEL_KERNEL_KERNEL_SYMBOL_H

#include "model/kernel/kernel_list.h"

#ifdef __AVX512F__
#define KERNEL_SYMBOL(name) extern __typeof__(name) name __asm__(#name "_512");
#else
#define KERNEL_SYMBOL(name) extern __typeof__(name) name __asm__(#name "_256");
#endif
KERNELS(KERNEL_SYMBOL)

#endif
