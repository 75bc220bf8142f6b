/*
 * float_mode.h - the processor's rounding mode, fixed for the duration of a call.
 *
 * What a thread did before must not reach the bytes of a state: serving runs with rounding to
 * nearest, and with subnormal numbers read and written as zero, which also keeps them from costing
 * a hundred cycles each.
 */
#ifndef MODEL_TENSOR_FLOAT_MODE_H
#define MODEL_TENSOR_FLOAT_MODE_H

#include <xmmintrin.h>

/* All exceptions masked (0x1F80), flush to zero (0x8000), denormals are zero (0x0040). */
enum { FLOAT_MODE_SERVING = 0x9FC0 };

/* Returns the mode to leave with. */
static inline unsigned float_mode_enter(void)
{
    unsigned before = _mm_getcsr();
    _mm_setcsr(FLOAT_MODE_SERVING);
    return before;
}

static inline void float_mode_leave(unsigned before)
{
    _mm_setcsr(before);
}

#endif
