/* merge.c - a heap of the records at the front, and a list of the partitions that lack one. */
#include "stream/replay/merge.h"

#include <stdlib.h>

struct front {
    uint32_t partition;
    struct copied_record record;
};

struct merge {
    const struct topic_copy_ops *ops;
    struct topic_copy *copy;
    struct front *heap; /* [partitions] the earliest at 0 */
    uint32_t heap_count;
    uint32_t *lacking; /* [partitions] nothing at their front yet */
    uint32_t lacking_count;
    uint32_t *ended; /* [partitions] at their ends when they were asked last */
    uint32_t ended_count;
};

enum status merge_open(struct merge **mergep, const struct topic_copy_ops *ops,
                       struct topic_copy *copy, struct error *error)
{
    const uint32_t partitions = ops->source_partitions(copy);
    struct merge *merge = calloc(1, sizeof *merge);
    *mergep = merge;
    if (!merge) return error_set(error, STATUS_IO, "out of memory");
    merge->ops = ops;
    merge->copy = copy;
    merge->heap = calloc(partitions, sizeof *merge->heap);
    merge->lacking = calloc(partitions, sizeof *merge->lacking);
    merge->ended = calloc(partitions, sizeof *merge->ended);
    if (!merge->heap || !merge->lacking || !merge->ended) {
        merge_close(merge);
        *mergep = NULL;
        return error_set(error, STATUS_IO, "out of memory");
    }
    for (uint32_t p = 0; p < partitions; p++) {
        merge->lacking[merge->lacking_count++] = p;
    }
    return STATUS_OK;
}

void merge_close(struct merge *merge)
{
    if (!merge) return;
    free(merge->heap);
    free(merge->lacking);
    free(merge->ended);
    free(merge);
}

static bool is_before(const struct front *a, const struct front *b)
{
    if (a->record.stamp_ms != b->record.stamp_ms) return a->record.stamp_ms < b->record.stamp_ms;
    return a->partition < b->partition;
}

static void heap_push(struct merge *merge, const struct front *front)
{
    uint32_t at = merge->heap_count++;
    while (at > 0 && is_before(front, &merge->heap[(at - 1) / 2])) {
        merge->heap[at] = merge->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    merge->heap[at] = *front;
}

static void heap_pop(struct merge *merge)
{
    const struct front last = merge->heap[--merge->heap_count];
    uint32_t at = 0;
    for (uint32_t child = 1; child < merge->heap_count; child = 2 * at + 1) {
        if (child + 1 < merge->heap_count &&
            is_before(&merge->heap[child + 1], &merge->heap[child])) {
            child++;
        }
        if (!is_before(&merge->heap[child], &last)) break;
        merge->heap[at] = merge->heap[child];
        at = child;
    }
    merge->heap[at] = last;
}

/* Asks the partitions that lack a record, and waits for the first that has none yet. */
static enum status ask_lacking(struct merge *merge, uint32_t timeout_ms, struct error *error)
{
    for (uint32_t i = merge->lacking_count; i-- > 0;) {
        struct front front = {.partition = merge->lacking[i]};
        const enum status status =
            merge->ops->next(merge->copy, front.partition, timeout_ms, &front.record, error);
        if (status != STATUS_OK && status != STATUS_END) return status;
        if (status == STATUS_OK) heap_push(merge, &front);
        if (status == STATUS_END) merge->ended[merge->ended_count++] = front.partition;
        merge->lacking_count = i;
    }
    return STATUS_OK;
}

enum status merge_next(struct merge *merge, uint32_t timeout_ms, uint32_t *partitionp,
                       const struct copied_record **recordp, struct error *error)
{
    if (merge->lacking_count > 0) TRY(ask_lacking(merge, timeout_ms, error));
    if (merge->heap_count == 0) return STATUS_END;
    *partitionp = merge->heap[0].partition;
    *recordp = &merge->heap[0].record;
    return STATUS_OK;
}

void merge_pass(struct merge *merge)
{
    REQUIRE(merge->heap_count > 0 && merge->lacking_count == 0);
    merge->lacking[merge->lacking_count++] = merge->heap[0].partition;
    heap_pop(merge);
}

void merge_look_again(struct merge *merge)
{
    while (merge->ended_count > 0) {
        merge->lacking[merge->lacking_count++] = merge->ended[--merge->ended_count];
    }
}
