/*
 * window.h - a user's last behaviors as its state, for models that read them again (models.md 5.5).
 *
 * The state keeps rows of the tables, in a ring. An event keeps its embedding as the window slides,
 * since what is stored of its gap is the bucket that it fell into when it came.
 */
#ifndef MODEL_ZOO_WINDOW_H
#define MODEL_ZOO_WINDOW_H

#include "model/interest_ops.h"
#include "model/tensor/windows.h"

struct window {
    uint32_t size; /* behaviors */
    size_t at;     /* reals before the ring in a state */
};

/* That it keeps raw behaviors, whatever the dimensions (interest_ops.keeps_history). */
bool window_keeps_history(const struct model_dims *dims);

/* Adds the ring of dims->window behaviors to a state. */
void window_layout(struct state_layout *layout, const struct model_dims *dims);

struct window window_of(const struct interest_model *model);

/* How many behaviors a window of `size` holds after so many events. */
uint32_t window_fill(uint32_t size, uint64_t events);

void window_absorb(const struct window *window, real *const *states,
                   const struct behavior_batch *batch);

/* The behaviors of all users' windows, oldest first, in the tape's arena. */
const struct behavior_batch *window_unroll(struct tape *tape, const struct window *window,
                                           const real *const *states, uint32_t users);

/* One window a user of an unrolled batch, its live interests those of ops->live. */
const struct windows *window_whole(struct tape *tape, const struct interest_model *model,
                                   const struct behavior_batch *batch);

/* The window of each point: its event and those before it, of the same user. */
const struct windows *window_points(struct tape *tape, const struct interest_model *model,
                                    const struct behavior_batch *batch,
                                    const struct read_points *points);

/* What interest_ops.explain is of a model of windows whose read gives shares. */
const struct explain_ops *window_explain(const struct model_dims *dims);

#endif
