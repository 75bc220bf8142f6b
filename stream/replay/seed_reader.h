/*
 * seed_reader.h - one of several threads that read a seed's files: events become sorted runs, and
 * names of items a file.
 *
 * Each reads some files that follow each other, so that a user's behaviors stay in the order of the
 * files; the runs of the first reader come first.
 */
#ifndef STREAM_REPLAY_SEED_READER_H
#define STREAM_REPLAY_SEED_READER_H

#include <pthread.h>
#include <stdatomic.h>

#include "stream/replay/runs.h"
#include "stream/replay/seed.h"
#include "stream/source/source_list.h"

struct seed_reader {
    /* given: */
    const struct seed_options *options;
    const struct seed_log_ops *ops;
    const struct seed_log *log;
    const char *dir;
    const struct source_list *list;
    uint32_t first, end; /* of the list */
    uint32_t name;       /* of its runs and its file of items */
    uint64_t memory;
    const atomic_bool *stopping;
    _Atomic uint64_t *progress; /* events of all readers */
    atomic_uint *ended;         /* how many of them have */

    /* found: */
    uint64_t events, verdicts[EVENT_VERDICTS], later, items;
    uint64_t digest; /* of every behavior with its user and place, and of the items */
    uint32_t runs;
    enum status status;
    struct error error;

    pthread_t thread;
    bool started;
};

/* An item in its file: this, and its record. */
struct seed_item {
    uint64_t hash;
    uint32_t partition;
    uint32_t size;
};

void seed_items_path(const char *dir, uint32_t name, char path[RUN_PATH_MAX]);

/* Reads all of its files. Runs on a thread of its own. */
void *seed_reader_run(void *reader);

#endif
