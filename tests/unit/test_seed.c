/*
 * test_seed.c - histories from files, into companions in memory: they are what a job would have
 * made of the same events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "stream/replay/runs.h"
#include "stream/replay/seed.h"
#include "stream/source/intake.h"
#include "tests/unit/fake_seed_log.h"

enum { USERS = 20, FILES = 4, EVENTS_A_FILE = 600, HISTORY_MAX = 128, CUT_MS = 1000000 };

/* The users of a file, by rank: the first has most of its events. */
static uint32_t user_of_event(uint32_t event)
{
    const uint32_t drawn = (uint32_t)(splitmix64(event) % (USERS * USERS));
    uint32_t user = 0;
    while ((user + 1) * (user + 1) <= drawn) {
        user++;
    }
    return USERS - 1 - user;
}

static char directory[] = "/tmp/braid-test-seed-XXXXXX";
static struct config job, files;
static struct seed_summary summary;
static atomic_bool stopping;
static uint32_t events_count;
static struct history_behavior behaviors[FILES * EVENTS_A_FILE];
static uint32_t owners[FILES * EVENTS_A_FILE];

static void set(struct config *config, const char *key, const char *value)
{
    struct error error = {.text = ""};
    if (config_set(config, key, value, "test", &error) != STATUS_OK) fail_msg("%s", error.text);
}

/* Files whose names say their order; some events are of the cut or later, some are no events. */
static void write_files(void)
{
    uint32_t number = 0;
    events_count = 0;
    for (int f = 0; f < FILES; f++) {
        char path[128];
        snprintf(path, sizeof path, "days/%d.jsonl", f);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        for (int i = 0; i < EVENTS_A_FILE; i++, number++) {
            const uint32_t user = user_of_event(number);
            const int64_t time_ms = (int64_t)(splitmix64(number) % (CUT_MS + CUT_MS / 10));
            char item[16];
            snprintf(item, sizeof item, "i%u", number % 50);
            fprintf(file, "{\"user\":\"u%u\",\"item\":\"%s\",\"time\":%lld}\n", user, item,
                    (long long)time_ms);
            if (time_ms >= CUT_MS) continue;
            behaviors[events_count] =
                history_behavior_of(identity_of(item, strlen(item)), time_ms, 0);
            owners[events_count++] = user;
        }
        fputs("no event\n", file);
        fclose(file);
    }
}

static int open_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(mkdir("days", 0777), 0);
    write_files();
    return 0;
}

static int close_files(void **state)
{
    (void)state;
    for (int f = 0; f < FILES; f++) {
        char path[128];
        snprintf(path, sizeof path, "days/%d.jsonl", f);
        unlink(path);
    }
    rmdir("days");
    rmdir("state");
    assert_int_equal(chdir("/"), 0);
    return rmdir(directory); /* a seed leaves nothing behind */
}

static int setup(void **state)
{
    (void)state;
    fake_seed_log_reset();
    atomic_store(&stopping, false);
    config_defaults(&job);
    set(&job, "log.quiet", "true");
    set(&job, "state.history_max", "128");
    set(&job, "job.commit_events_max", "100");
    set(&job, "source.time_min", "1970-01-01");
    files = job;
    files.source.path = "days";
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_close(&job);
    return 0;
}

static enum status try_seed(struct error *error)
{
    const struct seed_options options = {.job = &job, .files = &files, .cut.ms = CUT_MS};
    return seed_run(&fake_seed_log, &options, &stopping, &summary, error);
}

static void seed(void)
{
    struct error error = {.text = ""};
    if (try_seed(&error) != STATUS_OK) fail_msg("%s", error.text);
}

/* The committed record of a user's chunk, which there must be once. */
static const struct fake_seed_record *record_of(uint32_t user, uint64_t chunk)
{
    uint8_t key[HISTORY_KEY_MAX];
    char id[16];
    uint32_t count;
    const struct fake_seed_record *records = fake_seed_log_records(&count), *found = NULL;
    snprintf(id, sizeof id, "u%u", user);
    const size_t size = history_key_encode(bytes_of(id), chunk, key);
    for (uint32_t i = 0; i < count; i++) {
        if (records[i].kind != RECORD_HISTORY || records[i].key_size != size ||
            memcmp(records[i].key, key, size) != 0) {
            continue;
        }
        assert_null(found);
        found = &records[i];
        assert_int_equal(found->partition, identity_of(id, strlen(id)) % FAKE_SEED_PARTITIONS);
    }
    return found;
}

static bool is_erased(uint32_t user, struct history_behavior behavior)
{
    char id[16];
    snprintf(id, sizeof id, "u%u", user);
    return bytes_equal(bytes_of(id), fake_seed_log_erased) &&
           history_time_ms(behavior) <= fake_seed_log_cut_ms;
}

/* What one event after the other makes of a user; */
static void expect_history(uint32_t user)
{
    struct history expected, found;
    struct error error = {.text = ""};
    uint64_t times[FILES * EVENTS_A_FILE];
    const struct history_rules rules = intake_rules(&job);
    history_init(&expected, 0);
    for (uint32_t i = 0; i < events_count; i++) {
        if (owners[i] != user || is_erased(user, behaviors[i])) continue;
        if (history_admit(&expected, behaviors[i], HISTORY_NO_TIME, &rules) != HISTORY_TAKES)
            continue;
        times[history_events(&expected)] = (uint64_t)history_time_ms(behaviors[i]);
        history_append(&expected, behaviors[i], -1, HISTORY_MAX);
    }
    const uint64_t last = expected.first / HISTORY_CHUNK_BEHAVIORS;
    for (uint64_t chunk = 0; chunk <= last; chunk++) {
        const struct fake_seed_record *record = record_of(user, chunk);
        const bool kept = (chunk + 1) * HISTORY_CHUNK_BEHAVIORS > expected.from || chunk == last;
        assert_int_equal(record != NULL, kept);
        if (!kept) continue;
        const struct bytes value = {record->value, record->value_size};
        assert_int_equal(history_decode(&found, value, &error), STATUS_OK);
        for (uint32_t i = 0; i < found.count; i++) {
            assert_int_equal(history_time_ms(found.at[i]), times[found.first + i]);
        }
        if (chunk < last) assert_int_equal(found.count, HISTORY_CHUNK_BEHAVIORS);
    }
    uint8_t one[HISTORY_RECORD_MAX], other[HISTORY_RECORD_MAX];
    const size_t size = history_encode(&expected, one);
    assert_int_equal(history_encode(&found, other), size);
    assert_memory_equal(one, other, size);
}

static void expect_all(void)
{
    uint32_t count, items = 0;
    const struct fake_seed_record *records = fake_seed_log_records(&count);
    for (uint32_t user = 0; user < USERS; user++) {
        expect_history(user);
    }
    for (uint32_t i = 0; i < count; i++) {
        items += records[i].kind == RECORD_ITEM;
    }
    assert_true(items >= 50);
    assert_int_equal(fake_seed_log_seal.number, 1);
}

static void histories_are_what_a_job_makes_of_the_same_events(void **state)
{
    (void)state;
    seed();
    expect_all();
    assert_int_equal(summary.events, FILES * (EVENTS_A_FILE + 1));
    assert_int_equal(summary.verdicts[EVENT_MALFORMED], FILES);
    assert_int_equal(summary.verdicts[EVENT_ACCEPTED] - summary.later, events_count);
    assert_int_equal(summary.users, USERS);
}

static void what_the_job_would_not_take_is_left_out(void **state)
{
    (void)state;
    set(&job, "source.user_events_max", "20");
    set(&job, "source.deduplicate", "true");
    set(&job, "state.ttl", "1h");
    files = job;
    files.source.path = "days";
    seed();
    expect_all();
    assert_true(summary.not_admitted > 0);
}

static void what_an_erased_user_did_until_its_cut_is_left_out(void **state)
{
    (void)state;
    uint64_t left_out = 0;
    fake_seed_log_erased = bytes_of("u1");
    fake_seed_log_cut_ms = CUT_MS / 2;
    for (uint32_t i = 0; i < events_count; i++) {
        left_out += is_erased(owners[i], behaviors[i]);
    }
    seed();
    expect_all();
    assert_true(left_out > 0);
    assert_int_equal(summary.erased, left_out);
}

static void of_who_was_erased_after_all_it_did_nothing_is_written(void **state)
{
    (void)state;
    fake_seed_log_erased = bytes_of("u1");
    fake_seed_log_cut_ms = CUT_MS;
    seed();
    assert_null(record_of(1, 0));
    expect_history(0);
    assert_int_equal(fake_seed_log_seal.number, 1);
}

static void one_reader_or_several_come_to_the_same(void **state)
{
    (void)state;
    const char *const workers[] = {"1", "3", "8"};
    for (int i = 0; i < 3; i++) {
        fake_seed_log_reset();
        set(&job, "job.workers", workers[i]);
        seed();
        expect_all();
    }
}

static void nothing_is_lost_or_repeated_whatever_step_fails(void **state)
{
    (void)state;
    static const uint32_t steps[] = {1, 2, 60, 101, 102, 103, 150, 180, 200, 230, 250};
    uint32_t ended_unseen = 0;
    for (uint32_t i = 0; i < 2 * sizeof steps / sizeof *steps; i++) {
        fake_seed_log_reset();
        fake_seed_log_fails_at = steps[i / 2];
        fake_seed_log_commits_unseen = i % 2;
        seed();
        expect_all();
        ended_unseen += summary.was_over;
    }
    assert_true(ended_unseen <= 1); /* the seal itself was carried out unseen */
}

static void a_seed_that_is_over_writes_nothing_more(void **state)
{
    (void)state;
    uint32_t before, after;
    seed();
    fake_seed_log_records(&before);
    assert_false(summary.was_over);
    seed();
    fake_seed_log_records(&after);
    assert_true(summary.was_over);
    assert_int_equal(before, after);
}

static void other_files_than_before_are_refused(void **state)
{
    (void)state;
    struct error error = {.text = ""};
    seed();
    files.source.path = "days/0.jsonl";
    assert_int_equal(try_seed(&error), STATUS_REFUSED);
}

static void no_file_is_read_where_a_seed_comes_too_late(void **state)
{
    (void)state;
    struct error error = {.text = ""};
    fake_seed_log_has_begun = true;
    assert_int_equal(try_seed(&error), STATUS_REFUSED);
    assert_int_equal(summary.files, 0);
}

static void files_with_other_actions_than_the_job_has_are_refused(void **state)
{
    (void)state;
    struct error error = {.text = ""};
    set(&job, "source.fields.action", "action");
    set(&job, "actions.buy", "1");
    assert_int_equal(try_seed(&error), STATUS_INVALID);
}

static void a_seed_that_is_stopped_is_ended_by_the_next_run(void **state)
{
    (void)state;
    struct error error = {.text = ""};
    atomic_store(&stopping, true);
    assert_int_equal(try_seed(&error), STATUS_END);
    assert_int_equal(fake_seed_log_seal.number, 0);
    atomic_store(&stopping, false);
    seed();
    expect_all();
}

/* ---- the sort ---- */

static void a_sort_in_many_runs_gives_each_user_once_with_its_behaviors_in_order(void **state)
{
    (void)state;
    enum { ADDED = 60000, OWNERS = 1500 };
    struct error error = {.text = ""};
    struct collector *collector;
    struct runs_merge *merge;
    struct merged_user user;
    uint64_t next[OWNERS] = {0}, total = 0;
    uint32_t users = 0;
    assert_int_equal(collector_open(&collector, ".", 0, 400000, &error), STATUS_OK);
    for (uint64_t i = 0; i < ADDED; i++) {
        const uint32_t owner = (uint32_t)(splitmix64(i) % OWNERS);
        char id[16];
        snprintf(id, sizeof id, "%u", owner);
        assert_int_equal(collector_add(collector, owner % 3, bytes_of(id),
                                       (struct history_behavior){owner, i << 16}, &error),
                         STATUS_OK);
    }
    assert_int_equal(collector_spill(collector, &error), STATUS_OK);
    const uint32_t counts[] = {collector_runs(collector)};
    collector_close(collector);
    assert_true(counts[0] > 3);
    const struct runs runs = {".", counts, 1};
    assert_int_equal(runs_merge_open(&merge, &runs, &error), STATUS_OK);
    uint32_t partition = 0;
    while (runs_merge_user(merge, &user, &error) == STATUS_OK) {
        char id[16] = "";
        memcpy(id, user.user.at, user.user.size);
        const uint32_t owner = (uint32_t)strtoul(id, NULL, 10);
        assert_true(user.partition >= partition);
        partition = user.partition;
        total += user.behaviors;
        users++;
        /* Of every third user only the first behaviors are read: the merge passes over the rest. */
        for (uint64_t i = 0; i < (owner % 3 ? user.behaviors : 2); i++) {
            struct history_behavior behavior;
            assert_int_equal(runs_merge_behavior(merge, &behavior, &error), STATUS_OK);
            assert_int_equal(behavior.item, owner);
            assert_true((behavior.stamp >> 16) + 1 > next[owner]);
            next[owner] = (behavior.stamp >> 16) + 1;
        }
    }
    runs_merge_close(merge);
    assert_int_equal(total, ADDED);
    assert_int_equal(users, OWNERS);
    for (uint32_t i = 0; i < counts[0]; i++) {
        char path[RUN_PATH_MAX];
        run_path(".", 0, i, path);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
        CASE(histories_are_what_a_job_makes_of_the_same_events),
        CASE(what_the_job_would_not_take_is_left_out),
        CASE(what_an_erased_user_did_until_its_cut_is_left_out),
        CASE(of_who_was_erased_after_all_it_did_nothing_is_written),
        CASE(one_reader_or_several_come_to_the_same),
        CASE(nothing_is_lost_or_repeated_whatever_step_fails),
        CASE(a_seed_that_is_over_writes_nothing_more),
        CASE(other_files_than_before_are_refused),
        CASE(no_file_is_read_where_a_seed_comes_too_late),
        CASE(files_with_other_actions_than_the_job_has_are_refused),
        CASE(a_seed_that_is_stopped_is_ended_by_the_next_run),
        cmocka_unit_test(a_sort_in_many_runs_gives_each_user_once_with_its_behaviors_in_order),
#undef CASE
    };
    return cmocka_run_group_tests(tests, open_files, close_files);
}
