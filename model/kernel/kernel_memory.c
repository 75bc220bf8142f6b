/* kernel_memory.c - addressing, reading and writing a memory of slots. */
#include "model/kernel/kernel_memory.h"

#include <stddef.h>
#include <string.h>

#include "model/kernel/kernel_activation.h"
#include "model/kernel/vector.h"

static const real COSINE_EPSILON = (real)1e-8;

static real length_of(const real *x, uint32_t n)
{
    return REAL_SQRT(vec_dot(x, x, n) + COSINE_EPSILON);
}

/* Mean of the two cosines of each slot. */
static void slot_cosines(real *cosine, const real *query, const real *keys, const real *memory,
                         uint32_t slots, uint32_t d)
{
    const real length = length_of(query, d);
    for (uint32_t i = 0; i < slots; i++, keys += d, memory += d) {
        real by_key = vec_dot(query, keys, d) / (length * length_of(keys, d));
        real by_content = vec_dot(query, memory, d) / (length * length_of(memory, d));
        cosine[i] = (by_key + by_content) / 2;
    }
}

void kernel_address(real *restrict w, const real *query, real strength, const real *keys,
                    const real *memory, uint32_t slots, uint32_t d)
{
    slot_cosines(w, query, keys, memory, slots, d);
    for (uint32_t i = 0; i < slots; i++) {
        w[i] *= strength;
    }
    kernel_softmax(w, 1, slots);
}

/* da += dc times the slope of cos8(a, b) along a, db likewise; lengths as in length_of. */
static void cosine_backward(real *da, real *db, real dc, const real *a, const real *b,
                            real a_length, uint32_t d)
{
    const real b_length = length_of(b, d);
    const real scale = dc / (a_length * b_length);
    const real cosine = vec_dot(a, b, d) / (a_length * b_length);
    vec_add_scaled(da, scale, b, d);
    vec_add_scaled(da, -dc * cosine / (a_length * a_length), a, d);
    vec_add_scaled(db, scale, a, d);
    vec_add_scaled(db, -dc * cosine / (b_length * b_length), b, d);
}

void kernel_address_backward(struct address_gradients gradients, const real *dw, const real *w,
                             const real *query, real strength, const real *keys, const real *memory,
                             uint32_t slots, uint32_t d)
{
    real cosine[MEMORY_SLOTS_MAX];
    const real mean = vec_dot(w, dw, slots), length = length_of(query, d);
    slot_cosines(cosine, query, keys, memory, slots, d);
    for (uint32_t i = 0; i < slots; i++) {
        const real d_score = w[i] * (dw[i] - mean);
        const size_t at = (size_t)i * d;
        *gradients.strength += d_score * cosine[i];
        cosine_backward(gradients.query, gradients.keys + at, d_score * strength / 2, query,
                        keys + at, length, d);
        cosine_backward(gradients.query, gradients.memory + at, d_score * strength / 2, query,
                        memory + at, length, d);
    }
}

void kernel_balance(real *restrict y, real *restrict p, const real *w, uint32_t slots)
{
    kernel_softmax(p, slots, slots);
    kernel_memory_read(y, w, p, slots, slots);
}

void kernel_balance_backward(real *restrict dw, real *restrict d_logits, const real *dy,
                             const real *p, const real *w, uint32_t slots)
{
    for (uint32_t i = 0; i < slots; i++, p += slots, d_logits += slots) {
        const real sum = vec_dot(dy, p, slots);
        dw[i] += sum;
        for (uint32_t j = 0; j < slots; j++) {
            d_logits[j] += w[i] * p[j] * (dy[j] - sum);
        }
    }
}

void kernel_memory_read(real *restrict y, const real *w, const real *memory, uint32_t slots,
                        uint32_t d)
{
    memset(y, 0, d * sizeof(real));
    for (uint32_t i = 0; i < slots; i++) {
        vec_add_scaled(y, w[i], memory + (size_t)i * d, d);
    }
}

void kernel_memory_read_backward(real *restrict dw, real *restrict d_memory, const real *dy,
                                 const real *w, const real *memory, uint32_t slots, uint32_t d)
{
    for (uint32_t i = 0; i < slots; i++) {
        dw[i] += vec_dot(dy, memory + (size_t)i * d, d);
        vec_add_scaled(d_memory + (size_t)i * d, w[i], dy, d);
    }
}

void kernel_memory_write(real *restrict memory, const real *w, const real *erase, const real *add,
                         uint32_t slots, uint32_t d)
{
    for (uint32_t i = 0; i < slots; i++, memory += d) {
        for (uint32_t j = 0; j < d; j++) {
            memory[j] = memory[j] * (1 - w[i] * erase[j]) + w[i] * add[j];
        }
    }
}

void kernel_memory_write_backward(struct write_gradients gradients, const real *dy,
                                  const real *memory, const real *w, const real *erase,
                                  const real *add, uint32_t slots, uint32_t d)
{
    for (uint32_t i = 0; i < slots; i++, dy += d, memory += d) {
        gradients.w[i] += vec_dot(dy, add, d);
        for (uint32_t j = 0; j < d; j++) {
            real erased = dy[j] * memory[j];
            gradients.w[i] -= erased * erase[j];
            gradients.erase[j] -= erased * w[i];
            gradients.add[j] += dy[j] * w[i];
            gradients.memory[(size_t)i * d + j] += dy[j] * (1 - w[i] * erase[j]);
        }
    }
}
