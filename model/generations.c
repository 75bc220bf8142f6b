/* generations.c - a count of users on each generation, under one lock. */
#include "model/generations.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "model/interest_ops.h"

struct generations {
    pthread_mutex_t lock;
    struct generation *serving; /* counted once for being it */
    _Atomic uint64_t number;    /* its */
    uint64_t size_max;          /* of the next one; 0: no limit */
};

static void generation_close(struct generation *generation)
{
    if (!generation) return;
    interest_model_close(generation->model);
    checkpoint_close(generation->checkpoint);
    free(generation);
}

static enum status generation_open(struct generation **generationp, struct checkpoint *checkpoint,
                                   struct error *error)
{
    struct generation *generation = calloc(1, sizeof *generation);
    *generationp = generation;
    if (!generation) {
        checkpoint_close(checkpoint);
        return error_set(error, STATUS_IO, "out of memory: a generation");
    }
    generation->checkpoint = checkpoint;
    generation->number = checkpoint->generation;
    generation->users = 1;
    const enum status status = interest_model_open(&generation->model, checkpoint, error);
    if (status == STATUS_OK) return STATUS_OK;
    generation_close(generation);
    *generationp = NULL;
    return status;
}

enum status generations_open(struct generations **generationsp, struct checkpoint *checkpoint,
                             struct error *error)
{
    *generationsp = NULL;
    struct generation *first;
    TRY(generation_open(&first, checkpoint, error));
    struct generations *generations = calloc(1, sizeof *generations);
    if (!generations) {
        generation_close(first);
        return error_set(error, STATUS_IO, "out of memory: generations");
    }
    pthread_mutex_init(&generations->lock, NULL);
    generations->serving = first;
    atomic_store(&generations->number, first->number);
    *generationsp = generations;
    return STATUS_OK;
}

void generations_close(struct generations *generations)
{
    if (!generations) return;
    REQUIRE(generations->serving->users == 1);
    generation_close(generations->serving);
    pthread_mutex_destroy(&generations->lock);
    free(generations);
}

/* ---- sizes ---- */

enum { COPIES = 4 }; /* of the parameters: as they are, packed, and two moments */

static uint64_t size_with(size_t params, const struct item_table *items)
{
    const struct checkpoint_training *training;
    return COPIES * (uint64_t)params * sizeof(real) + item_table_size(items) +
           item_table_items(items) * sizeof *training->item_counts;
}

uint64_t generation_size(const struct checkpoint *checkpoint)
{
    return size_with(param_set_size(checkpoint->params), checkpoint->items);
}

enum status generation_size_of(const char *model, const struct model_dims *dims,
                               const struct item_table *items, uint64_t *sizep, struct error *error)
{
    size_t params;
    TRY(interest_params_size(model, dims, item_table_rows(items), item_table_categories(items),
                             &params, error));
    *sizep = size_with(params, items);
    return STATUS_OK;
}

enum status generation_check_size(const struct checkpoint *checkpoint, uint64_t size_max,
                                  struct error *error)
{
    const uint64_t size = generation_size(checkpoint);
    if (size_max == 0 || size <= size_max) return STATUS_OK;
    return error_set(
        error, STATUS_INVALID,
        "job.memory: generation %" PRIu64 " with %" PRIu32 " items takes %" PRIu64
        " MB, and the plan has room for one of %" PRIu64
        " MB: raise job.memory and start again, or lower train.items_max where it trains",
        checkpoint->generation, item_table_items(checkpoint->items), (size >> 20) + 1,
        size_max >> 20);
}

void generations_limit(struct generations *generations, uint64_t size_max)
{
    generations->size_max = size_max;
}

uint64_t generations_size_max(const struct generations *generations)
{
    return generations->size_max;
}

/* ---- which one serves ---- */

uint64_t generations_number(const struct generations *generations)
{
    return atomic_load(&generations->number);
}

struct generation *generations_take(struct generations *generations)
{
    pthread_mutex_lock(&generations->lock);
    struct generation *generation = generations->serving;
    generation->users++;
    pthread_mutex_unlock(&generations->lock);
    return generation;
}

void generations_release(struct generations *generations, struct generation *generation)
{
    if (!generation) return;
    pthread_mutex_lock(&generations->lock);
    const bool last = --generation->users == 0;
    pthread_mutex_unlock(&generations->lock);
    if (last) generation_close(generation);
}

enum status generations_add(struct generations *generations, struct checkpoint *checkpoint,
                            struct error *error)
{
    struct generation *next;
    const enum status fits = generation_check_size(checkpoint, generations->size_max, error);
    if (fits != STATUS_OK) {
        checkpoint_close(checkpoint);
        return fits;
    }
    TRY(generation_open(&next, checkpoint, error));
    pthread_mutex_lock(&generations->lock);
    struct generation *before = generations->serving;
    const bool rises = next->number > before->number;
    if (rises) {
        generations->serving = next;
        atomic_store(&generations->number, next->number);
    }
    pthread_mutex_unlock(&generations->lock);
    if (rises) {
        generations_release(generations, before);
        return STATUS_OK;
    }
    error_set(error, STATUS_REFUSED,
              "generation %" PRIu64 " cannot follow %" PRIu64 ": numbers rise", next->number,
              generations_number(generations));
    generation_close(next);
    return STATUS_REFUSED;
}
