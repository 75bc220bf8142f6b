/*
 * ranking.c - each metric as its definition reads.
 */
#include "model/eval/ranking.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_rows(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

uint32_t ranking_distinct(uint32_t *rows, uint32_t count)
{
    uint32_t kept = 0;
    qsort(rows, count, sizeof *rows, compare_rows);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || rows[i] != rows[kept - 1]) rows[kept++] = rows[i];
    }
    return kept;
}

static double discount(uint32_t rank)
{
    return 1 / log2((double)rank + 2);
}

struct ranking_metrics ranking_measure(const struct topn_list *list, uint32_t n,
                                       const uint32_t *truth, uint32_t truth_count)
{
    struct ranking_metrics metrics = {0};
    uint32_t hits = 0;
    double gain = 0, ideal = 0;
    for (uint32_t rank = 0; rank < n && rank < list->count; rank++) {
        uint32_t row = list->at[rank].row;
        if (!bsearch(&row, truth, truth_count, sizeof row, compare_rows)) continue;
        if (hits++ == 0) metrics.reciprocal_rank = 1.0 / (rank + 1);
        gain += discount(rank);
    }
    for (uint32_t rank = 0; rank < n && rank < truth_count; rank++) {
        ideal += discount(rank);
    }
    metrics.recall = (double)hits / truth_count;
    metrics.hit_rate = hits > 0;
    metrics.ndcg = gain / ideal;
    return metrics;
}

double ranking_diversity(const struct topn_list *list, uint32_t n, const uint32_t *category)
{
    uint32_t count = list->count < n ? list->count : n;
    uint32_t differ = 0;
    for (uint32_t a = 0; a < count; a++) {
        for (uint32_t b = a + 1; b < count; b++) {
            differ += category[list->at[a].row] != category[list->at[b].row];
        }
    }
    return differ / ((double)count * (count - 1) / 2);
}

double ranking_categories(const struct topn_list *list, uint32_t n, const uint32_t *category,
                          const uint32_t *categories, uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t rank = 0;
        while (rank < n && rank < list->count && category[list->at[rank].row] != categories[i]) {
            rank++;
        }
        found += rank < n && rank < list->count;
    }
    return count ? (double)found / count : 0;
}

uint32_t ranking_cover(const struct topn_list *list, uint32_t n, uint8_t *seen)
{
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < n && i < list->count; i++) {
        fresh += !seen[list->at[i].row];
        seen[list->at[i].row] = 1;
    }
    return fresh;
}

void ranking_diversify(struct topn_list *list, uint32_t n, const uint32_t *category, double weight)
{
    struct topn_item *at = list->at;
    if (n > list->count) n = list->count;
    for (uint32_t chosen = 0; chosen < n; chosen++) {
        uint32_t best = chosen;
        double best_value = -INFINITY;
        for (uint32_t i = chosen; i < list->count; i++) {
            uint32_t differ = 0;
            for (uint32_t j = 0; j < chosen; j++) {
                differ += category[at[j].row] != category[at[i].row];
            }
            double value = (double)at[i].score + weight * differ;
            if (value > best_value) best_value = value, best = i;
        }
        struct topn_item item = at[best];
        memmove(at + chosen + 1, at + chosen, (best - chosen) * sizeof *at);
        at[chosen] = item;
    }
    list->count = n;
}
