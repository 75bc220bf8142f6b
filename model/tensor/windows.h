/*
 * windows.h - parts of ragged sequences, each read as one: what a user did last, up to some event.
 *
 * What differs from window to window, such as how old an event is, has a row for each event of each
 * window: a cell.
 */
#ifndef MODEL_TENSOR_WINDOWS_H
#define MODEL_TENSOR_WINDOWS_H

#include <stdint.h>

#include "model/tensor/behavior.h"

/* Windows over the events of one tensor; they may overlap. The caller keeps them until backward. */
struct windows {
    const struct behavior *at; /* the events */
    const uint32_t *first;     /* [count] */
    const uint32_t *end;       /* [count] */
    const uint32_t *live;      /* [count] interests that take part */
    uint32_t count;
};

/* Their events side by side: window i owns cells offsets[i] .. offsets[i + 1] - 1, oldest first. */
struct window_cells {
    const uint32_t *offsets; /* [windows + 1] */
    const uint32_t *event;   /* [cells] */
    const uint32_t *age;     /* [cells] events of the window after it: 0 for the newest */
    uint32_t windows;
};

static inline uint32_t window_cells_count(const struct window_cells *cells)
{
    return cells->offsets[cells->windows];
}

#endif
