/*
 * test_fused.c - linear attention as one op against its plain form: every event with every earlier
 * one, as models.md 5.1 writes the chunk form, whose gradient follows line by line. In double,
 * 1e-10.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "model/tensor/op.h"

enum { EVENTS = 61, POINTS = 40, QUERIES = 6, HEADS = 2, WIDTH = 16, D = HEADS * WIDTH };
enum { ARENA_SIZE = 1 << 24 };

static const uint32_t offsets[] = {0, 1, 1, 50, EVENTS};
static const struct behavior_batch batch = {NULL, offsets, 4};

/* The plain form: reads, and what `dy` gives back to rows that are already elu1. */
struct plain {
    double q[POINTS][QUERIES * D], kv[EVENTS][2 * D];
    double dq[POINTS][QUERIES * D], dkv[EVENTS][2 * D];
    double y[POINTS * QUERIES][D], dy[POINTS * QUERIES][D];
};

static double dot(const double *a, const double *b)
{
    double sum = 0;
    for (int i = 0; i < WIDTH; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/*
 * One read: y = (sum of <q, k_i> v_i) / n, n = sum of <q, k_i> + 1e-10, over events first .. last.
 */
static void read_once(struct plain *plain, uint32_t point, uint32_t query, uint32_t head,
                      uint32_t first, uint32_t last)
{
    const double *q = plain->q[point] + query * D + head * WIDTH;
    double *dq = plain->dq[point] + query * D + head * WIDTH;
    double *y = plain->y[point * QUERIES + query] + head * WIDTH;
    const double *dy = plain->dy[point * QUERIES + query] + head * WIDTH;
    double n = 1e-10;
    for (uint32_t event = first; event <= last; event++) {
        const double *k = plain->kv[event] + head * WIDTH, *v = k + D;
        const double a = dot(q, k);
        n += a;
        for (int i = 0; i < WIDTH; i++) {
            y[i] += a * v[i];
        }
    }
    for (int i = 0; i < WIDTH; i++) {
        y[i] /= n;
    }
    for (uint32_t event = first; event <= last; event++) {
        const double *k = plain->kv[event] + head * WIDTH, *v = k + D;
        double *dk = plain->dkv[event] + head * WIDTH, *dv = dk + D;
        const double a = dot(q, k), da = (dot(dy, v) - dot(dy, y)) / n;
        for (int i = 0; i < WIDTH; i++) {
            dv[i] += a / n * dy[i];
            dq[i] += da * k[i];
            dk[i] += da * q[i];
        }
    }
}

static void read_all(struct plain *plain, const uint32_t *points)
{
    for (uint32_t point = 0; point < POINTS; point++) {
        uint32_t user = 0;
        while (offsets[user + 1] <= points[point]) {
            user++;
        }
        for (uint32_t query = 0; query < QUERIES; query++) {
            for (uint32_t head = 0; head < HEADS; head++) {
                read_once(plain, point, query, head, offsets[user], points[point]);
            }
        }
    }
}

static void draw(real *x, double *copy, size_t count, struct random *random)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = copy[i] = random_normal(random);
    }
}

/* In the plain form elu1 comes first, and its slope last: 1 where x > 0, else e^x. */
static void to_features(double *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = x[i] > 0 ? x[i] + 1 : __builtin_exp(x[i]);
    }
}

static void through_features(double *dx, const double *feature, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        dx[i] *= feature[i] < 1 ? feature[i] : 1;
    }
}

static void assert_near(const real *got, const double *want, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double off = got[i] - want[i], scale = want[i] < 0 ? -want[i] : want[i];
        if (scale < 1) scale = 1;
        if (!(off <= 1e-10 * scale && -off <= 1e-10 * scale)) {
            fail_msg("element %zu is %.15g, not %.15g", i, got[i], want[i]);
        }
    }
}

static void fused_attention_equals_its_plain_form(void **state)
{
    (void)state;
    static struct plain plain;
    static const struct attention_sums sums = {.heads = HEADS, .width = WIDTH};
    struct random random = random_seeded(17);
    struct error error;
    struct arena arena;
    uint32_t points[POINTS];
    for (uint32_t i = 0; i < POINTS; i++) {
        points[i] = i + i / 2; /* two of three events */
    }
    assert_int_equal(arena_open(&arena, ARENA_SIZE, &error), STATUS_OK);
    struct tape tape = tape_recording(&arena, NULL);
    struct tensor *q = tape_tensor(&tape, POINTS, QUERIES * D);
    struct tensor *kv = tape_tensor(&tape, EVENTS, 2 * D);
    q->wants_gradient = kv->wants_gradient = true;
    draw(q->data, plain.q[0], tensor_count(q), &random);
    draw(kv->data, plain.kv[0], tensor_count(kv), &random);
    struct tensor *y = op_attention_steps(&tape, &sums, q, kv, points, &batch);
    draw(tape_gradient(&tape, y), plain.dy[0], tensor_count(y), &random);
    tape_backward(&tape);

    to_features(plain.q[0], tensor_count(q));
    for (uint32_t event = 0; event < EVENTS; event++) {
        to_features(plain.kv[event], D);
    }
    read_all(&plain, points);
    through_features(plain.dq[0], plain.q[0], tensor_count(q));
    for (uint32_t event = 0; event < EVENTS; event++) {
        through_features(plain.dkv[event], plain.kv[event], D);
    }
    assert_near(y->data, plain.y[0], tensor_count(y));
    assert_near(q->gradient, plain.dq[0], tensor_count(q));
    assert_near(kv->gradient, plain.dkv[0], tensor_count(kv));
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fused_attention_equals_its_plain_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
