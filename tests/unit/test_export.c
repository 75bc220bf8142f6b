/*
 * test_export.c - every user's interests as a file: what was published, now and as of a moment, in
 * each form, in any number of shares.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/config.h"
#include "model/checkpoint.h"
#include "model/safetensors.h"
#include "stream/interests/interest_record.h"
#include "stream/query/export_interests.h"
#include "tests/unit/said.h"

enum { EVENTS = 1500, USERS_MAX = 64, MORE_MAX = 8, NPY_HEADER = 128 };

static struct scene scene;

/* `braid export interests` of a job with what is given (ending with NULL); asserts its exit code. */
static void export_of(const char *job, const char *out, int code, const char *text,
                      const char *const *more)
{
    char state_dir[SCENE_PATH_MAX + 64], path[SCENE_PATH_MAX + 64];
    snprintf(state_dir, sizeof state_dir, "--state.dir=%s", scene_path(&scene, "%s/state", job));
    snprintf(path, sizeof path, "--out=%s", scene_path(&scene, "%s", out));
    const char *arguments[6 + MORE_MAX] = {"export",     "interests", "--config",
                                           "braid.yaml", state_dir,   path};
    for (int i = 0; more[i]; i++) {
        assert_true(i + 1 < MORE_MAX);
        arguments[6 + i] = more[i];
    }
    expect_said(&scene, scene_program(&scene, arguments, NULL), code, text);
}

/* A number of the last line that an export printed. */
static uint64_t said_number(const char *name)
{
    char key[32];
    snprintf(key, sizeof key, " %s=", name);
    const char *at = strstr(scene.output, key);
    assert_non_null(at);
    return strtoull(at + strlen(key), NULL, 10);
}

/* ---- records ---- */

/* The newest record of each user in a file of lines. */
struct records {
    struct interest_record at[USERS_MAX];
    void *memory[USERS_MAX];
    uint32_t count;
};

static struct interest_record *record_of(struct records *records, struct bytes user)
{
    for (uint32_t i = 0; i < records->count; i++) {
        if (bytes_equal(records->at[i].user, user)) return &records->at[i];
    }
    return NULL;
}

static void add_lines(struct records *records, const char *path)
{
    size_t size;
    char *bytes = scene_read(path, &size);
    for (char *at = bytes, *end; (end = memchr(at, '\n', size - (size_t)(at - bytes)));
         at = end + 1) {
        struct interest_record record;
        struct error error;
        const size_t room = 2 * (size_t)(end - at) + 64;
        void *memory = malloc(room);
        assert_non_null(memory);
        assert_int_equal(interest_record_decode_json((struct bytes){at, (size_t)(end - at)}, memory,
                                                     room, &record, &error),
                         STATUS_OK);
        assert_int_equal(interest_record_checksum(&record), record.checksum);
        struct interest_record *place = record_of(records, record.user);
        if (!place) {
            assert_true(records->count < USERS_MAX);
            place = &records->at[records->count++];
        }
        const size_t i = (size_t)(place - records->at);
        free(records->memory[i]);
        records->memory[i] = memory;
        *place = record;
    }
    free(bytes);
}

static void add_published(struct records *records, const char *job)
{
    for (int partition = 0; partition < 4; partition++) {
        add_lines(records, scene_path(&scene, "%s/output/interests-%04d.jsonl", job, partition));
    }
}

static void forget(struct records *records)
{
    for (uint32_t i = 0; i < records->count; i++) {
        free(records->memory[i]);
    }
    *records = (struct records){.count = 0};
}

/* All but the source position, which a history keeps of its last event alone. */
static void assert_same_interests(const struct interest_record *a, const struct interest_record *b)
{
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->events, b->events);
    assert_int_equal(a->event_ms, b->event_ms);
    assert_int_equal(a->partition, b->partition);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->width, b->width);
    assert_memory_equal(a->vectors, b->vectors, a->count * a->width * sizeof(float));
    assert_memory_equal(a->weights, b->weights, a->count * sizeof(float));
}

static void what_is_exported_is_what_was_published_last(void **state)
{
    (void)state;
    struct records published = {.count = 0}, exported = {.count = 0};
    export_of("job", "now.jsonl", 0, " later=0 cut=0 gone=0 unknown=0 ", (const char *[]){NULL});
    add_published(&published, "job");
    add_lines(&exported, scene_path(&scene, "now.jsonl"));
    assert_true(exported.count > 20);
    assert_int_equal(exported.count, published.count);
    assert_int_equal(said_number("users"), published.count);
    for (uint32_t i = 0; i < exported.count; i++) {
        struct interest_record *record = record_of(&published, exported.at[i].user);
        assert_non_null(record);
        assert_same_interests(&exported.at[i], record);
        assert_int_equal(exported.at[i].offset, record->offset);
        assert_int_equal(exported.at[i].checksum, record->checksum);
    }
    forget(&published);
    forget(&exported);
}

/* ---- a moment ---- */

/* The user number and the time of an event that the job accepts; false: it is another line. */
static bool read_event(const char *line, uint64_t *userp, uint64_t *time_sp)
{
    char action[8];
    return sscanf(line,
                  "{\"user\":\"u%" SCNu64 "\",\"item\":\"i%*u\",\"time\":%" SCNu64
                  ",\"action\":\"%7[a-z]\"",
                  userp, time_sp, action) == 3 &&
           *time_sp < 2000000000 && strcmp(action, "wink") != 0;
}

/* A log of what each user had before its first event later than `moment_s`. */
static void write_log_of_then(const char *name, uint64_t moment_s)
{
    bool later[USERS_MAX] = {false};
    size_t size, kept = 0;
    char *log = scene_read(scene_path(&scene, "log.jsonl"), &size), *then = malloc(size);
    assert_non_null(then);
    for (char *at = log, *end; (end = memchr(at, '\n', size - (size_t)(at - log))); at = end + 1) {
        uint64_t user, time_s;
        if (!read_event(at, &user, &time_s)) continue;
        assert_true(user < USERS_MAX);
        later[user] |= time_s > moment_s;
        if (later[user]) continue;
        memcpy(then + kept, at, (size_t)(end - at) + 1);
        kept += (size_t)(end - at) + 1;
    }
    scene_write(scene_path(&scene, "%s", name), then, kept);
    free(then);
    free(log);
}

/* A job that had only seen what came before the moment publishes what is exported as of it. */
static void check_moment(uint64_t moment_s, bool some_are_cut)
{
    struct records published = {.count = 0}, exported = {.count = 0};
    char as_of[64], input[SCENE_PATH_MAX + 64];
    const time_t moment = (time_t)moment_s;
    struct tm utc;
    strftime(as_of, sizeof as_of, "--as-of=%Y-%m-%dT%H:%M:%SZ", gmtime_r(&moment, &utc));
    export_of("job", "then.jsonl", 0, "export generation=1", (const char *[]){as_of, NULL});
    const uint64_t cut = said_number("cut"), later = said_number("later");
    assert_int_equal(cut > 0, some_are_cut);

    write_log_of_then("then-log.jsonl", moment_s);
    snprintf(input, sizeof input, "--source.path=%s", scene_path(&scene, "then-log.jsonl"));
    scene_remove(&scene, "then");
    assert_int_equal(scene_run(&scene, "run", "then", &(struct scene_run){.setting = input}), 0);
    add_published(&published, "then");
    add_lines(&exported, scene_path(&scene, "then.jsonl"));
    assert_true(exported.count > 10);
    assert_int_equal(exported.count + cut, published.count);
    for (uint32_t i = 0; i < exported.count; i++) {
        struct interest_record *record = record_of(&published, exported.at[i].user);
        assert_non_null(record);
        assert_same_interests(&exported.at[i], record);
    }
    forget(&exported);
    add_lines(&exported, scene_path(&scene, "now.jsonl"));
    assert_int_equal(published.count + later, exported.count);
    forget(&published);
    forget(&exported);
}

static void as_of_a_time_is_what_a_job_of_that_time_had_published(void **state)
{
    (void)state;
    /* Events come each 100 s on average. Of early ones of busy users nothing is kept. */
    check_moment(1500000000 + 100 * EVENTS * 95 / 100, false);
    check_moment(1500000000 + 100 * EVENTS / 3, true);
}

static void before_the_first_event_nobody_is_there(void **state)
{
    (void)state;
    export_of("job", "none.jsonl", 0, " users=0 ", (const char *[]){"--as-of=2001-01-01", NULL});
    export_of("job", "none.safetensors", 0, " users=0 ",
              (const char *[]){"--as-of=2001-01-01", "--form=safetensors", NULL});
}

static void inspect_shows_a_user_as_of_a_time(void **state)
{
    (void)state;
    struct records exported = {.count = 0};
    char wanted[64];
    const char *as_of = "--as-of=2017-07-15T12:00";
    export_of("job", "then.jsonl", 0, "export", (const char *[]){as_of, NULL});
    add_lines(&exported, scene_path(&scene, "then.jsonl"));
    struct interest_record *record = record_of(&exported, bytes_of("u5"));
    assert_non_null(record);
    snprintf(wanted, sizeof wanted, "events      %" PRIu64 ", folded from %" PRIu64, record->events,
             record->from);
    forget(&exported);

    char state_dir[SCENE_PATH_MAX + 64];
    snprintf(state_dir, sizeof state_dir, "--state.dir=%s", scene_path(&scene, "job/state"));
    const char *arguments[] = {"inspect",  "user",       "u5",      as_of,
                               "--config", "braid.yaml", state_dir, NULL};
    expect_all_said(&scene, scene_program(&scene, arguments, NULL), 0,
                    (const char *[]){wanted, "as of       2017-07-15T12:00:00.000Z",
                                     "interests then, 4", NULL});
    arguments[3] = "--as-of=2001-01-01";
    expect_said(&scene, scene_program(&scene, arguments, NULL), 1,
                "the user came after that moment");
}

/* ---- forms ---- */

static void assert_npy(const char *name, const char *shape, const void *data, size_t size)
{
    size_t read;
    char *bytes = scene_read(scene_path(&scene, "arrays/%s.npy", name), &read);
    assert_int_equal(read, NPY_HEADER + size);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00{'descr': '", 21);
    bytes[NPY_HEADER - 1] = 0;
    assert_non_null(strstr(bytes + 10, shape));
    assert_memory_equal(bytes + NPY_HEADER, data, size);
    free(bytes);
}

static void arrays_hold_what_lines_hold(void **state)
{
    (void)state;
    struct records lines = {.count = 0};
    char shape[64];
    size_t ids_size;
    export_of("job", "now.jsonl", 0, "export", (const char *[]){NULL});
    export_of("job", "arrays", 0, "export", (const char *[]){"--form=npy", NULL});
    export_of("job", "all.safetensors", 0, "export",
              (const char *[]){"--form", "safetensors", NULL});
    add_lines(&lines, scene_path(&scene, "now.jsonl"));
    struct safetensors *file;
    struct error error;
    assert_int_equal(safetensors_open(&file, scene_path(&scene, "all.safetensors"), &error),
                     STATUS_OK);
    assert_string_equal(safetensors_metadata(file, "generation"), "1");
    const struct safetensors_tensor *vectors = safetensors_find(file, "vectors");
    const struct safetensors_tensor *count = safetensors_find(file, "count");
    const struct safetensors_tensor *ids = safetensors_find(file, "user_bytes");
    const struct safetensors_tensor *ends = safetensors_find(file, "user_end");
    char *users = scene_read(scene_path(&scene, "arrays/users.jsonl"), &ids_size), *line = users;
    for (uint64_t u = 0, begin = 0; u < lines.count; u++) {
        const uint64_t end = ((const uint64_t *)ends->data)[u];
        const struct bytes id = {(const char *)ids->data + begin, end - begin};
        const struct interest_record *record = record_of(&lines, id);
        assert_non_null(record);
        assert_int_equal(((const uint32_t *)count->data)[u], record->count);
        assert_memory_equal((const float *)vectors->data + u * 4 * 16, record->vectors,
                            record->count * 16 * sizeof(float));
        assert_memory_equal(line + 1, id.at, id.size);
        line = strchr(line, '\n') + 1;
        begin = end;
    }
    assert_int_equal(line - users, ids_size);
    snprintf(shape, sizeof shape, "'<f4', 'fortran_order': False, 'shape': (%u, 4, 16,)",
             lines.count);
    assert_npy("vectors", shape, vectors->data, vectors->size);
    snprintf(shape, sizeof shape, "'<u8', 'fortran_order': False, 'shape': (%u,)", lines.count);
    const struct safetensors_tensor *events = safetensors_find(file, "events");
    assert_npy("events", shape, events->data, events->size);
    safetensors_close(file);
    free(users);
    forget(&lines);
    export_of("job", "arrays", 2, "is there already", (const char *[]){"--form=npy", NULL});
}

static void only_the_wanted_users_are_written(void **state)
{
    (void)state;
    struct records lines = {.count = 0};
    char option[SCENE_PATH_MAX + 64];
    static const char ids[] = "u3\nnobody\nu7\r\n\nu1";
    scene_write(scene_path(&scene, "wanted"), ids, sizeof ids - 1);
    snprintf(option, sizeof option, "--users=%s", scene_path(&scene, "wanted"));
    export_of("job", "some.jsonl", 0, " users=3 ", (const char *[]){option, NULL});
    assert_int_equal(said_number("unknown"), 1);
    add_lines(&lines, scene_path(&scene, "some.jsonl"));
    assert_int_equal(lines.count, 3);
    assert_non_null(record_of(&lines, bytes_of("u1")));
    assert_non_null(record_of(&lines, bytes_of("u7")));
    forget(&lines);
}

/* ---- shares ---- */

static void many_shares_give_what_one_gives(void **state)
{
    (void)state;
    struct records whole = {.count = 0}, parts = {.count = 0};
    struct config settings;
    struct checkpoint *checkpoint;
    struct export_report report;
    struct error error;
    export_of("job", "now.jsonl", 0, "export", (const char *[]){NULL});
    add_lines(&whole, scene_path(&scene, "now.jsonl"));
    char out[SCENE_PATH_MAX + 64];
    snprintf(out, sizeof out, "%s", scene_path(&scene, "shares.jsonl"));
    config_defaults(&settings);
    assert_int_equal(config_file(&settings, scene_path(&scene, "braid.yaml"), &error), STATUS_OK);
    assert_int_equal(
        config_set(&settings, "state.dir", scene_path(&scene, "job/state"), "", &error), STATUS_OK);
    assert_int_equal(checkpoint_open(&checkpoint, settings.model.checkpoint, &error), STATUS_OK);
    const struct export_options options = {.path = out, .as_of_ms = MOMENT_NOW};
    settings.job.memory = 16 * 1024;
    assert_int_equal(export_interests(&settings, checkpoint, &options, &report, &error), STATUS_OK);
    assert_true(report.shares > 4);
    add_lines(&parts, out);
    assert_int_equal(parts.count, whole.count);
    assert_int_equal(report.users, whole.count);
    for (uint32_t i = 0; i < parts.count; i++) {
        const struct interest_record *record = record_of(&whole, parts.at[i].user);
        assert_non_null(record);
        assert_int_equal(parts.at[i].checksum, record->checksum);
    }
    settings.job.memory = 1024;
    assert_int_equal(export_interests(&settings, checkpoint, &options, &report, &error),
                     STATUS_INVALID);
    assert_non_null(strstr(error.text, "raise job.memory"));
    checkpoint_close(checkpoint);
    config_close(&settings);
    forget(&whole);
    forget(&parts);
}

static void what_cannot_be_exported_is_said(void **state)
{
    (void)state;
    export_of("nowhere", "x", 2, "nothing was ever committed", (const char *[]){NULL});
    export_of("job", "x", 2, "--as-of=noon", (const char *[]){"--as-of=noon", NULL});
    export_of("job", "x", 2, "jsonl, npy or safetensors", (const char *[]){"--form=csv", NULL});
    export_of("job", "none/x", 1, "none/x.tmp", (const char *[]){NULL});
    const char *items[] = {
        "export", "items", "--config", "braid.yaml", "--out=x", "--as-of=2024-01-01", NULL};
    expect_said(&scene, scene_program(&scene, items, NULL), 2, "are of `braid export interests`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_exported_is_what_was_published_last),
        cmocka_unit_test(as_of_a_time_is_what_a_job_of_that_time_had_published),
        cmocka_unit_test(before_the_first_event_nobody_is_there),
        cmocka_unit_test(inspect_shows_a_user_as_of_a_time),
        cmocka_unit_test(arrays_hold_what_lines_hold),
        cmocka_unit_test(only_the_wanted_users_are_written),
        cmocka_unit_test(many_shares_give_what_one_gives),
        cmocka_unit_test(what_cannot_be_exported_is_said),
    };
    scene_open(&scene, EVENTS, 11);
    if (scene_run(&scene, "run", "job", NULL) != 0) return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}
