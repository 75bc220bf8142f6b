/*
 * kernel_matmul.c - matrix products whose rows do not depend on how many there are.
 *
 * A tile of some rows and some panels of columns lives in registers while the inputs run past: per
 * input, a load of weights for each panel and a broadcast for each row feed a multiply-add for each
 * of their pairs. With 32 registers of AVX-512 that is 12 rows and 2 panels, with 16 of AVX2 it is
 * 6 rows and 1 panel; fewer rows take more panels, or the multiply-adds would wait for each other.
 * None of this changes what happens to one element.
 */
#include "model/kernel/kernel.h"

#include "model/kernel/vector.h"

/* Rows and panels of the tiles whose sums, with their factors, stay in registers. */
/* clang-format off */
#ifdef __AVX512F__
#define TILES(X)                                                                                   \
    X(1, 8) X(1, 4) X(1, 2) X(1, 1)                                                                \
    X(2, 8) X(2, 4) X(2, 2) X(2, 1)                                                                \
    X(3, 8) X(3, 4) X(3, 2) X(3, 1)                                                                \
    X(4, 4) X(4, 2) X(4, 1)                                                                        \
    X(5, 4) X(5, 2) X(5, 1)                                                                        \
    X(6, 4) X(6, 2) X(6, 1)                                                                        \
    X(7, 2) X(7, 1)                                                                                \
    X(8, 2) X(8, 1)                                                                                \
    X(9, 2) X(9, 1)                                                                                \
    X(10, 2) X(10, 1)                                                                              \
    X(11, 2) X(11, 1)                                                                              \
    X(12, 2) X(12, 1)
enum { TILE_ROWS = 12, TILE_PANELS = 8 };
#else
#define TILES(X)                                                                                   \
    X(1, 4) X(1, 1)                                                                                \
    X(2, 3) X(2, 1)                                                                                \
    X(3, 2) X(3, 1)                                                                                \
    X(4, 1)                                                                                        \
    X(5, 1)                                                                                        \
    X(6, 1)
enum { TILE_ROWS = 6, TILE_PANELS = 4 };
#endif
/* clang-format on */

/* Everything a tile needs: its corner is y and x, `panels` and `bias` are of its first panel. */
struct tile {
    real *y;
    const real *x;
    const real *panels;
    const real *bias;
    uint32_t out; /* row stride of y */
    uint32_t in;
    uint32_t cols; /* from its first column to the last of y: the last panel may be partial */
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

/* `rows` and `panels` are constants where this is called, so the sums stay in registers. */
static inline __attribute__((always_inline)) void multiply_tile(const struct tile *tile,
                                                                const int rows, const int panels)
{
    const size_t panel_size = (size_t)tile->in * KERNEL_PANEL;
    vec sums[TILE_ROWS][TILE_PANELS];
#pragma GCC unroll 8
    for (int p = 0; p < panels; p++) {
        vec start = tile->bias ? vec_load(tile->bias + p * LANES) : vec_all(0);
#pragma GCC unroll 12
        for (int row = 0; row < rows; row++) {
            sums[row][p] = start;
        }
    }
    for (uint32_t i = 0; i < tile->in; i++) {
        vec weights[TILE_PANELS];
#pragma GCC unroll 8
        for (int p = 0; p < panels; p++) {
            weights[p] = vec_load(tile->panels + (size_t)p * panel_size + (size_t)i * KERNEL_PANEL);
        }
#pragma GCC unroll 12
        for (int row = 0; row < rows; row++) {
            vec x = vec_all(tile->x[(size_t)row * tile->in + i]);
#pragma GCC unroll 8
            for (int p = 0; p < panels; p++) {
                sums[row][p] = vec_fma(x, weights[p], sums[row][p]);
            }
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < panels; p++) {
        const uint32_t cols = tile->cols - (uint32_t)p * KERNEL_PANEL;
#pragma GCC unroll 12
        for (int row = 0; row < rows; row++) {
            real *y = tile->y + (size_t)row * tile->out + p * KERNEL_PANEL;
            if (cols >= KERNEL_PANEL) {
                vec_store(y, sums[row][p]);
            } else {
                vec_store_some(y, sums[row][p], cols);
            }
        }
    }
}

#define DEFINE(rows, panels)                                                                       \
    static void tile_##rows##x##panels(const struct tile *tile)                                    \
    {                                                                                              \
        multiply_tile(tile, rows, panels);                                                         \
    }
TILES(DEFINE)

typedef void tile_multiply(const struct tile *tile);

#define ENTRY(rows, panels) [rows][panels] = tile_##rows##x##panels,
static tile_multiply *const tiles[TILE_ROWS + 1][TILE_PANELS + 1] = {TILES(ENTRY)};

/* All columns of `tiles_down` tiles of `rows` rows, one below the other; `corner` is the first. */
static void multiply_rows(struct tile corner, uint32_t tiles_down, uint32_t rows,
                          struct prefetch *prefetch)
{
    while (corner.cols > 0) {
        const uint32_t left = (corner.cols + KERNEL_PANEL - 1) / KERNEL_PANEL;
        uint32_t panels = left < TILE_PANELS ? left : TILE_PANELS;
        while (!tiles[rows][panels]) {
            panels--;
        }
        struct tile tile = corner;
        for (uint32_t i = 0; i < tiles_down; i++) {
            tiles[rows][panels](&tile);
            tile.y += (size_t)rows * tile.out;
            tile.x += (size_t)rows * tile.in;
            prefetch_some(prefetch, PREFETCH_LINES * rows * panels);
        }
        const uint32_t done = panels * KERNEL_PANEL;
        corner.y += done;
        corner.panels += (size_t)done * corner.in;
        if (corner.bias) corner.bias += done;
        corner.cols -= done < corner.cols ? done : corner.cols;
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
    const uint32_t full = rows / TILE_ROWS, rest = rows % TILE_ROWS;
    struct tile corner = {y, x, panels, bias, .out = out, .in = in, .cols = out};
    if (full > 0) multiply_rows(corner, full, TILE_ROWS, prefetch);
    corner.y += (size_t)full * TILE_ROWS * out;
    corner.x += (size_t)full * TILE_ROWS * in;
    if (rest > 0) multiply_rows(corner, 1, rest, prefetch);
}
