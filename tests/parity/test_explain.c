/*
 * test_explain.c - shares of behaviors in interests, against the reads that they explain.
 *
 * An interest that is a sum over behaviors is summed up again from its shares, in double. Where the
 * sum lies behind a layer, that layer is made the identity; where it is of values of hidden vectors,
 * these are taken out of the states, and the weights that the read must have had are solved for.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "model/interest_explain.h"
#include "tests/near.h"
#include "tests/parity/fixture.h"
#include "tests/parity/heap.h"

enum { D = 16, INTERESTS = 3, WINDOW = 20, BEHAVIORS_MAX = 130, FEW = 4, CUTS = 10 };

static const double tolerance = sizeof(real) == sizeof(float) ? 2e-5 : 1e-9;

static const struct model_dims common = {.d = D,
                                         .heads = 2,
                                         .blocks = 1,
                                         .ffn = 24,
                                         .interests = INTERESTS,
                                         .extract_heads = 2,
                                         .conditional = true,
                                         .use_category = true,
                                         .use_gap = true,
                                         .gap_buckets = 8,
                                         .induction_top = 2,
                                         .steps = 0x234,
                                         .positions = true,
                                         .attention = 12,
                                         .window = WINDOW,
                                         .iterations = 3,
                                         .mlp = 2 * D,
                                         .half_life_days = 3,
                                         .prototypes = 9,
                                         .tau = 0.1f,
                                         .width = 12};

static struct model_dims dims_of_model(const struct interest_ops *ops)
{
    struct model_dims dims = common;
    if (ops->defaults.entries) {
        dims = ops->defaults;
        dims.d = D;
        dims.interests = INTERESTS;
        dims.entries = 5;
    }
    if (strcmp(ops->name, "single") == 0) dims.interests = 1;
    if (strcmp(ops->name, "hpmn") == 0) dims.interests = 4;
    return dims;
}

/* A model with a user's behaviors, their shares, and what is published of them. */
struct told {
    struct fixture_model model;
    struct interest_explainer *explainer;
    struct random random;
    uint32_t count, live, interests;
    struct behavior at[BEHAVIORS_MAX];
    real shares[BEHAVIORS_MAX * INTERESTS_MAX];
    real vectors[INTERESTS_MAX * D], weights[INTERESTS_MAX];
    void *state;
};

/* A few items come again and again, so that reads have something to agree with. */
static void draw_behaviors(struct told *told, uint32_t count)
{
    told->count = count;
    for (uint32_t i = 0; i < count; i++) {
        told->at[i] = (struct behavior){
            .item = 1 + (uint32_t)random_below(&told->random, i % 2 ? 12 : RANDOM_ITEMS),
            .category = (uint32_t)random_below(&told->random, RANDOM_CATEGORIES + 1),
            .gap_s = i == 0 ? -1 : (int64_t)random_below(&told->random, 200000),
            .ordinal = i,
        };
    }
}

static void told_open(struct told *told, const char *name, const struct model_dims *dims,
                      uint64_t seed)
{
    struct error error;
    memset(told, 0, sizeof *told);
    told->random = random_seeded(seed);
    told->interests = dims->interests;
    random_model_open(&told->model, name, dims, seed);
    const size_t size = interest_model_state_size(told->model.model);
    told->state = aligned_alloc(ARENA_ALIGNMENT, (size + ARENA_ALIGNMENT) / 64 * 64);
    assert_non_null(told->state);
    assert_int_equal(
        interest_explainer_open(&told->explainer, told->model.model, BEHAVIORS_MAX, &error),
        STATUS_OK);
}

static void told_close(struct told *told)
{
    interest_explainer_close(told->explainer);
    fixture_model_close(&told->model);
    free(told->state);
}

/* Opens the model anew with parameters that were changed. */
static void told_reopen(struct told *told)
{
    struct error error;
    interest_explainer_close(told->explainer);
    interest_scratch_close(told->model.scratch);
    interest_model_close(told->model.model);
    assert_int_equal(interest_model_open(&told->model.model, &told->model.checkpoint, &error),
                     STATUS_OK);
    assert_int_equal(interest_scratch_open(&told->model.scratch, told->model.model, &error),
                     STATUS_OK);
    assert_int_equal(
        interest_explainer_open(&told->explainer, told->model.model, BEHAVIORS_MAX, &error),
        STATUS_OK);
}

/* The values of a parameter, to be changed; NULL: the model has none of that name. */
static struct param *param_of(struct told *told, const char *name)
{
    return param_set_find(told->model.checkpoint.params, name);
}

/* Explains in cuts at random, and reads what is published. */
static void tell(struct told *told)
{
    interest_explainer_begin(told->explainer);
    for (uint32_t done = 0, some; done < told->count; done += some) {
        some = 1 + (uint32_t)random_below(&told->random, told->count - done);
        assert_true(interest_explainer_absorb(told->explainer, told->at + done, some));
    }
    told->live = interest_explainer_read(told->explainer, told->shares);

    const struct interest_model *model = told->model.model;
    const uint32_t offsets[] = {0, told->count};
    const struct behavior_batch batch = {told->at, offsets, 1};
    const uint64_t events = told->count;
    const void *read_state = told->state;
    uint32_t live = 0;
    struct interest_sets sets = {told->vectors, told->weights, &live, NULL};
    interest_state_init(model, told->state);
    interest_absorb(model, told->model.scratch, &told->state, &batch);
    interest_read(model, told->model.scratch, &read_state, &events, NULL, 1, &sets);
    assert_int_equal(told->live, live);
}

static double share_of(const struct told *told, uint32_t behavior, uint32_t interest)
{
    return (double)told->shares[behavior * told->interests + interest];
}

/* ---- what holds for all ---- */

static void magnitudes_of_an_interests_shares_sum_to_one(void **state)
{
    (void)state;
    static struct told told;
    const struct interest_ops *ops = NULL;
    uint32_t explained = 0;
    for (uint32_t m = 0; (ops = interest_ops_at(m)); m++) {
        const struct model_dims dims = dims_of_model(ops);
        if (!ops->explain || !ops->explain(&dims)) continue;
        explained++;
        told_open(&told, ops->name, &dims, 3 + m);
        for (uint32_t count = 1; count <= BEHAVIORS_MAX; count += 43) {
            draw_behaviors(&told, count);
            tell(&told);
            assert_true(told.live > 0);
            for (uint32_t k = 0; k < dims.interests; k++) {
                double sum = 0;
                for (uint32_t i = 0; i < count; i++) {
                    const double share = share_of(&told, i, k);
                    assert_true(share >= 0 || strcmp(ops->name, "gdelta") == 0);
                    sum += fabs(share);
                }
                assert_near(sum, k < told.live ? 1 : 0, 1e-5);
            }
        }
        told_close(&told);
    }
    assert_int_equal(explained, 10);
}

static void shares_are_the_same_bytes_however_behaviors_are_cut(void **state)
{
    (void)state;
    static struct told told;
    static real first[BEHAVIORS_MAX * INTERESTS];
    const struct interest_ops *ops = NULL;
    for (uint32_t m = 0; (ops = interest_ops_at(m)); m++) {
        const struct model_dims dims = dims_of_model(ops);
        if (!ops->explain || !ops->explain(&dims)) continue;
        told_open(&told, ops->name, &dims, 30 + m);
        draw_behaviors(&told, BEHAVIORS_MAX);
        for (uint32_t trial = 0; trial < CUTS; trial++) {
            const unsigned before = allocations;
            tell(&told);
            assert_int_equal(allocations, before);
            if (trial == 0) memcpy(first, told.shares, sizeof first);
            assert_memory_equal(told.shares, first, sizeof(real) * BEHAVIORS_MAX * dims.interests);
        }
        told_close(&told);
    }
}

static void what_lies_before_a_window_has_no_share(void **state)
{
    (void)state;
    static struct told told;
    const char *const names[] = {"mind", "comirec-dr", "comirec-sa", "sine"};
    for (uint32_t m = 0; m < 4; m++) {
        told_open(&told, names[m], &common, 7);
        draw_behaviors(&told, WINDOW + 30);
        tell(&told);
        for (uint32_t i = 0; i < told.count; i++) {
            assert_int_equal(share_of(&told, i, 0) > 0, i >= told.count - WINDOW);
        }
        told_close(&told);
    }
}

static void models_without_a_sum_over_behaviors_say_so(void **state)
{
    (void)state;
    const char *const names[] = {"hpmn", "mimn", "lru"};
    for (uint32_t m = 0; m < 3; m++) {
        struct fixture_model model;
        struct error error;
        struct interest_explainer *explainer = (void *)&model;
        struct model_dims dims = common;
        if (strcmp(names[m], "hpmn") == 0) dims.interests = 4;
        if (strcmp(names[m], "lru") == 0) {
            dims.interests = 1;
            dims.extract_heads = 0;
            dims.conditional = false;
        }
        random_model_open(&model, names[m], &dims, 1);
        assert_false(interest_explains(model.model));
        assert_int_equal(interest_explainer_open(&explainer, model.model, 5, &error),
                         STATUS_INVALID);
        assert_null(explainer);
        assert_non_null(strstr(error.text, names[m]));
        fixture_model_close(&model);
    }
}

static void a_full_explainer_absorbs_nothing_more(void **state)
{
    (void)state;
    static struct told told;
    told_open(&told, "octopus", &common, 4);
    draw_behaviors(&told, BEHAVIORS_MAX);
    assert_true(interest_explainer_absorb(told.explainer, told.at, BEHAVIORS_MAX - 1));
    assert_false(interest_explainer_absorb(told.explainer, told.at, 2));
    assert_int_equal(interest_explainer_count(told.explainer), BEHAVIORS_MAX - 1);
    interest_explainer_begin(told.explainer);
    assert_int_equal(interest_explainer_count(told.explainer), 0);
    assert_int_equal(interest_explainer_read(told.explainer, told.shares), 0);
    told_close(&told);
}

/* ---- sums of embeddings ---- */

static uint32_t bucket_of_gap(int64_t gap_s)
{
    uint32_t bucket = 0;
    for (uint64_t left = (uint64_t)(gap_s + 1); left > 0; left /= 2) {
        bucket++;
    }
    return gap_s < 0 ? 0 : bucket < common.gap_buckets ? bucket : common.gap_buckets - 1;
}

/* The embedding x of a behavior [D], from the tables. */
static void embed(struct told *told, const struct behavior *behavior, double *x)
{
    const struct {
        const char *table;
        uint32_t row;
    } parts[] = {{"item.embedding", behavior->item},
                 {"category.embedding", behavior->category},
                 {"gap.embedding", bucket_of_gap(behavior->gap_s)}};
    memset(x, 0, D * sizeof *x);
    for (uint32_t part = 0; part < 3; part++) {
        const real *row = param_of(told, parts[part].table)->data + (size_t)parts[part].row * D;
        for (uint32_t c = 0; c < D; c++) {
            x[c] += (double)row[c];
        }
    }
}

/* The sum of share x over behaviors, for one interest, of embeddings through `layer` [D, D]. */
static void sum_of_embeddings(struct told *told, uint32_t interest, const real *layer, double *sum)
{
    double x[D];
    memset(sum, 0, D * sizeof *sum);
    for (uint32_t i = 0; i < told->count; i++) {
        embed(told, &told->at[i], x);
        for (uint32_t c = 0; c < D; c++) {
            double value = x[c];
            for (uint32_t in = 0; layer && in < D; in++) {
                if (in == 0) value = 0;
                value += (double)layer[c * D + in] * x[in];
            }
            sum[c] += share_of(told, i, interest) * value;
        }
    }
}

static double cosine_of(const double *a, const real *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (uint32_t c = 0; c < D; c++) {
        ab += a[c] * (double)b[c];
        aa += a[c] * a[c];
        bb += (double)b[c] * (double)b[c];
    }
    return ab / sqrt(aa * bb);
}

static void means_of_behaviors_are_the_sums_of_their_shares(void **state)
{
    (void)state;
    static struct told told;
    const struct {
        const char *name;
        bool positions, select;
    } cases[] = {{"comirec-sa", true, false},
                 {"comirec-sa", false, false},
                 {"comirec-sa", false, true},
                 {"octopus", false, false},
                 {"single", false, false}};
    for (uint32_t m = 0; m < sizeof cases / sizeof *cases; m++) {
        struct model_dims dims = common;
        if (strcmp(cases[m].name, "single") == 0) dims.interests = 1;
        dims.positions = cases[m].positions;
        dims.select = cases[m].select;
        dims.evidence_min = cases[m].select ? 0.1f : 0;
        dims.residual_min = cases[m].select ? 0.01f : 0;
        told_open(&told, cases[m].name, &dims, 11 + m);
        draw_behaviors(&told, 60);
        tell(&told);
        assert_true(told.live > 0);
        for (uint32_t k = 0; k < told.live; k++) {
            double sum[D];
            sum_of_embeddings(&told, k, NULL, sum);
            for (uint32_t c = 0; c < D; c++) {
                assert_near(told.vectors[k * D + c], sum[c], tolerance);
            }
        }
        told_close(&told);
    }
}

/* relu(x) - relu(-x) = x: the layers behind mind's capsules become the identity. */
static void pass_capsules_through(struct told *told)
{
    real *hidden = param_of(told, "output.0.weight")->data;
    real *output = param_of(told, "output.1.weight")->data;
    memset(hidden, 0, sizeof(real) * 2 * D * D);
    memset(output, 0, sizeof(real) * 2 * D * D);
    for (uint32_t c = 0; c < D; c++) {
        hidden[c * D + c] = output[c * 2 * D + c] = 1;
        hidden[(D + c) * D + c] = output[c * 2 * D + D + c] = -1;
    }
    told_reopen(told);
}

static void capsules_point_where_their_shares_do(void **state)
{
    (void)state;
    static struct told told;
    for (uint32_t own = 0; own < 2; own++) {
        told_open(&told, own ? "comirec-dr" : "mind", &common, 21);
        if (!own) pass_capsules_through(&told);
        draw_behaviors(&told, 33);
        tell(&told);
        assert_true(told.live > 1);
        const real *layers = param_of(&told, own ? "transform.weight" : "bilinear.weight")->data;
        for (uint32_t k = 0; k < told.live; k++) {
            double sum[D];
            sum_of_embeddings(&told, k, layers + (own ? (size_t)k * D * D : 0), sum);
            assert_near(cosine_of(sum, told.vectors + k * D), 1, tolerance);
        }
        told_close(&told);
    }
}

static void an_interest_of_sine_is_what_its_norm_makes_of_its_shares(void **state)
{
    (void)state;
    static struct told told;
    told_open(&told, "sine", &common, 22);
    draw_behaviors(&told, 33);
    tell(&told);
    for (uint32_t k = 0; k < told.live; k++) {
        double sum[D], mean = 0;
        sum_of_embeddings(&told, k, NULL, sum);
        for (uint32_t c = 0; c < D; c++) {
            mean += sum[c] / D;
        }
        for (uint32_t c = 0; c < D; c++) {
            sum[c] -= mean;
        }
        assert_near(cosine_of(sum, told.vectors + k * D), 1, tolerance);
    }
    told_close(&told);
}

/* Without splits, which move the halves apart, an entry is the sum of its behaviors' masses. */
static void an_entry_points_where_its_shares_do(void **state)
{
    (void)state;
    static struct told told;
    struct model_dims dims = dims_of_model(interest_ops_find("ledger"));
    dims.split_mass = 1e6f;
    told_open(&told, "ledger", &dims, 23);
    draw_behaviors(&told, BEHAVIORS_MAX);
    tell(&told);
    assert_true(told.live > 1);
    const real *items = param_of(&told, "item.embedding")->data;
    for (uint32_t k = 0; k < told.live; k++) {
        double sum[D] = {0};
        for (uint32_t i = 0; i < told.count; i++) {
            const real *item = items + (size_t)told.at[i].item * D;
            double square = 0;
            for (uint32_t c = 0; c < D; c++) {
                square += (double)item[c] * (double)item[c];
            }
            for (uint32_t c = 0; c < D; c++) {
                sum[c] += share_of(&told, i, k) * (double)item[c] / sqrt(square);
            }
        }
        assert_near(cosine_of(sum, told.vectors + k * D), 1, tolerance);
    }
    told_close(&told);
}

/* ---- sums of values of hidden vectors ---- */

/* Solves a w = b [FEW], a positive definite, by elimination; a and b are used up. */
static void solve(double a[FEW][FEW], double *b, double *w)
{
    for (uint32_t col = 0; col < FEW; col++) {
        for (uint32_t row = col + 1; row < FEW; row++) {
            const double factor = a[row][col] / a[col][col];
            for (uint32_t i = col; i < FEW; i++) {
                a[row][i] -= factor * a[col][i];
            }
            b[row] -= factor * b[col];
        }
    }
    for (uint32_t row = FEW; row-- > 0;) {
        w[row] = b[row];
        for (uint32_t i = row + 1; i < FEW; i++) {
            w[row] -= a[row][i] * w[i];
        }
        w[row] /= a[row][row];
    }
}

/* The hidden vectors [FEW][D]: a conditional read keeps the newest of them in the state. */
static void hidden_vectors(struct told *told, double hidden[FEW][D])
{
    const struct interest_model *model = told->model.model;
    const real *last = (const real *)told->state + state_layout_at(&model->state, "last");
    const uint32_t offsets[] = {0, 1};
    interest_state_init(model, told->state);
    for (uint32_t i = 0; i < FEW; i++) {
        const struct behavior_batch one = {&told->at[i], offsets, 1};
        interest_absorb(model, told->model.scratch, &told->state, &one);
        for (uint32_t c = 0; c < D; c++) {
            hidden[i][c] = (double)last[c];
        }
    }
}

/* What the head's read `o` [width], but for its scale, is made of: weights of the values [FEW]. */
static void weights_of_read(const double values[FEW][D], const double *o, uint32_t from,
                            uint32_t width, double *w)
{
    double a[FEW][FEW] = {{0}}, b[FEW] = {0}, sum = 0;
    for (uint32_t c = from; c < from + width; c++) {
        for (uint32_t i = 0; i < FEW; i++) {
            for (uint32_t j = 0; j < FEW; j++) {
                a[i][j] += values[i][c] * values[j][c];
            }
            b[i] += values[i][c] * o[c];
        }
    }
    solve(a, b, w);
    for (uint32_t i = 0; i < FEW; i++) {
        sum += fabs(w[i]);
    }
    for (uint32_t i = 0; i < FEW; i++) {
        w[i] /= sum;
    }
}

static void compare_solved(const struct told *told, const double values[FEW][D],
                           const double *newest, uint32_t k)
{
    const uint32_t heads = common.extract_heads, width = D / heads;
    double o[D], mean[FEW] = {0}, sum = 0;
    for (uint32_t c = 0; c < D; c++) {
        o[c] = (double)told->vectors[k * D + c] - newest[c];
    }
    for (uint32_t head = 0; head < heads; head++) {
        double w[FEW];
        weights_of_read(values, o, head * width, width, w);
        for (uint32_t i = 0; i < FEW; i++) {
            mean[i] += w[i] / heads;
        }
    }
    for (uint32_t i = 0; i < FEW; i++) {
        sum += fabs(mean[i]);
    }
    for (uint32_t i = 0; i < FEW; i++) {
        assert_near(share_of(told, i, k), mean[i] / sum,
                    sizeof(real) == sizeof(float) ? 1e-3 : 1e-7);
    }
}

/* interest = mix o + newest hidden vector; mix becomes the identity, gdelta's last scale 1. */
static void extractors_read_values_by_their_shares(void **state)
{
    (void)state;
    static struct told told;
    const char *const names[] = {"limarec", "lru", "gdelta"};
    for (uint32_t m = 0; m < 3; m++) {
        told_open(&told, names[m], &common, 40 + m);
        struct param *mix = param_of(&told, "extract.mix.weight");
        memset(mix->data, 0, mix->count * sizeof(real));
        for (uint32_t c = 0; c < D; c++) {
            mix->data[c * D + c] = 1;
        }
        told_reopen(&told);
        for (uint32_t trial = 0; trial < CUTS; trial++) {
            double hidden[FEW][D], values[FEW][D];
            const real *layer = param_of(&told, "extract.value.weight")->data;
            draw_behaviors(&told, FEW);
            tell(&told);
            hidden_vectors(&told, hidden);
            for (uint32_t i = 0; i < FEW * D; i++) {
                values[i / D][i % D] = 0;
                for (uint32_t in = 0; in < D; in++) {
                    values[i / D][i % D] += (double)layer[i % D * D + in] * hidden[i / D][in];
                }
            }
            for (uint32_t k = 0; k < told.live; k++) {
                compare_solved(&told, (const double(*)[D])values, hidden[FEW - 1], k);
            }
        }
        told_close(&told);
    }
}

/* The same behavior twice: the second write corrects what the first has left. */
static void a_later_write_takes_from_the_share_of_what_it_corrects(void **state)
{
    (void)state;
    static struct told told;
    told_open(&told, "gdelta", &common, 50);
    bool negative = false;
    for (uint32_t trial = 0; trial < 50; trial++) {
        draw_behaviors(&told, 40);
        tell(&told);
        for (uint32_t i = 0; i < told.count * told.interests; i++) {
            negative = negative || told.shares[i] < 0;
        }
    }
    assert_true(negative);
    told_close(&told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(magnitudes_of_an_interests_shares_sum_to_one),
        cmocka_unit_test(shares_are_the_same_bytes_however_behaviors_are_cut),
        cmocka_unit_test(what_lies_before_a_window_has_no_share),
        cmocka_unit_test(models_without_a_sum_over_behaviors_say_so),
        cmocka_unit_test(a_full_explainer_absorbs_nothing_more),
        cmocka_unit_test(means_of_behaviors_are_the_sums_of_their_shares),
        cmocka_unit_test(capsules_point_where_their_shares_do),
        cmocka_unit_test(an_interest_of_sine_is_what_its_norm_makes_of_its_shares),
        cmocka_unit_test(an_entry_points_where_its_shares_do),
        cmocka_unit_test(extractors_read_values_by_their_shares),
        cmocka_unit_test(a_later_write_takes_from_the_share_of_what_it_corrects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
