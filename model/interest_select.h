/*
 * interest_select.h - which of the K interests that a state was asked for are worth publishing.
 *
 * For models whose state does not depend on K: an interest is live if the state has evidence for
 * it, measured against what is usual, and if it points somewhere the ones chosen before do not
 * (models.md section 7.2). A pure function of the read; the state is not changed.
 */
#ifndef MODEL_INTEREST_SELECT_H
#define MODEL_INTEREST_SELECT_H

#include <stdint.h>

#include "model/kernel/real.h"

enum { INTEREST_SELECT_MAX = 64 }; /* the greatest K */

struct interest_select {
    uint32_t limit;      /* interests chosen, at most; 0: K */
    double evidence_min; /* least evidence relative to the prior */
    double
        residual_min; /* least part of a vector, 0 .. 1, outside the span of those chosen before */
};

static inline struct interest_select interest_select_defaults(void)
{
    return (struct interest_select){.limit = 0, .evidence_min = 0.1, .residual_min = 0.3};
}

/* What a state was read for. */
struct interest_select_read {
    const real *vectors; /* [K][d] */
    const real *share;   /* [K] evidence of each as a share of the whole */
    const real *prior;   /* [K] the mean share over the training users, above 0; NULL: 1/K */
    uint32_t interests;  /* K */
    uint32_t d;
    uint64_t events; /* that the state has absorbed: no more interests than these are chosen */
};

/*
 * Writes the indices in the order chosen and the weights that go with them, room for K of each, and
 * returns how many. `basis` is scratch of K x d doubles.
 */
uint32_t interest_select(const struct interest_select *options,
                         const struct interest_select_read *read, double *basis, uint32_t *chosen,
                         real *weights);

#endif
