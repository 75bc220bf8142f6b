/* job_fixture.c - see job_fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/job_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "model/interest_ops.h"
#include "model/tensor/params.h"

enum { ITEMS = 50, LINE_MAX_SIZE = 16384, USER_MAX = 64 };

/* A new model does not mind how much time passes between behaviors; a trained one does. */
static void mind_gaps(struct checkpoint *checkpoint)
{
    struct param *gaps = param_set_find(checkpoint->params, "gap.embedding");
    if (!gaps) return;
    for (size_t i = gaps->count / gaps->spec.shape[0]; i < gaps->count; i++) {
        gaps->data[i] = (float)(splitmix64(i) >> 40) / (1 << 24) - 0.5f;
    }
}

static void make_checkpoint(const struct fixture *fixture, const char *model,
                            const struct model_dims *dims)
{
    static char names[ITEMS][8];
    struct item_entry items[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(names[i], sizeof names[i], "i%d", i);
        items[i] = (struct item_entry){bytes_of(names[i]), 0};
    }
    struct item_table *table;
    assert_int_equal(item_table_open(&table, items, ITEMS, NULL, 0, 5, NULL), STATUS_OK);
    struct checkpoint *checkpoint;
    struct error error = {.text = ""};
    enum status status = checkpoint_init(&checkpoint, model, dims, table, 7, &error);
    if (status == STATUS_OK) mind_gaps(checkpoint);
    if (status == STATUS_OK) status = checkpoint_write(checkpoint, fixture->checkpoint, &error);
    if (status != STATUS_OK) fail_msg("%s", error.text);
    checkpoint_close(checkpoint);
}

void fixture_model(const struct fixture *fixture, const char *name)
{
    struct model_dims dims = interest_ops_find(name)->defaults;
    dims.d = 16;
    make_checkpoint(fixture, name, &dims);
}

void fixture_open(struct fixture *fixture, uint64_t seed)
{
    const struct model_dims dims = {
        .d = 16,
        .heads = 2,
        .blocks = 1,
        .ffn = 32,
        .interests = 3,
        .extract_heads = 2,
        .conditional = true,
        .use_gap = true,
        .gap_buckets = 32,
    };
    *fixture = (struct fixture){.next_ms = 1700000000000, .random = seed};
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/braid-test-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    snprintf(fixture->input, sizeof fixture->input, "%s/log.jsonl", fixture->dir);
    snprintf(fixture->checkpoint, sizeof fixture->checkpoint, "%s/g1.safetensors", fixture->dir);
    snprintf(fixture->state, sizeof fixture->state, "%s/state", fixture->dir);
    snprintf(fixture->output, sizeof fixture->output, "%s/output", fixture->dir);
    make_checkpoint(fixture, "limarec", &dims);

    struct config *config = &fixture->config;
    config_defaults(config);
    config->source.path = fixture->input;
    config->model.checkpoint = fixture->checkpoint;
    config->state.dir = fixture->state;
    config->output.dir = fixture->output;
    config->state.history_max = 128;
    config->job.memory = (uint64_t)1 << 30; /* the process keeps some of what earlier jobs took */
    config->job.poll_events_max = 200;
    config->job.commit_events_max = 900;
    config->log.quiet = true;
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
    (void)facts;
    (void)kind;
    (void)walk;
    return remove(path);
}

void fixture_delete(const struct fixture *fixture, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->dir, name);
    assert_int_equal(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void fixture_close(struct fixture *fixture)
{
    config_close(&fixture->config);
    fixture_delete(fixture, "");
}

static uint32_t draw(struct fixture *fixture, uint32_t below)
{
    fixture->random = splitmix64(fixture->random);
    return (uint32_t)(fixture->random % below);
}

void fixture_line(struct fixture *fixture, const char *line)
{
    FILE *file = fopen(fixture->input, "ae");
    assert_non_null(file);
    fprintf(file, "%s\n", line);
    fclose(file);
}

void fixture_log(struct fixture *fixture, uint32_t events, uint32_t users)
{
    FILE *file = fopen(fixture->input, "ae");
    assert_non_null(file);
    for (uint32_t i = 0; i < events; i++) {
        uint32_t user = draw(fixture, 1 + draw(fixture, users));
        fprintf(file, "{\"user\":\"u%u\",\"item\":\"i%u\",\"time\":%llu}\n", user,
                draw(fixture, ITEMS + 10), (unsigned long long)fixture->next_ms);
        fixture->next_ms += draw(fixture, 5000);
    }
    fclose(file);
}

struct job_summary fixture_run(struct fixture *fixture)
{
    struct job_summary summary;
    struct error error = {.text = ""};
    if (job_run(&fixture->config, NULL, NULL, &summary, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    return summary;
}

/* ---- the output ---- */

struct newest {
    char user[USER_MAX];
    char *line;
};

static int by_user(const void *a, const void *b)
{
    return strcmp(((const struct newest *)a)->user, ((const struct newest *)b)->user);
}

/* Calls `visit` for each line of each partition's records. */
static void each_record(const struct fixture *fixture,
                        void (*visit)(void *context, const char *line), void *context)
{
    static char line[LINE_MAX_SIZE];
    for (uint32_t p = 0; p < fixture->config.state.partitions; p++) {
        char path[256];
        snprintf(path, sizeof path, "%s/interests-%04u.jsonl", fixture->output, p);
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof line, file)) {
            visit(context, line);
        }
        fclose(file);
    }
}

static void count_line(void *context, const char *line)
{
    (void)line;
    ++*(uint64_t *)context;
}

uint64_t fixture_records(const struct fixture *fixture)
{
    uint64_t count = 0;
    each_record(fixture, count_line, &count);
    return count;
}

struct newest_list {
    struct newest *at;
    size_t count;
    size_t bytes;
};

static void keep_newest(void *context, const char *line)
{
    struct newest_list *list = context;
    struct newest key = {.line = NULL};
    assert_int_equal(sscanf(line, "{\"user\":\"%63[^\"]", key.user), 1);
    size_t i = 0;
    while (i < list->count && strcmp(list->at[i].user, key.user) != 0) {
        i++;
    }
    if (i == list->count) {
        list->at = realloc(list->at, ++list->count * sizeof *list->at);
        assert_non_null(list->at);
        list->at[i] = key;
    }
    free(list->at[i].line);
    list->at[i].line = strdup(line);
}

char *fixture_newest(const struct fixture *fixture)
{
    struct newest_list list = {0};
    each_record(fixture, keep_newest, &list);
    qsort(list.at, list.count, sizeof *list.at, by_user);
    for (size_t i = 0; i < list.count; i++) {
        list.bytes += strlen(list.at[i].line);
    }
    char *text = malloc(list.bytes + 1);
    assert_non_null(text);
    char *to = text;
    *to = 0;
    for (size_t i = 0; i < list.count; i++) {
        to = stpcpy(to, list.at[i].line);
        free(list.at[i].line);
    }
    free(list.at);
    return text;
}
