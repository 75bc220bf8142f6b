/*
 * params.h - the named parameters of a model, over one block of memory.
 *
 * A model declares each parameter once, by name, shape and initializer; checkpoints, fingerprints
 * and the optimizer then treat all of them alike. Their values lie in one 64-byte aligned block in
 * the order of declaration, each parameter aligned by itself, with zeros between.
 *
 *     param_set_open -> param_declare ... -> param_set_allocate -> values (drawn or read) -> close
 *
 * Threads: a set belongs to one thread until its values are complete; then it may be shared.
 */
#ifndef MODEL_TENSOR_PARAMS_H
#define MODEL_TENSOR_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/kernel/real.h"

enum { PARAM_NAME_MAX = 63, PARAM_RANK_MAX = 3, PARAM_COUNT_MAX = 384 };

/* How a parameter is drawn by param_draw.h (models.md section 1). */
enum param_init {
    PARAM_ZEROS,
    PARAM_ONES,
    PARAM_NORMAL, /* independent N(0, spread^2) */
    PARAM_TABLE,  /* the same, and row 0, which is padding, stays zero */
    PARAM_GLOROT, /* U(-a, a), a = sqrt(6 / (in + out)) of the last two dimensions [.., out, in] */
    PARAM_GLOROT_GATES, /* the same for each of the three [h, in] of a [3h, in] */
    PARAM_GRU_BIAS,     /* [3h]: 1 for reset and update, 0 for the candidate */
    PARAM_TANH_NORMAL,  /* tanh of N(0, 1/4) */
    PARAM_FILL,         /* `value` everywhere */
    PARAM_DIAGONAL,     /* `value` on the diagonal of a square, which may be flattened; else 0 */
    PARAM_RING_DECAY,   /* [n], and the two below: coordinates of a ring (models.md 5.11), drawn */
    PARAM_RING_PHASE,   /* together if their names differ behind the last dot only */
    PARAM_RING_GAIN,
    PARAM_DECAY, /* [heads]: softplus of it is ln 2 / half-life; half-lives from 1/8 to 64 days */
};

struct param_spec {
    enum param_init init;
    double spread; /* standard deviation of PARAM_NORMAL and PARAM_TABLE */
    double value;  /* of PARAM_FILL and PARAM_DIAGONAL */
    uint32_t rank;
    uint32_t shape[PARAM_RANK_MAX]; /* slowest first; `rank` of them count */
    bool read_side;                 /* states stay valid when it changes (models.md section 6) */
    bool constant;                  /* stored, never trained */
};

struct param {
    char name[PARAM_NAME_MAX + 1];
    struct param_spec spec;
    size_t count; /* reals: the product of the shape */
    real *data;   /* row-major, 64-byte aligned, inside the block; NULL before allocation */
};

/* A vector [n], a linear weight [out, in], a table [rows, d] whose row 0 is zero. */
static inline struct param_spec param_vector(enum param_init init, uint32_t n)
{
    return (struct param_spec){.init = init, .rank = 1, .shape = {n}};
}

static inline struct param_spec param_matrix(uint32_t out, uint32_t in)
{
    return (struct param_spec){.init = PARAM_GLOROT, .rank = 2, .shape = {out, in}};
}

static inline struct param_spec param_table(double spread, uint32_t rows, uint32_t d)
{
    return (struct param_spec){
        .init = PARAM_TABLE, .spread = spread, .rank = 2, .shape = {rows, d}};
}

struct param_set;

/* An empty set. On failure *setp is NULL. */
MUST_CHECK enum status param_set_open(struct param_set **setp, struct error *error);
void param_set_close(struct param_set *set);

/* Adds a parameter. At most PARAM_COUNT_MAX, names unique and at most PARAM_NAME_MAX long. */
void param_declare(struct param_set *set, struct param_spec spec, const char *name_format, ...)
    PRINTF_LIKE(3, 4);

/* Takes the block of all declared parameters and zeroes it. Nothing can be declared afterwards. */
MUST_CHECK enum status param_set_allocate(struct param_set *set, struct error *error);

/*
 * How many reals, from the first on, mean the same in both: all of them if they have the same shape.
 * Of a read-side parameter with other rows, the queries of more or fewer interests, those of the rows
 * that both have.
 */
size_t param_shared(const struct param *a, const struct param *b);

/* Takes over the values that `from` has by the same name, as far as shapes agree (param_shared). */
void param_set_copy(struct param_set *set, const struct param_set *from);

/* Parameters in declared order, and by name (NULL if there is none of that name). */
uint32_t param_set_count(const struct param_set *set);
struct param *param_set_at(const struct param_set *set, uint32_t index);
struct param *param_set_find(const struct param_set *set, const char *name);

/* A parameter that has been declared, by its formatted name. */
const struct param *param_set_get(const struct param_set *set, const char *name_format, ...)
    PRINTF_LIKE(2, 3);

/* The block: `param_set_size` reals, padding included. */
real *param_set_block(const struct param_set *set);
size_t param_set_size(const struct param_set *set);

/* True if every value lies in +-most; otherwise *badp is the first parameter with one that does not
 * or is no number. */
bool param_set_within(const struct param_set *set, double most, const struct param **badp);

enum param_part { PARAMS_ALL, PARAMS_STATE_PRODUCING };

/* Depends on names, shapes and values of that part, in declared order. */
uint64_t param_set_fingerprint(const struct param_set *set, enum param_part part);

#endif
