/*
 * model_dims.h - the hyper-parameters of all models, and their names in a checkpoint.
 *
 * A row of one table is a dimension: how it is called, printed and parsed, and what it may be.
 * Models share the struct; what one does not have is 0, which leaves no trace in a file or a
 * fingerprint, so that new dimensions do not change old checkpoints. Kernels, arrays and scratch
 * memory rely on these limits, and nothing but this table states them.
 *
 * Threads: all functions are pure.
 */
#ifndef MODEL_MODEL_DIMS_H
#define MODEL_MODEL_DIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* The greatest values of dimensions that arrays are sized by. */
enum {
    WIDTH_MAX = 1024,
    INTERESTS_MAX = 64,
    GAP_BUCKETS_MAX = 65,
    BLOCKS_MAX = 16,
    WINDOW_MAX = 512,
    LEDGER_ENTRIES_MAX = 64,
};

/* Hyper-parameters of every model; one it does not have is 0 and is not stored. */
struct model_dims {
    uint32_t d;     /* embedding width */
    uint32_t heads; /* H */
    uint32_t blocks;
    uint32_t ffn;           /* hidden width of the feed-forward layers */
    uint32_t interests;     /* K */
    uint32_t extract_heads; /* H_e; of lru 0: it reads its newest hidden vector, K = 1 */
    bool conditional;       /* read = conditional (else extract) */
    bool use_category;
    bool tags; /* an item may have several categories */
    bool use_gap;
    uint32_t gap_buckets;
    bool cosine;            /* similarity = cosine: interests are published normalized */
    float temperature;      /* of cosine */
    uint32_t induction_top; /* memory slots whose channels an event advances */
    bool utilization;       /* writes are balanced over the memory slots */
    float penalty_weight;   /* of the model's own term in the loss */
    uint32_t
        steps; /* updates of a level for one of the next: 4 bits each, the lowest level first */
    uint32_t window;      /* behaviors that a window model keeps */
    bool positions;       /* attention knows how old a behavior is in the window */
    uint32_t attention;   /* hidden width of the scores of attention */
    uint32_t iterations;  /* of routing */
    uint32_t mlp;         /* hidden width of the layers after routing */
    bool fixed_interests; /* as many are live as there are behaviors, up to K; else log2 of them */
    float half_life_days; /* of a behavior in a pool or a ledger; 0: it does not fade */
    bool project;         /* a linear layer after pooling */
    bool select;          /* of the K reads only some are live (interest_select.h): those with */
    float evidence_min;   /* so much evidence relative to the prior, */
    float residual_min;   /* and so much of their length outside the span of the others */
    uint32_t entries;     /* of a ledger, at most; the rest of it is as in interest_ledger.h */
    float new_cosine;
    float merge_cosine;
    float drop_mass;
    float publish_mass;
    float split_mass;
    float split_scatter;
    float split_share;
    uint32_t prototypes;      /* that all users share */
    float tau;                /* temperature of the choice among interests */
    bool intent_cosine;       /* that choice by cosines; else by inner products */
    uint32_t width;           /* complex coordinates of a linear recurrence */
    uint32_t profile_buckets; /* rows for what is known of a user; 0: the model does not ask */
};

enum { MODEL_DIMS = 41, DIM_TEXT_MAX = 48 };

/* The key of dimension `index`, 0 .. MODEL_DIMS - 1: "d", "H", "blocks", ... */
const char *model_dim_key(uint32_t index);

/* Its value as 32 bits, those of a float where it is one; 0: the model has no such. */
uint32_t model_dim_bits(const struct model_dims *dims, uint32_t index);

void model_dim_print(const struct model_dims *dims, uint32_t index, char text[DIM_TEXT_MAX]);

/*
 * Sets dimension `index` from `text`, as model_dim_print writes it or a person does. STATUS_INVALID,
 * calling the dimension `name`: no such value, or one beyond its limits.
 */
MUST_CHECK enum status model_dim_parse(struct model_dims *dims, uint32_t index, const char *name,
                                       const char *text, struct error *error);

/*
 * Sets the dimensions that `text` lists, as "d=32,K=2"; an empty text sets none. STATUS_INVALID,
 * calling the text `name`: no such dimension, or no such value.
 */
MUST_CHECK enum status model_dims_set(struct model_dims *dims, const char *name, const char *text,
                                      struct error *error);

/* The index of the dimension called `key`; there must be one. */
uint32_t model_dim_find(const char *key);

/* STATUS_INVALID, naming the dimension and its limits, if one is neither 0 nor within them. */
MUST_CHECK enum status model_dims_check(const struct model_dims *dims, struct error *error);

/* How many numbers model_dims.steps holds, and the one at `index`, the lowest level's first. */
uint32_t model_dims_steps(uint32_t steps);
uint32_t model_dims_step(uint32_t steps, uint32_t index);

bool model_dims_equal(const struct model_dims *a, const struct model_dims *b);

#endif
