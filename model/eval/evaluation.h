/*
 * evaluation.h - the protocols: which behaviors are known, which are to be found, in what order.
 *
 * A protocol turns a dataset into a list of cases; running a ranker over them is then the same for
 * all protocols and all rankers.
 *
 *     evaluation_open -> evaluation_run(ranker) ... -> evaluation_print_* -> evaluation_close
 *
 * Threads: an open evaluation never changes and may be shared; a ranker belongs to one thread.
 */
#ifndef MODEL_EVAL_EVALUATION_H
#define MODEL_EVAL_EVALUATION_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "model/dataset.h"
#include "model/eval/agreement.h"
#include "model/eval/ranker.h"
#include "model/eval/ranking.h"

enum { EVALUATION_CUTS_MAX = 4, EVALUATION_QUARTILES = 4, EVALUATION_WEIGHTS_MAX = 16 };

/* The part of a log that prequential evaluation only learns from, unless one has a reason. */
static const double EVALUATION_WARM_SHARE = 0.8;

enum evaluation_protocol {
    /*
     * Each user's last behavior is the truth, all before it are known, and their items no
     * candidates. A user whose truth is among them is left out.
     */
    EVALUATION_LEAVE_ONE_OUT,
    /* A tenth of the users is held out: 80 % of their behaviors are known, the rest the truth. */
    EVALUATION_USER_SPLIT,
    /*
     * The log in time order: each behavior of the last part is first predicted, then learned from.
     */
    EVALUATION_PREQUENTIAL,
};

struct evaluation_options {
    enum evaluation_protocol protocol;
    uint32_t cuts[EVALUATION_CUTS_MAX]; /* N, ascending */
    uint32_t cuts_count;
    uint32_t warm;            /* prequential: behaviors of the replay that are only learned from, */
    double asked;             /* and the share of users who are asked about, drawn by their ids */
    const uint32_t *category; /* [rows], 0: none, for what is said of them; NULL: not measured */
    double weights[EVALUATION_WEIGHTS_MAX]; /* of diversity, for lists controlled by it */
    uint32_t weights_count;                 /* 0 without categories */
    const atomic_bool *cancel;              /* looked at before each batch of cases; NULL: never */
};

/* "leave-one-out", "user-split", "prequential". */
const char *evaluation_protocol_name(enum evaluation_protocol protocol);

/* Means over cases at one cut. */
struct evaluation_cut {
    uint32_t n;
    struct ranking_metrics metrics;
    double coverage;
    double diversity;  /* 0 without categories, */
    double categories; /* as this: share of the categories that are known of the user in its list */
};

/* Lists of the first cut, chosen for diversity (ranking_diversify) out of those of the last. */
struct evaluation_balance {
    double weight;
    struct ranking_metrics metrics;
    double diversity;
};

/* The cases of one quarter by known behaviors, at the first cut. */
struct evaluation_quartile {
    uint32_t known_max;
    uint32_t cases;
    double interests; /* mean live ones of a case */
    struct ranking_metrics metrics;
};

struct evaluation_result {
    char name[64];
    uint32_t cases;
    struct evaluation_cut cuts[EVALUATION_CUTS_MAX];
    uint32_t cuts_count;
    struct evaluation_quartile quartiles[EVALUATION_QUARTILES];
    struct evaluation_balance balances[EVALUATION_WEIGHTS_MAX];
    uint32_t balances_count;
    double interests; /* mean live interests of a case; 0: the ranker has none */
    double cosine;    /* mean pairwise cosine, over the cases with two or more */
    double idle;      /* share of the interests that gave no item; NaN: an intent gave all */
    double seconds;   /* spent ranking and observing; set by the caller, who has a clock */
};

struct evaluation;

/* Keeps `dataset` and options->category. STATUS_INVALID if there is not one case. */
MUST_CHECK enum status evaluation_open(struct evaluation **evaluationp,
                                       const struct dataset *dataset,
                                       const struct evaluation_options *options,
                                       struct error *error);
void evaluation_close(struct evaluation *evaluation);
uint32_t evaluation_cases(const struct evaluation *evaluation);

/* The behavior that a case asks for, or the first of them. */
struct dataset_point evaluation_point(const struct evaluation *evaluation, uint32_t number);

/* Leave-one-out: users who return to an item that they have had, which no list can hold; no cases. */
uint32_t evaluation_left_out(const struct evaluation *evaluation);
const struct evaluation_options *evaluation_options(const struct evaluation *evaluation);

/* How many of each user's first behaviors are shown before the first case: known [users]. */
void evaluation_shown(const struct evaluation *evaluation, uint32_t *known);

/*
 * Shows the ranker what it may learn from and measures it on every case. `each` [cases] gets what
 * each is worth at the last cut, so that rankers can be compared case by case; it may be NULL.
 * STATUS_END: canceled.
 */
MUST_CHECK enum status evaluation_run(const struct evaluation *evaluation,
                                      const struct ranker *ranker, struct ranking_metrics *each,
                                      struct evaluation_result *result, struct error *error);

/*
 * Mean and standard deviation (over count - 1) of the metrics of several results, named after the
 * first: one model from several seeds. `count` >= 2.
 */
void evaluation_average(const struct evaluation_result *results, uint32_t count,
                        struct evaluation_result *mean, struct evaluation_result *deviation);

/*
 * The balances of results as a table with a line of names: model,weight,diversity,recall,hit_rate,
 * ndcg,mrr.
 */
void evaluation_print_balances(const struct evaluation_result *results, uint32_t count, FILE *out);

/* Draws recall and NDCG of a result's balances over their diversity, as an SVG picture. */
void evaluation_plot_balances(const struct evaluation_result *result, FILE *out);

/*
 * A table for people; one JSON object, with a line end, for programs (STATUS_IO: no memory), and in
 * it what was measured of how far interests follow the categories.
 */
void evaluation_print_table(const struct evaluation *evaluation,
                            const struct evaluation_result *results, uint32_t count, FILE *out);
MUST_CHECK enum status evaluation_print_json(const struct evaluation *evaluation,
                                             const struct evaluation_result *results,
                                             uint32_t count,
                                             const struct agreement_line *agreements,
                                             uint32_t agreements_count, FILE *out,
                                             struct error *error);

#endif
