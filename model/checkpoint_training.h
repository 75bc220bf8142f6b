/*
 * checkpoint_training.h - what a checkpoint says of how it was trained, beside its parameters.
 *
 * All of it is of one instant: the moments of Adam are those of the parameters that they lie beside,
 * and the cut says what those have learned from. So training goes on from a checkpoint as if it had
 * never stopped. A checkpoint that never trained has none of this, and its file is of the older,
 * smaller format.
 *
 * Threads: belongs to its checkpoint.
 */
#ifndef MODEL_CHECKPOINT_TRAINING_H
#define MODEL_CHECKPOINT_TRAINING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/safetensors.h"
#include "model/tensor/params.h"

enum {
    TRAINING_PARTITIONS_MAX = 1 << 16,
    TRAINING_VERDICT_MAX = 31,
    TRAINING_ENTRIES_MAX = 12, /* of __metadata__ */
    TRAINING_TENSORS_MAX = 4,
    TRAINING_TEXT_MAX = 48, /* bytes of a value in __metadata__, its end included */
};

/* Where training stopped in its source: nothing beyond was learned from. */
struct training_cut {
    int64_t event_time_ms; /* latest event learned from; 0: none */
    int64_t *offsets;      /* [partitions] of the next source record of each; NULL: not known */
    uint32_t partitions;
};

/* Adam's memory. Blocks of param_set_size reals, laid out as the parameters; both or neither. */
struct training_moments {
    uint64_t step;   /* steps taken since the parameters were drawn, */
    uint64_t epochs; /* and passes over a dataset */
    real *mean, *square;
};

/* What the gate found when this generation was a candidate. */
struct training_verdict {
    char text[TRAINING_VERDICT_MAX + 1]; /* "adopted", ...; empty: nobody judged */
    uint64_t events;                     /* that were scored */
    double ndcg_current, ndcg_candidate, ndcg_transitions;
    double difference_bound; /* lower 95 % bound of candidate - current */
};

struct checkpoint_training {
    uint64_t parent; /* the generation that training began with; 0: drawn, not trained */
    uint64_t parent_fingerprint;
    struct training_cut cut;
    struct training_moments moments;
    uint32_t *item_counts; /* [items of the dictionary] events learned from; NULL: not known */
    struct training_verdict verdict;
};

/* Whether there is anything that the older format has no place for. */
bool training_any(const struct checkpoint_training *training);

/* Frees everything and leaves zeros. */
void training_clear(struct checkpoint_training *training);

/* Frees the moments alone: parameters that are drawn anew have none. */
void training_forget_moments(struct checkpoint_training *training);

/* Takes zeroed blocks of `size` reals if there are none. */
MUST_CHECK enum status training_make_moments(struct checkpoint_training *training, size_t size,
                                             struct error *error);

/*
 * Moments of the parameters `from` become those of `to`: those of the same name and shape keep
 * theirs, others begin with none.
 */
MUST_CHECK enum status training_move_moments(struct checkpoint_training *training,
                                             const struct param_set *from,
                                             const struct param_set *to, struct error *error);

/* STATUS_INVALID, naming it, if a moment is not finite, negative where it cannot be, or absurd. */
MUST_CHECK enum status training_check(const struct checkpoint_training *training, size_t size,
                                      struct error *error);

/* Entries and tensors of a file; what they point to is `training` and `texts`. How many. */
uint32_t training_list_entries(const struct checkpoint_training *training,
                               struct safetensors_entry entries[TRAINING_ENTRIES_MAX],
                               char texts[TRAINING_ENTRIES_MAX][TRAINING_TEXT_MAX]);
uint32_t training_list_tensors(const struct checkpoint_training *training, size_t size,
                               uint32_t items,
                               struct safetensors_tensor tensors[TRAINING_TENSORS_MAX]);

/* Whether a tensor of this name is one of the above. */
bool training_owns(const char *tensor_name);

/*
 * Reads all of it into zeroed `training`. Moments, of `size` reals each, are checked and, unless
 * `keep_moments`, not kept. STATUS_CORRUPT, without the path: something contradicts itself.
 */
MUST_CHECK enum status training_read(struct checkpoint_training *training,
                                     const struct safetensors *file, size_t size, uint32_t items,
                                     bool keep_moments, struct error *error);

#endif
