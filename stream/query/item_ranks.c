/* item_ranks.c - see item_ranks.h: a catalogue packed for the tile, and each row's category. */
#include "stream/query/item_ranks.h"

#include <math.h>
#include <stdlib.h>

#include "model/eval/ranking.h"
#include "model/kernel/vector.h"
#include "model/tensor/params.h"

struct item_ranks {
    const struct item_table *table;
    const real *vectors; /* [rows][d] of the checkpoint */
    uint32_t rows, first, d;
    struct topn_catalogue *items;
    uint32_t *category; /* [rows] */
    real *inverse;      /* [rows] 1 / length of a vector; 0 of one that is zero */
};

struct item_desk {
    struct topn_scratch *topn;
    real *scores; /* [rows] */
    struct topn_item at[RANKS_TOP_MAX];
};

static void fill_rows(struct item_ranks *ranks)
{
    for (uint32_t row = 0; row < ranks->rows; row++) {
        const real *vector = ranks->vectors + (size_t)row * ranks->d;
        const real square = vec_dot(vector, vector, ranks->d);
        ranks->category[row] = item_table_category_of(ranks->table, row);
        ranks->inverse[row] = square > 0 ? (real)(1 / sqrt((double)square)) : 0;
    }
}

enum status item_ranks_open(struct item_ranks **ranksp, const struct checkpoint *checkpoint,
                            struct error *error)
{
    struct item_ranks *ranks = calloc(1, sizeof *ranks);
    *ranksp = ranks;
    if (!ranks) return error_set(error, STATUS_IO, "out of memory: ranks of items");
    const struct item_table *table = checkpoint->items;
    ranks->table = table;
    ranks->vectors = param_set_get(checkpoint->params, "item.embedding")->data;
    ranks->rows = item_table_rows(table);
    ranks->first = 1 + item_table_oov(table);
    ranks->d = checkpoint->dims.d;
    ranks->category = calloc(ranks->rows, sizeof *ranks->category);
    ranks->inverse = calloc(ranks->rows, sizeof *ranks->inverse);
    enum status status =
        ranks->category && ranks->inverse
            ? topn_catalogue_open(&ranks->items, ranks->vectors, ranks->rows, ranks->first,
                                  ranks->d, checkpoint->dims.cosine, error)
            : error_set(error, STATUS_IO, "out of memory: ranks of %u items", ranks->rows);
    if (status == STATUS_OK) {
        fill_rows(ranks);
        return STATUS_OK;
    }
    item_ranks_close(ranks);
    *ranksp = NULL;
    return status;
}

void item_ranks_close(struct item_ranks *ranks)
{
    if (!ranks) return;
    topn_catalogue_close(ranks->items);
    free(ranks->category);
    free(ranks->inverse);
    free(ranks);
}

enum status item_desk_open(struct item_desk **deskp, const struct item_ranks *ranks,
                           struct error *error)
{
    struct item_desk *desk = calloc(1, sizeof *desk);
    *deskp = desk;
    if (!desk) return error_set(error, STATUS_IO, "out of memory: a list of items");
    desk->scores = calloc(ranks->rows, sizeof *desk->scores);
    enum status status = desk->scores
                             ? topn_scratch_open(&desk->topn, ranks->items, error)
                             : error_set(error, STATUS_IO, "out of memory: a list of items");
    if (status == STATUS_OK) return STATUS_OK;
    item_desk_close(desk);
    *deskp = NULL;
    return status;
}

void item_desk_close(struct item_desk *desk)
{
    if (!desk) return;
    topn_scratch_close(desk->topn);
    free(desk->scores);
    free(desk);
}

struct topn_list item_ranks_list(const struct item_ranks *ranks, struct item_desk *desk,
                                 const struct list_wanted *wanted)
{
    const bool diverse = wanted->diversity > 0;
    const uint32_t asked = diverse && wanted->pool > wanted->top ? wanted->pool : wanted->top;
    const struct topn_query query = {wanted->vectors, wanted->count, wanted->excluded};
    struct topn_list list = {.at = desk->at};
    REQUIRE(asked <= RANKS_TOP_MAX);
    topn_rank(ranks->items, desk->topn, &query, 1, asked, &list);
    if (diverse) ranking_diversify(&list, wanted->top, ranks->category, wanted->diversity);
    return list;
}

struct topn_list item_ranks_similar(const struct item_ranks *ranks, struct item_desk *desk,
                                    uint32_t row, uint32_t top)
{
    const real *vector = ranks->vectors + (size_t)row * ranks->d;
    struct topn_list list = {.at = desk->at};
    REQUIRE(row < ranks->rows && top <= RANKS_TOP_MAX);
    for (uint32_t other = ranks->first; other < ranks->rows; other++) {
        const real *its = ranks->vectors + (size_t)other * ranks->d;
        desk->scores[other] =
            vec_dot(vector, its, ranks->d) * ranks->inverse[row] * ranks->inverse[other];
    }
    const struct topn_excluded itself = {&row, 1};
    topn_of_scores(desk->scores, ranks->first, ranks->rows, itself, top, &list);
    return list;
}
