/*
 * test_numerics.c - the bits of states and interests are those that INTEREST_NUMERICS names.
 *
 * Parameters and behaviors come from integers alone, so nothing here depends on a library. A test
 * that fails here says that this build computes other bits than the one before: if that is meant,
 * raise INTEREST_NUMERICS in model/interest_model.h, or snapshots of the old bits would be loaded,
 * and put the new sums below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "model/interest_ops.h"
#include "model/kernel/kernel_width.h"

enum { ITEMS = 50, CATEGORIES = 5, OOV = 3, USERS = 37, EVENTS_MAX = 60 };

/* What version INTEREST_NUMERICS computes. */
static const struct golden {
    const char *model;
    bool plain; /* without what is on by default: conditional reads, utilization, lru's last */
    uint64_t states, interests;
} golden[] = {
    {"limarec", false, 0x88e0f44f41db63bf, 0x24bcdaf836b6f746},
    {"limarec", true, 0x6cfdef894e3ffa77, 0x92bdc800184efcd6},
    {"gdelta", false, 0x62d5bbf84203251c, 0x7316c239cd34c6ea},
    {"gdelta", true, 0x0a2ae701869722a4, 0x3b79a1d5e94503f0},
    {"mimn", false, 0xa1f76c389984597b, 0x7967041864e10c60},
    {"mimn", true, 0x96debb2b09bafed7, 0xa0459159146fcced},
    {"hpmn", false, 0xa8916d5413d05806, 0xf1b2aeae13ac0cd8},
    {"hpmn", true, 0x3ab770c23e0d9a5a, 0xf36385e44c1d1043},
    {"comirec-dr", false, 0x6db839b4e7d14898, 0x386c4288521cfc50},
    {"comirec-dr", true, 0x6db839b4e7d14898, 0xd5e8bd2760e8dc71},
    {"comirec-sa", false, 0x6db839b4e7d14898, 0x8015498ed3b69865},
    {"comirec-sa", true, 0x2851b9c091dc5ca1, 0x28c16b8007d85a99},
    {"mind", false, 0x6db839b4e7d14898, 0x829ef83981fabe80},
    {"mind", true, 0x6db839b4e7d14898, 0xf77b9ec6c7540f26},
    {"octopus", false, 0x573610fa64a1c501, 0x29bed221e23e929b},
    {"octopus", true, 0xbdc55ac104e49d8d, 0x46a275f332f30c91},
    {"sine", false, 0x6db839b4e7d14898, 0xc0f11e516f7be787},
    {"sine", true, 0x6db839b4e7d14898, 0x3cb76ba604e079f0},
    {"lru", false, 0xe7872a6b06693b75, 0x79d7574c39311dd8},
    {"lru", true, 0x238fd7f94898cc89, 0x715967490337707b},
    {"single", false, 0x970e3cf1c2dce222, 0x35a76bc06a39f428},
    {"single", true, 0x8ac817732cc94777, 0x0ddcf8be07c84343},
    {"ledger", false, 0x77a2d2e9b6ab8534, 0xb545c81dff3e14e1},
};
enum { GOLDEN_NUMERICS = 1 };

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed += 0x9E3779B97F4A7C15u;
    return splitmix64(*seed) % below;
}

static struct item_table *open_items(void)
{
    static char names[ITEMS][2];
    struct item_entry entries[ITEMS];
    struct bytes categories[CATEGORIES];
    struct item_table *items;
    for (uint32_t i = 0; i < ITEMS; i++) {
        names[i][0] = (char)('0' + i / 10);
        names[i][1] = (char)('0' + i % 10);
        entries[i] = (struct item_entry){{names[i], 2}, i % (CATEGORIES + 1)};
        if (i < CATEGORIES) categories[i] = (struct bytes){names[i], 2};
    }
    assert_int_equal(item_table_open(&items, entries, ITEMS, categories, CATEGORIES, OOV, NULL),
                     STATUS_OK);
    return items;
}

/* Every weight a multiple of 2^-12 in +-1/4, but row 0 of tables, and 1 in the scale of norms. */
static void fill_params(struct param_set *params)
{
    for (uint32_t i = 0; i < param_set_count(params); i++) {
        struct param *param = param_set_at(params, i);
        const size_t from = param->spec.init == PARAM_TABLE ? param->spec.shape[1] : 0;
        uint64_t seed = identity_of(param->name, strlen(param->name));
        memset(param->data, 0, param->count * sizeof *param->data);
        for (size_t k = from; k < param->count; k++) {
            const real small = (real)((double)draw(&seed, 2048) - 1024) / 4096;
            param->data[k] = param->spec.init == PARAM_ONES ? 1 + small : small;
        }
    }
}

static struct checkpoint *make_checkpoint(const struct golden *row)
{
    struct model_dims dims = interest_ops_find(row->model)->defaults;
    struct checkpoint *checkpoint;
    if (row->plain) {
        dims.conditional = dims.utilization = dims.use_category = false;
        dims.fixed_interests = dims.window > 0;
        dims.positions = false;
        dims.project = strcmp(row->model, "single") == 0;
        dims.half_life_days = dims.project ? 3 : dims.half_life_days;
        dims.extract_heads = dims.width ? 2 : dims.extract_heads;
        dims.d = 24;
        dims.cosine = true;
        dims.intent_cosine = dims.prototypes > 0;
    }
    assert_int_equal(checkpoint_init(&checkpoint, row->model, &dims, open_items(), 1, NULL),
                     STATUS_OK);
    fill_params(checkpoint->params);
    return checkpoint;
}

/* What states and interests of the model are after ragged histories of several lengths. */
static void compute(const struct golden *row, uint64_t *states_sum, uint64_t *interests_sum)
{
    struct checkpoint *checkpoint = make_checkpoint(row);
    struct interest_model *model;
    struct interest_scratch *scratch;
    static struct behavior at[USERS * EVENTS_MAX];
    uint32_t offsets[USERS + 1] = {0}, count[USERS];
    uint64_t events[USERS], seed = 7;
    void *states[USERS];
    assert_int_equal(interest_model_open(&model, checkpoint, NULL), STATUS_OK);
    assert_int_equal(interest_scratch_open(&scratch, model, NULL), STATUS_OK);
    const size_t size = interest_model_state_size(model), stride = (size + 63) / 64 * 64;
    const size_t k = interest_model_count(model), d = interest_model_width(model);
    unsigned char *block = aligned_alloc(64, USERS * stride);
    real *vectors = calloc(USERS * k * d, sizeof *vectors);
    real *weights = calloc(USERS * k, sizeof *weights);
    assert_true(block && vectors && weights);
    memset(block, 0, USERS * stride);
    for (uint32_t user = 0; user < USERS; user++) {
        states[user] = block + user * stride;
        interest_state_init(model, states[user]);
        events[user] = draw(&seed, EVENTS_MAX + 1);
        offsets[user + 1] = offsets[user] + (uint32_t)events[user];
        for (uint32_t i = 0; i < events[user]; i++) {
            at[offsets[user] + i] = (struct behavior){
                .item = 1 + (uint32_t)draw(&seed, OOV + ITEMS),
                .category = (uint32_t)draw(&seed, CATEGORIES + 1),
                .gap_s = i ? (int64_t)(UINT64_C(1) << draw(&seed, 24)) : -1,
                .ordinal = i,
            };
        }
    }
    struct interest_sets sets = {vectors, weights, count, NULL};
    interest_absorb(model, scratch, states, &(struct behavior_batch){at, offsets, USERS});
    interest_read(model, scratch, (const void *const *)states, events, NULL, USERS, &sets);
    uint64_t chain = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        const uint64_t link[] = {chain, checksum_of(states[user], size)};
        chain = checksum_of(link, sizeof link);
    }
    const uint64_t link[] = {checksum_of(vectors, USERS * k * d * sizeof *vectors),
                             checksum_of(weights, USERS * k * sizeof *weights),
                             checksum_of(count, sizeof count)};
    *states_sum = chain;
    *interests_sum = checksum_of(link, sizeof link);
    free(weights);
    free(vectors);
    free(block);
    interest_scratch_close(scratch);
    interest_model_close(model);
    checkpoint_close(checkpoint);
}

static void check_all(void)
{
    bool changed = false;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        uint64_t states, interests;
        compute(&golden[i], &states, &interests);
        if (states == golden[i].states && interests == golden[i].interests) continue;
        changed = true;
        print_error("    {\"%s\", %s, 0x%016llx, 0x%016llx},\n", golden[i].model,
                    golden[i].plain ? "true" : "false", (unsigned long long)states,
                    (unsigned long long)interests);
    }
    if (changed) {
        fail_msg("this build computes the bits above: if that is meant, raise INTEREST_NUMERICS "
                 "(%d) and put them into the table",
                 INTEREST_NUMERICS);
    }
}

static void the_bits_are_those_of_this_version_of_the_numerics(void **state)
{
    (void)state;
    assert_int_equal((int)INTEREST_NUMERICS, (int)GOLDEN_NUMERICS);
    check_all();
}

static void the_bits_are_the_same_in_narrow_vectors(void **state)
{
    (void)state;
    assert_int_equal(kernel_width_choose(256, NULL), STATUS_OK);
    check_all();
    assert_int_equal(kernel_width_choose(0, NULL), STATUS_OK);
}

static void every_model_has_golden_bits(void **state)
{
    (void)state;
    for (uint32_t i = 0; interest_ops_at(i); i++) {
        size_t at = 0;
        while (strcmp(golden[at].model, interest_ops_at(i)->name) != 0) {
            assert_true(++at < sizeof golden / sizeof *golden);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bits_are_those_of_this_version_of_the_numerics),
        cmocka_unit_test(the_bits_are_the_same_in_narrow_vectors),
        cmocka_unit_test(every_model_has_golden_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
