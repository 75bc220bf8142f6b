/*
 * ranking.h - how good a ranked list is: the metrics of models.md section 8.
 *
 * Plain functions over row numbers. A list never holds a row twice.
 */
#ifndef MODEL_EVAL_RANKING_H
#define MODEL_EVAL_RANKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/eval/topn.h"

struct ranking_metrics {
    double recall;
    double hit_rate;
    double ndcg; /* over the ideal of min(n, truth) hits */
    double reciprocal_rank;
};

/* Sorts rows ascending and drops repetitions; returns how many are left. */
uint32_t ranking_distinct(uint32_t *rows, uint32_t count);

/*
 * Measures the first `n` of a list against the user's truth: `truth_count` >= 1 rows, ascending and
 * distinct.
 */
struct ranking_metrics ranking_measure(const struct topn_list *list, uint32_t n,
                                       const uint32_t *truth, uint32_t truth_count);

/* Share of unordered pairs of the first `n` (>= 2 in the list) whose categories differ. */
double ranking_diversity(const struct topn_list *list, uint32_t n, const uint32_t *category);

/*
 * Share of the `count` categories (ascending, distinct) that the first `n` of a list have an item
 * of; 0 of none.
 */
double ranking_categories(const struct topn_list *list, uint32_t n, const uint32_t *category,
                          const uint32_t *categories, uint32_t count);

/* Marks the first `n` of a list in `seen` [rows]; returns how many were not marked before. */
uint32_t ranking_cover(const struct topn_list *list, uint32_t n, uint8_t *seen);

/*
 * Reorders a list so that its first `n` are the diversity-controlled selection: each the item left
 * with the greatest score + weight * (how many chosen before it have another category), of equals
 * the earlier. The list becomes these `n`.
 */
void ranking_diversify(struct topn_list *list, uint32_t n, const uint32_t *category, double weight);

#endif
