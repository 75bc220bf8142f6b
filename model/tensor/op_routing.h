/*
 * op_routing.h - dynamic routing over windows of behaviors (models.md 5.5, kernel_routing.h).
 */
#ifndef MODEL_TENSOR_OP_ROUTING_H
#define MODEL_TENSOR_OP_ROUTING_H

#include <stdint.h>

#include "model/tensor/behavior.h"
#include "model/tensor/params.h"
#include "model/tensor/tape.h"

struct routing {
    const struct param *init; /* [period, interests]: where an event begins, by its ordinal */
    uint32_t iterations;
};

/* Windows over the events of one tensor; they may overlap. The caller keeps them until backward. */
struct windows {
    const struct behavior *at; /* the events */
    const uint32_t *first;     /* [count] */
    const uint32_t *end;       /* [count] */
    const uint32_t *live;      /* [count] interests that take part */
    uint32_t count;
};

/*
 * projected [events, d]: routes each window to its live interests. Result [windows * interests, d],
 * zeros for interests that take no part.
 */
struct tensor *op_route(struct tape *tape, const struct routing *routing, struct tensor *projected,
                        const struct windows *windows);

#endif
