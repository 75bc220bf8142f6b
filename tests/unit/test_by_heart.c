/* test_by_heart.c - every model that trains can learn one minibatch by heart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "model/interest_ops.h"
#include "tests/unit/walk_fixture.h"

/*
 * The loss after `passes` over one minibatch of 8 users and all their steps, as a share of the first.
 */
static double learn_by_heart(const char *model, const struct model_dims *dims, uint32_t length,
                             uint32_t passes)
{
    struct walk walk;
    walk_open_of(&walk, model, dims, 8, length);
    walk.options.epochs = passes;
    struct trainer *trainer = open_trainer(&walk);
    const double first = run_epoch(trainer).loss;
    const double last = run_all(trainer).loss;
    trainer_close(trainer);
    walk_close(&walk);
    return last / first;
}

/*
 * Whose interests are means of the vectors that items are scored by, with no matrix between. What a
 * mean scores best is what it is made of, and an item is as near to the one that it follows as to the
 * one that follows it: what comes next is told by categories and gaps alone. So they learn fewer steps
 * by heart.
 */
static bool reads_means(const char *model)
{
    return strcmp(model, "comirec-sa") == 0 || strcmp(model, "octopus") == 0;
}

static void every_model_can_learn_one_minibatch_by_heart(void **state)
{
    (void)state;
    const struct interest_ops *ops;
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        const struct model_dims dims = walk_dims(ops->name);
        const bool means = reads_means(ops->name);
        if (!ops->steps) continue;
        const double left = learn_by_heart(ops->name, &dims, means ? 4 : 10, 400);
        if (left > 0.1) fail_msg("%s: %g of the first loss is left", ops->name, left);
    }
}

/* That it is so: `single` reads a mean, too, and its matrix can be left out. */
static void a_mean_learns_what_comes_next_by_a_matrix(void **state)
{
    (void)state;
    struct model_dims dims = walk_dims("single");
    assert_true(dims.project);
    const double with = learn_by_heart("single", &dims, 10, 200);
    dims.project = false;
    const double without = learn_by_heart("single", &dims, 10, 200);
    if (with > 0.1 || without < 0.15) fail_msg("%g with, %g without", with, without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_can_learn_one_minibatch_by_heart),
        cmocka_unit_test(a_mean_learns_what_comes_next_by_a_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
