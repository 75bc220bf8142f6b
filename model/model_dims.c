/* model_dims.c - the table of dimensions. */
#include "model/model_dims.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum dim_kind { DIM_COUNT, DIM_FLAG, DIM_REAL };

/* The key of a dimension in __metadata__ and its place in struct model_dims. */
static const struct dim {
    const char *key;
    size_t at;
    enum dim_kind kind;
} dim_table[] = {
    {"d", offsetof(struct model_dims, d), DIM_COUNT},
    {"H", offsetof(struct model_dims, heads), DIM_COUNT},
    {"blocks", offsetof(struct model_dims, blocks), DIM_COUNT},
    {"ffn", offsetof(struct model_dims, ffn), DIM_COUNT},
    {"K", offsetof(struct model_dims, interests), DIM_COUNT},
    {"extract_heads", offsetof(struct model_dims, extract_heads), DIM_COUNT},
    {"conditional", offsetof(struct model_dims, conditional), DIM_FLAG},
    {"use_category", offsetof(struct model_dims, use_category), DIM_FLAG},
    {"use_gap", offsetof(struct model_dims, use_gap), DIM_FLAG},
    {"gap_buckets", offsetof(struct model_dims, gap_buckets), DIM_COUNT},
    {"cosine", offsetof(struct model_dims, cosine), DIM_FLAG},
    {"temperature", offsetof(struct model_dims, temperature), DIM_REAL},
    {"induction_top", offsetof(struct model_dims, induction_top), DIM_COUNT},
    {"utilization", offsetof(struct model_dims, utilization), DIM_FLAG},
    {"penalty_weight", offsetof(struct model_dims, penalty_weight), DIM_REAL},
    {"window", offsetof(struct model_dims, window), DIM_COUNT},
    {"iterations", offsetof(struct model_dims, iterations), DIM_COUNT},
    {"mlp", offsetof(struct model_dims, mlp), DIM_COUNT},
    {"half_life_days", offsetof(struct model_dims, half_life_days), DIM_REAL},
    {"project", offsetof(struct model_dims, project), DIM_FLAG},
    {"select", offsetof(struct model_dims, select), DIM_FLAG},
    {"evidence_min", offsetof(struct model_dims, evidence_min), DIM_REAL},
    {"residual_min", offsetof(struct model_dims, residual_min), DIM_REAL},
    {"fixed_interests", offsetof(struct model_dims, fixed_interests), DIM_FLAG},
    {"entries", offsetof(struct model_dims, entries), DIM_COUNT},
    {"new_cosine", offsetof(struct model_dims, new_cosine), DIM_REAL},
    {"merge_cosine", offsetof(struct model_dims, merge_cosine), DIM_REAL},
    {"drop_mass", offsetof(struct model_dims, drop_mass), DIM_REAL},
    {"publish_mass", offsetof(struct model_dims, publish_mass), DIM_REAL},
    {"split_mass", offsetof(struct model_dims, split_mass), DIM_REAL},
    {"split_scatter", offsetof(struct model_dims, split_scatter), DIM_REAL},
    {"split_share", offsetof(struct model_dims, split_share), DIM_REAL},
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

void model_dim_print(const struct model_dims *dims, uint32_t index, char text[DIM_TEXT_MAX])
{
    const uint32_t bits = model_dim_bits(dims, index);
    float number;
    memcpy(&number, &bits, sizeof number);
    switch (dim_table[index].kind) {
    case DIM_COUNT: snprintf(text, DIM_TEXT_MAX, "%" PRIu32, bits); break;
    case DIM_FLAG: snprintf(text, DIM_TEXT_MAX, "%s", bits ? "true" : "false"); break;
    case DIM_REAL: snprintf(text, DIM_TEXT_MAX, "%.9g", (double)number); break;
    }
}

static bool parse_count(const char *text, uint32_t *value)
{
    char *end;
    const unsigned long long number = strtoull(text, &end, 10);
    *value = (uint32_t)number;
    return *text >= '0' && *text <= '9' && !*end && number <= UINT32_MAX;
}

static bool parse_real(const char *text, float *value)
{
    char *end;
    *value = strtof(text, &end);
    return *text && !*end && isfinite(*value);
}

bool model_dim_parse(struct model_dims *dims, uint32_t index, const char *text)
{
    REQUIRE(index < MODEL_DIMS);
    void *at = (char *)dims + dim_table[index].at;
    switch (dim_table[index].kind) {
    case DIM_COUNT: return parse_count(text, at);
    case DIM_REAL: return parse_real(text, at);
    default: *(bool *)at = true; return strcmp(text, "true") == 0;
    }
}

bool model_dims_equal(const struct model_dims *a, const struct model_dims *b)
{
    for (uint32_t i = 0; i < MODEL_DIMS; i++) {
        if (model_dim_bits(a, i) != model_dim_bits(b, i)) return false;
    }
    return true;
}
