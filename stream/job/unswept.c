/*
 * unswept.c - which partitions of a worker may have users of an older generation than the one that
 * serves: found anew from their seals, and told to the metric, until the last one is sealed.
 */
#include "base/fault.h"
#include "base/log.h"
#include "stream/job/processor_parts.h"

static bool seal_is_behind(const struct processor *processor, const struct task *task)
{
    return task->seal.number > 0 && task->seal.generation != processor->generation->number;
}

void unswept_note(struct processor *processor, uint32_t behind)
{
    metric_add(processor->shared->behind, (int64_t)behind - processor->behind);
    processor->behind = behind;
}

void unswept_mark(struct processor *processor)
{
    uint32_t count, behind = 0;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        tasks[t]->unswept = seal_is_behind(processor, tasks[t]);
        behind += tasks[t]->unswept;
    }
    if (!processor->sweeper) return; /* the seals go on saying that it is to be done */
    if (!processor->sweeping) {      /* time without anybody to move has saved up nothing */
        processor->sweep_rate = (struct sweep_rate){0};
    }
    processor->sweeping = behind > 0;
    unswept_note(processor, behind);
    sweeper_restart(processor->sweeper);
}

void unswept_committed(struct processor *processor, const struct changeset *set)
{
    metric_add(processor->shared->swept, (int64_t)set->swept);
    if (set->swept > 0) FAULT_POINT("sweep_committed");
    if (!processor->sweeping) return;
    uint32_t count, behind = 0;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        behind += seal_is_behind(processor, tasks[t]);
    }
    unswept_note(processor, behind);
    if (behind > 0) return;
    processor->sweeping = false;
    log_info("everybody is of the generation that serves",
             log_int("generation", (int64_t)processor->generation->number),
             log_int("partitions", count));
}
