/*
 * test_round.c - rounds over a store that grows: the first generation, a better one, and nothing
 * when there is nothing to learn.
 *
 * The log is a walk that can be learned: after item i comes i + 1. Users act by turns.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/checksum.h"
#include "base/random.h"
#include "model/tensor/params.h"
#include "model/generations.h"
#include "stream/learn/round.h"
#include "tests/store/store_memory.h"

enum { ITEMS = 50, USERS = 80, STEP_MS = 1000, ID_MAX = 16, HISTORY_MAX = 128 };

struct world {
    struct store *store;
    struct history histories[USERS];
    uint32_t at[USERS];
    uint64_t events;
    int64_t late_ms;       /* by which events are that come now */
    uint32_t first, items; /* users walk around among those from `first` to below `items` */
    struct name_set known, categories;
};

static struct world world;

static struct bytes id_of(const char *kind, uint32_t number, char *id)
{
    return (struct bytes){id, (size_t)snprintf(id, ID_MAX, "%s-%u", kind, number)};
}

static uint64_t item_hash(uint32_t item)
{
    char id[ID_MAX];
    const struct bytes text = id_of("item", item, id);
    return identity_of(text.at, text.size);
}

static void put(enum store_space space, struct bytes user, const struct history *history)
{
    uint8_t value[HISTORY_RECORD_MAX];
    const struct store_write write = {
        .space = space,
        .key = {user, space == STORE_CHUNKS ? history->first / HISTORY_CHUNK_BEHAVIORS : 0},
        .value = {value, history_encode(history, value)},
    };
    const struct store_position position = {.next = 1, .seal = 1};
    assert_int_equal(store_memory.commit(world.store, &write, 1, &position, NULL), STATUS_OK);
}

/* The items that the users' newest behaviors are of change hands; how often each was seen does not. */
static void exchange_newest(uint32_t of_each)
{
    for (uint32_t user = 0; user + 1 < USERS; user += 2) {
        struct history *a = &world.histories[user], *b = &world.histories[user + 1];
        char id[ID_MAX];
        assert_true(a->count >= of_each && b->count >= of_each);
        for (uint32_t i = 1; i <= of_each; i++) {
            struct history_behavior *x = &a->at[a->count - i], *y = &b->at[b->count - i];
            const uint64_t item = x->item;
            x->item = y->item;
            y->item = item;
        }
        put(STORE_USERS, id_of("user", user, id), a);
        put(STORE_USERS, id_of("user", user + 1, id), b);
    }
}

static void add_events(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t user = (uint32_t)(world.events % USERS);
        struct history *history = &world.histories[user];
        char id[ID_MAX];
        if (history_full(history)) put(STORE_CHUNKS, id_of("user", user, id), history);
        world.events++;
        history_append(history,
                       history_behavior_of(item_hash(world.at[user]),
                                           (int64_t)world.events * STEP_MS - world.late_ms, 0),
                       (int64_t)world.events, HISTORY_MAX);
        if (++world.at[user] >= world.items) world.at[user] = world.first;
    }
    for (uint32_t user = 0; user < USERS; user++) {
        char id[ID_MAX];
        put(STORE_USERS, id_of("user", user, id), &world.histories[user]);
    }
}

static enum status known_names(void *context, struct name_set **itemsp,
                               const struct name_set **categoriesp, struct error *error)
{
    (void)context;
    *itemsp = &world.known;
    *categoriesp = &world.categories;
    for (uint32_t item = 0; item < ITEMS; item++) {
        char id[ID_MAX];
        uint32_t number;
        TRY(name_set_add(&world.known, id_of("item", item, id), item_hash(item), &number, error));
    }
    return STATUS_OK;
}

static int open_world(void **state)
{
    const struct store_identity identity = {1, 0, 1};
    const struct store_options options = {1 << 20, 1 << 20};
    struct random random = random_seeded(5);
    (void)state;
    world = (struct world){.items = ITEMS - 10};
    assert_int_equal(store_memory.open(&world.store, "round", &identity, &options, NULL),
                     STATUS_OK);
    for (uint32_t user = 0; user < USERS; user++) {
        history_init(&world.histories[user], 1);
        world.at[user] = (uint32_t)random_below(&random, world.items);
    }
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    store_memory.close(world.store);
    name_set_close(&world.known);
    return 0;
}

static struct round_options small_options(void)
{
    struct round_options options = round_options_defaults();
    options.gate.events_min = 200;
    options.minibatch = 400;
    options.first.rate = options.next.rate = 0.005;
    options.first.dropout = options.next.dropout = 0;
    options.first.epochs = 2;
    options.next.epochs = 8;
    return options;
}

/* ---- without memory ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

/* Until one finds no memory, once; and so many from where a round has left the stores. */
static _Atomic int64_t allocations_left = INT64_MAX;
static int64_t allocations_after_sample = INT64_MAX;

static bool has_memory(void)
{
    return atomic_fetch_sub(&allocations_left, 1) != 1;
}

void *__wrap_malloc(size_t size)
{
    return has_memory() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return has_memory() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *at, size_t size)
{
    return has_memory() ? __real_realloc(at, size) : NULL;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return has_memory() ? __real_aligned_alloc(alignment, size) : NULL;
}

static void leave_stores(void *context)
{
    (void)context;
    atomic_store(&allocations_left, allocations_after_sample);
}

/* ---- rounds ---- */

static uint64_t size_max; /* of a candidate, 0: no limit */

static enum status run(const struct round_options *options, const struct checkpoint *current,
                       int64_t learned_ms, uint64_t number, struct round_result *result)
{
    struct error error = {.status = STATUS_OK};
    const struct round_input input = {
        .stores = {&store_memory, &world.store, 1},
        .sampled = leave_stores,
        .names = known_names,
        .current = current,
        .learned_ms = learned_ms,
        .measured_ms = learned_ms,
        .number = number,
        .size_max = size_max,
    };
    enum status status = round_run(options, &input, result, &error);
    if (status != STATUS_OK) print_message("%s\n", error.text);
    return status;
}

static void the_first_round_learns_from_everything_and_is_adopted(void **state)
{
    const struct round_options options = small_options();
    struct round_result result;
    (void)state;
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &result), STATUS_OK);
    assert_int_equal(result.gate.verdict, VERDICT_BASELINE_NOT_EVALUABLE);
    assert_int_equal(result.learned_ms, 2000 * STEP_MS);
    assert_int_equal(result.behaviors, 2000);
    assert_int_equal(result.items, ITEMS - 10);
    assert_int_equal(result.items_new, ITEMS - 10);
    assert_int_equal(result.candidate->generation, 1);
    checkpoint_close(result.candidate);
}

static void a_later_round_is_judged_by_events_that_neither_learned_from(void **state)
{
    const struct round_options options = small_options();
    struct round_result first, next;
    (void)state;
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    world.items = ITEMS; /* ten new items */
    add_events(2000);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &next), STATUS_OK);
    assert_int_equal(next.learned_ms, (4000 - 200) * STEP_MS);
    assert_int_equal(next.gate.candidate.events, 200);
    assert_int_equal(next.gate.current.events, 200);
    assert_int_equal(next.served.current.events, 2000);
    assert_int_equal(next.gate.verdict, VERDICT_ADOPTED);
    assert_true(next.gate.candidate.ndcg > next.gate.current.ndcg);
    assert_int_equal(next.candidate->generation, 2);
    assert_int_equal(next.items, ITEMS);
    assert_int_equal(next.items_new, 10);
    checkpoint_close(next.candidate);
    checkpoint_close(first.candidate);
}

static void a_round_gives_the_same_bytes_again(void **state)
{
    const struct round_options options = small_options();
    struct round_result first, a, b;
    (void)state;
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    add_events(1000);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &a), STATUS_OK);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &b), STATUS_OK);
    assert_memory_equal(param_set_block(a.candidate->params), param_set_block(b.candidate->params),
                        param_set_size(a.candidate->params) * sizeof(real));
    assert_memory_equal(&a.gate, &b.gate, sizeof a.gate);
    checkpoint_close(a.candidate);
    checkpoint_close(b.candidate);
    checkpoint_close(first.candidate);
}

static bool same_parameters(const struct checkpoint *a, const struct checkpoint *b)
{
    return param_set_size(a->params) == param_set_size(b->params) &&
           memcmp(param_set_block(a->params), param_set_block(b->params),
                  param_set_size(a->params) * sizeof(real)) == 0;
}

/*
 * The newest five events of each user judge the candidate: whatever they are, it learns the same. The
 * last one of each has an early time of its own; that its user had got further is what counts.
 */
static void nothing_beyond_the_cut_is_learned_from_also_if_it_came_late(void **state)
{
    enum { NEWEST = 5 };
    struct round_options options = small_options();
    struct round_result first, next, exchanged;
    (void)state;
    options.gate.events_min = NEWEST * USERS;
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    add_events(1000);
    world.late_ms = INT64_C(1500) * STEP_MS;
    add_events(USERS);
    world.late_ms = 0;
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &next), STATUS_OK);
    assert_int_equal(next.gate.candidate.events, NEWEST * USERS);
    exchange_newest(NEWEST);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &exchanged), STATUS_OK);
    assert_int_equal(exchanged.learned_ms, next.learned_ms);
    assert_true(same_parameters(next.candidate, exchanged.candidate));
    assert_true(exchanged.gate.candidate.ndcg != next.gate.candidate.ndcg);
    exchange_newest(NEWEST + 1); /* one more each: these were learned from */
    checkpoint_close(exchanged.candidate);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &exchanged), STATUS_OK);
    assert_false(same_parameters(next.candidate, exchanged.candidate));
    checkpoint_close(exchanged.candidate);
    checkpoint_close(next.candidate);
    checkpoint_close(first.candidate);
}

static void a_later_round_retains_and_a_first_one_has_nothing_to_retain(void **state)
{
    struct round_options options = small_options(), retaining = options;
    struct round_result first, first_retaining, next, next_retaining;
    (void)state;
    retaining.retain = 10;
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    assert_int_equal(run(&retaining, NULL, INT64_MIN, 1, &first_retaining), STATUS_OK);
    assert_true(same_parameters(first.candidate, first_retaining.candidate));
    add_events(1000);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &next), STATUS_OK);
    assert_int_equal(run(&retaining, first.candidate, first.learned_ms, 2, &next_retaining),
                     STATUS_OK);
    assert_false(same_parameters(next.candidate, next_retaining.candidate));
    checkpoint_close(next_retaining.candidate);
    checkpoint_close(next.candidate);
    checkpoint_close(first_retaining.candidate);
    checkpoint_close(first.candidate);
}

static void a_round_tells_of_how_many_users_new_interests_are_due(void **state)
{
    const struct round_options options = small_options();
    struct round_result first, next;
    (void)state;
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    assert_int_equal(first.served.due.users, 0);
    add_events(2000);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &next), STATUS_OK);
    assert_int_equal(next.served.due.users, USERS);
    assert_true(next.served.due.divergence > 0);
    assert_true(next.served.current.interests >= 1);
    checkpoint_close(next.candidate);
    checkpoint_close(first.candidate);
}

/*
 * Wherever a round runs out of memory it says so (but for counting transitions, which goes on with
 * fewer pairs), and the next one goes as if nothing had been.
 */
static void a_round_that_finds_no_memory_changes_nothing(void **state)
{
    struct round_options options = small_options();
    struct round_result first, whole, again;
    (void)state;
    options.dims.d = options.dims.ffn = 16;
    options.dims.heads = options.dims.extract_heads = 2;
    options.next.epochs = 1;
    options.first.shards = options.next.shards = 1;
    add_events(600);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    add_events(400);
    const uint64_t before = param_set_fingerprint(first.candidate->params, PARAMS_ALL);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &whole), STATUS_OK);
    uint32_t failed = 0;
    for (int64_t nth = 1;; nth += 1 + nth / 16) {
        struct round_result result;
        allocations_after_sample = nth;
        const enum status status = run(&options, first.candidate, first.learned_ms, 2, &result);
        const bool met = atomic_exchange(&allocations_left, INT64_MAX) <= 0;
        allocations_after_sample = INT64_MAX;
        if (status == STATUS_OK) {
            assert_true(same_parameters(whole.candidate, result.candidate));
        } else {
            assert_int_equal(status, STATUS_IO);
            assert_null(result.candidate);
            failed++;
        }
        checkpoint_close(result.candidate);
        if (!met) break;
    }
    print_message("%u rounds without memory\n", failed);
    assert_true(failed > 20);
    assert_true(param_set_fingerprint(first.candidate->params, PARAMS_ALL) == before);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &again), STATUS_OK);
    assert_true(same_parameters(whole.candidate, again.candidate));
    checkpoint_close(again.candidate);
    checkpoint_close(whole.candidate);
    checkpoint_close(first.candidate);
}

static void a_round_whose_loss_is_no_number_changes_nothing(void **state)
{
    struct round_options options = small_options(), mad = options;
    struct round_result first, next;
    (void)state;
    mad.next.action_weight[0] = INFINITY;
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    const uint64_t before = param_set_fingerprint(first.candidate->params, PARAMS_ALL);
    add_events(1000);
    assert_int_equal(run(&mad, first.candidate, first.learned_ms, 2, &next), STATUS_INVALID);
    assert_null(next.candidate);
    assert_true(param_set_fingerprint(first.candidate->params, PARAMS_ALL) == before);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &next), STATUS_OK);
    checkpoint_close(next.candidate);
    checkpoint_close(first.candidate);
}

/* Ten items are new, and there is room for no more than there were: the least seen go out. */
static void a_round_gives_up_the_items_that_memory_has_no_room_for(void **state)
{
    struct round_options options = small_options();
    struct round_result first, next, back;
    (void)state;
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    assert_int_equal(first.items_evicted, 0);
    size_max = generation_size(first.candidate);
    world.first = 20; /* what comes before is out of fashion */
    world.items = ITEMS;
    add_events(4000);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &next), STATUS_OK);
    assert_true(generation_size(next.candidate) <= size_max);
    assert_true(next.items >= ITEMS - 12 && next.items <= ITEMS - 10);
    assert_int_equal(next.items - next.items_new, ITEMS - 10 - next.items_evicted);
    assert_int_equal(next.items_new, 10);
    assert_true(next.items_evicted >= 10 && next.unknown > 0);
    for (uint32_t item = world.first; item < ITEMS; item++) {
        assert_true(item_table_find(next.candidate->items, item_hash(item)) > 0);
    }
    assert_int_equal(next.gate.candidate.events, next.gate.current.events);
    /* With room again they come back. */
    size_max = 0;
    world.first = 0;
    add_events(1000);
    assert_int_equal(run(&options, next.candidate, next.learned_ms, 3, &back), STATUS_OK);
    assert_int_equal(back.items, ITEMS);
    assert_int_equal(back.items_new, ITEMS - next.items);
    assert_int_equal(back.unknown, 0);
    checkpoint_close(back.candidate);
    checkpoint_close(next.candidate);
    checkpoint_close(first.candidate);
}

static void a_dictionary_has_no_more_items_than_are_allowed(void **state)
{
    struct round_options options = small_options();
    struct round_result first, next;
    (void)state;
    options.items_max = 30;
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    assert_int_equal(first.items, 30);
    options.items_max = 20;
    add_events(1000);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &next), STATUS_OK);
    assert_int_equal(next.items, 20);
    assert_int_equal(next.items_evicted - next.items_new, 10);
    checkpoint_close(next.candidate);
    checkpoint_close(first.candidate);
}

static void a_round_whose_candidate_is_too_large_with_one_item_changes_nothing(void **state)
{
    const struct round_options options = small_options();
    struct round_result first, next;
    (void)state;
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    size_max = generation_size(first.candidate) / 8;
    add_events(1000);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &next), STATUS_INVALID);
    assert_null(next.candidate);
    assert_int_equal(next.samples, 0);
    size_max = 0;
    checkpoint_close(first.candidate);
}

static void a_round_that_comes_too_early_finds_nothing(void **state)
{
    const struct round_options options = small_options();
    struct round_result first, next;
    (void)state;
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_NOT_FOUND);
    assert_null(first.candidate);
    add_events(2000);
    assert_int_equal(run(&options, NULL, INT64_MIN, 1, &first), STATUS_OK);
    add_events(100);
    assert_int_equal(run(&options, first.candidate, first.learned_ms, 2, &next), STATUS_NOT_FOUND);
    assert_null(next.candidate);
    checkpoint_close(first.candidate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_round_learns_from_everything_and_is_adopted,
                                        open_world, close_world),
        cmocka_unit_test_setup_teardown(a_later_round_is_judged_by_events_that_neither_learned_from,
                                        open_world, close_world),
        cmocka_unit_test_setup_teardown(a_round_gives_the_same_bytes_again, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(nothing_beyond_the_cut_is_learned_from_also_if_it_came_late,
                                        open_world, close_world),
        cmocka_unit_test_setup_teardown(a_later_round_retains_and_a_first_one_has_nothing_to_retain,
                                        open_world, close_world),
        cmocka_unit_test_setup_teardown(a_round_tells_of_how_many_users_new_interests_are_due,
                                        open_world, close_world),
        cmocka_unit_test_setup_teardown(a_round_that_finds_no_memory_changes_nothing, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(a_round_whose_loss_is_no_number_changes_nothing, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(a_round_gives_up_the_items_that_memory_has_no_room_for,
                                        open_world, close_world),
        cmocka_unit_test_setup_teardown(a_dictionary_has_no_more_items_than_are_allowed, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(
            a_round_whose_candidate_is_too_large_with_one_item_changes_nothing, open_world,
            close_world),
        cmocka_unit_test_setup_teardown(a_round_that_comes_too_early_finds_nothing, open_world,
                                        close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
