/* runs_merge.c - a heap of runs by the user at the front of each. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/replay/runs.h"
#include "stream/replay/runs_order.h"

struct run {
    FILE *file;
    char *buffer;
    uint32_t number; /* in the order of the runs */
    struct run_user head;
    uint8_t id[HISTORY_USER_SIZE_MAX];
};

struct runs_merge {
    struct run *runs;
    uint32_t count;
    struct run **heap;
    uint32_t heap_count;
    struct run **same; /* [count] the runs that have the user under way, the first run first */
    uint32_t same_count, at;
    uint64_t left; /* behaviors of the run `at` that were not read */
    uint8_t id[HISTORY_USER_SIZE_MAX];
};

static enum status damaged(const struct run *run, struct error *error)
{
    return error_set(error, STATUS_IO, "run %u of the sort of histories: %s", run->number,
                     ferror(run->file) ? strerror(errno) : "it ends too early");
}

/* The next user of a run comes to its front; head.size 0: there is none. */
static enum status run_advance(struct run *run, struct error *error)
{
    const size_t got = fread(&run->head, 1, sizeof run->head, run->file);
    if (got == 0 && feof(run->file)) {
        run->head = (struct run_user){0};
        return STATUS_OK;
    }
    if (got != sizeof run->head || run->head.size == 0 || run->head.size > sizeof run->id ||
        fread(run->id, 1, run->head.size, run->file) != run->head.size) {
        return damaged(run, error);
    }
    return STATUS_OK;
}

static bool run_is_before(const struct run *a, const struct run *b)
{
    const int order = run_order(a->head.partition, (struct bytes){a->id, a->head.size},
                                b->head.partition, (struct bytes){b->id, b->head.size});
    return order ? order < 0 : a->number < b->number;
}

static void runs_push(struct runs_merge *merge, struct run *run)
{
    uint32_t at = merge->heap_count++;
    while (at > 0 && run_is_before(run, merge->heap[(at - 1) / 2])) {
        merge->heap[at] = merge->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    merge->heap[at] = run;
}

static struct run *runs_pop(struct runs_merge *merge)
{
    struct run *first = merge->heap[0], *last = merge->heap[--merge->heap_count];
    uint32_t at = 0;
    for (uint32_t child = 1; child < merge->heap_count; child = 2 * at + 1) {
        if (child + 1 < merge->heap_count &&
            run_is_before(merge->heap[child + 1], merge->heap[child])) {
            child++;
        }
        if (!run_is_before(merge->heap[child], last)) break;
        merge->heap[at] = merge->heap[child];
        at = child;
    }
    merge->heap[at] = last;
    return first;
}

static enum status open_run(struct runs_merge *merge, const char *path, struct error *error)
{
    struct run *run = &merge->runs[merge->count];
    run->number = merge->count++;
    run->file = fopen(path, "rb");
    run->buffer = malloc(RUN_BUFFER);
    if (!run->file) return error_set(error, STATUS_IO, "opening %s: %s", path, strerror(errno));
    if (!run->buffer) return error_set(error, STATUS_IO, "out of memory");
    setvbuf(run->file, run->buffer, _IOFBF, RUN_BUFFER);
    TRY(run_advance(run, error));
    if (run->head.size > 0) runs_push(merge, run);
    return STATUS_OK;
}

static enum status open_runs(struct runs_merge *merge, const struct runs *runs, uint32_t total,
                             struct error *error)
{
    merge->runs = calloc(total + 1, sizeof *merge->runs);
    merge->heap = calloc(total + 1, sizeof *merge->heap);
    merge->same = calloc(total + 1, sizeof *merge->same);
    if (!merge->runs || !merge->heap || !merge->same) {
        return error_set(error, STATUS_IO, "out of memory");
    }
    for (uint32_t name = 0; name < runs->names; name++) {
        for (uint32_t number = 0; number < runs->counts[name]; number++) {
            char path[RUN_PATH_MAX];
            run_path(runs->dir, name, number, path);
            TRY(open_run(merge, path, error));
        }
    }
    return STATUS_OK;
}

enum status runs_merge_open(struct runs_merge **mergep, const struct runs *runs,
                            struct error *error)
{
    uint32_t total = 0;
    *mergep = NULL;
    for (uint32_t name = 0; name < runs->names; name++) {
        total += runs->counts[name];
    }
    if (total > RUNS_MAX) {
        return error_set(error, STATUS_REFUSED,
                         "the histories were sorted into %u files, and %d can be merged: raise "
                         "job.memory",
                         total, RUNS_MAX);
    }
    struct runs_merge *merge = calloc(1, sizeof *merge);
    if (!merge) return error_set(error, STATUS_IO, "out of memory");
    const enum status status = open_runs(merge, runs, total, error);
    if (status != STATUS_OK) {
        runs_merge_close(merge);
        return status;
    }
    *mergep = merge;
    return STATUS_OK;
}

void runs_merge_close(struct runs_merge *merge)
{
    if (!merge) return;
    for (uint32_t i = 0; i < merge->count; i++) {
        if (merge->runs[i].file) fclose(merge->runs[i].file);
        free(merge->runs[i].buffer);
    }
    free(merge->runs);
    free(merge->heap);
    free(merge->same);
    free(merge);
}

/* Leaves the run `at` of the user under way: what was not read of it is passed over. */
static enum status leave_run(struct runs_merge *merge, struct error *error)
{
    struct run *run = merge->same[merge->at++];
    if (merge->left > 0 &&
        fseeko(run->file, (off_t)(merge->left * sizeof(struct history_behavior)), SEEK_CUR) != 0) {
        return damaged(run, error);
    }
    TRY(run_advance(run, error));
    if (run->head.size > 0) runs_push(merge, run);
    if (merge->at < merge->same_count) merge->left = merge->same[merge->at]->head.behaviors;
    return STATUS_OK;
}

enum status runs_merge_user(struct runs_merge *merge, struct merged_user *user, struct error *error)
{
    while (merge->at < merge->same_count) {
        TRY(leave_run(merge, error));
    }
    if (merge->heap_count == 0) return STATUS_END;
    const struct run *first = merge->heap[0];
    const struct bytes id = {merge->id, first->head.size};
    memcpy(merge->id, first->id, first->head.size);
    *user = (struct merged_user){.partition = first->head.partition, .user = id};
    merge->at = merge->same_count = 0;
    while (merge->heap_count > 0) {
        const struct run *next = merge->heap[0];
        if (run_order(next->head.partition, (struct bytes){next->id, next->head.size},
                      user->partition, id) != 0) {
            break;
        }
        user->behaviors += next->head.behaviors;
        merge->same[merge->same_count++] = runs_pop(merge);
    }
    merge->left = merge->same[0]->head.behaviors;
    return STATUS_OK;
}

enum status runs_merge_behavior(struct runs_merge *merge, struct history_behavior *behavior,
                                struct error *error)
{
    while (merge->at < merge->same_count && merge->left == 0) {
        TRY(leave_run(merge, error));
    }
    REQUIRE(merge->at < merge->same_count);
    struct run *run = merge->same[merge->at];
    if (fread(behavior, sizeof *behavior, 1, run->file) != 1) return damaged(run, error);
    merge->left--;
    return STATUS_OK;
}
