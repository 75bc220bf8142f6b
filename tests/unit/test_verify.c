/*
 * test_verify.c - verify finds every planted fault, and nothing in a clean run.
 *
 * One real run is made in a folder; each test changes its published files (and the lengths in the
 * commit file, as if that had been committed), verifies, and puts everything back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/checkpoint.h"
#include "stream/broker/file/commit_file.h"
#include "stream/interests/interest_record.h"
#include "stream/verify/verify.h"
#include "tests/crash/scene.h"

enum { EVENTS = 2500, LINES_MAX = 20000, PARTITION = 1, ROOM = 1 << 16 };

static struct scene scene;
static struct config config;

/* One published file as lines, and how it was before. */
struct output {
    enum record_kind kind;
    char path[COMMIT_PATH_MAX];
    char *bytes;
    size_t size;
    char *lines[LINES_MAX]; /* each ends with a zero; JSON_PADDING bytes follow */
    size_t count;
};
static struct output output;
static char *commit_bytes;
static size_t commit_size;

static void load(enum record_kind kind)
{
    struct error error;
    output.kind = kind;
    assert_int_equal(commit_file_path(&config, kind, PARTITION, 0, output.path, &error), 0);
    output.bytes = scene_read(output.path, &output.size);
    output.count = 0;
    for (char *at = output.bytes; at < output.bytes + output.size;) {
        char *end = strchr(at, '\n');
        assert_non_null(end);
        assert_true(output.count < LINES_MAX);
        output.lines[output.count] = calloc(1, (size_t)(end - at) + 1 + JSON_PADDING);
        memcpy(output.lines[output.count++], at, (size_t)(end - at));
        at = end + 1;
    }
}

/* Writes the lines, and their length into the commit file. */
static void plant(void)
{
    struct commit commit;
    struct error error;
    FILE *file = fopen(output.path, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < output.count; i++) {
        if (output.lines[i]) fprintf(file, "%s\n", output.lines[i]);
    }
    long size = ftell(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(commit_file_read(&commit, config.state.dir, &error), 0);
    commit.entries[PARTITION].length[output.kind] = (uint64_t)size;
    assert_int_equal(commit_file_write(&commit, config.state.dir, &error), 0);
    commit_close(&commit);
}

static int put_back(void **state)
{
    (void)state;
    if (!output.bytes) return 0;
    scene_write(output.path, output.bytes, output.size);
    scene_write(scene_path(&scene, "job/state/commit"), commit_bytes, commit_size);
    for (size_t i = 0; i < output.count; i++) {
        free(output.lines[i]);
    }
    free(output.bytes);
    output.bytes = NULL;
    return 0;
}

/* The record of a line; valid until the next two calls. */
static struct interest_record record_of(const char *line)
{
    static _Alignas(64) char arenas[3][ROOM];
    static unsigned turn;
    struct interest_record record;
    struct error error;
    assert_int_equal(
        interest_record_decode_json(bytes_of(line), arenas[turn++ % 3], ROOM, &record, &error),
        STATUS_OK);
    return record;
}

/* Replaces a line by `record`, with the checksum that it should then have. */
static void replace(size_t line, const struct interest_record *record)
{
    char *text = calloc(1, ROOM);
    size_t size = interest_record_encode_json(record, CONFIG_VECTORS_BASE64, text);
    assert_true(size + JSON_PADDING < ROOM);
    free(output.lines[line]);
    output.lines[line] = text;
}

static void remove_line(size_t line)
{
    free(output.lines[line]);
    output.lines[line] = NULL;
}

/* The last line of the same user before `line`, or the line itself if there is none. */
static size_t before(size_t line)
{
    struct interest_record record = record_of(output.lines[line]);
    for (size_t i = line; i-- > 0;) {
        struct interest_record other = record_of(output.lines[i]);
        if (bytes_equal(other.user, record.user)) return i;
    }
    return line;
}

static struct verify_report verified(size_t memory, bool allow, const char *checkpoint)
{
    struct verify_report report;
    struct error error;
    const char *checkpoints[] = {config.model.checkpoint, checkpoint};
    struct verify_options options = {
        .config = &config,
        .checkpoints = checkpoints,
        .checkpoints_count = checkpoint ? 2 : 1,
        .allow_unverifiable = allow,
        .memory = memory,
    };
    char *said;
    size_t size;
    FILE *out = open_memstream(&said, &size);
    if (verify_run(&options, out, &report, &error) != STATUS_OK) fail_msg("%s", error.text);
    fclose(out);
    free(said);
    return report;
}

static uint64_t violations(const struct verify_report *report)
{
    uint64_t all = 0;
    for (int kind = 0; kind < VERIFY_KINDS; kind++) {
        all += report->violations[kind];
    }
    return all;
}

/* Verifies what was planted: exactly one violation, of that kind. */
static void assert_found(enum verify_kind kind)
{
    plant();
    struct verify_report report = verified(config.job.memory, false, NULL);
    assert_int_equal(report.violations[kind], 1);
    assert_int_equal(violations(&report), 1);
    assert_false(verify_passed(&report, true));
}

static void clean_run_passes(void **state)
{
    (void)state;
    struct verify_report report = verified(config.job.memory, false, NULL);
    assert_true(verify_passed(&report, false));
    assert_int_equal(report.events, EVENTS);
    assert_int_equal(report.dropped, scene.dropped);
    assert_int_equal(report.blank, scene.blank);
    assert_int_equal(report.dead_letters, scene.bad);
    assert_int_equal(report.accepted, EVENTS - scene.bad - scene.dropped - scene.blank);
    assert_true(report.records > EVENTS / 10);
    assert_int_equal(report.slices, 1); /* the source is decoded once for all partitions */
}

static void slices_find_the_same_as_one_pass(void **state)
{
    (void)state;
    struct verify_report whole = verified(config.job.memory, false, NULL);
    struct verify_report sliced = verified(VERIFY_MEMORY_MIN / 2, false, NULL);
    assert_true(sliced.slices > whole.slices);
    sliced.slices = whole.slices;
    assert_memory_equal(&sliced, &whole, sizeof whole);
}

static void records_are_not_those_of_a_job_that_publishes_none(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    remove_line(output.count - 1);
    plant();
    config.output.publish = CONFIG_PUBLISH_NONE;
    const struct verify_report report = verified(VERIFY_MEMORY_MIN * 64, false, NULL);
    config.output.publish = CONFIG_PUBLISH_ALL;
    assert_int_equal(violations(&report), 0);
    assert_int_equal(report.records, 0);
    assert_true(report.accepted > 0 && report.dead_letters > 0);
}

static void finds_lost_record(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    remove_line(output.count - 1);
    assert_found(VERIFY_LOST);
}

static void finds_stale_newest_record(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    size_t line = output.count - 1;
    while (before(line) == line) {
        line--; /* that user has one record */
    }
    size_t stale = before(line);
    struct interest_record old = record_of(output.lines[stale]);
    replace(line, &old);
    remove_line(stale);
    assert_found(VERIFY_LOST);
}

static void finds_doubled_record(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    struct interest_record record = record_of(output.lines[output.count / 2]);
    output.lines[output.count++] = NULL;
    for (size_t i = output.count - 1; i > output.count / 2; i--) {
        output.lines[i] = output.lines[i - 1];
    }
    output.lines[output.count / 2] = NULL;
    replace(output.count / 2, &record);
    assert_found(VERIFY_REPEATED);
}

static void finds_records_out_of_order(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    size_t line = output.count / 2;
    while (before(line) == line) {
        line++;
    }
    size_t other = before(line);
    char *text = output.lines[line];
    output.lines[line] = output.lines[other];
    output.lines[other] = text;
    assert_found(VERIFY_ORDER);
}

static void finds_swapped_users(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    size_t line = output.count / 2;
    if (before(line + 1) == line) line++; /* else both are one user's */
    struct interest_record one = record_of(output.lines[line]);
    struct interest_record two = record_of(output.lines[line + 1]);
    const float *vectors = one.vectors;
    one.vectors = two.vectors;
    two.vectors = vectors;
    replace(line, &one);
    replace(line + 1, &two);
    plant();
    struct verify_report report = verified(config.job.memory, false, NULL);
    assert_int_equal(report.violations[VERIFY_VALUE], 2);
    assert_int_equal(violations(&report), 2);
}

static void finds_record_of_an_unknown_user(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    struct interest_record record = record_of(output.lines[0]);
    record.user = bytes_of("nobody");
    output.lines[output.count++] = NULL;
    replace(output.count - 1, &record);
    assert_found(VERIFY_UNKNOWN);
}

static void finds_flipped_bit(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    char *vectors = strstr(output.lines[3], "\"vectors\":\"") + strlen("\"vectors\":\"") + 8;
    *vectors = *vectors == 'A' ? 'B' : 'A';
    assert_found(VERIFY_DAMAGED);
}

static void finds_flipped_bit_under_a_right_checksum(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    struct interest_record record = record_of(output.lines[3]);
    float *vectors = malloc(record.count * record.width * sizeof *vectors);
    memcpy(vectors, record.vectors, record.count * record.width * sizeof *vectors);
    ((unsigned char *)vectors)[5] ^= 1;
    record.vectors = vectors;
    replace(3, &record);
    free(vectors);
    assert_found(VERIFY_VALUE);
}

static void finds_line_that_is_no_record(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    struct interest_record record = record_of(output.lines[0]);
    output.lines[output.count++] = NULL;
    replace(output.count - 1, &record);
    output.lines[output.count - 1][20] = 0;
    assert_found(VERIFY_DAMAGED);
}

static void finds_wrong_position(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    struct interest_record record = record_of(output.lines[4]);
    record.offset++;
    replace(4, &record);
    assert_found(VERIFY_POSITION);
}

static void finds_wrong_from(void **state)
{
    (void)state;
    load(RECORD_INTERESTS);
    struct interest_record record = record_of(output.lines[output.count - 1]);
    record.from += record.from ? -32u : 1;
    replace(output.count - 1, &record);
    assert_found(VERIFY_POSITION);
}

/* The newest record of a user is relabeled as of generation 2. */
static void relabel(void)
{
    load(RECORD_INTERESTS);
    struct interest_record record = record_of(output.lines[output.count - 1]);
    record.generation = 2;
    replace(output.count - 1, &record);
    plant();
}

static void wrong_generation_is_unverifiable(void **state)
{
    (void)state;
    relabel();
    struct verify_report report = verified(config.job.memory, false, NULL);
    assert_int_equal(report.unverifiable, 1);
    assert_int_equal(violations(&report), 0);
    assert_false(verify_passed(&report, false));
    assert_true(verify_passed(&report, true));
}

static void finds_wrong_generation_by_its_checkpoint(void **state)
{
    (void)state;
    struct checkpoint *checkpoint;
    struct error error;
    char path[1024];
    snprintf(path, sizeof path, "%s", scene_path(&scene, "generation-2.safetensors"));
    char option[1100];
    snprintf(option, sizeof option, "--model.checkpoint=%s", path);
    const char *init[] = {"init",      "--config", "braid.yaml", "--d=16",
                          "--heads=2", "--seed=8", option,       NULL};
    assert_int_equal(scene_program(&scene, init, NULL), 0);
    assert_int_equal(checkpoint_open(&checkpoint, path, &error), STATUS_OK);
    checkpoint->generation = 2;
    assert_int_equal(checkpoint_write(checkpoint, path, &error), STATUS_OK);
    checkpoint_close(checkpoint);

    relabel();
    struct verify_report report = verified(config.job.memory, false, path);
    assert_int_equal(report.unverifiable, 0);
    assert_int_equal(report.violations[VERIFY_VALUE], 1);
    assert_int_equal(violations(&report), 1);
}

static void finds_missing_dead_letter(void **state)
{
    (void)state;
    load(RECORD_DEAD_LETTER);
    assert_true(output.count > 1);
    remove_line(0);
    assert_found(VERIFY_BAD_EVENT_LOST);
}

static void finds_doubled_dead_letter(void **state)
{
    (void)state;
    load(RECORD_DEAD_LETTER);
    output.lines[output.count] = strdup(output.lines[0]);
    output.count++;
    assert_found(VERIFY_BAD_EVENT_REPEATED);
}

static void finds_dead_letter_of_no_bad_event(void **state)
{
    (void)state;
    load(RECORD_DEAD_LETTER);
    output.lines[output.count++] = strdup("{\"reason\":\"malformed\",\"offset\":0}");
    assert_found(VERIFY_DEAD_LETTER);
}

/* Changes the action of the last event in the source that has `from` into `to`, of equal length. */
static struct verify_report verified_after(const char *from, const char *to)
{
    char path[1024];
    size_t size;
    snprintf(path, sizeof path, "%s", scene_path(&scene, "log.jsonl"));
    char *bytes = scene_read(path, &size);
    char *at = bytes + size - strlen(from);
    while (memcmp(at, from, strlen(from)) != 0) {
        at--;
        assert_true(at > bytes + 65536); /* behind what identifies the input */
    }
    memcpy(at, to, strlen(to));
    scene_write(path, bytes, size);
    struct verify_report report = verified(config.job.memory, false, NULL);
    memcpy(at, from, strlen(from));
    scene_write(path, bytes, size);
    free(bytes);
    return report;
}

static void finds_lost_event(void **state)
{
    (void)state;
    struct verify_report report = verified_after("\"wink\"", "\"view\"");
    assert_int_equal(report.violations[VERIFY_LOST], 1);
}

static void finds_event_that_never_was(void **state)
{
    (void)state;
    struct verify_report report = verified_after("\"view\"", "\"wink\"");
    assert_true(report.violations[VERIFY_UNKNOWN] > 0);
}

static void refuses_another_source(void **state)
{
    (void)state;
    struct verify_report report;
    struct error error;
    struct verify_options options = {.config = &config, .memory = config.job.memory};
    size_t size;
    char *bytes = scene_read(config.source.path, &size);
    char first = bytes[0];
    bytes[0] = '[';
    scene_write(config.source.path, bytes, size);
    assert_int_equal(verify_run(&options, stdout, &report, &error), STATUS_REFUSED);
    bytes[0] = first;
    scene_write(config.source.path, bytes, size);
    free(bytes);
}

static void refused(const char *checkpoint, const char *word)
{
    struct verify_report report;
    struct error error = {.text = ""};
    struct verify_options options = {.config = &config,
                                     .checkpoints = &checkpoint,
                                     .checkpoints_count = 1,
                                     .memory = config.job.memory};
    assert_int_equal(verify_run(&options, stdout, &report, &error), STATUS_REFUSED);
    if (!strstr(error.text, word)) fail_msg("'%s' is not in: %s", word, error.text);
}

static void other_settings_than_the_jobs_are_told_and_not_taken_for_violations(void **state)
{
    (void)state;
    const struct config before = config;
    config.source.time = CONFIG_TIME_MS;
    refused(config.model.checkpoint, "source.time (now 'ms')");
    config = before;
    config.state.history_max = 256;
    refused(config.model.checkpoint, "state.history_max (now '256')");
    config = before;
}

static void another_checkpoint_of_the_generation_is_told_and_not_taken_for_violations(void **state)
{
    (void)state;
    char option[1100];
    snprintf(option, sizeof option, "--model.checkpoint=%s",
             scene_path(&scene, "other.safetensors"));
    const char *init[] = {"init",      "--config", "braid.yaml", "--d=16",
                          "--heads=2", "--seed=9", option,       NULL};
    assert_int_equal(scene_program(&scene, init, NULL), 0);
    refused(scene_path(&scene, "other.safetensors"), "generation 1 is not the one that published");
}

static int make_run(void **state)
{
    (void)state;
    struct error error;
    scene_open(&scene, EVENTS, 3);
    if (scene_run(&scene, "run", "job", NULL) != 0) {
        fprintf(stderr, "%s\n", scene.output);
        return -1;
    }
    config_defaults(&config);
    if (config_file(&config, scene_path(&scene, "braid.yaml"), &error) ||
        config_set(&config, "state.dir", scene_path(&scene, "job/state"), "test", &error) ||
        config_set(&config, "output.dir", scene_path(&scene, "job/output"), "test", &error)) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    commit_bytes = scene_read(scene_path(&scene, "job/state/commit"), &commit_size);
    return 0;
}

static int remove_run(void **state)
{
    (void)state;
    config_close(&config);
    free(commit_bytes);
    scene_close(&scene);
    return 0;
}

#define PLANTED(test) cmocka_unit_test_teardown(test, put_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_run_passes),
        cmocka_unit_test(slices_find_the_same_as_one_pass),
        PLANTED(records_are_not_those_of_a_job_that_publishes_none),
        PLANTED(finds_lost_record),
        PLANTED(finds_stale_newest_record),
        PLANTED(finds_doubled_record),
        PLANTED(finds_records_out_of_order),
        PLANTED(finds_swapped_users),
        PLANTED(finds_record_of_an_unknown_user),
        PLANTED(finds_flipped_bit),
        PLANTED(finds_flipped_bit_under_a_right_checksum),
        PLANTED(finds_line_that_is_no_record),
        PLANTED(finds_wrong_position),
        PLANTED(finds_wrong_from),
        PLANTED(wrong_generation_is_unverifiable),
        PLANTED(finds_wrong_generation_by_its_checkpoint),
        PLANTED(finds_missing_dead_letter),
        PLANTED(finds_doubled_dead_letter),
        PLANTED(finds_dead_letter_of_no_bad_event),
        cmocka_unit_test(finds_lost_event),
        cmocka_unit_test(finds_event_that_never_was),
        cmocka_unit_test(refuses_another_source),
        cmocka_unit_test(other_settings_than_the_jobs_are_told_and_not_taken_for_violations),
        cmocka_unit_test(another_checkpoint_of_the_generation_is_told_and_not_taken_for_violations),
    };
    return cmocka_run_group_tests(tests, make_run, remove_run);
}
