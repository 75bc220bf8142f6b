/*
 * init.h - generation 1 from a log, or on the items of another model: the work of `braid init`.
 *
 * The whole source log is read once, through the same decoding as a job's. Items are counted; the
 * most frequent become the dictionary, each with the category it was last seen with; parameters are
 * drawn from a seed. The same log and options make the same file, byte for byte.
 *
 * Memory: bounded by the distinct items and categories of the log, about 100 bytes and the id for
 * each, and by the parameters; not by the events.
 */
#ifndef STREAM_LEARN_INIT_H
#define STREAM_LEARN_INIT_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "model/checkpoint.h"
#include "stream/learn/event_log.h"

struct init_options {
    const char *model; /* registry name */
    struct model_dims dims;
    uint32_t oov;       /* rows that items without one of their own share */
    uint32_t items_max; /* the most frequent items that get a row */
    uint64_t count_min; /* events that an item needs for a row */
    uint64_t seed;
    const char *dir; /* of generations (model_dir.h), where a checkpoint without a path goes */
};

/* limarec with the dimensions of models.md, 64 OOV rows, every item, seed 1. */
void init_options_defaults(struct init_options *options);

/*
 * Another model, with the dimensions of models.md. STATUS_INVALID, naming those there are: no such
 * model. `model` is kept.
 */
MUST_CHECK enum status init_options_model(struct init_options *options, const char *model,
                                          struct error *error);

/* What was read and made. */
struct init_summary {
    struct event_log_counts log;
    uint32_t items_seen; /* distinct items of accepted events, */
    uint32_t items;      /* and those that got a row */
    uint32_t categories; /* of those items */
    uint64_t unknown;    /* accepted events of items that got none */
};

/*
 * Reads config's source (a file, or - for standard input) and writes the checkpoint to `path`,
 * which must not exist, or if it is NULL as the first generation of options->dir. Bad events are counted and passed over. Without any category in the log
 * dims.use_category is taken as false. `progress` may be NULL. `summary` is filled in any case.
 *
 * STATUS_INVALID: no source file, no good event in it, or dimensions that the model cannot have;
 * STATUS_REFUSED: `path` exists.
 */
MUST_CHECK enum status init_checkpoint(const struct config *config,
                                       const struct init_options *options, const char *path,
                                       struct progress *progress, struct init_summary *summary,
                                       struct error *error);

/*
 * Writes generation 1 of a model without parameters of its own (a ledger) on the dictionary and the
 * item vectors of the checkpoint `items_from`; no log is read, and of the options only the model
 * and its dimensions count. STATUS_INVALID: another model, or dims.d is not the width of those
 * vectors; STATUS_REFUSED: `path` exists.
 */
MUST_CHECK enum status init_on_items(const struct init_options *options, const char *items_from,
                                     const char *path, struct error *error);

#endif
