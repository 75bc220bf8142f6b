/* op_routing.c - dynamic routing, window by window. */
#include "model/tensor/op_routing.h"

#include <string.h>

#include "model/kernel/kernel_routing.h"

/* What backward needs of forward: of each window in turn, its shares and its sums. */
struct routing_pass {
    const struct windows *windows;
    const struct routing *routing;
    const real *coupling; /* [events of the window, live] each */
    const real *sums;     /* [live, d] each */
};

static uint32_t capsule_width(const struct routing *routing, const struct tensor *projected)
{
    return routing->own_vectors ? projected->cols / routing->interests : projected->cols;
}

static struct routed routed_of(const struct routing *routing, const struct tensor *projected,
                               const struct windows *windows, uint32_t window)
{
    const uint32_t d = capsule_width(routing, projected);
    return (struct routed){
        .projected = projected->data + (size_t)windows->first[window] * projected->cols,
        .event_stride = projected->cols,
        .interest_stride = routing->own_vectors ? d : 0,
        .events = windows->end[window] - windows->first[window],
        .interests = windows->live[window],
        .d = d,
    };
}

static void route_backward(struct tape *tape, const struct node *node)
{
    const struct routing_pass *pass = node->saved;
    const struct windows *windows = pass->windows;
    struct tensor *projected = node->inputs[0], *y = node->output;
    const uint32_t d = y->cols, interests = pass->routing->interests;
    const real *coupling = pass->coupling, *sums = pass->sums;
    real *d_projected = tape_gradient(tape, projected);
    for (uint32_t window = 0; window < windows->count; window++) {
        const struct routed routed = routed_of(pass->routing, projected, windows, window);
        kernel_route_backward(d_projected + windows->first[window] * routed.event_stride,
                              y->gradient + (size_t)window * interests * d, sums, coupling,
                              &routed);
        coupling += (size_t)routed.events * routed.interests;
        sums += (size_t)routed.interests * d;
    }
}

/* Where the events of a window begin: the first `live` columns of their rows of the table. */
static void start_logits(real *logits, const struct routing *routing, const struct windows *windows,
                         uint32_t window)
{
    const uint32_t live = windows->live[window], interests = routing->interests;
    if (!routing->init) {
        const size_t events = windows->end[window] - windows->first[window];
        memset(logits, 0, events * live * sizeof(real));
        return;
    }
    const uint32_t period = routing->init->spec.shape[0];
    for (uint32_t event = windows->first[window]; event < windows->end[window]; event++) {
        uint64_t row = windows->at[event].ordinal % period;
        memcpy(logits, routing->init->data + row * interests, live * sizeof(real));
        logits += live;
    }
}

/* Shares and sums of all windows together, and the logits of the largest. */
struct sizes {
    size_t coupling;
    size_t sums;
    size_t logits;
};

static struct sizes sizes_of(const struct windows *windows, uint32_t d)
{
    struct sizes sizes = {0};
    for (uint32_t window = 0; window < windows->count; window++) {
        size_t cells =
            (size_t)(windows->end[window] - windows->first[window]) * windows->live[window];
        sizes.coupling += cells;
        sizes.sums += (size_t)windows->live[window] * d;
        if (cells > sizes.logits) sizes.logits = cells;
    }
    return sizes;
}

/* `coupling`, that of the first window, as a tensor. */
static struct tensor *first_coupling(struct tape *tape, const struct windows *windows,
                                     real *coupling)
{
    struct tensor *first = arena_take(tape->arena, sizeof *first);
    *first = (struct tensor){.data = coupling};
    if (windows->count == 0) return first;
    first->rows = windows->end[0] - windows->first[0];
    first->cols = windows->live[0];
    return first;
}

struct tensor *op_route(struct tape *tape, const struct routing *routing, struct tensor *projected,
                        const struct windows *windows, struct tensor **couplingp)
{
    const uint32_t d = capsule_width(routing, projected), interests = routing->interests;
    const struct sizes sizes = sizes_of(windows, d);
    struct tensor *y = tape_tensor(tape, windows->count * interests, d);
    struct routing_pass *pass = arena_take(tape->arena, sizeof *pass);
    real *coupling = arena_take(tape->arena, sizes.coupling * sizeof(real));
    real *sums = arena_take(tape->arena, sizes.sums * sizeof(real));
    real *logits = arena_take(tape->arena, sizes.logits * sizeof(real));
    *pass = (struct routing_pass){windows, routing, coupling, sums};
    if (couplingp) *couplingp = first_coupling(tape, windows, coupling);
    memset(y->data, 0, tensor_count(y) * sizeof(real));
    for (uint32_t window = 0; window < windows->count; window++) {
        const struct routed routed = routed_of(routing, projected, windows, window);
        start_logits(logits, routing, windows, window);
        kernel_route(y->data + (size_t)window * interests * d, sums, coupling, logits, &routed,
                     routing->iterations);
        coupling += (size_t)routed.events * routed.interests;
        sums += (size_t)routed.interests * d;
    }
    tape_record(tape, (struct node){route_backward, y, {projected}, pass});
    return y;
}
