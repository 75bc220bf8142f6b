/*
 * interest_ledger.c - the ledger of models.md section 7.1, step by step as it stands there.
 *
 * A state is laid out by columns: time, last [max], m [max], q [max], s [max][d]. An entry is live
 * if its mass is above zero, and live ones come first, so nothing else needs storing. Sums and all
 * derived quantities are in double; a dot product runs in eight lanes of fixed order.
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/status.h"
#include "model/interest_ledger.h"

/* Beyond so many half-lives a mass is nothing beside the next event, and still not zero. */
static const double HALF_LIVES_MAX = 100.0;

static const double DISTANCE_MIN = 1e-6; /* an event nearer to its centroid points nowhere */

/* A state opened for one call. */
struct entries {
    uint32_t d;
    uint32_t max;
    uint32_t count;
    int64_t *time;
    int64_t *last;                             /* [max] */
    real *m;                                   /* [max] */
    real *q;                                   /* [max] */
    real *s;                                   /* [max][d] */
    double length[INTEREST_LEDGER_MAX];        /* of s, never zero; kept while absorbing */
    uint64_t changed;                          /* bit k: entry k differs from before the event */
    const struct interest_ledger_parts *parts; /* moved along with the entries; NULL: nobody asks */
};

size_t interest_ledger_size(const struct interest_ledger *ledger)
{
    size_t entry = sizeof(int64_t) + (ledger->d + 2) * sizeof(real);
    return sizeof(int64_t) + ledger->interests_max * entry;
}

static struct entries entries_of(const struct interest_ledger *ledger, void *state)
{
    uint32_t max = ledger->interests_max;
    REQUIRE(max >= 1 && max <= INTEREST_LEDGER_MAX);
    struct entries at = {.d = ledger->d, .max = max, .time = state};
    at.last = at.time + 1;
    at.m = (real *)(at.last + max);
    at.q = at.m + max;
    at.s = at.q + max;
    while (at.count < max && at.m[at.count] > 0) {
        at.count++;
    }
    return at;
}

static real *entry_sum(const struct entries *at, uint32_t k)
{
    return at->s + (size_t)k * at->d;
}

/* Entry `to` of every behavior becomes keep times itself and `add` times entry `from`. */
static void move_parts(const struct entries *at, uint32_t to, uint32_t from, real keep, real add)
{
    const struct interest_ledger_parts *parts = at->parts;
    for (uint32_t i = 0; parts && i < parts->count; i++) {
        real *part = parts->at + i * parts->stride;
        part[to] = keep * part[to] + add * part[from];
    }
}

/* The newest behavior lies in entry k as a whole. */
static void place_newest(const struct entries *at, uint32_t k)
{
    const struct interest_ledger_parts *parts = at->parts;
    if (parts) parts->at[(parts->count - 1) * parts->stride + k] = 1;
}

static double dot(const real *a, const real *b, uint32_t d)
{
    double lane[8] = {0};
    uint32_t i = 0;
    for (; i + 8 <= d; i += 8) {
        for (uint32_t j = 0; j < 8; j++) {
            lane[j] += (double)a[i + j] * (double)b[i + j];
        }
    }
    for (uint32_t j = 0; i < d; i++, j++) {
        lane[j] += (double)a[i] * (double)b[i];
    }
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* The divisor of unit(x). */
static double unit_length(const real *x, uint32_t d)
{
    return sqrt(dot(x, x, d) + 1e-12);
}

/* |e - s/m|^2 */
static double distance_squared(const real *e, const real *s, double m, uint32_t d)
{
    double sum = 0;
    for (uint32_t i = 0; i < d; i++) {
        double gap = (double)e[i] - (double)s[i] / m;
        sum += gap * gap;
    }
    return sum;
}

/*
 * 2^-x for 0 <= x <= 1000: a power of two by its bits, the rest by its series to within rounding.
 */
static double halved(double x)
{
    int64_t whole = (int64_t)(x + 0.5);
    double y = ((double)whole - x) * 0.69314718055994530942; /* |y| <= ln 2 / 2 */
    double sum = 1;
    for (int term = 14; term >= 1; term--) {
        sum = 1 + sum * y / term;
    }
    uint64_t bits = (uint64_t)(1023 - whole) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

double interest_ledger_left(const struct interest_ledger *ledger, double seconds)
{
    double half_lives = seconds / 86400 / ledger->half_life_days;
    return halved(half_lives < HALF_LIVES_MAX ? half_lives : HALF_LIVES_MAX);
}

static void fade(const struct interest_ledger *ledger, struct entries *at, int64_t time_s)
{
    if (at->count == 0) *at->time = time_s;
    if (time_s <= *at->time) return; /* a late event counts fully, now */

    double factor = interest_ledger_left(ledger, (double)time_s - (double)*at->time);
    for (uint32_t k = 0; k < at->count; k++) {
        at->m[k] = (real)(factor * (double)at->m[k]);
        at->q[k] = (real)(factor * (double)at->q[k]);
    }
    for (size_t i = 0; i < (size_t)at->count * at->d; i++) {
        at->s[i] = (real)(factor * (double)at->s[i]);
    }
    *at->time = time_s;
}

static void copy_entry(struct entries *at, uint32_t to, uint32_t from)
{
    at->last[to] = at->last[from];
    at->m[to] = at->m[from];
    at->q[to] = at->q[from];
    at->length[to] = at->length[from];
    memmove(entry_sum(at, to), entry_sum(at, from), at->d * sizeof(real));
    move_parts(at, to, from, 0, 1);
}

/* Keeps the first `count` entries; what is beyond reads as zero. */
static void truncate_to(struct entries *at, uint32_t count)
{
    for (uint32_t k = count; k < at->count; k++) {
        at->last[k] = 0;
        at->m[k] = 0;
        at->q[k] = 0;
        memset(entry_sum(at, k), 0, at->d * sizeof(real));
        move_parts(at, k, k, 0, 0);
    }
    at->count = count;
}

static uint32_t heaviest(const struct entries *at)
{
    uint32_t best = 0;
    for (uint32_t k = 1; k < at->count; k++) {
        if (at->m[k] > at->m[best]) best = k;
    }
    return best;
}

/* A mass that has underflowed is dropped whatever drop_mass is: it would read as an empty entry. */
static void prune(const struct interest_ledger *ledger, struct entries *at)
{
    double mass_min = ledger->drop_mass > FLT_MIN ? ledger->drop_mass : FLT_MIN;
    uint32_t keep = heaviest(at);
    uint32_t count = 0;
    for (uint32_t k = 0; k < at->count; k++) {
        if ((double)at->m[k] < mass_min && k != keep) continue;
        if (k != count) copy_entry(at, count, k);
        count++;
    }
    truncate_to(at, count);
}

static void touch(struct entries *at, uint32_t k)
{
    at->length[k] = unit_length(entry_sum(at, k), at->d);
    at->changed |= UINT64_C(1) << k;
}

/* Adds b to a < b and deletes b; later entries move down, and so do their bits. */
static void merge(struct entries *at, uint32_t a, uint32_t b)
{
    real *sum = entry_sum(at, a), *other = entry_sum(at, b);
    for (uint32_t i = 0; i < at->d; i++) {
        sum[i] += other[i];
    }
    at->m[a] += at->m[b];
    at->q[a] += at->q[b];
    if (at->last[b] > at->last[a]) at->last[a] = at->last[b];
    move_parts(at, a, b, 1, 1);
    for (uint32_t k = b + 1; k < at->count; k++) {
        copy_entry(at, k - 1, k);
    }
    truncate_to(at, at->count - 1);
    uint64_t below = (UINT64_C(1) << b) - 1;
    at->changed = (at->changed & below) | ((at->changed >> 1) & ~below);
    touch(at, a);
}

static double ward_cost(const struct entries *at, uint32_t a, uint32_t b)
{
    double ma = (double)at->m[a], mb = (double)at->m[b];
    const real *sa = entry_sum(at, a), *sb = entry_sum(at, b);
    double sum = 0;
    for (uint32_t i = 0; i < at->d; i++) {
        double gap = (double)sa[i] / ma - (double)sb[i] / mb;
        sum += gap * gap;
    }
    return ma * mb / (ma + mb) * sum;
}

/* Makes room for one more entry. A list of one has no pair: its entry is given up. */
static void merge_cheapest(struct entries *at)
{
    if (at->count < 2) {
        truncate_to(at, 0);
        return;
    }
    uint32_t best_a = 0, best_b = 1;
    double best = ward_cost(at, 0, 1);
    for (uint32_t a = 0; a < at->count; a++) {
        for (uint32_t b = a + 1; b < at->count; b++) {
            double cost = ward_cost(at, a, b);
            if (cost < best) best = cost, best_a = a, best_b = b;
        }
    }
    merge(at, best_a, best_b);
}

static void append_entry(struct entries *at, const real *vector)
{
    if (at->count == at->max) merge_cheapest(at);
    uint32_t k = at->count++;
    memcpy(entry_sum(at, k), vector, at->d * sizeof(real));
    at->m[k] = 1;
    at->q[k] = (real)dot(vector, vector, at->d);
    at->last[k] = *at->time;
    place_newest(at, k);
    touch(at, k);
}

/*
 * Cuts entry j along the direction from its centroid to the vector it has just taken: the halves
 * lie `offset` to either side, and merging them gives j back.
 */
static bool split(const struct interest_ledger *ledger, struct entries *at, uint32_t j,
                  const real *vector)
{
    real *near = entry_sum(at, j), *far = entry_sum(at, at->count);
    double m = (double)at->m[j], q = (double)at->q[j];
    double scatter = (q - dot(near, near, at->d) / m) / m;
    if (m < ledger->split_mass || scatter <= ledger->split_scatter || at->count == at->max) {
        return false;
    }
    double distance = sqrt(distance_squared(vector, near, m, at->d));
    if (distance <= DISTANCE_MIN) return false;

    double offset = sqrt(ledger->split_share * (scatter > 0 ? scatter : 0));
    double across = 0; /* <centroid, direction> */
    for (uint32_t i = 0; i < at->d; i++) {
        double center = (double)near[i] / m;
        double direction = ((double)vector[i] - center) / distance;
        double half = m / 2 * center, shift = m / 2 * offset * direction;
        across += center * direction;
        near[i] = (real)(half + shift);
        far[i] = (real)(half - shift);
    }
    uint32_t k = at->count++;
    at->m[j] = at->m[k] = (real)(m / 2);
    at->q[j] = (real)(q / 2 + m * offset * across);
    at->q[k] = (real)(q / 2 - m * offset * across);
    at->last[k] = at->last[j];
    move_parts(at, j, j, 0, (real)0.5);
    move_parts(at, k, j, 0, 1);
    touch(at, j);
    touch(at, k);
    return true;
}

/* Cosines between unchanged entries did not change, and none of them was above the threshold. */
static void merge_close(const struct interest_ledger *ledger, struct entries *at)
{
    for (;;) {
        uint32_t best_a = 0, best_b = 0;
        double best = ledger->merge_cosine;
        for (uint32_t a = 0; a < at->count; a++) {
            for (uint32_t b = a + 1; b < at->count; b++) {
                if (!((at->changed >> a | at->changed >> b) & 1)) continue;
                double cosine = dot(entry_sum(at, a), entry_sum(at, b), at->d) /
                                (at->length[a] * at->length[b]);
                if (cosine > best) best = cosine, best_a = a, best_b = b;
            }
        }
        if (best_b == 0) return;
        merge(at, best_a, best_b);
    }
}

static enum interest_ledger_action absorb_vector(const struct interest_ledger *ledger, void *state,
                                                 const real *vector, int64_t time_s,
                                                 const struct interest_ledger_parts *parts)
{
    struct entries at = entries_of(ledger, state);
    at.parts = parts;
    fade(ledger, &at, time_s);
    prune(ledger, &at);

    double length = unit_length(vector, at.d);
    double nearest = -2;
    uint32_t j = 0;
    for (uint32_t k = 0; k < at.count; k++) {
        at.length[k] = unit_length(entry_sum(&at, k), at.d);
        double cosine = dot(vector, entry_sum(&at, k), at.d) / (length * at.length[k]);
        if (cosine > nearest) nearest = cosine, j = k;
    }

    enum interest_ledger_action action = INTEREST_LEDGER_ASSIGN;
    if (at.count == 0 || nearest < ledger->new_cosine) {
        append_entry(&at, vector);
        action = INTEREST_LEDGER_GROW;
    } else {
        real *sum = entry_sum(&at, j);
        for (uint32_t i = 0; i < at.d; i++) {
            sum[i] += vector[i];
        }
        at.m[j] += 1;
        at.q[j] = (real)((double)at.q[j] + dot(vector, vector, at.d));
        at.last[j] = *at.time;
        place_newest(&at, j);
        touch(&at, j);
        if (split(ledger, &at, j, vector)) action = INTEREST_LEDGER_SPLIT;
    }
    merge_close(ledger, &at);
    return action;
}

enum interest_ledger_action interest_ledger_absorb(const struct interest_ledger *ledger,
                                                   void *state, const real *vector, int64_t time_s)
{
    return absorb_vector(ledger, state, vector, time_s, NULL);
}

void interest_ledger_absorb_part(const struct interest_ledger *ledger, void *state,
                                 const real *vector, int64_t time_s,
                                 struct interest_ledger_parts *parts)
{
    memset(parts->at + parts->count++ * parts->stride, 0, ledger->interests_max * sizeof(real));
    absorb_vector(ledger, state, vector, time_s, parts);
}

/* Looking needs no more than the layout; nothing is written through it. */
static struct entries entries_in(const struct interest_ledger *ledger, const void *state)
{
    return entries_of(ledger, (void *)state);
}

uint32_t interest_ledger_count(const struct interest_ledger *ledger, const void *state)
{
    return entries_in(ledger, state).count;
}

int64_t interest_ledger_time_s(const void *state)
{
    return *(const int64_t *)state;
}

struct interest_ledger_entry interest_ledger_at(const struct interest_ledger *ledger,
                                                const void *state, uint32_t index)
{
    struct entries at = entries_in(ledger, state);
    REQUIRE(index < at.count);
    return (struct interest_ledger_entry){entry_sum(&at, index), at.m[index], at.q[index],
                                          at.last[index]};
}

uint32_t interest_ledger_publish(const struct interest_ledger *ledger, const void *state,
                                 uint32_t limit, uint32_t *indices)
{
    struct entries at = entries_in(ledger, state);
    uint64_t taken = 0;
    uint32_t count = 0;
    while (count < limit && count < at.count) {
        uint32_t best = at.count;
        for (uint32_t k = 0; k < at.count; k++) {
            if (taken >> k & 1) continue;
            if (best == at.count || at.m[k] > at.m[best]) best = k;
        }
        if (count > 0 && (double)at.m[best] < ledger->publish_mass) break;
        taken |= UINT64_C(1) << best;
        indices[count++] = best;
    }
    return count;
}

uint32_t interest_ledger_read(const struct interest_ledger *ledger, const void *state,
                              uint32_t limit, real *vectors, real *weights)
{
    struct entries at = entries_in(ledger, state);
    uint32_t indices[INTEREST_LEDGER_MAX];
    uint32_t most = limit < INTEREST_LEDGER_MAX ? limit : INTEREST_LEDGER_MAX;
    uint32_t count = interest_ledger_publish(ledger, state, most, indices);
    double mass = 0;
    for (uint32_t k = 0; k < count; k++) {
        mass += (double)at.m[indices[k]];
    }
    memset(vectors, 0, (size_t)limit * at.d * sizeof(real));
    memset(weights, 0, limit * sizeof(real));
    for (uint32_t k = 0; k < count; k++) {
        const real *sum = entry_sum(&at, indices[k]);
        double length = unit_length(sum, at.d);
        for (uint32_t i = 0; i < at.d; i++) {
            vectors[(size_t)k * at.d + i] = (real)((double)sum[i] / length);
        }
        weights[k] = (real)((double)at.m[indices[k]] / mass);
    }
    return count;
}
