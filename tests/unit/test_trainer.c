/* test_trainer.c - training learns, gives the same bytes every time, and can be resumed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/random.h"
#include "model/interest_ops.h"
#include "model/kernel/kernel_width.h"
#include "tests/unit/walk_fixture.h"

static void what_was_learned_is_what_is_served(void **state)
{
    (void)state;
    struct walk scene;
    walk_open(&scene, "limarec", 200, 20);
    scene.options.epochs = 12;
    scene.options.sequences = 32;
    scene.options.validation_users = 100;
    struct trainer *trainer = open_trainer(&scene);
    const struct train_epoch epoch = run_all(trainer);
    /* Ten of the twenty unseen items by chance; what comes next depends on the step of the user. */
    if (epoch.validation.ndcg < 0.9) fail_msg("NDCG %g only", epoch.validation.ndcg);
    trainer_close(trainer);
    walk_close(&scene);
}

/* Everything that is drawn is in use: negatives, dropout, cuts, the order of sequences. */
static void scene_with_chance(struct walk *scene)
{
    walk_open(scene, "limarec", 60, 12);
    scene->options.epochs = 4;
    scene->options.sequences = 16;
    scene->options.full_softmax_items = 0;
    scene->options.negatives = 20;
    scene->options.dropout = 0.2;
    scene->options.cuts = 5;
    scene->options.validation_users = 20;
    scene->options.final_share = 0.1;
}

static uint64_t run_through(struct walk *scene, const char *path, uint32_t saved_at)
{
    struct error error;
    struct trainer *trainer = open_trainer(scene);
    while (trainer_more(trainer)) {
        run_epoch(trainer);
        if (trainer_epochs(trainer) != saved_at) continue;
        assert_int_equal(trainer_save(trainer, path, &error), STATUS_OK);
    }
    assert_int_equal(trainer_finish(trainer, &error), STATUS_OK);
    trainer_close(trainer);
    return param_set_fingerprint(scene->checkpoint->params, PARAMS_ALL);
}

static void a_resumed_run_ends_with_the_same_bytes(void **state)
{
    (void)state;
    char path[] = "/tmp/braid-trainer-XXXXXX";
    struct walk scene;
    struct error error;
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    scene_with_chance(&scene);
    const uint64_t whole = run_through(&scene, path, 2);
    walk_close(&scene);

    scene_with_chance(&scene);
    struct trainer *trainer = open_trainer(&scene);
    assert_int_equal(trainer_resume(trainer, path, &error), STATUS_OK);
    assert_int_equal(trainer_epochs(trainer), 2);
    (void)run_all(trainer);
    assert_int_equal(trainer_finish(trainer, &error), STATUS_OK);
    trainer_close(trainer);
    assert_true(param_set_fingerprint(scene.checkpoint->params, PARAMS_ALL) == whole);
    walk_close(&scene);
    unlink(path);
}

/* Nothing is drawn, so the number of shards changes the order of sums and no more. */
static void a_minibatch_is_learned_alike_in_any_number_of_shards(void **state)
{
    (void)state;
    const uint32_t shards[] = {2, 1, 5, TRAIN_SHARDS_MAX, 5};
    double loss[5];
    uint64_t ends[5];
    for (int i = 0; i < 5; i++) {
        struct walk scene;
        walk_open(&scene, "limarec", 60, 12);
        scene.options.shards = shards[i];
        scene.options.sequences = 16;
        scene.options.dropout = 0;
        struct trainer *trainer = open_trainer(&scene);
        run_epoch(trainer);
        loss[i] = run_epoch(trainer).loss;
        ends[i] = param_set_fingerprint(scene.checkpoint->params, PARAMS_ALL);
        assert_float_equal(loss[i], loss[0], 1e-4);
        trainer_close(trainer);
        walk_close(&scene);
    }
    assert_true(ends[0] != ends[2]);
    assert_true(ends[2] == ends[4]);
}

static void a_run_ends_with_the_same_bytes_at_either_width_of_vectors(void **state)
{
    (void)state;
    const uint32_t widths[] = {256, 0}; /* 0, the widest, is the same without AVX-512 */
    uint64_t ends[2];
    for (int i = 0; i < 2; i++) {
        struct walk scene;
        struct error error;
        assert_int_equal(kernel_width_choose(widths[i], &error), STATUS_OK);
        scene_with_chance(&scene);
        ends[i] = run_through(&scene, NULL, 0);
        walk_close(&scene);
    }
    assert_true(ends[0] == ends[1]);
}

/* Trains `epochs` more, and puts what there is then into a file and back. */
static void train_into_a_file(struct walk *scene, const char *path, uint32_t epochs)
{
    struct error error;
    struct checkpoint *read;
    scene->options.epochs = epochs;
    struct trainer *trainer = open_trainer(scene);
    (void)run_all(trainer);
    assert_int_equal(trainer_finish(trainer, &error), STATUS_OK);
    trainer_close(trainer);
    assert_int_equal(checkpoint_write(scene->checkpoint, path, &error), STATUS_OK);
    if (checkpoint_open_to_train(&read, path, &error) != STATUS_OK) fail_msg("%s", error.text);
    checkpoint_close(scene->checkpoint);
    scene->checkpoint = read;
}

static char *bytes_of_file(const char *path, size_t *sizep)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = malloc(1 << 20);
    assert_non_null(bytes);
    *sizep = fread(bytes, 1, 1 << 20, file);
    assert_true(*sizep > 0 && *sizep < 1 << 20);
    fclose(file);
    return bytes;
}

static void walk_open_warm(struct walk *scene, const char *model)
{
    walk_open(scene, model, 40, 12);
    scene->options.sequences = 16;
    scene->options.dropout = 0.2;
    scene->options.warm = true;
}

static void training_through_checkpoints_ends_with_the_same_bytes(void **state)
{
    (void)state;
    char path[] = "/tmp/braid-trainer-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    for (uint32_t i = 0; interest_ops_at(i); i++) {
        struct walk scene;
        size_t size, whole_size;
        if (!interest_ops_at(i)->steps) continue;
        walk_open_warm(&scene, interest_ops_at(i)->name);
        train_into_a_file(&scene, path, 4);
        char *whole = bytes_of_file(path, &whole_size);
        walk_close(&scene);

        walk_open_warm(&scene, interest_ops_at(i)->name);
        train_into_a_file(&scene, path, 2);
        train_into_a_file(&scene, path, 2);
        char *halves = bytes_of_file(path, &size);
        assert_int_equal(size, whole_size);
        if (memcmp(whole, halves, size) != 0) fail_msg("%s differs", interest_ops_at(i)->name);
        walk_close(&scene);
        free(halves);
        free(whole);
    }
    unlink(path);
}

static void without_warmth_the_moments_begin_anew(void **state)
{
    (void)state;
    struct walk scene;
    struct error error;
    walk_open(&scene, "limarec", 40, 12);
    scene.options.epochs = 1;
    for (int run = 0; run < 2; run++) {
        struct trainer *trainer = open_trainer(&scene);
        const struct train_epoch epoch = run_epoch(trainer);
        assert_int_equal(trainer_finish(trainer, &error), STATUS_OK);
        assert_int_equal(scene.checkpoint->training.moments.step, epoch.steps);
        assert_int_equal(scene.checkpoint->training.moments.epochs, 1);
        trainer_close(trainer);
    }
    walk_close(&scene);
}

static void saving_changes_nothing(void **state)
{
    (void)state;
    char path[] = "/tmp/braid-trainer-XXXXXX";
    const int file = mkstemp(path);
    struct walk scene;
    struct error error;
    uint64_t result[2];
    assert_true(file >= 0);
    close(file);
    for (int saves = 0; saves < 2; saves++) {
        scene_with_chance(&scene);
        struct trainer *trainer = open_trainer(&scene);
        while (trainer_more(trainer)) {
            run_epoch(trainer);
            if (!saves) continue;
            assert_int_equal(trainer_save(trainer, path, &error), STATUS_OK);
            assert_int_equal(checkpoint_write(scene.checkpoint, path, &error), STATUS_OK);
        }
        assert_int_equal(trainer_finish(trainer, &error), STATUS_OK);
        trainer_close(trainer);
        result[saves] = param_set_fingerprint(scene.checkpoint->params, PARAMS_ALL);
        walk_close(&scene);
    }
    assert_true(result[0] == result[1]);
    unlink(path);
}

/* The same items as often, and so the same counts; only who came first differs. */
static void a_run_on_another_log_is_not_resumed(void **state)
{
    (void)state;
    char path[] = "/tmp/braid-trainer-XXXXXX";
    struct walk scene;
    struct error error;
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    scene_with_chance(&scene);
    run_through(&scene, path, 1);
    walk_close(&scene);

    scene_with_chance(&scene);
    struct behavior *at = (struct behavior *)(uintptr_t)dataset_sequence(scene.dataset, 0).at;
    const struct behavior third = at[3];
    at[3] = at[4];
    at[4] = third;
    struct trainer *trainer = open_trainer(&scene);
    assert_int_equal(trainer_resume(trainer, path, &error), STATUS_REFUSED);
    trainer_close(trainer);
    walk_close(&scene);
    unlink(path);
}

static void a_run_with_other_options_is_not_resumed(void **state)
{
    (void)state;
    char path[] = "/tmp/braid-trainer-XXXXXX";
    struct walk scene;
    struct error error;
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    scene_with_chance(&scene);
    run_through(&scene, path, 1);
    walk_close(&scene);

    scene_with_chance(&scene);
    scene.options.rate *= 2;
    struct trainer *trainer = open_trainer(&scene);
    assert_int_equal(trainer_resume(trainer, path, &error), STATUS_REFUSED);
    assert_int_equal(trainer_epochs(trainer), 0);
    unlink(path);
    assert_int_equal(trainer_resume(trainer, path, &error), STATUS_NOT_FOUND);
    trainer_close(trainer);
    walk_close(&scene);
}

static void training_stops_when_it_no_longer_helps_and_keeps_the_best(void **state)
{
    (void)state;
    struct walk scene;
    struct train_epoch epoch;
    struct error error;
    double best = 0;
    walk_open(&scene, "limarec", 60, 12);
    scene.options.epochs = 200;
    scene.options.patience = 3;
    scene.options.rate = 0.05;
    scene.options.validation_users = 30;
    struct trainer *trainer = open_trainer(&scene);
    uint64_t kept = 0;
    do {
        epoch = run_epoch(trainer);
        assert_true(epoch.best == (epoch.number == 1 || epoch.validation.ndcg >= best));
        if (epoch.best) {
            best = epoch.validation.ndcg;
            kept = param_set_fingerprint(scene.checkpoint->params, PARAMS_ALL);
        }
    } while (trainer_more(trainer));
    assert_true(epoch.number < 200 && !epoch.best);
    assert_int_equal(trainer_finish(trainer, &error), STATUS_OK);
    assert_true(param_set_fingerprint(scene.checkpoint->params, PARAMS_ALL) == kept);
    trainer_close(trainer);
    walk_close(&scene);
}

static void of_epochs_that_rank_alike_the_later_is_kept(void **state)
{
    (void)state;
    struct walk scene;
    struct error error;
    walk_open(&scene, "limarec", 60, 12);
    scene.options.epochs = 3;
    scene.options.rate = 1e-7; /* changes parameters, and no rank */
    scene.options.validation_users = 30;
    struct trainer *trainer = open_trainer(&scene);
    const struct train_epoch first = run_epoch(trainer);
    const uint64_t before = param_set_fingerprint(scene.checkpoint->params, PARAMS_ALL);
    while (trainer_more(trainer)) {
        const struct train_epoch epoch = run_epoch(trainer);
        assert_true(epoch.validation.ndcg == first.validation.ndcg && epoch.best);
    }
    const uint64_t last = param_set_fingerprint(scene.checkpoint->params, PARAMS_ALL);
    assert_true(last != before);
    assert_int_equal(trainer_finish(trainer, &error), STATUS_OK);
    assert_true(param_set_fingerprint(scene.checkpoint->params, PARAMS_ALL) == last);
    trainer_close(trainer);
    walk_close(&scene);
}

static void a_model_that_selects_is_validated_with_the_prior_of_its_log(void **state)
{
    (void)state;
    struct walk scene;
    struct error error;
    struct model_dims dims = walk_dims("gdelta");
    walk_open(&scene, "gdelta", 60, 12);
    dims.select = true;
    assert_int_equal(checkpoint_change(scene.checkpoint, "gdelta", &dims, 1, &error), STATUS_OK);
    scene.options.validation_users = 30;
    struct trainer *trainer = open_trainer(&scene);
    const real *prior = param_set_find(scene.checkpoint->params, "select.prior")->data;
    assert_true(prior[0] == (real)0.5);
    run_epoch(trainer);
    assert_true(prior[0] != (real)0.5 && prior[0] > 0 && prior[1] > 0);
    assert_true(fabs((double)(prior[0] + prior[1]) - 1) < 1e-5);
    trainer_close(trainer);
    walk_close(&scene);
}

static void without_validation_patience_ends_nothing(void **state)
{
    (void)state;
    struct walk scene;
    uint32_t epochs = 0;
    walk_open(&scene, "single", 20, 8);
    scene.options.epochs = 3;
    scene.options.patience = 1;
    struct trainer *trainer = open_trainer(&scene);
    while (trainer_more(trainer)) {
        run_epoch(trainer);
        epochs++;
    }
    assert_int_equal(epochs, 3);
    trainer_close(trainer);
    walk_close(&scene);
}

/* A wave of mimn is some thirty nodes of the tape, and a sequence has a wave an event. */
static void a_long_sequence_fits_the_tape(void **state)
{
    (void)state;
    struct walk scene;
    walk_open(&scene, "mimn", 2, 700);
    scene.options.steps_max = 700;
    struct trainer *trainer = open_trainer(&scene);
    assert_true(run_epoch(trainer).loss > 0);
    trainer_close(trainer);
    walk_close(&scene);
}

static void a_model_without_parameters_is_refused(void **state)
{
    (void)state;
    for (uint32_t i = 0; interest_ops_at(i); i++) {
        struct walk scene;
        struct trainer *trainer;
        struct error error;
        if (interest_ops_at(i)->steps) continue;
        walk_open(&scene, interest_ops_at(i)->name, 8, 10);
        assert_int_equal(trainer_open(&trainer, scene.checkpoint, scene.dataset, scene.known,
                                      &scene.options, &error),
                         STATUS_INVALID);
        assert_null(trainer);
        walk_close(&scene);
    }
}

static void a_log_without_a_sample_is_refused(void **state)
{
    (void)state;
    struct walk scene;
    struct trainer *trainer;
    struct error error;
    walk_open(&scene, "limarec", 8, 1);
    assert_int_equal(trainer_open(&trainer, scene.checkpoint, scene.dataset, scene.known,
                                  &scene.options, &error),
                     STATUS_INVALID);
    walk_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_learned_is_what_is_served),
        cmocka_unit_test(a_resumed_run_ends_with_the_same_bytes),
        cmocka_unit_test(a_minibatch_is_learned_alike_in_any_number_of_shards),
        cmocka_unit_test(a_run_ends_with_the_same_bytes_at_either_width_of_vectors),
        cmocka_unit_test(training_through_checkpoints_ends_with_the_same_bytes),
        cmocka_unit_test(without_warmth_the_moments_begin_anew),
        cmocka_unit_test(saving_changes_nothing),
        cmocka_unit_test(a_run_on_another_log_is_not_resumed),
        cmocka_unit_test(a_run_with_other_options_is_not_resumed),
        cmocka_unit_test(training_stops_when_it_no_longer_helps_and_keeps_the_best),
        cmocka_unit_test(a_model_that_selects_is_validated_with_the_prior_of_its_log),
        cmocka_unit_test(of_epochs_that_rank_alike_the_later_is_kept),
        cmocka_unit_test(without_validation_patience_ends_nothing),
        cmocka_unit_test(a_long_sequence_fits_the_tape),
        cmocka_unit_test(a_model_without_parameters_is_refused),
        cmocka_unit_test(a_log_without_a_sample_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
