/*
 * kernel_matmul.c - matrix products whose rows do not depend on how many there are.
 *
 * A tile of up to 6 rows and one panel of 16 columns lives in 12 vector registers while the inputs
 * run past: per input, two loads of weights and one broadcast per row feed 12 fused multiply-adds.
 * With few rows that leaves registers idle and the multiply-adds waiting for each other, so fewer
 * rows take several panels at once. Neither changes what happens to one element.
 */
#include "model/kernel/kernel.h"

#include <string.h>

#include "model/kernel/vector.h"

enum { TILE_ROWS = 6, PANEL_VECS = KERNEL_PANEL / LANES };

/* Everything a tile needs: its corner is y and x, `panels` and `bias` are of its first panel. */
struct tile {
    real *y;
    const real *x;
    const real *panels;
    const real *bias;
    uint32_t out; /* row stride of y */
    uint32_t in;
    uint32_t cols; /* wanted of the tile: the last panel may be partial */
};

size_t kernel_packed_size(uint32_t out, uint32_t in)
{
    return (size_t)(out + KERNEL_PANEL - 1) / KERNEL_PANEL * KERNEL_PANEL * in;
}

void kernel_pack(real *panels, const real *weight, uint32_t from, uint32_t rows, uint32_t in)
{
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t column = from + row;
        real *panel = panels + (size_t)(column / KERNEL_PANEL) * KERNEL_PANEL * in;
        for (uint32_t i = 0; i < in; i++) {
            panel[(size_t)i * KERNEL_PANEL + column % KERNEL_PANEL] = weight[(size_t)row * in + i];
        }
    }
}

static inline void store_panel(real *y, const vec *sums, uint32_t cols)
{
    if (cols >= KERNEL_PANEL) {
        for (int v = 0; v < PANEL_VECS; v++) {
            vec_store(y + v * LANES, sums[v]);
        }
    } else {
        memcpy(y, sums, cols * sizeof(real));
    }
}

/* `rows` and `panels` are constants where this is called, so the sums stay in registers. */
static inline __attribute__((always_inline)) void multiply_tile(const struct tile *tile,
                                                                const int rows, const int panels)
{
    const size_t panel_size = (size_t)tile->in * KERNEL_PANEL;
    const int vecs = panels * PANEL_VECS;
    vec sums[TILE_ROWS][4 * PANEL_VECS];
#pragma GCC unroll 16
    for (int v = 0; v < vecs; v++) {
        vec start = tile->bias ? vec_load(tile->bias + v * LANES) : vec_all(0);
#pragma GCC unroll 6
        for (int row = 0; row < rows; row++) {
            sums[row][v] = start;
        }
    }
    for (uint32_t i = 0; i < tile->in; i++) {
        const real *weights = tile->panels + (size_t)i * KERNEL_PANEL;
#pragma GCC unroll 6
        for (int row = 0; row < rows; row++) {
            vec x = vec_all(tile->x[(size_t)row * tile->in + i]);
#pragma GCC unroll 16
            for (int v = 0; v < vecs; v++) {
                const real *w = weights + (size_t)(v / PANEL_VECS) * panel_size;
                sums[row][v] = vec_fma(x, vec_load(w + v % PANEL_VECS * LANES), sums[row][v]);
            }
        }
    }
#pragma GCC unroll 6
    for (int row = 0; row < rows; row++) {
#pragma GCC unroll 4
        for (int p = 0; p < panels; p++) {
            store_panel(tile->y + (size_t)row * tile->out + p * KERNEL_PANEL,
                        sums[row] + p * PANEL_VECS, tile->cols - (uint32_t)p * KERNEL_PANEL);
        }
    }
}

#define TILE(rows, panels)                                                                         \
    static void tile_##rows##x##panels(const struct tile *tile)                                    \
    {                                                                                              \
        multiply_tile(tile, rows, panels);                                                         \
    }

TILE(1, 1)
TILE(2, 1)
TILE(3, 1)
TILE(4, 1)
TILE(5, 1)
TILE(6, 1)
TILE(1, 4)
TILE(2, 3)
TILE(3, 2)

typedef void tile_multiply(const struct tile *tile);

/* Indexed by rows: for one panel, and for `panels` of them at once. */
static tile_multiply *const narrow[TILE_ROWS + 1] = {NULL,     tile_1x1, tile_2x1, tile_3x1,
                                                     tile_4x1, tile_5x1, tile_6x1};
static const struct {
    tile_multiply *multiply;
    uint32_t panels;
} wide[TILE_ROWS + 1] = {
    {NULL, 0},     {tile_1x4, 4}, {tile_2x3, 3}, {tile_3x2, 2},
    {tile_4x1, 1}, {tile_5x1, 1}, {tile_6x1, 1},
};

/* The rows left over after the last full tile, all panels. */
static void multiply_remainder(struct tile tile, const real *bias, uint32_t rows)
{
    const size_t panel_size = (size_t)tile.in * KERNEL_PANEL;
    while (tile.cols > 0) {
        uint32_t panels = wide[rows].panels;
        tile_multiply *multiply = wide[rows].multiply;
        if (tile.cols < panels * KERNEL_PANEL) {
            panels = 1;
            multiply = narrow[rows];
        }
        tile.bias = bias;
        multiply(&tile);
        uint32_t done = panels * KERNEL_PANEL;
        tile.cols -= done < tile.cols ? done : tile.cols;
        tile.y += done;
        tile.panels += panels * panel_size;
        if (bias) bias += done;
    }
}

void kernel_matmul_packed(real *restrict y, const real *restrict x, const real *restrict panels,
                          const real *restrict bias, uint32_t rows, uint32_t out, uint32_t in)
{
    struct prefetch nothing = {0};
    kernel_matmul_fetching(y, x, panels, bias, rows, out, in, &nothing);
}

void kernel_matmul_fetching(real *restrict y, const real *restrict x, const real *restrict panels,
                            const real *restrict bias, uint32_t rows, uint32_t out, uint32_t in,
                            struct prefetch *prefetch)
{
    const uint32_t full = rows / TILE_ROWS * TILE_ROWS;
    for (uint32_t column = 0; full > 0 && column < out; column += KERNEL_PANEL) {
        struct tile tile = {
            .panels = panels + (size_t)column * in,
            .bias = bias ? bias + column : NULL,
            .out = out,
            .in = in,
            .cols = out - column,
        };
        for (uint32_t row = 0; row < full; row += TILE_ROWS) {
            tile.y = y + (size_t)row * out + column;
            tile.x = x + (size_t)row * in;
            tile_6x1(&tile);
            prefetch_some(prefetch);
        }
    }
    if (full == rows) return;
    struct tile rest = {
        .y = y + (size_t)full * out,
        .x = x + (size_t)full * in,
        .panels = panels,
        .out = out,
        .in = in,
        .cols = out,
    };
    multiply_remainder(rest, bias, rows - full);
}
