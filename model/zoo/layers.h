/*
 * layers.h - what several models are made of: named layers, and the skeleton that limarec and
 * gdelta share (models.md 5.1): pre-norm feed-forward layers, and K queries that read an extractor.
 */
#ifndef MODEL_ZOO_LAYERS_H
#define MODEL_ZOO_LAYERS_H

#include "model/interest_ops.h"

/* Opens NAME.weight and, if it is declared, NAME.bias. On failure there is nothing to close. */
MUST_CHECK enum status layer_open(struct linear *layer, const struct param_set *params,
                                  struct error *error, const char *name_format, ...)
    PRINTF_LIKE(4, 5);

/* ---- layer norm: NAME.weight, ones, and NAME.bias, zeros ---- */

struct norm {
    const struct param *weight;
    const struct param *bias;
};

void norm_declare(struct param_set *params, uint32_t d, const char *name_format, ...)
    PRINTF_LIKE(3, 4);
struct norm norm_of(const struct param_set *params, const char *name_format, ...) PRINTF_LIKE(2, 3);
struct tensor *norm_apply(struct tape *tape, const struct norm *norm, struct tensor *x);

/* ---- feed-forward layers of block b: block.b.ffn_norm, block.b.ffn.up and .down ---- */

struct feed_forward {
    struct norm norm;
    struct linear up;
    struct linear down;
};

void feed_forward_declare(struct param_set *params, const struct model_dims *dims, uint32_t b);

/* On failure feed_forward_close is still due; it is legal on zeros. */
MUST_CHECK enum status feed_forward_open(struct feed_forward *layers,
                                         const struct param_set *params, uint32_t b,
                                         struct error *error);
void feed_forward_close(struct feed_forward *layers);

/* u + down(relu(up(norm(u)))), with dropout before the sum. Consumes u. */
struct tensor *feed_forward_add(struct tape *tape, const struct feed_forward *layers,
                                struct tensor *u);

/* ---- K queries: extract.query and, if the read is conditional, extract.condition and .mix ---- */

struct queries {
    uint32_t d;
    bool conditional;
    const struct param *query; /* [K, d] */
    struct linear condition;   /* [K * d, d], its bias the queries */
    struct linear mix;
    size_t last_at; /* of the newest hidden vector in a state */
};

void queries_declare(struct param_set *params, const struct model_dims *dims);

/* Adds `last` [d] to the state of a conditional read. */
void queries_layout(struct state_layout *layout, const struct model_dims *dims);

/* On failure queries_close is still due; it is legal on zeros. */
MUST_CHECK enum status queries_open(struct queries *queries, const struct interest_model *model,
                                    struct error *error);
void queries_close(struct queries *queries);

/* Keeps what a later read is conditioned on: y [events, d]. Serving. */
void queries_keep(struct tape *tape, const struct queries *queries, struct tensor *y,
                  real *const *states, const struct behavior_batch *batch);

/*
 * The newest hidden vectors [users, d] out of states; NULL if the read is not conditional. Serving.
 */
struct tensor *queries_last(struct tape *tape, const struct queries *queries,
                            const real *const *states, uint32_t users);

/* [reads, K * d], in view of the newest hidden vectors `last` [reads, d] (if conditional). */
struct tensor *queries_ask(struct tape *tape, const struct queries *queries, struct tensor *last,
                           uint32_t reads);

/* The interests that answers o [reads * K, d] make. */
struct tensor *queries_interests(struct tape *tape, const struct queries *queries, struct tensor *o,
                                 struct tensor *last);

/* ---- the extractor: keys and values of hidden vectors in sums that K queries read ---- */

struct extractor {
    struct linear key_value;
    struct attention_sums sums;
    struct queries queries;
};

void extractor_declare(struct param_set *params, const struct model_dims *dims);

/* Adds its sums, and what its queries keep, to a state: all that reading looks at. */
void extractor_layout(struct state_layout *layout, const struct model_dims *dims);

/* On failure extractor_close is still due; it is legal on zeros. */
MUST_CHECK enum status extractor_open(struct extractor *extractor,
                                      const struct interest_model *model, struct error *error);
void extractor_close(struct extractor *extractor);

/* Adds the hidden vectors y [events, d]. Serving. */
void extractor_absorb(struct tape *tape, const struct extractor *extractor, struct tensor *y,
                      real *const *states, const struct behavior_batch *batch);

/* Serving. */
struct interest_reads extractor_read(struct tape *tape, const struct extractor *extractor,
                                     const real *const *states, uint32_t users);

/* What extractor_read gives after each of `points`, of sequences with hidden vectors y. */
struct interest_reads extractor_steps(struct tape *tape, const struct extractor *extractor,
                                      struct tensor *y, const struct behavior_batch *batch,
                                      const struct read_points *points);

/* The reals that extractor_note notes of a behavior. */
uint32_t extractor_noted(const struct model_dims *dims);

/* Adds hidden vectors y of one user as extractor_absorb does, and notes their keys. */
void extractor_note(struct tape *tape, const struct extractor *extractor, struct tensor *y,
                    real *const *states, const struct behavior_batch *batch,
                    const struct explain_notes *notes);

/* What explain_ops.weigh gives, of those keys. */
void extractor_weigh(struct tape *tape, const struct extractor *extractor, const real *state,
                     const struct explain_notes *notes, real *weights);

/* ---- what both models say of their dimensions ---- */

enum status skeleton_check(const struct model_dims *dims, struct error *error);

/* One interest after one event, since all K reads are equal then; else K. */
uint32_t skeleton_live(const struct model_dims *dims, uint64_t events);

#define SKELETON_DEFAULTS                                                                          \
    {                                                                                              \
        .d = 64, .heads = 4, .blocks = 2, .ffn = 128, .interests = 4, .extract_heads = 4,          \
        .conditional = true, .use_category = true, .use_gap = true, .gap_buckets = 32,             \
        .temperature = 0.1f                                                                        \
    }

#endif
