/* auc.c - pairs counted in one pass over sorted scores. */
#include "tests/parity/auc.h"

#include <stdlib.h>

static int compare_scores(const void *a, const void *b)
{
    double x = ((const struct impression *)a)->score;
    double y = ((const struct impression *)b)->score;
    return x < y ? -1 : x > y;
}

static int compare_users(const void *a, const void *b)
{
    uint32_t x = ((const struct impression *)a)->user;
    uint32_t y = ((const struct impression *)b)->user;
    return x != y ? (x < y ? -1 : 1) : compare_scores(a, b);
}

/* Of impressions in ascending order of score: each positive wins over the negatives below it. */
static bool auc_of_sorted(const struct impression *at, size_t count, double *aucp)
{
    double wins = 0;
    size_t below = 0, positives = 0;
    for (size_t i = 0; i < count;) {
        size_t tied[2] = {0}; /* negatives, positives of one score */
        double score = at[i].score;
        for (; i < count && at[i].score == score; i++) {
            tied[at[i].positive]++;
        }
        wins += (double)tied[1] * ((double)below + 0.5 * (double)tied[0]);
        below += tied[0];
        positives += tied[1];
    }
    if (below == 0 || positives == 0) return false;
    *aucp = wins / ((double)below * (double)positives);
    return true;
}

bool auc_of_impressions(struct impression *at, size_t count, double *aucp)
{
    qsort(at, count, sizeof *at, compare_scores);
    return auc_of_sorted(at, count, aucp);
}

bool auc_of_users(struct impression *at, size_t count, double *gaucp)
{
    double sum = 0, weight = 0;
    qsort(at, count, sizeof *at, compare_users);
    for (size_t from = 0, to; from < count; from = to) {
        double auc;
        for (to = from; to < count && at[to].user == at[from].user;) {
            to++;
        }
        if (!auc_of_sorted(at + from, to - from, &auc)) continue;
        sum += (double)(to - from) * auc;
        weight += (double)(to - from);
    }
    if (weight == 0) return false;
    *gaucp = sum / weight;
    return true;
}
