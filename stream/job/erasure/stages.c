/*
 * stages.c - the cuts of erased users follow the changesets that say so: what was taken is
 * closed and committed with them, or comes to nothing (stream/source/erasure/cuts.h).
 */
#include "base/fault.h"
#include "stream/job/processor_parts.h"

static void move_all(struct processor *processor, enum cut_stage from, enum cut_stage to)
{
    uint32_t count;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        cuts_move(&tasks[t]->cuts, from, to);
    }
}

void erasure_closed(struct processor *processor)
{
    move_all(processor, CUT_TAKEN, CUT_CLOSED);
    move_all(processor, CUT_TOLD, CUT_SEALED);
}

void erasure_committed(struct processor *processor, const struct changeset *set)
{
    move_all(processor, CUT_SEALED, CUT_GONE);
    move_all(processor, CUT_CLOSED, CUT_KEPT);
    if (set->erased == 0) return;
    metric_add(processor->shared->erased, (int64_t)set->erased);
    FAULT_POINT("erasure_committed");
}

void erasure_undo(struct processor *processor)
{
    uint32_t count;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        cuts_undo(&tasks[t]->cuts);
    }
}
