/*
 * test_erase.c - users who are erased: no byte of their ids is left, whatever is killed when, and the
 * log read again does not bring them back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "tests/unit/said.h"

enum { BEFORE = 1500, AFTER = 500, USERS = 20 };

static const char *const faults[] = {
    "erase_requested",     "erase_output_cleared", "erase_log_written:2",   "commit_file_written",
    "commit_file_renamed", "erase_store_deleted",  "erase_receipts_written"};
enum { FAULTS = sizeof faults / sizeof *faults };

static struct scene scene;

/*
 * Ids that no bytes between two of them resemble, since an index of RocksDB shortens what it divides
 * keys by. The users 3 and 7 are erased; of them only 7 comes back.
 */
#define PERSON_3 "9a989360446679b8"
#define PERSON_4 "c8e28bfe16044686"
#define PERSON_7 "e637bb4c9e7d0985"

static void extend_log(unsigned first, unsigned end)
{
    FILE *log = fopen(scene_path(&scene, "log.jsonl"), first ? "ab" : "wb");
    assert_non_null(log);
    for (unsigned i = first; i < end; i++) {
        const unsigned user = (unsigned)(splitmix64(i) % USERS);
        if (first && user == 3) continue;
        fprintf(log,
                "{\"user\":\"%016" PRIx64 "\",\"item\":\"i%u\",\"time\":%u,\"action\":\"view\"}\n",
                splitmix64(user + 1000), (unsigned)(splitmix64(i + 7) % 100), 1500000000 + i);
    }
    assert_int_equal(fclose(log), 0);
}

static const char *sought;
static char found_in[1024];

static int look_into(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
    (void)facts, (void)walk;
    if (kind != FTW_F) return 0;
    size_t size;
    char *bytes = scene_read(path, &size);
    if (memmem(bytes, size, sought, strlen(sought)))
        snprintf(found_in, sizeof found_in, "%s", path);
    free(bytes);
    return 0;
}

/* The file of the job that has these bytes, or "". */
static const char *file_with(const char *job, const char *text)
{
    sought = text;
    *found_in = 0;
    assert_int_equal(nftw(scene_path(&scene, "%s", job), look_into, 16, FTW_PHYS), 0);
    return found_in;
}

static int erase(const char *job, const struct scene_run *how, bool with_users)
{
    char state[256], output[256];
    snprintf(state, sizeof state, "--state.dir=%s/state", job);
    snprintf(output, sizeof output, "--output.dir=%s/output", job);
    const char *const words[] = {"erase",
                                 "--config",
                                 "braid.yaml",
                                 state,
                                 output,
                                 with_users ? "--user=" PERSON_3
                                            : NULL, /* nobody: what was begun is ended */
                                 "--user=" PERSON_7,
                                 NULL};
    return scene_program(&scene, words, how);
}

static void assert_erased(const char *job)
{
    assert_string_equal(file_with(job, PERSON_3), "");
    assert_string_equal(file_with(job, PERSON_7), "");
    assert_true(*file_with(job, PERSON_4));
    char receipt[64];
    snprintf(receipt, sizeof receipt, "{\"user_hash\":\"%016" PRIx64 "\",\"cut\":%d}",
             identity_of(PERSON_3, 16), BEFORE);
    const char *path = file_with(job, receipt);
    assert_non_null(strstr(path, "erasures.jsonl"));
}

static void nothing_of_the_erased_is_left_and_verify_agrees(void **state)
{
    (void)state;
    assert_int_equal(scene_run(&scene, "run", "plain", NULL), 0);
    assert_true(*file_with("plain", PERSON_3));
    expect_said(&scene, erase("plain", NULL, true), 0, "erase users=2 resumed=0 ");
    assert_erased("plain");
    expect_said(&scene, scene_run(&scene, "verify", "plain", NULL), 0, "verdict=ok");
}

static void an_erasure_that_is_killed_refuses_the_job_until_it_is_ended(void **state)
{
    (void)state;
    for (int i = 0; i < FAULTS; i++) {
        char job[32];
        snprintf(job, sizeof job, "killed-%d", i);
        assert_int_equal(scene_run(&scene, "run", job, NULL), 0);
        assert_int_equal(erase(job, &(struct scene_run){.fault = faults[i]}, true), -9);
        expect_said(&scene, scene_run(&scene, "run", job, NULL), 3, "run braid erase again");
        expect_said(&scene, erase(job, NULL, false), 0, "erase users=2 resumed=2 ");
        assert_erased(job);
    }
}

/* The oracle reads the whole log anew, and knows of the erasure by the list alone. */
static void nobody_comes_back_by_what_is_kept_or_by_the_log(void **state)
{
    (void)state;
    uint32_t users, others;
    extend_log(BEFORE, BEFORE + AFTER);
    assert_int_equal(mkdir(scene_path(&scene, "oracle"), 0755), 0);
    assert_int_equal(mkdir(scene_path(&scene, "oracle/state"), 0755), 0);
    size_t size;
    char *list = scene_read(scene_path(&scene, "plain/state/erased"), &size);
    scene_write(scene_path(&scene, "oracle/state/erased"), list, size);
    free(list);
    assert_int_equal(scene_run(&scene, "run", "oracle", NULL), 0);
    const uint64_t oracle = scene_result(&scene, "oracle", &users);
    assert_int_equal(users, USERS - 1);
    for (int i = -1; i < FAULTS; i++) {
        char job[32] = "plain";
        if (i >= 0) snprintf(job, sizeof job, "killed-%d", i);
        assert_int_equal(scene_run(&scene, "run", job, NULL), 0);
        assert_int_equal(scene_result(&scene, job, &others), oracle);
        assert_int_equal(others, users);
        expect_said(&scene, scene_run(&scene, "verify", job, NULL), 0, "verdict=ok");
        assert_string_equal(file_with(job, PERSON_3), "");
    }
}

static void a_damaged_list_is_refused(void **state)
{
    (void)state;
    size_t size;
    char *list = scene_read(scene_path(&scene, "plain/state/erased"), &size);
    list[20] ^= 1;
    scene_write(scene_path(&scene, "plain/state/erased"), list, size);
    free(list);
    expect_said(&scene, scene_run(&scene, "run", "plain", NULL), 3, "is damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_the_erased_is_left_and_verify_agrees),
        cmocka_unit_test(an_erasure_that_is_killed_refuses_the_job_until_it_is_ended),
        cmocka_unit_test(nobody_comes_back_by_what_is_kept_or_by_the_log),
        cmocka_unit_test(a_damaged_list_is_refused),
    };
    scene_open(&scene, 1000, 3);
    setenv("BRAID_SOURCE_FIELDS_CATEGORY", "", 1);
    extend_log(0, BEFORE);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}
