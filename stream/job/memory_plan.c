/* memory_plan.c - what does not scale comes off the budget, the rest is shared out. */
#include "stream/job/memory_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "state/state_cache.h"
#include "stream/broker/broker.h"
#include "stream/job/changeset.h"
#include "stream/job/pace.h"
#include "stream/job/processor.h"
#include "stream/job/sweeper.h"

enum {
    SLACK_SHARE = 10,   /* a tenth: allocators, threads, the store's iterators and compactions */
    ANSWERS_SHARE = 64, /* of the budget: states that were folded to answer with */
    MEMTABLE_SHARE = 8, /* of what is left after all that does not scale */
    BLOCK_CACHE_SHARE = 8,
    SLOTS_MIN = 1024, /* hot users of a worker: below this nothing works well */
    POLL_SHARE = 16,  /* a poll's users may take this part of the slots, */
    QUEUE_SHARE = 4,  /* all polls on their way together this part */
    CHANGESETS = 2,   /* the one that gathers, and the one whose commit is under way */
    POLL_EVENTS_MIN = 16,
    CHUNKS_SHARE = 32,      /* of a worker's part may go to chunks that a changeset closes, */
    CHUNKS_SHARE_ALONE = 8, /* this where it is of histories alone: few commits rewrite less */
};

static const uint64_t memtable_max = 512 << 20;
static const uint64_t block_cache_max = UINT64_C(2) << 30;

uint64_t memory_resident(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint32_t least(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

/* What every worker takes whatever the budget is. */
static enum status size_of_worker(const struct config *config, const struct interest_model *model,
                                  uint64_t *sizep, struct error *error)
{
    struct interest_scratch *scratch;
    TRY(interest_scratch_open(&scratch, model, error));
    *sizep = processor_size(config, model) + 2 * interest_scratch_size(scratch);
    interest_scratch_close(scratch);
    return STATUS_OK;
}

/* Polls become smaller, and fewer may wait, where all their users would fill the slots. */
static void limit_polls(struct memory_plan *plan, const struct config *config)
{
    uint32_t poll = plan->cache_users / POLL_SHARE;
    if (poll < POLL_EVENTS_MIN) poll = POLL_EVENTS_MIN;
    plan->poll_events_max = pace_poll_events(config->job.rate_max, config->job.workers,
                                             least(config->job.poll_events_max, poll));
    uint32_t polls = plan->cache_users / QUEUE_SHARE / plan->poll_events_max;
    uint32_t queue = polls > MEMORY_POLLS_IN_FLIGHT ? polls - MEMORY_POLLS_IN_FLIGHT : 1;
    plan->queue_polls_max = least(config->job.queue_polls_max, queue);
}

/*
 * The users of both changesets stay in the slots. A worker asks for a commit early enough for
 * everything that is already on its way to it.
 */
static void limit_transactions(struct memory_plan *plan, const struct config *config,
                               uint64_t budget)
{
    const uint64_t some = 1 << 20, of_some = changeset_size(0, some) - changeset_size(0, 0);
    const uint64_t share = config->job.histories_alone ? CHUNKS_SHARE_ALONE : CHUNKS_SHARE;
    uint32_t coming = (plan->queue_polls_max + MEMORY_POLLS_IN_FLIGHT) * plan->poll_events_max;
    plan->users_wanted =
        least(config->job.commit_users_max, plan->cache_users / CHANGESETS - coming);
    plan->users_max = plan->users_wanted + coming;
    plan->behaviors_wanted =
        least(config->job.commit_events_max, budget / share * some / of_some + 1);
    plan->behaviors_max = plan->behaviors_wanted + coming;
}

static uint64_t size_of_users(const struct memory_plan *plan, const struct config *config,
                              const struct interest_model *model)
{
    return cache_size(plan->cache_users, interest_model_state_size(model),
                      config->source.id_size_max) +
           CHANGESETS * changeset_size(plan->users_max, plan->behaviors_max) +
           (config_moves_beside(config) ? plan->cache_users * (uint64_t)SWEEPER_ACTIVE_SIZE : 0);
}

/* As many slots as fit into `budget`, or as few as may be. */
static void fill_cache(struct memory_plan *plan, const struct config *config,
                       const struct interest_model *model, uint64_t budget)
{
    uint64_t slot = interest_model_state_size(model) + config->source.id_size_max;
    plan->cache_users = least(budget / slot, UINT32_MAX / 8);
    if (plan->cache_users < SLOTS_MIN) plan->cache_users = SLOTS_MIN;
    for (;;) {
        limit_polls(plan, config);
        limit_transactions(plan, config, budget);
        if (plan->cache_users <= SLOTS_MIN || size_of_users(plan, config, model) <= budget) break;
        plan->cache_users -= plan->cache_users / 64 + 1;
        if (plan->cache_users < SLOTS_MIN) plan->cache_users = SLOTS_MIN;
    }
}

/* `needed` is without what are shares of the budget: slack and answers. */
static enum status too_small(const struct config *config, uint64_t needed, struct error *error)
{
    needed += needed / (SLACK_SHARE - 1) + needed / (ANSWERS_SHARE / 2);
    return error_set(error, STATUS_INVALID,
                     "job.memory: %" PRIu64 " MB are too little for %" PRIu32
                     " workers with this model: at least %" PRIu64
                     " MB; fewer workers, smaller polls or queues need less",
                     config->job.memory >> 20, config->job.workers, (needed >> 20) + 1);
}

enum status memory_plan_make(struct memory_plan *plan, const struct config *config,
                             const struct interest_model *model, uint64_t taken,
                             struct error *error)
{
    *plan = (struct memory_plan){0};
    uint64_t workers = config->job.workers;
    uint64_t of_worker;
    TRY(size_of_worker(config, model, &of_worker, error));
    uint64_t fixed = taken + workers * of_worker + broker_ops_of(config)->memory(config);
    if (config_trains(config)) fixed += config->train.memory;
    const bool answers = strcmp(config->http.listen, "off") != 0;
    if (answers) plan->answers_size = config->job.memory / ANSWERS_SHARE;
    uint64_t usable = config->job.memory - config->job.memory / SLACK_SHARE - plan->answers_size;
    uint64_t left = usable > fixed ? usable - fixed : 0;
    uint64_t memtable = left / MEMTABLE_SHARE, block_cache = left / BLOCK_CACHE_SHARE;
    if (memtable > memtable_max) memtable = memtable_max;
    if (block_cache > block_cache_max) block_cache = block_cache_max;
    plan->store = (struct store_options){memtable, block_cache};
    uint64_t budget = (left - memtable - block_cache) / workers;
    fill_cache(plan, config, model, budget);
    uint64_t users = size_of_users(plan, config, model);
    if (users > budget) return too_small(config, fixed + 2 * workers * users, error);
    return STATUS_OK;
}
