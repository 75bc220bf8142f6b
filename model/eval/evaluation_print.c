/*
 * evaluation_print.c - results together: averaged over seeds, for people and for programs.
 */
#include "model/eval/evaluation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/plot.h"

enum { FIGURES = 7 };

/* What a cut holds, as an array. */
static void unpack(const struct evaluation_cut *cut, double *at)
{
    const struct ranking_metrics *metrics = &cut->metrics;
    const double figures[FIGURES] = {metrics->recall,          metrics->hit_rate, metrics->ndcg,
                                     metrics->reciprocal_rank, cut->coverage,     cut->diversity,
                                     cut->categories};
    memcpy(at, figures, sizeof figures);
}

static struct evaluation_cut packed(uint32_t n, const double *at)
{
    return (struct evaluation_cut){n, {at[0], at[1], at[2], at[3]}, at[4], at[5], at[6]};
}

void evaluation_average(const struct evaluation_result *results, uint32_t count,
                        struct evaluation_result *mean, struct evaluation_result *deviation)
{
    *mean = *deviation =
        (struct evaluation_result){.cases = results[0].cases, .cuts_count = results[0].cuts_count};
    snprintf(mean->name, sizeof mean->name, "%.40s mean of %u", results[0].name, count);
    snprintf(deviation->name, sizeof deviation->name, "%.40s deviation", results[0].name);
    for (uint32_t cut = 0; cut < mean->cuts_count; cut++) {
        double middle[FIGURES] = {0}, spread[FIGURES] = {0}, at[FIGURES];
        for (uint32_t i = 0; i < count; i++) {
            unpack(&results[i].cuts[cut], at);
            for (int f = 0; f < FIGURES; f++) {
                middle[f] += at[f] / count;
            }
        }
        for (uint32_t i = 0; i < count; i++) {
            unpack(&results[i].cuts[cut], at);
            for (int f = 0; f < FIGURES; f++) {
                spread[f] += (at[f] - middle[f]) * (at[f] - middle[f]) / (count - 1);
            }
        }
        for (int f = 0; f < FIGURES; f++) {
            spread[f] = sqrt(spread[f]);
        }
        mean->cuts[cut] = packed(results[0].cuts[cut].n, middle);
        deviation->cuts[cut] = packed(results[0].cuts[cut].n, spread);
    }
}

static void print_quartiles(const struct evaluation_result *result, FILE *out)
{
    for (uint32_t q = 0; q < EVALUATION_QUARTILES; q++) {
        const struct evaluation_quartile *quartile = &result->quartiles[q];
        fprintf(out, "%s<= %u: %.4f", q ? ", " : "", quartile->known_max,
                quartile->metrics.hit_rate);
        if (result->interests > 0) fprintf(out, " (%.2f)", quartile->interests);
    }
}

static void print_balances_table(const struct evaluation *evaluation,
                                 const struct evaluation_result *results, uint32_t count, FILE *out)
{
    const struct evaluation_options *options = evaluation_options(evaluation);
    if (options->weights_count == 0) return;
    fprintf(out, "\n%u items chosen for diversity out of the best %u:\n%-20s %8s %9s %8s %8s %8s\n",
            options->cuts[0], options->cuts[options->cuts_count - 1], "", "Weight", "Diversity",
            "Recall", "HitRate", "NDCG");
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t w = 0; w < results[i].balances_count; w++) {
            const struct evaluation_balance *at = &results[i].balances[w];
            fprintf(out, "%-20s %8g %9.4f %8.4f %8.4f %8.4f\n", w ? "" : results[i].name,
                    at->weight, at->diversity, at->metrics.recall, at->metrics.hit_rate,
                    at->metrics.ndcg);
        }
    }
}

void evaluation_print_table(const struct evaluation *evaluation,
                            const struct evaluation_result *results, uint32_t count, FILE *out)
{
    const uint32_t left_out = evaluation_left_out(evaluation);
    fprintf(out, "%s, %u cases", evaluation_protocol_name(evaluation_options(evaluation)->protocol),
            evaluation_cases(evaluation));
    if (left_out) {
        fprintf(out, "; %u users left out, whose last item they have had before", left_out);
    }
    fprintf(out, "\n\n");
    fprintf(out, "%-20s %4s %8s %8s %8s %8s %9s %9s %10s %10s %7s %6s\n", "", "N", "Recall",
            "HitRate", "NDCG", "MRR", "Coverage", "Diversity", "Categories", "Interests", "Cosine",
            "Idle");
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t cut = 0; cut < results[i].cuts_count; cut++) {
            const struct evaluation_cut *at = &results[i].cuts[cut];
            fprintf(out, "%-20s %4u %8.4f %8.4f %8.4f %8.4f %9.4f", cut ? "" : results[i].name,
                    at->n, at->metrics.recall, at->metrics.hit_rate, at->metrics.ndcg,
                    at->metrics.reciprocal_rank, at->coverage);
            if (evaluation_options(evaluation)->category) {
                fprintf(out, " %9.4f %10.4f", at->diversity, at->categories);
            } else {
                fprintf(out, " %9s %10s", "-", "-");
            }
            if (cut == 0 && results[i].interests > 0) {
                fprintf(out, " %10.2f %7.2f", results[i].interests, results[i].cosine);
                if (isnan(results[i].idle)) {
                    fprintf(out, " %6s", "-");
                } else {
                    fprintf(out, " %6.2f", results[i].idle);
                }
            }
            fputc('\n', out);
        }
    }
    print_balances_table(evaluation, results, count, out);
    if (count == 0) return;
    fprintf(out, "\nHitRate@%u (interests) by behaviors known:\n", results[0].cuts[0].n);
    for (uint32_t i = 0; i < count; i++) {
        if (results[i].quartiles[0].cases == 0) continue; /* an average */
        fprintf(out, "%-20s ", results[i].name);
        print_quartiles(&results[i], out);
        fputc('\n', out);
    }
}

void evaluation_print_balances(const struct evaluation_result *results, uint32_t count, FILE *out)
{
    fputs("model,weight,diversity,recall,hit_rate,ndcg,mrr\n", out);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t w = 0; w < results[i].balances_count; w++) {
            const struct evaluation_balance *at = &results[i].balances[w];
            const struct ranking_metrics *metrics = &at->metrics;
            fprintf(out, "%s,%g,%.6f,%.6f,%.6f,%.6f,%.6f\n", results[i].name, at->weight,
                    at->diversity, metrics->recall, metrics->hit_rate, metrics->ndcg,
                    metrics->reciprocal_rank);
        }
    }
}

static int compare_diversity(const void *a, const void *b)
{
    const double x = ((const struct evaluation_balance *)a)->diversity;
    const double y = ((const struct evaluation_balance *)b)->diversity;
    return x < y ? -1 : x > y;
}

void evaluation_plot_balances(const struct evaluation_result *result, FILE *out)
{
    struct evaluation_balance at[EVALUATION_WEIGHTS_MAX];
    double x[EVALUATION_WEIGHTS_MAX], recall[EVALUATION_WEIGHTS_MAX], ndcg[EVALUATION_WEIGHTS_MAX];
    const uint32_t count = result->balances_count;
    if (count == 0) return;
    memcpy(at, result->balances, count * sizeof *at);
    qsort(at, count, sizeof *at, compare_diversity);
    for (uint32_t w = 0; w < count; w++) {
        x[w] = at[w].diversity;
        recall[w] = at[w].metrics.recall;
        ndcg[w] = at[w].metrics.ndcg;
    }
    const struct plot plot = {
        "diversity", x, count, {{"recall", recall, false}, {"ndcg", ndcg, false}}, 2};
    plot_draw(&plot, out);
}

enum { JSON_DIGITS = 6 };

static void json_member(struct json_writer *json, const char *key, double value)
{
    json_key(json, key);
    json_real(json, value, JSON_DIGITS);
}

static void write_metrics(struct json_writer *json, const struct ranking_metrics *metrics)
{
    json_member(json, "recall", metrics->recall);
    json_member(json, "hit_rate", metrics->hit_rate);
    json_member(json, "ndcg", metrics->ndcg);
    json_member(json, "mrr", metrics->reciprocal_rank);
}

static void write_balances(struct json_writer *json, const struct evaluation_result *result)
{
    json_key(json, "balances");
    json_begin(json, '[');
    for (uint32_t w = 0; w < result->balances_count; w++) {
        const struct evaluation_balance *at = &result->balances[w];
        json_begin(json, '{');
        json_member(json, "weight", at->weight);
        json_member(json, "diversity", at->diversity);
        write_metrics(json, &at->metrics);
        json_end(json, '}');
    }
    json_end(json, ']');
}

static void write_result(struct json_writer *json, const struct evaluation_result *result)
{
    json_begin(json, '{');
    json_key(json, "name");
    json_text(json, bytes_of(result->name));
    json_member(json, "seconds", result->seconds);
    json_member(json, "interests", result->interests);
    json_member(json, "cosine", result->cosine);
    json_member(json, "idle", result->idle);
    json_key(json, "cuts");
    json_begin(json, '[');
    for (uint32_t cut = 0; cut < result->cuts_count; cut++) {
        const struct evaluation_cut *at = &result->cuts[cut];
        json_begin(json, '{');
        json_key(json, "n");
        json_unsigned(json, at->n);
        write_metrics(json, &at->metrics);
        json_member(json, "coverage", at->coverage);
        json_member(json, "diversity", at->diversity);
        json_member(json, "categories", at->categories);
        json_end(json, '}');
    }
    json_end(json, ']');
    write_balances(json, result);
    json_key(json, "quartiles");
    json_begin(json, '[');
    for (uint32_t q = 0; q < EVALUATION_QUARTILES; q++) {
        const struct evaluation_quartile *at = &result->quartiles[q];
        json_begin(json, '{');
        json_key(json, "known_max");
        json_unsigned(json, at->known_max);
        json_key(json, "cases");
        json_unsigned(json, at->cases);
        json_member(json, "interests", at->interests);
        write_metrics(json, &at->metrics);
        json_end(json, '}');
    }
    json_end(json, ']');
    json_end(json, '}');
}

static void write_agreement_part(struct json_writer *json, const char *key,
                                 const struct agreement_part *part)
{
    json_key(json, key);
    json_begin(json, '{');
    json_key(json, "count");
    json_unsigned(json, part->count);
    json_member(json, "nmi", part->nmi);
    json_member(json, "shuffled", part->chance);
    json_end(json, '}');
}

static void write_agreement(struct json_writer *json, const struct agreement_line *line)
{
    json_begin(json, '{');
    json_key(json, "model");
    json_text(json, bytes_of(line->model));
    json_key(json, "level");
    json_unsigned(json, line->level);
    json_key(json, "groups");
    json_unsigned(json, line->at.groups);
    json_key(json, "groups_used");
    json_unsigned(json, line->at.groups_used);
    write_agreement_part(json, "items", &line->at.items);
    write_agreement_part(json, "users", &line->at.users);
    json_end(json, '}');
}

enum status evaluation_print_json(const struct evaluation *evaluation,
                                  const struct evaluation_result *results, uint32_t count,
                                  const struct agreement_line *agreements,
                                  uint32_t agreements_count, FILE *out, struct error *error)
{
    struct json_writer json = json_writer_growing();
    json_begin(&json, '{');
    json_key(&json, "protocol");
    json_text(&json, bytes_of(evaluation_protocol_name(evaluation_options(evaluation)->protocol)));
    json_key(&json, "cases");
    json_unsigned(&json, evaluation_cases(evaluation));
    json_key(&json, "left_out");
    json_unsigned(&json, evaluation_left_out(evaluation));
    json_key(&json, "results");
    json_begin(&json, '[');
    for (uint32_t i = 0; i < count; i++) {
        write_result(&json, &results[i]);
    }
    json_end(&json, ']');
    json_key(&json, "agreements");
    json_begin(&json, '[');
    for (uint32_t i = 0; i < agreements_count; i++) {
        write_agreement(&json, &agreements[i]);
    }
    json_end(&json, ']');
    json_end(&json, '}');
    if (!json.failed) fprintf(out, "%.*s\n", (int)json.used, json.at);
    const bool failed = json.failed;
    free(json.at);
    return failed ? error_set(error, STATUS_IO, "out of memory: results") : STATUS_OK;
}
