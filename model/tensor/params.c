/*
 * params.c - declared parameters over one aligned block.
 *
 * The block's layout is the order of declaration, each parameter rounded up to a cache line.
 */
#include "model/tensor/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/checksum.h"

struct param_set {
    struct arena block;
    size_t size; /* reals of the block */
    uint32_t count;
    struct param at[PARAM_COUNT_MAX];
};

enum status param_set_open(struct param_set **setp, struct error *error)
{
    *setp = calloc(1, sizeof(**setp));
    return *setp ? STATUS_OK : error_set(error, STATUS_IO, "out of memory for a parameter set");
}

void param_set_close(struct param_set *set)
{
    if (!set) return;
    arena_close(&set->block);
    free(set);
}

static size_t count_of(const struct param_spec *spec)
{
    size_t count = 1;
    for (uint32_t i = 0; i < spec->rank; i++) {
        count *= spec->shape[i];
    }
    return count;
}

/* Reals that a parameter of `count` takes in the block. */
static size_t room_of(size_t count)
{
    const size_t line = ARENA_ALIGNMENT / sizeof(real);
    return (count + line - 1) / line * line;
}

void param_declare(struct param_set *set, struct param_spec spec, const char *name_format, ...)
{
    REQUIRE(!set->block.block && set->count < PARAM_COUNT_MAX);
    REQUIRE(spec.rank >= 1 && spec.rank <= PARAM_RANK_MAX);
    REQUIRE((spec.init != PARAM_GLOROT && spec.init != PARAM_GLOROT_GATES) || spec.rank >= 2);
    struct param *param = &set->at[set->count];
    *param = (struct param){.spec = spec, .count = count_of(&spec)};
    va_list arguments;
    va_start(arguments, name_format);
    int length = vsnprintf(param->name, sizeof(param->name), name_format, arguments);
    va_end(arguments);
    REQUIRE(length > 0 && length <= PARAM_NAME_MAX && !param_set_find(set, param->name));
    set->size += room_of(param->count);
    set->count++;
}

enum status param_set_allocate(struct param_set *set, struct error *error)
{
    TRY(arena_open(&set->block, set->size * sizeof(real), error));
    memset(set->block.block, 0, set->block.size);
    for (uint32_t i = 0; i < set->count; i++) {
        set->at[i].data = arena_take(&set->block, set->at[i].count * sizeof(real));
    }
    return STATUS_OK;
}

size_t param_shared(const struct param *a, const struct param *b)
{
    const uint32_t rank = a->spec.rank;
    if (rank != b->spec.rank) return 0;
    for (uint32_t i = 0; i < rank; i++) {
        const bool rows = i == 0 && a->spec.read_side;
        if (a->spec.shape[i] != b->spec.shape[i] && !rows) return 0;
    }
    return a->count < b->count ? a->count : b->count;
}

void param_set_copy(struct param_set *set, const struct param_set *from)
{
    for (uint32_t i = 0; i < set->count; i++) {
        struct param *param = &set->at[i];
        const struct param *source = param_set_find(from, param->name);
        if (source) memcpy(param->data, source->data, param_shared(param, source) * sizeof(real));
    }
}

uint32_t param_set_count(const struct param_set *set)
{
    return set->count;
}

struct param *param_set_at(const struct param_set *set, uint32_t index)
{
    REQUIRE(index < set->count);
    return (struct param *)&set->at[index];
}

struct param *param_set_find(const struct param_set *set, const char *name)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (strcmp(set->at[i].name, name) == 0) return (struct param *)&set->at[i];
    }
    return NULL;
}

const struct param *param_set_get(const struct param_set *set, const char *name_format, ...)
{
    char name[PARAM_NAME_MAX + 1];
    va_list arguments;
    va_start(arguments, name_format);
    vsnprintf(name, sizeof(name), name_format, arguments);
    va_end(arguments);
    const struct param *param = param_set_find(set, name);
    REQUIRE(param != NULL);
    return param;
}

real *param_set_block(const struct param_set *set)
{
    return (real *)(void *)set->block.block;
}

size_t param_set_size(const struct param_set *set)
{
    return set->size;
}

bool param_set_within(const struct param_set *set, double most, const struct param **badp)
{
    for (uint32_t i = 0; i < set->count; i++) {
        for (size_t j = 0; j < set->at[i].count; j++) {
            const double value = (double)set->at[i].data[j];
            if (value >= -most && value <= most) continue;
            *badp = &set->at[i];
            return false;
        }
    }
    return true;
}

uint64_t param_set_fingerprint(const struct param_set *set, enum param_part part)
{
    uint64_t chain = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct param *param = &set->at[i];
        if (part == PARAMS_STATE_PRODUCING && param->spec.read_side) continue;
        uint64_t link[] = {
            chain,
            identity_of(param->name, strlen(param->name)),
            checksum_of(param->spec.shape, param->spec.rank * sizeof(param->spec.shape[0])),
            checksum_of(param->data, param->count * sizeof(real)),
        };
        chain = checksum_of(link, sizeof(link));
    }
    return chain;
}
