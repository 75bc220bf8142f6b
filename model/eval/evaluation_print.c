/*
 * evaluation_print.c - results for people and for programs.
 */
#include "model/eval/evaluation.h"

static void print_quartiles(const struct evaluation_result *result, FILE *out)
{
    for (uint32_t q = 0; q < EVALUATION_QUARTILES; q++) {
        const struct evaluation_quartile *quartile = &result->quartiles[q];
        fprintf(out, "%s<= %u: %.4f", q ? ", " : "", quartile->known_max,
                quartile->metrics.hit_rate);
    }
}

void evaluation_print_table(const struct evaluation *evaluation,
                            const struct evaluation_result *results, uint32_t count, FILE *out)
{
    fprintf(out, "%s, %u cases\n\n",
            evaluation_protocol_name(evaluation_options(evaluation)->protocol),
            evaluation_cases(evaluation));
    fprintf(out, "%-16s %4s %8s %8s %8s %8s %9s %10s\n", "", "N", "Recall", "HitRate", "NDCG",
            "MRR", "Coverage", "Interests");
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t cut = 0; cut < results[i].cuts_count; cut++) {
            const struct evaluation_cut *at = &results[i].cuts[cut];
            fprintf(out, "%-16s %4u %8.4f %8.4f %8.4f %8.4f %9.4f", cut ? "" : results[i].name,
                    at->n, at->metrics.recall, at->metrics.hit_rate, at->metrics.ndcg,
                    at->metrics.reciprocal_rank, at->coverage);
            if (cut == 0 && results[i].interests > 0) fprintf(out, " %10.2f", results[i].interests);
            fputc('\n', out);
        }
    }
    if (count == 0) return;
    fprintf(out, "\nHitRate@%u by behaviors known:\n", results[0].cuts[0].n);
    for (uint32_t i = 0; i < count; i++) {
        fprintf(out, "%-16s ", results[i].name);
        print_quartiles(&results[i], out);
        fputc('\n', out);
    }
}

static void print_metrics_json(const struct ranking_metrics *metrics, FILE *out)
{
    fprintf(out, "\"recall\":%.6f,\"hit_rate\":%.6f,\"ndcg\":%.6f,\"mrr\":%.6f", metrics->recall,
            metrics->hit_rate, metrics->ndcg, metrics->reciprocal_rank);
}

static void print_result_json(const struct evaluation_result *result, FILE *out)
{
    fprintf(out,
            "{\"name\":\"%s\",\"seconds\":%.3f,\"interests\":%.4f,\"cosine\":%.4f,\"idle\":%.4f",
            result->name, result->seconds, result->interests, result->cosine, result->idle);
    fputs(",\"cuts\":[", out);
    for (uint32_t cut = 0; cut < result->cuts_count; cut++) {
        const struct evaluation_cut *at = &result->cuts[cut];
        fprintf(out, "%s{\"n\":%u,", cut ? "," : "", at->n);
        print_metrics_json(&at->metrics, out);
        fprintf(out, ",\"coverage\":%.6f,\"diversity\":%.6f}", at->coverage, at->diversity);
    }
    fputs("],\"quartiles\":[", out);
    for (uint32_t q = 0; q < EVALUATION_QUARTILES; q++) {
        const struct evaluation_quartile *at = &result->quartiles[q];
        fprintf(out, "%s{\"known_max\":%u,\"cases\":%u,", q ? "," : "", at->known_max, at->cases);
        print_metrics_json(&at->metrics, out);
        fputc('}', out);
    }
    fputs("]}", out);
}

void evaluation_print_json(const struct evaluation *evaluation,
                           const struct evaluation_result *results, uint32_t count, FILE *out)
{
    fprintf(out, "{\"protocol\":\"%s\",\"cases\":%u,\"results\":[",
            evaluation_protocol_name(evaluation_options(evaluation)->protocol),
            evaluation_cases(evaluation));
    for (uint32_t i = 0; i < count; i++) {
        if (i) fputc(',', out);
        print_result_json(&results[i], out);
    }
    fputs("]}\n", out);
}
