/*
 * checkpoint.h - one generation of a model in a file: parameters, dimensions, item dictionary.
 *
 * The file is safetensors (https://github.com/huggingface/safetensors): 8 bytes little-endian
 * header length, JSON header, raw little-endian tensors; the safetensors Python package reads it.
 * The __metadata__ holds `format` = braid-checkpoint-1, model, dimensions, generation, fingerprint
 * and a checksum over every other byte of the file; the dictionary is stored as tensors of its own
 * (`dictionary.*`: ids as one byte blob with offsets, category rows). Written to a temporary file,
 * synced, renamed.
 */
#ifndef MODEL_CHECKPOINT_H
#define MODEL_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "model/item_table.h"

/* Hyper-parameters of every model; one it does not have is 0 and is not stored. */
struct model_dims {
    uint32_t d;     /* embedding width */
    uint32_t heads; /* H */
    uint32_t blocks;
    uint32_t ffn;           /* hidden width of the feed-forward layers */
    uint32_t interests;     /* K */
    uint32_t extract_heads; /* H_e */
    bool conditional;       /* read = conditional (else extract) */
    bool use_category;
    bool use_gap;
    uint32_t gap_buckets;
    bool cosine;            /* similarity = cosine: interests are published normalized */
    float temperature;      /* of cosine */
    uint32_t induction_top; /* memory slots whose channels an event advances */
    bool utilization;       /* writes are balanced over the memory slots */
    float penalty_weight;   /* of the model's own term in the loss */
    uint32_t window;        /* behaviors that a window model keeps */
    uint32_t iterations;    /* of routing */
    uint32_t mlp;           /* hidden width of the layers after routing */
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
};

struct param_set; /* model/params.h */

struct checkpoint {
    char model[32]; /* registry name */
    struct model_dims dims;
    uint64_t generation;       /* read generation: rises with every published checkpoint */
    uint64_t state_generation; /* rises when a state-producing parameter changes */
    uint64_t fingerprint;      /* XXH3 over all parameters, dimensions and the dictionary */
    uint64_t seed;             /* that the parameters were drawn or trained with */
    struct param_set *params;
    struct item_table *items;
};

/*
 * Reads a checkpoint. Refused with what is wrong and the path: not safetensors, not a Braid
 * checkpoint, newer format, truncated, failed checksum or fingerprint, a parameter missing, extra
 * or of another shape, a non-finite weight. On failure *checkpointp is NULL.
 */
MUST_CHECK enum status checkpoint_open(struct checkpoint **checkpointp, const char *path,
                                       struct error *error);
void checkpoint_close(struct checkpoint *checkpoint);

/* Writes atomically (temporary file, fsync, rename, fsync of the directory). Sets `fingerprint`. */
MUST_CHECK enum status checkpoint_write(struct checkpoint *checkpoint, const char *path,
                                        struct error *error);

/*
 * Generation 1: declares the parameters of `model` (registry name) for these dimensions and draws
 * them from `seed`. Takes `items` (also on failure).
 */
MUST_CHECK enum status checkpoint_init(struct checkpoint **checkpointp, const char *model,
                                       const struct model_dims *dims, struct item_table *items,
                                       uint64_t seed, struct error *error);

/*
 * Makes it a checkpoint of `model` with `dims` over the same dictionary: parameters of the same name
 * and shape keep their values, the others are drawn from `seed`. STATUS_INVALID: no such model, or
 * dimensions that it cannot have; then nothing has changed.
 */
MUST_CHECK enum status checkpoint_change(struct checkpoint *checkpoint, const char *model,
                                         const struct model_dims *dims, uint64_t seed,
                                         struct error *error);

/* Whether both are of one model with the same dimensions: they differ by training only. */
bool checkpoint_alike(const struct checkpoint *a, const struct checkpoint *b);

/* Human-readable account for `braid inspect checkpoint`. */
void checkpoint_print(const struct checkpoint *checkpoint, FILE *out);

#endif
