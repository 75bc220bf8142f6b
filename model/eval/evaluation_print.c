/*
 * evaluation_print.c - results for people and for programs.
 */
#include "model/eval/evaluation.h"

static void print_metrics_row(const char *label, const struct ranking_metrics *metrics, FILE *out)
{
    fprintf(out, "%8s %9.4f %9.4f %9.4f %9.4f", label, metrics->recall, metrics->hit_rate,
            metrics->ndcg, metrics->reciprocal_rank);
}

void evaluation_print_table(const struct evaluation *evaluation,
                            const struct evaluation_result *results, uint32_t count, FILE *out)
{
    (void)evaluation;
    fprintf(out, "%-16s %8s %9s %9s %9s %9s %9s %9s\n", "", "N", "Recall", "HitRate", "NDCG", "MRR",
            "coverage", "interests");
    for (uint32_t i = 0; i < count; i++) {
        const struct evaluation_result *result = &results[i];
        for (uint32_t cut = 0; cut < result->cuts_count; cut++) {
            char n[16];
            snprintf(n, sizeof n, "%u", result->cuts[cut].n);
            fprintf(out, "%-16s ", cut ? "" : result->name);
            print_metrics_row(n, &result->cuts[cut].metrics, out);
            fprintf(out, " %9.4f", result->cuts[cut].coverage);
            if (cut == 0 && result->interests > 0) fprintf(out, " %9.2f", result->interests);
            fputc('\n', out);
        }
    }
}
