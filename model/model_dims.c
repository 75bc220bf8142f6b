/* model_dims.c - the table of dimensions. */
#include "model/model_dims.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/number_text.h"

enum dim_kind { DIM_COUNT, DIM_FLAG, DIM_REAL, DIM_LIST };

enum { LIST_MAX = 8, LIST_BITS = 4 }; /* numbers of a list, bits of each */

#define AT(field) offsetof(struct model_dims, field)

/*
 * The key of a dimension in __metadata__, its place in struct model_dims, and its limits; 0, which
 * says that a model does without, is always allowed.
 */
static const struct dim {
    const char *key;
    size_t at;
    enum dim_kind kind;
    double least, most;
} dim_table[] = {
    {"d", AT(d), DIM_COUNT, 1, WIDTH_MAX},
    {"H", AT(heads), DIM_COUNT, 1, 256},
    {"blocks", AT(blocks), DIM_COUNT, 1, BLOCKS_MAX},
    {"ffn", AT(ffn), DIM_COUNT, 1, 4096},
    {"K", AT(interests), DIM_COUNT, 1, INTERESTS_MAX},
    {"extract_heads", AT(extract_heads), DIM_COUNT, 1, 256},
    {"conditional", AT(conditional), DIM_FLAG, 0, 1},
    {"use_category", AT(use_category), DIM_FLAG, 0, 1},
    {"use_gap", AT(use_gap), DIM_FLAG, 0, 1},
    {"gap_buckets", AT(gap_buckets), DIM_COUNT, 2, GAP_BUCKETS_MAX},
    {"cosine", AT(cosine), DIM_FLAG, 0, 1},
    {"temperature", AT(temperature), DIM_REAL, 1e-4, 1e4},
    {"induction_top", AT(induction_top), DIM_COUNT, 1, INTERESTS_MAX},
    {"utilization", AT(utilization), DIM_FLAG, 0, 1},
    {"penalty_weight", AT(penalty_weight), DIM_REAL, 0, 1e6},
    {"steps", AT(steps), DIM_LIST, 1, 15},
    {"window", AT(window), DIM_COUNT, 1, WINDOW_MAX},
    {"positions", AT(positions), DIM_FLAG, 0, 1},
    {"attention", AT(attention), DIM_COUNT, 1, 4096},
    {"iterations", AT(iterations), DIM_COUNT, 1, 16},
    {"mlp", AT(mlp), DIM_COUNT, 1, 4096},
    {"half_life_days", AT(half_life_days), DIM_REAL, 1e-6, 1e9},
    {"project", AT(project), DIM_FLAG, 0, 1},
    {"select", AT(select), DIM_FLAG, 0, 1},
    {"evidence_min", AT(evidence_min), DIM_REAL, 0, 1e6},
    {"residual_min", AT(residual_min), DIM_REAL, 0, 1},
    {"fixed_interests", AT(fixed_interests), DIM_FLAG, 0, 1},
    {"entries", AT(entries), DIM_COUNT, 1, LEDGER_ENTRIES_MAX},
    {"new_cosine", AT(new_cosine), DIM_REAL, -1, 1},
    {"merge_cosine", AT(merge_cosine), DIM_REAL, -1, 1},
    {"drop_mass", AT(drop_mass), DIM_REAL, 0, 1e9},
    {"publish_mass", AT(publish_mass), DIM_REAL, 0, 1e9},
    {"split_mass", AT(split_mass), DIM_REAL, 0, 1e9},
    {"split_scatter", AT(split_scatter), DIM_REAL, 0, 1e9},
    {"split_share", AT(split_share), DIM_REAL, 0, 1},
    {"prototypes", AT(prototypes), DIM_COUNT, 1, 16384},
    {"tau", AT(tau), DIM_REAL, 1e-4, 1e4},
    {"intent_cosine", AT(intent_cosine), DIM_FLAG, 0, 1},
    {"width", AT(width), DIM_COUNT, 1, 1024},
    {"tags", AT(tags), DIM_FLAG, 0, 1},
    {"profile_buckets", AT(profile_buckets), DIM_COUNT, 1, 1 << 20},
};

_Static_assert(sizeof dim_table / sizeof dim_table[0] == MODEL_DIMS, "MODEL_DIMS counts the rows");

const char *model_dim_key(uint32_t index)
{
    REQUIRE(index < MODEL_DIMS);
    return dim_table[index].key;
}

uint32_t model_dim_bits(const struct model_dims *dims, uint32_t index)
{
    REQUIRE(index < MODEL_DIMS);
    const char *at = (const char *)dims + dim_table[index].at;
    uint32_t bits = 0;
    if (dim_table[index].kind == DIM_FLAG) return *(const bool *)at;
    memcpy(&bits, at, sizeof bits);
    return bits;
}

uint32_t model_dims_steps(uint32_t steps)
{
    uint32_t count = 0;
    while (count < LIST_MAX && steps >> LIST_BITS * count != 0) {
        count++;
    }
    return count;
}

uint32_t model_dims_step(uint32_t steps, uint32_t index)
{
    REQUIRE(index < LIST_MAX);
    return steps >> LIST_BITS * index & ((1u << LIST_BITS) - 1);
}

/* "4,4,2" */
static void print_list(uint32_t list, char text[DIM_TEXT_MAX])
{
    size_t size = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < model_dims_steps(list); i++) {
        size += (size_t)snprintf(text + size, DIM_TEXT_MAX - size, "%s%u", size ? "," : "",
                                 model_dims_step(list, i));
    }
}

void model_dim_print(const struct model_dims *dims, uint32_t index, char text[DIM_TEXT_MAX])
{
    const uint32_t bits = model_dim_bits(dims, index);
    float number;
    memcpy(&number, &bits, sizeof number);
    switch (dim_table[index].kind) {
    case DIM_COUNT: snprintf(text, DIM_TEXT_MAX, "%" PRIu32, bits); break;
    case DIM_FLAG: snprintf(text, DIM_TEXT_MAX, "%s", bits ? "true" : "false"); break;
    case DIM_REAL: snprintf(text, DIM_TEXT_MAX, "%.9g", (double)number); break;
    case DIM_LIST: print_list(bits, text); break;
    }
}

uint32_t model_dim_find(const char *key)
{
    uint32_t index = 0;
    while (index < MODEL_DIMS && strcmp(dim_table[index].key, key) != 0) {
        index++;
    }
    REQUIRE(index < MODEL_DIMS);
    return index;
}

static bool is_within(const struct dim *dim, double value)
{
    return value == 0 || (value >= dim->least && value <= dim->most);
}

static bool parse_count(const struct dim *dim, const char *text, uint32_t *value)
{
    uint64_t number;
    if (!parse_unsigned(bytes_of(text), UINT32_MAX, &number)) return false;
    if (!is_within(dim, (double)number)) return false;
    *value = (uint32_t)number;
    return true;
}

static bool parse_float(const struct dim *dim, const char *text, float *value)
{
    double number;
    if (!parse_real(bytes_of(text), &number) || !is_within(dim, number)) return false;
    *value = (float)number;
    return true;
}

/* Numbers with commas between; an empty text is an empty list. */
static bool parse_list(const struct dim *dim, const char *text, uint32_t *list)
{
    uint32_t value = 0;
    for (uint32_t i = 0; *text; i++) {
        uint64_t number;
        const size_t size = strcspn(text, ",");
        if (i == LIST_MAX || !parse_unsigned((struct bytes){text, size}, UINT32_MAX, &number) ||
            (double)number < dim->least || (double)number > dim->most) {
            return false;
        }
        value |= (uint32_t)number << LIST_BITS * i;
        text += size;
        if (*text == ',' && *++text == 0) return false;
    }
    *list = value;
    return true;
}

static bool parse_flag(const char *text, bool *value)
{
    *value = strcmp(text, "true") == 0;
    return *value || strcmp(text, "false") == 0;
}

enum status model_dim_parse(struct model_dims *dims, uint32_t index, const char *name,
                            const char *text, struct error *error)
{
    REQUIRE(index < MODEL_DIMS);
    const struct dim *dim = &dim_table[index];
    void *at = (char *)dims + dim->at;
    switch (dim->kind) {
    case DIM_FLAG:
        if (parse_flag(text, at)) return STATUS_OK;
        return error_set(error, STATUS_INVALID, "%s=%.32s: true or false is expected", name, text);
    case DIM_COUNT:
        if (parse_count(dim, text, at)) return STATUS_OK;
        break;
    case DIM_REAL:
        if (parse_float(dim, text, at)) return STATUS_OK;
        break;
    case DIM_LIST:
        if (parse_list(dim, text, at)) return STATUS_OK;
        return error_set(error, STATUS_INVALID,
                         "%s=%.32s: up to %d whole numbers from %g to %g are expected, with commas "
                         "between",
                         name, text, LIST_MAX, dim->least, dim->most);
    }
    return error_set(error, STATUS_INVALID, "%s=%.32s: a %snumber from %g to %g is expected", name,
                     text, dim->kind == DIM_COUNT ? "whole " : "", dim->least, dim->most);
}

enum status model_dims_set(struct model_dims *dims, const char *name, const char *text,
                           struct error *error)
{
    char pair[2 * DIM_TEXT_MAX];
    while (*text) {
        const size_t size = strcspn(text, ",");
        const int copied = snprintf(pair, sizeof pair, "%.*s", (int)size, text);
        char *value = strchr(pair, '=');
        uint32_t index = 0;
        if (value) *value++ = 0;
        while (index < MODEL_DIMS && strcmp(dim_table[index].key, pair) != 0) {
            index++;
        }
        if (!value || index == MODEL_DIMS || copied >= (int)sizeof pair) {
            return error_set(error, STATUS_INVALID,
                             "%s: '%.32s' is no dimension with its value, such as d=32", name,
                             pair);
        }
        TRY(model_dim_parse(dims, index, pair, value, error));
        text += size + (text[size] == ',');
    }
    return STATUS_OK;
}

static double value_of_dim(const struct model_dims *dims, const struct dim *dim)
{
    const char *at = (const char *)dims + dim->at;
    uint32_t count;
    float real;
    memcpy(&count, at, sizeof count);
    memcpy(&real, at, sizeof real);
    return dim->kind == DIM_REAL ? (double)real : count;
}

static enum status check_list(const struct dim *dim, uint32_t list, struct error *error)
{
    for (uint32_t i = 0; i < model_dims_steps(list); i++) {
        const uint32_t number = model_dims_step(list, i);
        if (number != 0 && is_within(dim, number)) continue;
        return error_set(error, STATUS_INVALID, "%s: number %u is %u: must be from %g to %g",
                         dim->key, i + 1, number, dim->least, dim->most);
    }
    return STATUS_OK;
}

enum status model_dims_check(const struct model_dims *dims, struct error *error)
{
    for (uint32_t i = 0; i < MODEL_DIMS; i++) {
        const struct dim *dim = &dim_table[i];
        if (dim->kind == DIM_FLAG) continue;
        if (dim->kind == DIM_LIST) {
            TRY(check_list(dim, model_dim_bits(dims, i), error));
            continue;
        }
        const double value = value_of_dim(dims, dim);
        if (is_within(dim, value)) continue;
        return error_set(error, STATUS_INVALID, "%s = %g: must be from %g to %g", dim->key, value,
                         dim->least, dim->most);
    }
    return STATUS_OK;
}

bool model_dims_equal(const struct model_dims *a, const struct model_dims *b)
{
    for (uint32_t i = 0; i < MODEL_DIMS; i++) {
        if (model_dim_bits(a, i) != model_dim_bits(b, i)) return false;
    }
    return true;
}
