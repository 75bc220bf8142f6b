/*
 * interest_ops.h - what a model of zoo/ provides.
 *
 * The stream sees interest_model.h only; this is the other side of that seam. A model is one file
 * that fills in a `struct interest_ops` and has one line in registry.c. Its forward pass is written
 * once, in ops on a tape: `absorb` advances states by a ragged batch of behaviors, `read` makes
 * interests of states, and `steps` puts both together for training: whole sequences that begin with
 * empty states, read along the way. Between the recurrence of a sequence and a read of it lies no
 * state in memory then, but one fused op; all else is the same functions.
 */
#ifndef MODEL_INTEREST_OPS_H
#define MODEL_INTEREST_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"
#include "model/interest_model.h"
#include "model/interest_select.h"
#include "model/tensor/op.h"
#include "model/tensor/params.h"

enum { STATE_PARTS_MAX = 64, STATE_NAME_MAX = 31 };

/* What a user's state consists of, as models.md names it; all reals. */
struct state_layout {
    struct state_part {
        char name[STATE_NAME_MAX + 1];
        size_t at;    /* reals before it */
        size_t count; /* reals */
        real start;   /* what each of them is at first */
    } parts[STATE_PARTS_MAX];
    uint32_t count;
    size_t size;      /* reals of a state */
    size_t read_from; /* reals in front that reading does not look at */
};

/* Appends a part of `count` reals, all zero at first. */
void state_layout_add(struct state_layout *layout, size_t count, const char *name_format, ...)
    PRINTF_LIKE(3, 4);

/* Makes `value` the start of the reals of the part added last. */
void state_layout_start(struct state_layout *layout, real value);

/* Where a part lies that has been added. */
size_t state_layout_at(const struct state_layout *layout, const char *name_format, ...)
    PRINTF_LIKE(2, 3);

/* An open model: immutable, shared by all threads. */
struct interest_model {
    const struct interest_ops *ops;
    const struct checkpoint *checkpoint;
    struct model_dims dims;
    struct embedding_tables tables;
    struct interest_select select;
    const struct param *profile; /* table of profiles; NULL: the model does not ask for them */
    const struct param *prior;   /* of the selection [K]; NULL: all live interests are published */
    void *zoo; /* what the model's own `open` made: bound parameters, packed weights */
    struct state_layout state;
    uint32_t tile_events; /* absorbed at once, at most */
    uint32_t tile_users;  /* read at once, at most */
    size_t scratch_size;  /* bytes a tile needs at most */
    uint64_t state_fingerprint;
};

/* What was noted of each behavior while a user was folded to be explained (interest_explain.h). */
struct explain_notes {
    real *at;       /* [count][each] */
    uint32_t each;  /* reals of a behavior */
    uint32_t count; /* behaviors */
};

static inline real *explain_note(const struct explain_notes *notes, uint32_t behavior)
{
    return notes->at + (size_t)behavior * notes->each;
}

/* How a model tells what its interests are made of. */
struct explain_ops {
    /* Reals to note of each behavior; NULL: none. */
    uint32_t (*noted)(const struct model_dims *dims);

    /*
     * Absorbs some behaviors of one user as interest_ops.absorb does, and notes them behind the
     * notes->count there are. NULL: as absorb does.
     */
    void (*absorb)(struct tape *tape, const struct interest_model *model, real *const *states,
                   const struct behavior_batch *batch, const struct explain_notes *notes);

    /*
     * The weight of each noted behavior in each interest that `read` gives of the state after all
     * of them: weights [count][K], zeros at first. Of any scale, which may differ from interest to
     * interest. There is a behavior at least.
     */
    void (*weigh)(struct tape *tape, const struct interest_model *model, const real *state,
                  const struct explain_notes *notes, real *weights);
};

/* Groups of behaviors that all users share. */
struct group_ops {
    uint32_t (*count)(const struct model_dims *dims);

    /* The group that each event falls into by itself: group [events]. Of a user's state nothing. */
    void (*of)(struct tape *tape, const struct interest_model *model,
               const struct behavior_batch *batch, uint32_t *group);
};

/* What `read` gives for each user, or `steps` for each point; all in the tape's arena. */
struct interest_reads {
    struct tensor *vectors;  /* [users * K, d] */
    struct tensor *evidence; /* [users, K], not negative: how much of the state each one saw. NULL
                                from steps, and where all weigh alike */
    uint32_t *live; /* [users] live interests, where the state decides; NULL: interest_ops.live */
    struct tensor *intent;  /* [users, d] what the user is after now, which the loss uses instead of
                              the interests; NULL: the model has no such vector */
    struct tensor *penalty; /* from steps: [users of the batch, 1], of the state after the last
                               event (models.md section 4); NULL: the model has none */
    struct tensor *shares; /* from read of a window: [its behaviors, live interests or K] the weight
                               of each, of the first user; NULL: it reads no window */
};

/* The events of a batch after which a training pass reads: indices into batch->at, ascending. */
struct read_points {
    const uint32_t *events;
    uint32_t count;
    const struct user_profile *profiles; /* [count] in force at each; NULL: nothing is known */
};

struct interest_ops {
    const char *name; /* configuration value, checkpoint tag */
    const char *paper;
    struct model_dims defaults; /* those of models.md; 0: the model has no such dimension */
    bool has_intent;            /* it reads an intent vector beside the interests */
    bool takes_profile;         /* what is known of a user may enter its read (op_profile.h) */
    bool selectable;            /* its state does not depend on how many of the K are live */

    /* Whether its state is raw behaviors, which no parameter can make stale. NULL: it never is. */
    bool (*keeps_history)(const struct model_dims *dims);

    /*
     * STATUS_INVALID with what is wrong if the model cannot have these dimensions, each of which
     * is within its limits (model_dims.h).
     */
    enum status (*check)(const struct model_dims *dims, struct error *error);

    /* Declares every parameter but the embedding tables. */
    void (*declare)(struct param_set *params, const struct model_dims *dims);

    /* Adds the parts of a state to an empty layout. */
    void (*layout)(struct state_layout *layout, const struct model_dims *dims);

    /* Binds parameters and packs weights into model->zoo. On failure there is nothing to close. */
    enum status (*open)(struct interest_model *model, struct error *error);
    void (*close)(struct interest_model *model);

    /* Advances each user's state by its behaviors, in order. */
    void (*absorb)(struct tape *tape, const struct interest_model *model, real *const *states,
                   const struct behavior_batch *batch);

    /* Reads all K interests of every state. */
    struct interest_reads (*read)(struct tape *tape, const struct interest_model *model,
                                  const real *const *states, uint32_t users);

    /*
     * The interests after each of `points`, every user of the batch beginning with an empty state:
     * what absorb and read give event by event, as ops that have a gradient. For a tape that
     * records or not. NULL: the model has nothing to train.
     */
    struct interest_reads (*steps)(struct tape *tape, const struct interest_model *model,
                                   const struct behavior_batch *batch,
                                   const struct read_points *points);

    const struct group_ops *group; /* NULL: what one user's interests are is nothing to another */

    /* NULL, or it gives NULL: no read is a sum over behaviors. */
    const struct explain_ops *(*explain)(const struct model_dims *dims);

    /* How many of the K are live after so many behaviors. NULL: `read` says it for each user. */
    uint32_t (*live)(const struct model_dims *dims, uint64_t events);
};

static inline bool interest_keeps_history(const struct interest_ops *ops,
                                          const struct model_dims *dims)
{
    return ops->keeps_history && ops->keeps_history(dims);
}

/* NULL if no model has that name. */
const struct interest_ops *interest_ops_find(const char *name);

/* The models, in the order of registry.c; NULL beyond the last. */
const struct interest_ops *interest_ops_at(uint32_t index);

/*
 * Runs the model's `steps` and fills in `live` where the model leaves it to the number of events: a
 * user's sequence counts from its first event in the batch.
 */
struct interest_reads interest_steps(struct tape *tape, const struct interest_model *model,
                                     const struct behavior_batch *batch,
                                     const struct read_points *points);

/* One user's part of what was read, and room to select in. */
struct user_read {
    const real *vectors;  /* [K][d] */
    const real *evidence; /* [K]; NULL: all alike */
    uint32_t live;
    uint64_t events;
    double *basis; /* [K][d]; NULL: the model does not select */
};

/* Takes the basis of the tape's arena. */
struct user_read interest_user_read(struct tape *tape, const struct interest_model *model,
                                    const struct interest_reads *reads, uint32_t user,
                                    uint64_t events);

/* The indices [K] of the interests to publish, in that order, and their weights [K]. */
uint32_t interest_choose(const struct interest_model *model, const struct user_read *user,
                         uint32_t *chosen, real *weights);

/* The shares [K] that all K interests have in the evidence of one state: what selection goes by. */
void interest_shares(const struct interest_model *model, struct interest_scratch *scratch,
                     const void *state, real *shares);

/*
 * Declares and allocates (as zeros) every parameter of `model` (registry name): the embedding
 * tables of `item_rows` and 1 + `categories` rows, then the model's own. STATUS_INVALID: no such
 * model, or dimensions that it cannot have. On failure *paramsp is NULL.
 */
MUST_CHECK enum status interest_params_open(struct param_set **paramsp, const char *model,
                                            const struct model_dims *dims, uint32_t item_rows,
                                            uint32_t categories, struct error *error);

/* How many reals the set would hold (param_set_size), without taking them. */
MUST_CHECK enum status interest_params_size(const char *model, const struct model_dims *dims,
                                            uint32_t item_rows, uint32_t categories, size_t *sizep,
                                            struct error *error);

#endif
