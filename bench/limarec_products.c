/* limarec_products.c - each thread multiplies blocks of rows with weights of the model's shapes. */
#include "bench/limarec_products.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "bench/blas.h"

enum { ROWS = 512, WIDTH = 192 };

/* Of one behavior: [in] -> [out], `count` of them. */
static const struct {
    uint32_t out, in, count;
} products[] = {
    {192, 64, 2}, /* query, key and value */
    {64, 64, 2},  /* output */
    {128, 64, 2}, /* up */
    {64, 128, 2}, /* down */
    {128, 64, 1}, /* the extractor's key and value */
};

struct multiplier {
    float *x, *y, *weight;
    uint64_t behaviors;
    pthread_t thread;
};

static float *take_floats(size_t count)
{
    float *at = aligned_alloc(64, count * sizeof *at);
    REQUIRE(at != NULL);
    return memset(at, 0, count * sizeof *at);
}

static void *multiply(void *context)
{
    struct multiplier *multiplier = context;
    for (uint64_t row = 0; row < multiplier->behaviors; row += ROWS) {
        for (size_t p = 0; p < sizeof products / sizeof *products; p++) {
            for (uint32_t i = 0; i < products[p].count; i++) {
                blas_matmul(multiplier->y, multiplier->x, multiplier->weight, ROWS, products[p].out,
                            products[p].in);
            }
        }
    }
    return NULL;
}

double limarec_products_seconds(uint64_t behaviors, uint32_t threads)
{
    struct multiplier multipliers[PRODUCTS_THREADS_MAX];
    REQUIRE(threads > 0 && threads <= PRODUCTS_THREADS_MAX);
    for (uint32_t t = 0; t < threads; t++) {
        multipliers[t] = (struct multiplier){
            .x = take_floats(ROWS * WIDTH),
            .y = take_floats(ROWS * WIDTH),
            .weight = take_floats(WIDTH * WIDTH),
            .behaviors = behaviors / threads,
        };
    }
    const int64_t begin_ns = clock_monotonic_ns();
    for (uint32_t t = 0; t < threads; t++) {
        struct multiplier *multiplier = &multipliers[t];
        REQUIRE(pthread_create(&multiplier->thread, NULL, multiply, multiplier) == 0);
    }
    for (uint32_t t = 0; t < threads; t++) {
        pthread_join(multipliers[t].thread, NULL);
    }
    const double seconds = (double)(clock_monotonic_ns() - begin_ns) / 1e9;
    for (uint32_t t = 0; t < threads; t++) {
        free(multipliers[t].x);
        free(multipliers[t].y);
        free(multipliers[t].weight);
    }
    return seconds;
}
