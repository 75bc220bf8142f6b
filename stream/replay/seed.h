/*
 * seed.h - histories from files into the companions of a job that has not begun.
 *
 * Events before a moment are read from files, sorted by user (runs.h), and written as histories; the
 * job then goes on with the events of its topic from that moment on. So what the files hold must
 * be what the topic held, or would have held, before. A history is what the job would have made of the same
 * events: n, `from` and chunks are the same, and the last behavior's source offset is none.
 *
 * Whoever is killed begins the sort anew, which gives the same, and goes on writing behind the last
 * commit. Nothing of a seed is visible to a job before all of it is.
 *
 * Memory: half of job.memory. Disk: state.dir/seed, 16 bytes an event and a little for each user.
 */
#ifndef STREAM_REPLAY_SEED_H
#define STREAM_REPLAY_SEED_H

#include <stdatomic.h>

#include "stream/broker/seed_log.h"
#include "stream/source/cut_reader.h"

struct seed_options {
    const struct config *job;
    const struct config *files; /* how the files are read, and source.path: where they are */
    struct cut cut;             /* events of it or later are the topic's */
};

struct seed_summary {
    uint64_t events,
        verdicts[EVENT_VERDICTS];   /* in the files; accepted ones also if they are later */
    uint64_t later;                 /* accepted, but not before the cut */
    uint64_t users, records, items; /* written, in all */
    uint64_t not_admitted; /* accepted, left out by source.user_events_max or source.deduplicate */
    uint64_t erased;       /* accepted, of users who were erased, up to their cuts (source.erase) */
    uint64_t commits;
    uint32_t files, partitions;
    double read_seconds, seconds;
    bool was_over; /* an earlier run had ended it */
};

/*
 * STATUS_END: *stopping was set; run again to go on. STATUS_REFUSED: as seed_log.h says, or the
 * files' actions are not the job's.
 */
MUST_CHECK enum status seed_run(const struct seed_log_ops *ops, const struct seed_options *options,
                                const atomic_bool *stopping, struct seed_summary *summary,
                                struct error *error);

#endif
