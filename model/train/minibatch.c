/* minibatch.c - pieces of histories, their order, and the samples of each. */
#include "model/train/minibatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/random.h"

/*
 * What one sequence absorbs: behaviors begin .. end - 1 of its user. Step t is to find
 * begin + t + 1.
 */
struct piece {
    uint32_t user;
    uint32_t begin, end;
};

struct minibatches {
    const struct dataset *dataset;
    struct minibatch_options options;
    uint32_t *context;    /* [users] first behaviors that are no targets */
    struct piece *pieces; /* as the dataset has them */
    uint32_t *order;      /* [count] of this epoch */
    uint32_t count;
    uint32_t *targets; /* [rows] */
    uint64_t samples;
    uint64_t epoch;
};

/* Of a user's behavior as a target; 0 if it cannot be one. */
static real weight_of(const struct minibatches *source, uint32_t user,
                      const struct dataset_sequence *sequence, uint32_t position)
{
    if (position < source->context[user]) return 0;
    if (sequence->at[position].item < dataset_first_item(source->dataset)) return 0;
    return source->options.action_weight[sequence->action[position]];
}

static uint32_t piece_targets(const struct minibatches *source, const struct piece *piece)
{
    const struct dataset_sequence sequence = dataset_sequence(source->dataset, piece->user);
    uint32_t count = 0;
    for (uint32_t i = piece->begin; i < piece->end; i++) {
        count += weight_of(source, piece->user, &sequence, i + 1) > 0;
    }
    return count;
}

static uint32_t piece_samples(const struct minibatches *source, uint32_t targets)
{
    const uint32_t cuts = source->options.cuts;
    return cuts && targets > cuts ? cuts : targets;
}

/* The first behavior of the piece that ends before `end`. */
static uint32_t piece_begin(const struct minibatches *source, uint32_t user, uint32_t end)
{
    const struct minibatch_options *options = &source->options;
    const uint32_t context = source->context[user];
    const uint32_t begin = end > options->steps_max ? end - options->steps_max : 0;
    if (!options->context_max || context <= begin + options->context_max || context > end) {
        return begin;
    }
    return context - options->context_max;
}

/* Cuts a user's history into pieces from its end; those without a target are left out. */
static void add_pieces(struct minibatches *source, uint32_t user, uint32_t known)
{
    const struct dataset_sequence sequence = dataset_sequence(source->dataset, user);
    uint32_t end = known > 0 ? known - 1 : 0;
    while (end > 0) {
        const uint32_t begin = piece_begin(source, user, end);
        const struct piece piece = {user, begin, end};
        const uint32_t targets = piece_targets(source, &piece);
        for (uint32_t i = begin; i < end; i++) {
            source->targets[sequence.at[i + 1].item] +=
                weight_of(source, user, &sequence, i + 1) > 0;
        }
        if (targets) source->pieces[source->count++] = piece;
        source->samples += piece_samples(source, targets);
        end = begin;
    }
}

static enum status minibatches_no_memory(struct error *error)
{
    return error_set(error, STATUS_IO, "not enough memory to train on a log of this size");
}

enum status minibatches_open(struct minibatches **sourcep, const struct dataset *dataset,
                             const uint32_t *known, const struct minibatch_options *options,
                             struct error *error)
{
    *sourcep = NULL;
    REQUIRE(options->steps_max >= 1 && options->steps_max <= MINIBATCH_STEPS_MAX);
    struct minibatches *source = calloc(1, sizeof *source);
    if (!source) return minibatches_no_memory(error);
    const uint32_t users = dataset_users(dataset);
    const size_t pieces_max = users + dataset_behaviors(dataset) / (size_t)options->steps_max + 1;
    source->dataset = dataset;
    source->options = *options;
    source->pieces = malloc(pieces_max * sizeof *source->pieces);
    source->order = malloc(pieces_max * sizeof *source->order);
    source->targets = calloc(dataset_rows(dataset), sizeof *source->targets);
    source->context = calloc(users + (size_t)1, sizeof *source->context);
    if (!source->pieces || !source->order || !source->targets || !source->context) {
        minibatches_close(source);
        return minibatches_no_memory(error);
    }
    if (options->context) memcpy(source->context, options->context, users * sizeof(uint32_t));
    source->options.context = NULL;
    for (uint32_t user = 0; user < users; user++) {
        REQUIRE(known[user] <= dataset_sequence(dataset, user).count);
        add_pieces(source, user, known[user]);
    }
    if (source->count == 0) {
        minibatches_close(source);
        return error_set(error, STATUS_INVALID,
                         "nothing to learn: no user has an item of the dictionary after another "
                         "event, with an action whose weight is above 0");
    }
    minibatches_shuffle(source, 0);
    *sourcep = source;
    return STATUS_OK;
}

void minibatches_close(struct minibatches *source)
{
    if (!source) return;
    free(source->context);
    free(source->pieces);
    free(source->order);
    free(source->targets);
    free(source);
}

/* A generator for one purpose: of an epoch, or of a piece in it. */
static struct random random_of(const struct minibatches *source, uint64_t purpose)
{
    return random_seeded(splitmix64(source->options.seed ^ splitmix64(source->epoch)) ^
                         splitmix64(purpose));
}

void minibatches_shuffle(struct minibatches *source, uint64_t epoch)
{
    source->epoch = epoch;
    struct random random = random_of(source, 0);
    for (uint32_t i = 0; i < source->count; i++) {
        const uint32_t j = (uint32_t)random_below(&random, i + 1);
        source->order[i] = source->order[j];
        source->order[j] = i;
    }
}

uint32_t minibatches_pieces(const struct minibatches *source)
{
    return source->count;
}

uint32_t minibatches_length(const struct minibatches *source, uint32_t at)
{
    const struct piece *piece = &source->pieces[source->order[at]];
    return piece->end - piece->begin;
}

uint64_t minibatches_samples(const struct minibatches *source)
{
    return source->samples;
}

const uint32_t *minibatches_targets(const struct minibatches *source)
{
    return source->targets;
}

/* The samples of one piece, in its order. */
struct sampler {
    const struct minibatches *source;
    struct dataset_sequence sequence;
    const struct piece *piece;
    struct random random;
    uint32_t position; /* of the next target to look at */
    uint32_t left;     /* targets from there on */
    uint32_t wanted;   /* samples still to be drawn of them */
};

static struct sampler sampler_of(const struct minibatches *source, uint32_t at)
{
    const uint32_t index = source->order[at];
    const struct piece *piece = &source->pieces[index];
    const uint32_t targets = piece_targets(source, piece);
    return (struct sampler){
        .source = source,
        .sequence = dataset_sequence(source->dataset, piece->user),
        .piece = piece,
        .random = random_of(source, index + (uint64_t)1),
        .position = piece->begin + 1,
        .left = targets,
        .wanted = piece_samples(source, targets),
    };
}

/* Each of the targets left is taken with the probability that makes all choices equally likely. */
static bool sampler_next(struct sampler *sampler, uint32_t *positionp, real *weightp)
{
    while (sampler->wanted > 0) {
        const uint32_t position = sampler->position++;
        const real weight =
            weight_of(sampler->source, sampler->piece->user, &sampler->sequence, position);
        if (weight <= 0) continue;
        const uint32_t left = sampler->left--;
        if (sampler->wanted < left && random_below(&sampler->random, left) >= sampler->wanted) {
            continue;
        }
        sampler->wanted--;
        *positionp = position;
        *weightp = weight;
        return true;
    }
    return false;
}

double minibatches_weight(const struct minibatches *source, uint32_t from, uint32_t to)
{
    double sum = 0;
    for (uint32_t at = from; at < to; at++) {
        struct sampler sampler = sampler_of(source, at);
        uint32_t position;
        real weight;
        while (sampler_next(&sampler, &position, &weight)) {
            sum += (double)weight;
        }
    }
    return sum;
}

size_t minibatch_size(uint32_t behaviors)
{
    const size_t each =
        sizeof(struct behavior) + 3 * sizeof(uint32_t) + sizeof(real) + sizeof(struct user_profile);
    return behaviors * each + sizeof(uint32_t) + 6 * (size_t)ARENA_ALIGNMENT;
}

void minibatch_fill(struct minibatch *minibatch, const struct minibatches *source, uint32_t from,
                    uint32_t to, double scale, struct arena *arena)
{
    uint32_t behaviors = 0;
    for (uint32_t at = from; at < to; at++) {
        behaviors += minibatches_length(source, at);
    }
    struct behavior *rows = arena_take(arena, behaviors * sizeof *rows);
    uint32_t *offsets = arena_take(arena, (to - from + (size_t)1) * sizeof *offsets);
    uint32_t *events = arena_take(arena, behaviors * sizeof *events);
    struct user_profile *profiles = arena_take(arena, behaviors * sizeof *profiles);
    *minibatch = (struct minibatch){
        .batch = {rows, offsets, to - from},
        .points = {events, 0, dataset_knows(source->dataset) ? profiles : NULL},
        .target = arena_take(arena, behaviors * sizeof(uint32_t)),
        .weight = arena_take(arena, behaviors * sizeof(real)),
    };
    offsets[0] = 0;
    for (uint32_t at = from; at < to; at++) {
        struct sampler sampler = sampler_of(source, at);
        const struct piece *piece = sampler.piece;
        const uint32_t first = offsets[at - from];
        uint32_t position;
        real weight;
        memcpy(rows + first, sampler.sequence.at + piece->begin,
               (piece->end - piece->begin) * sizeof *rows);
        offsets[at - from + 1] = first + piece->end - piece->begin;
        while (sampler_next(&sampler, &position, &weight)) {
            const uint32_t point = minibatch->points.count++;
            events[point] = first + position - piece->begin - 1;
            if (sampler.sequence.profile) {
                profiles[point] = dataset_known_of(&sampler.sequence, position, source->dataset);
            }
            minibatch->target[point] = sampler.sequence.at[position].item;
            minibatch->weight[point] = (real)(scale * (double)weight);
        }
    }
}
