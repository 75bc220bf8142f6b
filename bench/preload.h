/*
 * preload.h - a state directory as a job leaves it that has absorbed many users long ago.
 *
 * Every user has the same number of behaviors, and a snapshot at the last one at which the job would
 * have saved it (state.snapshot_every), if there is one. A few hundred different histories are shared
 * out among the users: what a store does depends on sizes and keys, not on contents.
 */
#ifndef BENCH_PRELOAD_H
#define BENCH_PRELOAD_H

#include <stdint.h>

#include "bench/job_runner.h"

/*
 * Fills the runner's state.dir for users u0 .. u<users - 1> of its log with `behaviors` each, of
 * which those before `from` are gone. The log and the checkpoint exist already; the log has not been
 * read yet.
 */
void preload(const struct runner *runner, uint32_t users, uint32_t behaviors);

/* The same in the history logs alone, as after a compaction; there are no stores. */
void preload_logs(const struct runner *runner, uint32_t users, uint32_t behaviors);

#endif
