/*
 * gate.h - whether a candidate generation predicts better than the one that serves.
 *
 * Both are asked, before they absorb it, for each event that neither has learned from: what came
 * after a cut in event time that lies at or after both their training cuts. The same events, each
 * generation with its own dictionary, states folded from histories, the whole catalogue ranked.
 * The candidate is adopted if the lower 95 % bound of the mean difference in NDCG@20, paired by
 * event, is above a margin. Transition counts are measured on the same events: who does worse than
 * counting should know.
 *
 * A behavior's place on the clock is the latest time that its user had seen, so the cut is never
 * before a behavior and after a later one of the same user, and no event's own time is used to
 * predict it.
 *
 * Threads: all functions are the caller's.
 */
#ifndef STREAM_LEARN_GATE_H
#define STREAM_LEARN_GATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"
#include "model/dataset.h"
#include "model/eval/interests_due.h"
#include "stream/learn/user_kind.h"

enum verdict {
    VERDICT_ADOPTED,
    VERDICT_HELD,
    VERDICT_FORCED,                 /* by hand, whatever the figures */
    VERDICT_BASELINE_NOT_EVALUABLE, /* nothing serves, or what serves cannot be asked the same */
    VERDICTS
};

/* "adopted", "held", "forced", "baseline-not-evaluable". */
const char *verdict_name(enum verdict verdict);

/* True if the candidate is to serve. */
static inline bool verdict_adopts(enum verdict verdict)
{
    return verdict != VERDICT_HELD;
}

enum { GATE_CUT = 20 /* N of the metrics */, GATE_EVENTS_MIN = 2000 };

/* Means over events. */
struct gate_figures {
    uint32_t events;
    double hit_rate, ndcg, reciprocal_rank;
    double interests; /* live ones of whom an event was asked; 0: counting */
};

/* The same apart for each kind of user; of a kind without events all are 0. */
struct gate_kinds {
    struct gate_figures of[USER_KINDS];
};

struct gate_result {
    enum verdict verdict;
    struct gate_figures current, candidate, transitions;
    struct gate_kinds current_of, candidate_of;
    double difference; /* mean of candidate - current, NDCG */
    double bound;      /* its lower 95 % bound */
};

struct gate_options {
    uint32_t events_min; /* fewer give no verdict but held */
    uint32_t events_max; /* more are thinned by users */
    double margin;
    struct user_kind_options kinds;
};

/* Behaviors of the dataset whose place on the clock is at or before `until_ms`. */
uint32_t gate_learned(const struct dataset *dataset, int64_t until_ms);

/* The same of each user: known [users]. */
void gate_known(const struct dataset *dataset, int64_t until_ms, uint32_t *known);

/*
 * The latest time, not before `since_ms`, after which at least `events` behaviors lie (of 0: the
 * newest); `since_ms` if there are fewer after it.
 */
MUST_CHECK enum status gate_cut(const struct dataset *dataset, int64_t since_ms, uint32_t events,
                                int64_t *cut_msp, struct error *error);

/* One generation, its sample as its dictionary resolves it. */
struct gate_arm {
    const struct checkpoint *checkpoint;
    const struct dataset *dataset;
    const atomic_bool *cancel; /* end with STATUS_END when it is set; NULL: never */
};

/*
 * Judges by the events after `cut_ms`. Both datasets hold the same behaviors in the same order, or
 * the current generation is not evaluable; nor is it if `current->checkpoint` is NULL.
 */
MUST_CHECK enum status gate_judge(const struct gate_arm *current, const struct gate_arm *candidate,
                                  int64_t cut_ms, const struct gate_options *options,
                                  struct gate_result *result, struct error *error);

/* What serves and what counting reaches, on the same events. */
struct gate_served {
    struct gate_figures current, transitions, popularity;
    struct gate_kinds current_of;
    struct interests_due due; /* whether what came is of interests that its users have */
};

/*
 * Measures a generation on the events after `cut_ms`, as gate_judge does: the prequential figure of
 * what serves, beside what counting reaches that has seen the same histories. Counting needs no row
 * of a generation for an item: it counts over `counted`, the same behaviors by a newer dictionary.
 * STATUS_NOT_FOUND if there is no such event.
 */
MUST_CHECK enum status gate_measure(const struct gate_arm *arm, const struct dataset *counted,
                                    int64_t cut_ms, const struct gate_options *options,
                                    struct gate_served *served, struct error *error);

#endif
