/* report.c - figures as text. */
#include "stream/learn/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "model/model_dir.h"

enum { CURVE_PATH_MAX = MODEL_DIR_PATH_MAX + 16, FIGURES_MAX = 256 };

static const char columns[] =
    "position,generation,generation_ms,since_ms,until_ms,events,hr20,ndcg20,mrr,transitions_hr20,"
    "transitions_ndcg20,popularity_hr20,popularity_ndcg20,verdict,candidate_ndcg20,"
    "current_ndcg20,bound,users,users_learned,behaviors,items,samples,loss,train_cpu_s,"
    "live_interests,due_users,due_asked";

static int64_t or_zero(int64_t time_ms)
{
    return time_ms == INT64_MIN ? 0 : time_ms;
}

static void write_columns(FILE *file)
{
    fputs(columns, file);
    for (int kind = 0; kind < USER_KINDS; kind++) {
        const char *name = user_kind_name((enum user_kind)kind);
        fprintf(file, ",%s_events,%s_hr20,%s_ndcg20,%s_mrr", name, name, name, name);
    }
    fputc('\n', file);
}

static void write_row(const struct report *report, const struct round_result *result, FILE *file)
{
    const struct gate_figures *served = &result->served.current;
    const struct gate_figures *transitions = &result->served.transitions;
    const struct gate_figures *popularity = &result->served.popularity;
    fprintf(file, "%" PRId64 ",%" PRIu64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRIu32,
            report->position, report->served->generation,
            report->served->training.cut.event_time_ms, or_zero(report->since_ms),
            result->measured_ms, served->events);
    fprintf(file, ",%.6f,%.6f,%.6f,%.6f,%.6f,%.6f,%.6f", served->hit_rate, served->ndcg,
            served->reciprocal_rank, transitions->hit_rate, transitions->ndcg, popularity->hit_rate,
            popularity->ndcg);
    fprintf(file, ",%s,%.6f,%.6f,%.6f", verdict_name(result->gate.verdict),
            result->gate.candidate.ndcg, result->gate.current.ndcg, result->gate.bound);
    fprintf(file, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu32 ",%" PRIu64 ",%.4f,%.3f",
            result->users, result->users_learned, result->behaviors, result->items, result->samples,
            result->loss, result->train_seconds);
    fprintf(file, ",%.4f,%" PRIu32 ",%" PRIu32, served->interests, result->served.due.due,
            result->served.due.users);
    for (int kind = 0; kind < USER_KINDS; kind++) {
        const struct gate_figures *of = &result->served.current_of.of[kind];
        fprintf(file, ",%" PRIu32 ",%.6f,%.6f,%.6f", of->events, of->hit_rate, of->ndcg,
                of->reciprocal_rank);
    }
    fputc('\n', file);
}

static void add_to_curve(const struct report *report, const struct round_result *result)
{
    char path[CURVE_PATH_MAX];
    snprintf(path, sizeof path, "%s/curve.csv", report->model_dir);
    FILE *file = fopen(path, "ae");
    if (file) {
        if (ftell(file) == 0) write_columns(file);
        write_row(report, result, file);
        if (fclose(file) == 0) return;
    }
    log_warn("the curve of training is not written", log_text("path", path),
             log_text("why", strerror(errno)));
}

/* "newcomers 0.0312 on 412, regulars ..." */
static void print_kinds(const struct gate_kinds *kinds, char text[FIGURES_MAX])
{
    size_t used = 0;
    for (int kind = 0; kind < USER_KINDS; kind++) {
        const struct gate_figures *of = &kinds->of[kind];
        used += (size_t)snprintf(text + used, FIGURES_MAX - used, "%s%s %.4f on %" PRIu32,
                                 kind ? ", " : "", user_kind_name((enum user_kind)kind), of->ndcg,
                                 of->events);
    }
}

void report_round(const struct report *report, const struct round_result *result)
{
    char figures[FIGURES_MAX], kinds[FIGURES_MAX];
    snprintf(figures, sizeof figures,
             "%s: ndcg@20 %.4f against %.4f on %" PRIu32 " events (bound of the gain %+.4f), "
             "counting transitions %.4f",
             verdict_name(result->gate.verdict), result->gate.candidate.ndcg,
             result->gate.current.ndcg, result->gate.candidate.events, result->gate.bound,
             result->gate.transitions.ndcg);
    print_kinds(&result->gate.candidate_of, kinds);
    log_info("round of training", log_text("verdict", figures), log_text("candidate", kinds),
             log_int("position", report->position),
             log_int("serves", (int64_t)report->served->generation),
             log_int("users", (int64_t)result->users_learned),
             log_int("samples", (int64_t)result->samples), log_int("items", result->items),
             log_int("new", result->items_new), log_int("evicted", result->items_evicted),
             log_int("ms", (int64_t)(report->seconds * 1000)));
    if (result->served.current.events > 0) {
        print_kinds(&result->served.current_of, kinds);
        log_info("the generation that serves, on what came since",
                 log_int("generation", (int64_t)report->served->generation),
                 log_int("learned_until_ms", report->served->training.cut.event_time_ms),
                 log_int("events", result->served.current.events),
                 log_real("hr20", result->served.current.hit_rate),
                 log_real("ndcg20", result->served.current.ndcg),
                 log_real("mrr", result->served.current.reciprocal_rank), log_text("of", kinds),
                 log_real("transitions", result->served.transitions.ndcg),
                 log_real("popularity", result->served.popularity.ndcg));
    }
    add_to_curve(report, result);
}
