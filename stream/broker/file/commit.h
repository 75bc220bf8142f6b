/*
 * commit.h - what is committed (file broker): how far the inputs were read, and how long each
 * partition's files are. commit_text.h has it as text, commit_file.h on disk.
 */
#ifndef STREAM_BROKER_FILE_COMMIT_H
#define STREAM_BROKER_FILE_COMMIT_H

#include <stdint.h>

#include "base/status.h"
#include "stream/broker/broker.h"
#include "stream/source/event_reader.h"

struct commit_entry {
    uint64_t seal;                 /* number of the last committed seal, 0 before the first */
    uint64_t generation;           /* the oldest that may still fold one of its users, */
    uint64_t target;               /* the one that folds whoever is touched, */
    uint64_t checkpoint;           /* and the fingerprint of that, 0: not known */
    uint64_t clock;                /* its watermark in ms, one added; 0: none */
    uint64_t log;                  /* number of the history log file */
    uint64_t base;                 /* bytes the log had when it was last rewritten */
    uint64_t length[RECORD_KINDS]; /* committed bytes of each file, by record kind */
};

struct commit {
    uint64_t source;                         /* identity of the source, for seals and stores */
    int64_t first;                           /* offset of the event that the job began with */
    int64_t offset;                          /* of the first event not yet processed */
    uint32_t decoding[HISTORY_DECODING_MAX]; /* as in history_seal; 0: not known */
    struct source_files inputs;              /* what was processed of them; owned */
    uint32_t partitions;
    struct commit_entry *entries; /* [partitions], owned */
};

/* The commit of a new job, with an identity of its own: nothing processed, logs numbered 1. */
MUST_CHECK enum status commit_init(struct commit *commit, uint32_t partitions, struct error *error);
void commit_close(struct commit *commit);

/* What of a seal is the partition's own. */
void commit_enter_seal(struct commit_entry *entry, const struct history_seal *seal);

/* A partition's last committed seal; number 0: nothing of it was committed. */
struct history_seal commit_seal(const struct commit *commit, uint32_t partition);

#endif
