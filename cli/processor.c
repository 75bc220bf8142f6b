/*
 * processor.c - refuses a processor that the rest of the program cannot run on.
 *
 * Everything else is compiled for x86-64-v3 (AVX2, FMA, BMI); an older processor would end it with
 * an illegal instruction. This file alone is compiled for any x86-64, and runs before all else.
 */
#include <unistd.h>

static __attribute__((constructor(101))) void refuse_older_processors(void)
{
    static const char text[] = "braid: this processor is too old: AVX2, FMA and BMI2 are needed "
                               "(x86-64-v3, Intel since Haswell, AMD since Excavator)\n";
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v3")) return;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(1);
}
