/* test_job.c - the file job as a whole: what it publishes does not depend on how it got there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "model/checkpoint.h"
#include "model/tensor/params.h"
#include "stream/broker/file/commit_file.h"
#include "tests/unit/job_fixture.h"

enum { SEED = 11, HALF = 3000, USERS = 120, PARTITIONS = 4 };

static const char *const stores[] = {"state/store-0000", "state/store-0001", "state/store-0002",
                                     "state/store-0003"};

/* A job over two halves of `half` events each: both logged, one run. */
static void open_whole(struct fixture *fixture, uint32_t half, uint32_t partitions)
{
    fixture_open(fixture, SEED);
    fixture->config.state.partitions = partitions;
    fixture_log(fixture, half, USERS);
    fixture_log(fixture, half, USERS);
}

/* What one run over the whole log publishes last of each user. */
static char *published_in_one_run(uint32_t half, uint32_t partitions)
{
    struct fixture fixture;
    open_whole(&fixture, half, partitions);
    struct job_summary summary = fixture_run(&fixture);
    assert_int_equal(summary.events, 2 * half);
    assert_int_equal(summary.accepted, 2 * half);
    assert_int_equal(summary.records, fixture_records(&fixture));
    char *newest = fixture_newest(&fixture);
    fixture_close(&fixture);
    return newest;
}

/* Closes the fixture; it must have published last what `expected` (freed) says. */
static void published(struct fixture *fixture, char *expected)
{
    char *newest = fixture_newest(fixture);
    assert_string_equal(newest, expected);
    free(newest);
    free(expected);
    fixture_close(fixture);
}

static void a_restart_goes_on_where_the_last_commit_was(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, HALF, USERS);
    assert_int_equal(fixture_run(&fixture).events, HALF);
    assert_int_equal(fixture_run(&fixture).events, 0);
    fixture_log(&fixture, HALF, USERS);
    assert_int_equal(fixture_run(&fixture).events, HALF);
    published(&fixture, published_in_one_run(HALF, PARTITIONS));
}

static void a_lost_store_is_rebuilt_to_the_same_bytes(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, HALF, USERS);
    fixture_run(&fixture);
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        fixture_delete(&fixture, stores[i]);
    }
    fixture_log(&fixture, HALF, USERS);
    fixture_run(&fixture);
    published(&fixture, published_in_one_run(HALF, PARTITIONS));
}

static void polls_workers_and_transactions_do_not_change_what_is_published(void **state)
{
    (void)state;
    struct fixture fixture;
    open_whole(&fixture, HALF, PARTITIONS);
    fixture.config.job.workers = 3;
    fixture.config.job.poll_events_max = 7;
    fixture.config.job.commit_events_max = 100;
    fixture.config.state.snapshot_every = 2;
    fixture_run(&fixture);
    published(&fixture, published_in_one_run(HALF, PARTITIONS));
}

static void a_job_that_does_not_publish_takes_all_events_and_sends_no_record(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, HALF, USERS);
    fixture.config.output.publish = CONFIG_PUBLISH_NONE;
    const struct job_summary summary = fixture_run(&fixture);
    assert_int_equal(summary.accepted, HALF);
    assert_int_equal(summary.records, 0);
    assert_int_equal(fixture_records(&fixture), 0);
    fixture_close(&fixture);
}

static void write_generation(const struct fixture *fixture, uint64_t generation, uint64_t seed);
static void refused(struct fixture *fixture, const char *word);

static void users_that_were_not_published_are_not_left_out_when_a_job_begins_to(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, HALF, USERS);
    fixture.config.output.publish = CONFIG_PUBLISH_NONE;
    fixture_run(&fixture);
    fixture.config.output.publish = CONFIG_PUBLISH_ALL;
    fixture_log(&fixture, 200, USERS);
    refused(&fixture, "a generation above 1 publishes all of them");
    write_generation(&fixture, 2, 1);
    refused(&fixture, "output.sweep");
    fixture.config.output.publish = CONFIG_PUBLISH_NONE; /* anybody may stop */
    assert_int_equal(fixture_run(&fixture).events, 200);
    fixture_close(&fixture);
}

static void an_overgrown_log_is_rewritten_and_still_rebuilds_the_store(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture.config.state.partitions = 1;
    fixture.config.state.flush_size = 1 << 20;
    fixture.config.job.commit_events_max = 500; /* each user's record many times over */
    fixture_log(&fixture, MANY, USERS);
    fixture_run(&fixture);
    struct commit commit;
    assert_int_equal(commit_file_read(&commit, fixture.state, NULL), STATUS_OK);
    assert_true(commit.entries[0].log > 1);
    char path[160];
    snprintf(path, sizeof path, "%s/history-0000.1.log", fixture.state);
    assert_int_equal(access(path, F_OK), -1);
    commit_close(&commit);

    fixture_delete(&fixture, stores[0]);
    fixture_log(&fixture, MANY, USERS);
    fixture_run(&fixture);
    published(&fixture, published_in_one_run(MANY, 1));
}

static void bad_events_become_dead_letters_and_the_job_goes_on(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, 10, 3);
    fixture_line(&fixture, "not an event");
    fixture_line(&fixture, "{\"user\":\"u1\",\"time\":1700000000000}");
    fixture_log(&fixture, 10, 3);
    struct job_summary summary = fixture_run(&fixture);
    assert_int_equal(summary.accepted, 20);
    assert_int_equal(summary.dead_letters, 2);
    fixture_close(&fixture);
}

static void *run_in_thread(void *context)
{
    static struct job_summary summary;
    summary = fixture_run(context);
    return &summary;
}

/*
 * Lines written to standard input are committed though it stays open, and a wish to stop is heard.
 */
static void a_pausing_input_holds_up_neither_commits_nor_the_end(void **state)
{
    (void)state;
    enum { LINES = 50 };
    struct fixture fixture;
    int ends[2];
    fixture_open(&fixture, SEED);
    fixture.config.source.path = "-";
    fixture.config.job.commit_interval_ms = 50;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    for (int i = 0; i < LINES; i++) {
        char line[96];
        int size = snprintf(line, sizeof line,
                            "{\"user\":\"u%d\",\"item\":\"i1\",\"time\":1700000000000}\n", i);
        assert_int_equal(write(ends[1], line, (size_t)size), size);
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, &fixture), 0);
    int64_t committed = 0;
    for (int i = 0; i < 24000 && committed < LINES; i++) { /* two minutes */
        struct commit commit;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        if (commit_file_read(&commit, fixture.state, NULL) != STATUS_OK) continue;
        committed = commit.offset;
        commit_close(&commit);
    }
    assert_int_equal(committed, LINES);
    job_stop();
    void *summary;
    assert_int_equal(pthread_join(thread, &summary), 0);
    assert_true(((struct job_summary *)summary)->stopped);
    assert_int_equal(((struct job_summary *)summary)->accepted, LINES);
    close(ends[0]);
    close(ends[1]);
    fixture_close(&fixture);
}

static enum status run_status(struct fixture *fixture)
{
    struct job_summary summary;
    struct error error = {.text = ""};
    return job_run(&fixture->config, NULL, NULL, &summary, &error);
}

static void what_does_not_belong_together_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, 100, 10);
    fixture_run(&fixture);

    fixture.config.state.partitions = 8;
    assert_int_equal(run_status(&fixture), STATUS_REFUSED);
    fixture.config.state.partitions = 4;

    char other[128];
    snprintf(other, sizeof other, "%s/other.jsonl", fixture.dir);
    fixture.config.source.path = other;
    FILE *file = fopen(other, "we");
    assert_non_null(file);
    fprintf(file, "{\"user\":\"somebody\"}\n");
    fclose(file);
    assert_int_equal(run_status(&fixture), STATUS_REFUSED);
    fixture.config.source.path = fixture.input;

    fixture_delete(&fixture, "output/interests-0001.jsonl");
    assert_int_equal(run_status(&fixture), STATUS_REFUSED);
    fixture_close(&fixture);
}

/* The job is refused, and says so with `word`. */
static void refused(struct fixture *fixture, const char *word)
{
    struct job_summary summary;
    struct error error = {.text = ""};
    assert_int_equal(job_run(&fixture->config, NULL, NULL, &summary, &error), STATUS_REFUSED);
    if (!strstr(error.text, word)) fail_msg("'%s' is not in: %s", word, error.text);
}

static void a_job_does_not_go_on_under_settings_that_read_events_otherwise(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    struct config *config = &fixture.config;
    config->source.field_action = "action";
    config->actions[0].name = "view";
    config->actions[1].name = "buy";
    config->actions_count = 2;
    fixture_line(&fixture, "{\"user\":\"u\",\"item\":\"i1\",\"time\":1700000000000,"
                           "\"action\":\"view\"}");
    assert_int_equal(fixture_run(&fixture).accepted, 1);
    fixture_line(&fixture, "{\"user\":\"u\",\"item\":\"i2\",\"time\":1700000001000,"
                           "\"action\":\"buy\"}");

    const struct config before = *config;
    config->actions[0] = before.actions[1];
    config->actions[1] = before.actions[0];
    refused(&fixture, "actions");
    *config = before;
    config->source.field_user = "actor";
    refused(&fixture, "source.fields.user (now 'actor')");
    *config = before;
    config->source.time = CONFIG_TIME_S;
    refused(&fixture, "source.time (now 's')");
    *config = before;
    config->actions[0].weight = 7; /* of training only */
    assert_int_equal(fixture_run(&fixture).accepted, 1);
    fixture_close(&fixture);
}

static void write_generation(const struct fixture *fixture, uint64_t generation, uint64_t seed)
{
    struct checkpoint *checkpoint;
    struct error error = {.text = ""};
    assert_int_equal(checkpoint_open(&checkpoint, fixture->checkpoint, &error), STATUS_OK);
    checkpoint->generation = generation;
    struct param *param = param_set_at(checkpoint->params, 0);
    param->data[param->count - 1] = (real)seed; /* the last item of the table */
    if (checkpoint_write(checkpoint, fixture->checkpoint, &error)) fail_msg("%s", error.text);
    checkpoint_close(checkpoint);
}

static void a_generation_never_falls_and_its_number_stands_for_one_checkpoint(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    write_generation(&fixture, 2, 1);
    fixture_log(&fixture, 200, 20);
    fixture_run(&fixture);
    fixture_log(&fixture, 200, 20);
    write_generation(&fixture, 1, 1);
    refused(&fixture, "generation 1, and generation 2 has published");
    write_generation(&fixture, 2, 5);
    refused(&fixture, "is not the generation 2");
    write_generation(&fixture, 2, 1);
    assert_int_equal(fixture_run(&fixture).events, 200);
    fixture_log(&fixture, 200, 20);
    write_generation(&fixture, 3, 5);
    assert_int_equal(fixture_run(&fixture).events, 200);
    fixture_close(&fixture);
}

static void write_input(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_refused_start_leaves_nothing_that_binds(void **state)
{
    (void)state;
    struct fixture fixture;
    struct job_summary summary;
    struct error error = {.text = ""};
    fixture_open(&fixture, SEED);
    fixture.config.source.format = CONFIG_CSV;
    write_input(fixture.input, "user_id,item,time\nu1,i1,1700000000000\n");
    assert_int_equal(job_run(&fixture.config, NULL, NULL, &summary, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "no column 'user'"));
    write_input(fixture.input, "user,item,time\nu1,i1,1700000000000\nu2,i1,1700000000000\n");
    fixture.config.state.partitions = 2;
    assert_int_equal(fixture_run(&fixture).accepted, 2);
    fixture_close(&fixture);
}

static void an_input_that_had_nothing_yet_may_become_any(void **state)
{
    (void)state;
    static const char *const beginnings[] = {"", "user,item,time\n"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        struct fixture fixture;
        fixture_open(&fixture, SEED);
        fixture.config.source.format = CONFIG_CSV;
        write_input(fixture.input, beginnings[i]);
        assert_int_equal(fixture_run(&fixture).events, 0);
        write_input(fixture.input, "time,user,item\n1700000000000,u1,i1\n");
        assert_int_equal(fixture_run(&fixture).accepted, 1);
        write_input(fixture.input, "time,user,item\n1700000000000,u2,i1\n1700000000000,u1,i2\n");
        refused(&fixture, "is not the input that was read before");
        fixture_close(&fixture);
    }
}

/* The log of the fixture, cut into files of a directory at every `lines`-th line. */
static void cut_log(struct fixture *fixture, const char *directory, unsigned lines)
{
    char path[160], line[256];
    FILE *log = fopen(fixture->input, "re"), *part = NULL;
    assert_non_null(log);
    for (unsigned i = 0; fgets(line, sizeof line, log); i++) {
        if (i % lines == 0) {
            if (part) fclose(part);
            snprintf(path, sizeof path, "%s/%04u.jsonl", directory, i / lines);
            part = fopen(path, "we");
            assert_non_null(part);
        }
        fputs(line, part);
    }
    fclose(part);
    fclose(log);
}

static void a_directory_of_files_is_one_log(void **state)
{
    (void)state;
    struct fixture fixture;
    char directory[128];
    fixture_open(&fixture, SEED);
    snprintf(directory, sizeof directory, "%s/logs", fixture.dir);
    assert_int_equal(mkdir(directory, 0755), 0);
    fixture_log(&fixture, HALF, USERS);
    cut_log(&fixture, directory, 700);
    const char *log = fixture.config.source.path;
    fixture.config.source.path = directory;
    fixture.config.job.commit_events_max = 450; /* commits within files and across their ends */
    assert_int_equal(fixture_run(&fixture).events, HALF);
    fixture_log(&fixture, HALF, USERS);
    cut_log(&fixture, directory, 700);
    assert_int_equal(fixture_run(&fixture).events, HALF);
    fixture.config.source.path = log;
    published(&fixture, published_in_one_run(HALF, PARTITIONS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_goes_on_where_the_last_commit_was),
        cmocka_unit_test(a_lost_store_is_rebuilt_to_the_same_bytes),
        cmocka_unit_test(polls_workers_and_transactions_do_not_change_what_is_published),
        cmocka_unit_test(a_job_that_does_not_publish_takes_all_events_and_sends_no_record),
        cmocka_unit_test(users_that_were_not_published_are_not_left_out_when_a_job_begins_to),
        cmocka_unit_test(an_overgrown_log_is_rewritten_and_still_rebuilds_the_store),
        cmocka_unit_test(bad_events_become_dead_letters_and_the_job_goes_on),
        cmocka_unit_test(a_pausing_input_holds_up_neither_commits_nor_the_end),
        cmocka_unit_test(a_refused_start_leaves_nothing_that_binds),
        cmocka_unit_test(an_input_that_had_nothing_yet_may_become_any),
        cmocka_unit_test(a_directory_of_files_is_one_log),
        cmocka_unit_test(what_does_not_belong_together_is_refused),
        cmocka_unit_test(a_job_does_not_go_on_under_settings_that_read_events_otherwise),
        cmocka_unit_test(a_generation_never_falls_and_its_number_stands_for_one_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
