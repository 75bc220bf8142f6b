/*
 * topn.c - scores by blocks of the catalogue, the best kept in one heap per user.
 *
 * The product is the packed kernel of tensor/, which is faster than BLAS at these widths and gives
 * a user the same scores whoever is ranked beside it. A block's scores (64 interests x 1,024
 * items) stay in the second-level cache. Rows come in ascending order, so an item that only equals
 * the worst one kept is never better than it.
 */
#include "model/eval/topn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernel/kernel.h"

enum {
    BLOCK_ITEMS = 1024, /* a multiple of KERNEL_PANEL */
    BLOCK_ROWS = TOPN_INTERESTS_MAX,
};

struct topn_catalogue {
    real *panels; /* packed [items, d] */
    uint32_t first;
    uint32_t items;
    uint32_t d;
};

struct topn_scratch {
    real x[BLOCK_ROWS * BLOCK_ITEMS]; /* scores of one block */
    real best[BLOCK_ITEMS];           /* over the interests of one user */
    uint32_t skipped[BLOCK_ROWS];     /* excluded rows passed so far, of each user */
    real *interests;                  /* [BLOCK_ROWS, d] */
};

enum status topn_catalogue_open(struct topn_catalogue **cataloguep, const real *items,
                                uint32_t rows, uint32_t first, uint32_t d, bool cosine,
                                struct error *error)
{
    *cataloguep = NULL;
    REQUIRE(first <= rows);
    struct topn_catalogue *catalogue = calloc(1, sizeof *catalogue);
    real *row = malloc(d * sizeof *row);
    real *panels = NULL;
    size_t size = kernel_packed_size(rows - first, d) * sizeof *panels;
    if (size == 0) size = 64;
    if (catalogue) panels = aligned_alloc(64, size);
    if (!panels || !row) {
        free(catalogue);
        free(row);
        free(panels);
        return error_set(error, STATUS_IO, "not enough memory for a catalogue of %u items", rows);
    }
    memset(panels, 0, size);
    *catalogue = (struct topn_catalogue){panels, first, rows - first, d};
    for (uint32_t i = 0; i < catalogue->items; i++) {
        memcpy(row, items + (size_t)(first + i) * d, d * sizeof *row);
        if (cosine) kernel_unit(row, 1, d);
        kernel_pack(panels, row, i, 1, d);
    }
    free(row);
    *cataloguep = catalogue;
    return STATUS_OK;
}

void topn_catalogue_close(struct topn_catalogue *catalogue)
{
    if (!catalogue) return;
    free(catalogue->panels);
    free(catalogue);
}

enum status topn_scratch_open(struct topn_scratch **scratchp,
                              const struct topn_catalogue *catalogue, struct error *error)
{
    *scratchp = NULL;
    struct topn_scratch *scratch = malloc(sizeof *scratch);
    real *interests = malloc((size_t)BLOCK_ROWS * catalogue->d * sizeof *interests);
    if (!scratch || !interests) {
        free(scratch);
        free(interests);
        return error_set(error, STATUS_IO, "not enough memory for ranking");
    }
    scratch->interests = interests;
    *scratchp = scratch;
    return STATUS_OK;
}

void topn_scratch_close(struct topn_scratch *scratch)
{
    if (!scratch) return;
    free(scratch->interests);
    free(scratch);
}

static bool worse(const struct topn_item *a, const struct topn_item *b)
{
    return a->score < b->score || (a->score == b->score && a->row > b->row);
}

/* Restores the heap below `i`, its worst item at the root. */
static void sift_down(struct topn_item *at, uint32_t count, uint32_t i)
{
    struct topn_item item = at[i];
    for (uint32_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && worse(&at[child + 1], &at[child])) child++;
        if (!worse(&at[child], &item)) break;
        at[i] = at[child];
    }
    at[i] = item;
}

static void sift_up(struct topn_item *at, uint32_t i)
{
    struct topn_item item = at[i];
    while (i > 0 && worse(&item, &at[(i - 1) / 2])) {
        at[i] = at[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    at[i] = item;
}

/* The score that an item must exceed to enter. */
static real threshold_of(const struct topn_list *list, uint32_t n)
{
    return list->count < n ? -(real)INFINITY : list->at[0].score;
}

static void keep_item(struct topn_list *list, uint32_t n, struct topn_item item)
{
    if (list->count < n) {
        list->at[list->count++] = item;
        sift_up(list->at, list->count - 1);
    } else {
        list->at[0] = item;
        sift_down(list->at, n, 0);
    }
}

/* The heap gives up its worst item again and again, from the list's end to its front. */
static void sort(struct topn_list *list)
{
    for (uint32_t left = list->count; left > 1; left--) {
        struct topn_item worst = list->at[0];
        list->at[0] = list->at[left - 1];
        list->at[left - 1] = worst;
        sift_down(list->at, left - 1, 0);
    }
}

/* Offers the items of a block: best[j] is the best of the `count` scores of row from + j. */
static void offer(struct topn_list *list, uint32_t n, const real *best, const real *scores,
                  uint32_t interests, uint32_t stride, uint32_t from, uint32_t items)
{
    real threshold = threshold_of(list, n);
    for (uint32_t j = 0; j < items; j++) {
        if (!(best[j] > threshold)) continue;
        uint32_t k = 0;
        while (k + 1 < interests && scores[(size_t)k * stride + j] != best[j]) {
            k++;
        }
        keep_item(list, n, (struct topn_item){from + j, k, best[j]});
        threshold = threshold_of(list, n);
    }
}

/* Sets the excluded among the rows from .. from + items - 1 to below every score. */
static void exclude(real *best, struct topn_excluded excluded, uint32_t *skipped, uint32_t from,
                    uint32_t items)
{
    uint32_t i = *skipped;
    for (; i < excluded.count && excluded.at[i] < from + items; i++) {
        if (excluded.at[i] >= from) best[excluded.at[i] - from] = -(real)INFINITY;
    }
    *skipped = i;
}

/* Ranks as many users as have BLOCK_ROWS interests together. */
static void rank_block(const struct topn_catalogue *catalogue, struct topn_scratch *scratch,
                       const struct topn_query *queries, uint32_t count, uint32_t rows, uint32_t n,
                       struct topn_list *lists)
{
    uint32_t d = catalogue->d;
    memset(scratch->skipped, 0, sizeof scratch->skipped);
    for (uint32_t from = 0; from < catalogue->items; from += BLOCK_ITEMS) {
        uint32_t items = catalogue->items - from;
        if (items > BLOCK_ITEMS) items = BLOCK_ITEMS;
        kernel_matmul_packed(scratch->x, scratch->interests, catalogue->panels + (size_t)from * d,
                             NULL, rows, items, d);
        const real *scores = scratch->x;
        for (uint32_t u = 0; u < count; u++) {
            memcpy(scratch->best, scores, items * sizeof *scores);
            for (uint32_t k = 1; k < queries[u].count; k++) {
                const real *other = scores + (size_t)k * items;
                for (uint32_t j = 0; j < items; j++) {
                    scratch->best[j] = other[j] > scratch->best[j] ? other[j] : scratch->best[j];
                }
            }
            uint32_t row = catalogue->first + from;
            exclude(scratch->best, queries[u].excluded, &scratch->skipped[u], row, items);
            offer(&lists[u], n, scratch->best, scores, queries[u].count, items, row, items);
            scores += (size_t)queries[u].count * items;
        }
    }
    for (uint32_t u = 0; u < count; u++) {
        sort(&lists[u]);
    }
}

void topn_rank(const struct topn_catalogue *catalogue, struct topn_scratch *scratch,
               const struct topn_query *queries, uint32_t count, uint32_t n,
               struct topn_list *lists)
{
    uint32_t from = 0, rows = 0;
    for (uint32_t u = 0; u < count; u++) {
        REQUIRE(queries[u].count <= TOPN_INTERESTS_MAX);
        lists[u].count = 0;
    }
    while (from < count) {
        uint32_t to = from;
        for (rows = 0; to < count && queries[to].count; to++) {
            if (rows + queries[to].count > BLOCK_ROWS) break;
            memcpy(scratch->interests + (size_t)rows * catalogue->d, queries[to].interests,
                   (size_t)queries[to].count * catalogue->d * sizeof(real));
            rows += queries[to].count;
        }
        if (n && rows)
            rank_block(catalogue, scratch, queries + from, to - from, rows, n, lists + from);
        from = to < count && queries[to].count == 0 ? to + 1 : to;
    }
}

void topn_of_scores(const real *scores, uint32_t first, uint32_t rows,
                    struct topn_excluded excluded, uint32_t n, struct topn_list *list)
{
    uint32_t next = 0;
    list->count = 0;
    for (uint32_t row = first; n && row < rows; row++) {
        while (next < excluded.count && excluded.at[next] < row) {
            next++;
        }
        if (next < excluded.count && excluded.at[next] == row) continue;
        if (scores[row] > threshold_of(list, n)) {
            keep_item(list, n, (struct topn_item){row, 0, scores[row]});
        }
    }
    sort(list);
}
