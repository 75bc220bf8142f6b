/* figures.c - figures in the units of stream/http/metric_table.c. */
#include "stream/learn/figures.h"

#include "base/metrics.h"

static void count(const char *name, int64_t amount)
{
    metric_add(metrics_get(name, NULL, NULL), amount);
}

static void count_verdict(enum verdict verdict, int64_t amount)
{
    metric_add(metrics_get("braid_generation_verdicts_total", "verdict", verdict_name(verdict)),
               amount);
}

/* In millionths. */
static void set_share(const char *name, const char *label, const char *of, double value)
{
    metric_set(metrics_get(name, label, of), (int64_t)(value * 1e6 + 0.5));
}

static void set_ranking(const char *users, const struct gate_figures *figures)
{
    if (figures->events == 0) return;
    set_share("braid_prequential_hit_rate", "users", users, figures->hit_rate);
    set_share("braid_prequential_ndcg", "users", users, figures->ndcg);
    set_share("braid_prequential_mrr", "users", users, figures->reciprocal_rank);
}

void figures_begin(void)
{
    count("braid_training_rounds_total", 0);
    count("braid_training_rounds_failed_total", 0);
    count("braid_training_cpu_seconds_total", 0);
    for (int verdict = 0; verdict < VERDICTS; verdict++) {
        count_verdict((enum verdict)verdict, 0);
    }
}

void figures_round(const struct round_result *result)
{
    const struct gate_served *served = &result->served;
    count("braid_training_rounds_total", 1);
    count("braid_training_cpu_seconds_total", (int64_t)(result->train_seconds * 1e3));
    count_verdict(result->gate.verdict, 1);
    set_ranking("all", &served->current);
    for (int kind = 0; kind < USER_KINDS; kind++) {
        set_ranking(user_kind_name((enum user_kind)kind), &served->current_of.of[kind]);
    }
    if (served->current.events == 0) return;
    set_share("braid_counting_ndcg", "by", "transitions", served->transitions.ndcg);
    set_share("braid_counting_ndcg", "by", "popularity", served->popularity.ndcg);
    set_share("braid_live_interests", NULL, NULL, served->current.interests);
    if (served->due.users == 0) return;
    set_share("braid_interests_due_ratio", NULL, NULL, (double)served->due.due / served->due.users);
}

void figures_failure(void)
{
    count("braid_training_rounds_failed_total", 1);
}
