/*
 * kernel_list.h - every kernel's name, for what must be done with all of them (kernel_width.h).
 *
 * A kernel that is missing here is defined once for each width, and the program does not link.
 */
#ifndef MODEL_KERNEL_KERNEL_LIST_H
#define MODEL_KERNEL_KERNEL_LIST_H

#include "model/kernel/kernel.h"
#include "model/kernel/kernel_activation.h"
#include "model/kernel/kernel_covariance.h"
#include "model/kernel/kernel_delta.h"
#include "model/kernel/kernel_memory.h"
#include "model/kernel/kernel_mixture.h"
#include "model/kernel/kernel_pool.h"
#include "model/kernel/kernel_recurrent.h"
#include "model/kernel/kernel_ring.h"
#include "model/kernel/kernel_routing.h"
#include "model/kernel/kernel_window.h"

/* clang-format off */
#define KERNELS(K)                                                                                 \
    /* kernel.h */                                                                                 \
    K(kernel_packed_size) K(kernel_pack) K(kernel_matmul_packed) K(kernel_matmul_fetching)         \
    K(kernel_product)                                                                              \
    K(kernel_exp) K(kernel_elu1) K(kernel_elu1_backward) K(kernel_relu) K(kernel_relu_backward)    \
    K(kernel_add) K(kernel_add_mean) K(kernel_add_part)                                            \
    K(kernel_add_repeated) K(kernel_sum_repeated) K(kernel_multiply)                               \
    K(kernel_add_product) K(kernel_layer_norm) K(kernel_layer_norm_backward) K(kernel_unit)        \
    K(kernel_attention_absorb) K(kernel_attention_step) K(kernel_attention_read)                   \
    K(kernel_attention_sequence) K(kernel_attention_scratch)                                       \
    K(kernel_attention_sequence_backward)                                                          \
    /* kernel_activation.h */                                                                      \
    K(kernel_sigmoid) K(kernel_sigmoid_backward) K(kernel_tanh) K(kernel_tanh_backward)            \
    K(kernel_softplus) K(kernel_softplus_backward) K(kernel_silu) K(kernel_gate)                   \
    K(kernel_gelu) K(kernel_gelu_backward)                                                         \
    K(kernel_gate_backward) K(kernel_expf) K(kernel_softmax) K(kernel_unit_silu)                   \
    K(kernel_unit_silu_backward) K(kernel_unit_expf) K(kernel_unit_expf_backward) K(kernel_rms)    \
    K(kernel_rms_backward) K(kernel_squash) K(kernel_squash_slope)                                 \
    /* kernel_covariance.h */                                                                      \
    K(kernel_offdiag) K(kernel_offdiag_backward)                                                   \
    /* kernel_delta.h */                                                                           \
    K(kernel_delta_absorb) K(kernel_delta_step) K(kernel_delta_read) K(kernel_delta_gates)         \
    K(kernel_delta_gates_backward) K(kernel_delta_sequence) K(kernel_delta_scratch)                \
    K(kernel_delta_sequence_backward)                                                              \
    /* kernel_memory.h */                                                                          \
    K(kernel_address) K(kernel_address_backward) K(kernel_balance) K(kernel_balance_backward)      \
    K(kernel_memory_read) K(kernel_memory_read_backward) K(kernel_memory_write)                    \
    K(kernel_memory_write_backward)                                                                \
    /* kernel_pool.h */                                                                            \
    K(kernel_pool_keep) K(kernel_pool_absorb) K(kernel_pool_read) K(kernel_softmax_pool_absorb)    \
    K(kernel_softmax_pool_read_backward) K(kernel_softmax_pool_backward)                           \
    /* kernel_recurrent.h */                                                                       \
    K(kernel_gru_open) K(kernel_gru_close) K(kernel_gru_close_backward)                            \
    K(kernel_gru_open_backward)                                                                    \
    /* kernel_ring.h */                                                                            \
    K(kernel_ring_make) K(kernel_ring_make_backward) K(kernel_ring_step) K(kernel_ring_backward)   \
    /* kernel_mixture.h */                                                                         \
    K(kernel_softmax_backward) K(kernel_unit_backward) K(kernel_dots)                              \
    K(kernel_row_dots) K(kernel_row_dots_backward)                                                 \
    /* kernel_routing.h */                                                                         \
    K(kernel_route) K(kernel_route_backward)                                                       \
    /* kernel_window.h */                                                                          \
    K(kernel_softmax_steps) K(kernel_softmax_steps_backward) K(kernel_window_sums)                 \
    K(kernel_window_sums_backward)
/* clang-format on */

#endif
