/* windows.h - parts of ragged sequences, each read as one: what a user did last, up to some event. */
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

#endif
