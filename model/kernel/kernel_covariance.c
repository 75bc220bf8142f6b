/* kernel_covariance.c - covariances of a few rows, pair by pair. */
#include "model/kernel/kernel_covariance.h"

#include <stddef.h>

#include "model/kernel/vector.h"

real kernel_offdiag(real *restrict centered, const real *x, uint32_t rows, uint32_t n)
{
    real sum = 0;
    for (uint32_t i = 0; i < rows; i++) {
        const real *row = x + (size_t)i * n;
        real *own = centered + (size_t)i * n, mean = 0;
        for (uint32_t at = 0; at < n; at++) {
            mean += row[at];
        }
        mean /= (real)n;
        for (uint32_t at = 0; at < n; at++) {
            own[at] = row[at] - mean;
        }
        for (uint32_t j = 0; j < i; j++) {
            const real covariance = vec_dot(own, centered + (size_t)j * n, n) / (real)n;
            sum += covariance * covariance;
        }
    }
    return sum;
}

void kernel_offdiag_backward(real *restrict dx, real dy, const real *centered, uint32_t rows,
                             uint32_t n)
{
    for (uint32_t i = 0; i < rows; i++) {
        const real *own = centered + (size_t)i * n;
        for (uint32_t j = 0; j < i; j++) {
            const real *other = centered + (size_t)j * n;
            const real slope = 2 * dy * vec_dot(own, other, n) / ((real)n * (real)n);
            for (uint32_t at = 0; at < n; at++) {
                dx[(size_t)i * n + at] += slope * other[at];
                dx[(size_t)j * n + at] += slope * own[at];
            }
        }
    }
}
