/*
 * kernel_width.c - the entry of each kernel: a jump to the copy that was chosen.
 *
 * An entry passes on whatever arguments there are, so it is written in assembly, once for all. It
 * costs what a call through a pointer costs.
 */
#include "model/kernel/kernel_width.h"

#include <stdbool.h>

#include "model/kernel/kernel_list.h"

#define ENTRY(name)                                                                                \
    extern __typeof__(name) name##_256, name##_512;                                                \
    extern __typeof__(name) *name##_chosen;                                                        \
    __typeof__(name) *name##_chosen = name##_256;                                                  \
    __asm__(".pushsection .text\n"                                                                 \
            ".globl " #name "\n"                                                                   \
            ".type " #name ", @function\n" #name ": jmp *" #name "_chosen(%rip)\n"                 \
            ".size " #name ", . - " #name "\n"                                                     \
            ".popsection\n");
KERNELS(ENTRY)

static uint32_t width = 256;

#define CHOOSE(name) name##_chosen = bits == 512 ? name##_512 : name##_256;

static void use(uint32_t bits)
{
    KERNELS(CHOOSE)
    width = bits;
}

/* The 512 bits wide kernels are compiled for the instructions that x86-64-v4 names. */
static bool runs_512(void)
{
    return __builtin_cpu_supports("x86-64-v4");
}

static __attribute__((constructor)) void use_widest(void)
{
    use(runs_512() ? 512 : 256);
}

uint32_t kernel_width(void)
{
    return width;
}

enum status kernel_width_choose(uint32_t bits, struct error *error)
{
    if (bits == 0) bits = runs_512() ? 512 : 256;
    if (bits != 256 && (bits != 512 || !runs_512())) {
        return error_set(error, STATUS_INVALID,
                         "vectors of %u bits: this processor runs kernels of %s", bits,
                         runs_512() ? "256 and 512" : "256");
    }
    use(bits);
    return STATUS_OK;
}
