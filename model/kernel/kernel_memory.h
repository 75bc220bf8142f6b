/*
 * kernel_memory.h - an addressed memory of slots (models.md 5.3).
 *
 * A user's memory is [slots, d]. Backward kernels add to gradients; none may be NULL.
 */
#ifndef MODEL_KERNEL_KERNEL_MEMORY_H
#define MODEL_KERNEL_KERNEL_MEMORY_H

#include <stdint.h>

#include "model/kernel/real.h"

enum { MEMORY_SLOTS_MAX = 64 };

/* w [slots] = softmax of strength / 2 (cos8(query, keys_i) + cos8(query, memory_i)). */
void kernel_address(real *restrict w, const real *query, real strength, const real *keys,
                    const real *memory, uint32_t slots, uint32_t d);

/* What dw gives back to query [d], strength [1], keys and memory [slots, d]. */
struct address_gradients {
    real *query;
    real *strength;
    real *keys;
    real *memory;
};
void kernel_address_backward(struct address_gradients gradients, const real *dw, const real *w,
                             const real *query, real strength, const real *keys, const real *memory,
                             uint32_t slots, uint32_t d);

/*
 * y [slots] = w P; `p` [slots, slots] holds logits and becomes P, the softmax of each row, in
 * place.
 */
void kernel_balance(real *restrict y, real *restrict p, const real *w, uint32_t slots);

/* dw and d_logits, given P. */
void kernel_balance_backward(real *restrict dw, real *restrict d_logits, const real *dy,
                             const real *p, const real *w, uint32_t slots);

/* y [d] = w memory. */
void kernel_memory_read(real *restrict y, const real *w, const real *memory, uint32_t slots,
                        uint32_t d);
void kernel_memory_read_backward(real *restrict dw, real *restrict d_memory, const real *dy,
                                 const real *w, const real *memory, uint32_t slots, uint32_t d);

/* In place: memory_i = memory_i (1 - w_i erase) + w_i add; erase and add [d]. */
void kernel_memory_write(real *restrict memory, const real *w, const real *erase, const real *add,
                         uint32_t slots, uint32_t d);

struct write_gradients {
    real *memory;
    real *w;
    real *erase;
    real *add;
};
/* `memory` is the one before the write. */
void kernel_memory_write_backward(struct write_gradients gradients, const real *dy,
                                  const real *memory, const real *w, const real *erase,
                                  const real *add, uint32_t slots, uint32_t d);

#endif
