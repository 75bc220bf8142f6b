/*
 * kernel_matmul.c - matrix products whose rows do not depend on how many there are.
 *
 * A tile of some rows and some panels of columns lives in registers while the inputs run past: per
 * input, a load of weights for each panel and a broadcast for each row feed a multiply-add for each
 * of their pairs. With 32 registers of AVX-512 that is 12 rows and 2 panels, with 16 of AVX2 it is
 * 6 rows and 1 panel; fewer rows take more panels, or the multiply-adds would wait for each other.
 * None of this changes what happens to one element.
 *
 * Weights lie packed, or as the rows of a plain matrix; factors lie row by row or turned. So one
 * tile serves, and makes the three products of training.
 */
#include "model/kernel/kernel.h"

#include "base/status.h"
#include "model/kernel/vector.h"

/* Rows and panels of the tiles whose sums, with their factors, stay in registers; rows of one panel. */
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
#define RESTS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
enum { TILE_ROWS = 12, TILE_PANELS = 8 };
#else
#define TILES(X)                                                                                   \
    X(1, 4) X(1, 1)                                                                                \
    X(2, 3) X(2, 1)                                                                                \
    X(3, 2) X(3, 1)                                                                                \
    X(4, 1)                                                                                        \
    X(5, 1)                                                                                        \
    X(6, 1)
#define RESTS(X) X(1) X(2) X(3) X(4) X(5) X(6)
enum { TILE_ROWS = 6, TILE_PANELS = 4 };
#endif
/* clang-format on */

/* How many cache lines are asked for while a tile multiplies: what states need is spread evenly. */
enum {
    PREFETCH_INPUTS = 8, /* every so many inputs ... */
    PREFETCH_SUMS = 4,   /* ... one for so many rows of a panel */
};

/* Everything a tile needs; y, x, w and bias are at its corner. */
struct tile {
    real *y;
    const real *x;
    const real *w;
    const real *bias;
    size_t y_stride;          /* reals from one row to the next */
    size_t x_stride;          /* from one row to the next or, if x is turned, one input */
    size_t w_panel, w_stride; /* from one panel to the next; from one input */
    uint32_t in;
    uint32_t cols; /* from its first column to the last of y */
    bool keep;     /* sums begin with what y holds, else with the bias, or zero if that is NULL */
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

#define TILE_INLINE static inline __attribute__((always_inline))

/* One panel's columns: all of them or, if it is not 0, `some`. */
TILE_INLINE vec load_panel(const real *at, uint32_t some)
{
    return some ? vec_load_some(at, some) : vec_load(at);
}

/*
 * `rows`, `panels` and `turned` are constants where this is called, so the sums stay in registers.
 * `some` is 0, or the columns of a single panel that is not full.
 */
TILE_INLINE void multiply_tile(const struct tile *tile, struct prefetch *prefetch, const int rows,
                               const int panels, const bool turned, const uint32_t some)
{
    const size_t x_row = turned ? 1 : tile->x_stride, x_input = turned ? tile->x_stride : 1;
    vec sums[TILE_ROWS][TILE_PANELS];
#pragma GCC unroll 8
    for (int p = 0; p < panels; p++) {
        vec start = tile->bias ? load_panel(tile->bias + p * LANES, some) : vec_all(0);
#pragma GCC unroll 12
        for (int row = 0; row < rows; row++) {
            const real *y = tile->y + (size_t)row * tile->y_stride + p * LANES;
            sums[row][p] = tile->keep ? load_panel(y, some) : start;
        }
    }
    for (uint32_t i = 0; i < tile->in; i++) {
        vec w[TILE_PANELS];
        if (i % PREFETCH_INPUTS == 0) {
            prefetch_some(prefetch, (uint32_t)(rows * panels + PREFETCH_SUMS - 1) / PREFETCH_SUMS);
        }
#pragma GCC unroll 8
        for (int p = 0; p < panels; p++) {
            w[p] = load_panel(tile->w + (size_t)p * tile->w_panel + i * tile->w_stride, some);
        }
#pragma GCC unroll 12
        for (int row = 0; row < rows; row++) {
            vec x = vec_all(tile->x[(size_t)row * x_row + i * x_input]);
#pragma GCC unroll 8
            for (int p = 0; p < panels; p++) {
                sums[row][p] = vec_fma(x, w[p], sums[row][p]);
            }
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < panels; p++) {
#pragma GCC unroll 12
        for (int row = 0; row < rows; row++) {
            real *y = tile->y + (size_t)row * tile->y_stride + p * LANES;
            if (some) {
                vec_store_some(y, sums[row][p], some);
            } else {
                vec_store(y, sums[row][p]);
            }
        }
    }
}

typedef void tile_multiply(const struct tile *tile, struct prefetch *prefetch);

#define DEFINE_AS(name, turned, rows, panels, some)                                                \
    static void name(const struct tile *tile, struct prefetch *prefetch)                           \
    {                                                                                              \
        multiply_tile(tile, prefetch, rows, panels, turned, some);                                 \
    }
#define DEFINE(rows, panels)                                                                       \
    DEFINE_AS(plain_##rows##x##panels, false, rows, panels, 0)                                     \
    DEFINE_AS(turned_##rows##x##panels, true, rows, panels, 0)
TILES(DEFINE)

/* Of a single panel that is not full. */
#define DEFINE_REST(rows)                                                                          \
    DEFINE_AS(plain_rest_##rows, false, rows, 1, tile->cols)                                       \
    DEFINE_AS(turned_rest_##rows, true, rows, 1, tile->cols)
RESTS(DEFINE_REST)

/* Indexed by whether x is turned, rows, panels; NULL: too many to stay in registers. */
#define PLAIN(rows, panels)  [0][rows][panels] = plain_##rows##x##panels,
#define TURNED(rows, panels) [1][rows][panels] = turned_##rows##x##panels,
static tile_multiply *const tiles[2][TILE_ROWS + 1][TILE_PANELS + 1] = {TILES(PLAIN) TILES(TURNED)};

#define PLAIN_REST(rows)  [0][rows] = plain_rest_##rows,
#define TURNED_REST(rows) [1][rows] = turned_rest_##rows,
static tile_multiply *const rests[2][TILE_ROWS + 1] = {RESTS(PLAIN_REST) RESTS(TURNED_REST)};

/* Some columns of `tiles_down` tiles of `rows` rows, one below the other. */
static void multiply_down(struct tile tile, tile_multiply *multiply, bool turned,
                          uint32_t tiles_down, uint32_t rows, struct prefetch *prefetch)
{
    for (uint32_t i = 0; i < tiles_down; i++) {
        multiply(&tile, prefetch);
        tile.y += rows * tile.y_stride;
        tile.x += rows * (turned ? 1 : tile.x_stride);
    }
}

/* All columns of such tiles; `corner` is the first. */
static void multiply_rows(struct tile corner, bool turned, uint32_t tiles_down, uint32_t rows,
                          struct prefetch *prefetch)
{
    while (corner.cols >= LANES) {
        const uint32_t full = corner.cols / LANES;
        uint32_t panels = full < TILE_PANELS ? full : TILE_PANELS;
        while (!tiles[turned][rows][panels]) {
            panels--;
        }
        multiply_down(corner, tiles[turned][rows][panels], turned, tiles_down, rows, prefetch);
        corner.y += panels * LANES;
        corner.w += panels * corner.w_panel;
        if (corner.bias) corner.bias += panels * LANES;
        corner.cols -= panels * LANES;
    }
    if (corner.cols > 0) {
        multiply_down(corner, rests[turned][rows], turned, tiles_down, rows, prefetch);
    }
}

static void multiply(struct tile corner, bool turned, uint32_t rows, struct prefetch *prefetch)
{
    const uint32_t full = rows / TILE_ROWS, rest = rows % TILE_ROWS;
    if (full > 0) multiply_rows(corner, turned, full, TILE_ROWS, prefetch);
    corner.y += (size_t)full * TILE_ROWS * corner.y_stride;
    corner.x += (size_t)full * TILE_ROWS * (turned ? 1 : corner.x_stride);
    if (rest > 0) multiply_rows(corner, turned, 1, rest, prefetch);
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
    const struct tile corner = {
        .y = y,
        .x = x,
        .w = panels,
        .bias = bias,
        .y_stride = out,
        .x_stride = in,
        .w_panel = (size_t)in * KERNEL_PANEL,
        .w_stride = KERNEL_PANEL,
        .in = in,
        .cols = out,
    };
    multiply(corner, false, rows, prefetch);
}

void kernel_product(real *restrict c, uint32_t stride, struct factor a, struct factor b, uint32_t m,
                    uint32_t n, uint32_t k, bool keep)
{
    struct prefetch nothing = {0};
    const struct tile corner = {
        .y = c,
        .x = a.at,
        .w = b.at,
        .y_stride = stride,
        .x_stride = a.stride,
        .w_panel = LANES,
        .w_stride = b.stride,
        .in = k,
        .cols = n,
        .keep = keep,
    };
    REQUIRE(!b.turned);
    multiply(corner, a.turned, m, &nothing);
}
