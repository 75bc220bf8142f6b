/* fake_worker.c - what a job shares with its workers, made for one. */
#include "tests/unit/fake_worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stream/job/pace.h"
#include "stream/job/processor.h"
#include "stream/job/store_leases.h"
#include "stream/job/training.h"
#include "tests/unit/fake_stores.h"

/* What a job has that takes over what others of its group have trained. */
static void open_sharing(struct job_shared *shared, const struct job_learner *learner)
{
    assert_int_equal(store_leases_open(&shared->leases, shared->stores, FAKE_PARTITIONS, NULL),
                     STATUS_OK);
    assert_int_equal(training_open(&shared->training, shared, learner, NULL), STATUS_OK);
}

enum status fake_worker_run(const struct fake_worker *worker, struct broker *broker)
{
    struct processor *processor;
    struct error error = {.text = ""};
    struct pace pace = {.rate = 0};
    struct job_shared shared = {
        .config = worker->config,
        .generations = worker->generations,
        .sweeps = config_sweeps(worker->config),
        .plan = worker->plan,
        .pace = &pace,
        .ops = &fake_ops,
        .broker = broker,
        .stores = fake_stores(broker),
        .seal = {.partitions = FAKE_PARTITIONS, .watermark_ms = HISTORY_NO_TIME},
    };
    job_shared_init(&shared);
    if (worker->learner) open_sharing(&shared, worker->learner);
    if (processor_open(&processor, &shared, 0, &error) != STATUS_OK) fail_msg("%s", error.text);
    const enum status status = processor_run(processor, &error);
    training_stop(shared.training);
    processor_close(processor);
    training_close(shared.training);
    store_leases_close(shared.leases);
    return status;
}
