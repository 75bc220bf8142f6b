/*
 * op_routing.h - dynamic routing over windows of behaviors (models.md 5.5, kernel_routing.h).
 */
#ifndef MODEL_TENSOR_OP_ROUTING_H
#define MODEL_TENSOR_OP_ROUTING_H

#include <stdint.h>

#include "model/tensor/params.h"
#include "model/tensor/tape.h"
#include "model/tensor/windows.h"

struct routing {
    const struct param *init; /* [period, interests]: where an event begins, by its ordinal; NULL:
                                 without a leaning */
    uint32_t interests;       /* at most */
    bool own_vectors;         /* an event has a vector for each interest, else one for all */
    uint32_t iterations;
};

/*
 * projected [events, d], or [events, interests * d] with own vectors: routes each window to its live
 * interests. Result [windows * interests, d], zeros for interests that take no part. *couplingp, if wanted, are the shares of the first window [its events,
 * its live interests].
 */
struct tensor *op_route(struct tape *tape, const struct routing *routing, struct tensor *projected,
                        const struct windows *windows, struct tensor **couplingp);

#endif
