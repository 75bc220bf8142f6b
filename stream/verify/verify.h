/*
 * verify.h - proves what was published against the source: nothing lost, nothing repeated.
 *
 * The source is decoded again, one event at a time, up to the last seal, and every record is
 * computed again from the accepted events of its user, absorbed one at a time:
 *
 *     (i)   a record equals read(fold(events [from, n))) under its generation, carries its
 *           checksum, and names source position and time of event n - 1
 *     (ii)  no two records share user, n and generation
 *     (iii) n rises per user, and its generation never falls
 *     (iv)  the newest record of each user of the source names its last accepted event
 *     (v)   no user has events in two partitions: it would be published from both
 *     (vi)  accepted + dropped + blank + flooded + duplicates + profiles + dead letters = all events, each bad one in the dead letters
 *           once
 *
 * A source may have forgotten events (retention), and an output records that newer ones replaced
 * (compaction): then this holds for what is left. Records that fold forgotten events are counted as
 * unverifiable, like those of a generation whose checkpoint is gone.
 *
 * Where a topic says what is known of users, the history log says which of it a record was read with,
 * and the topic whether it ever said that (verify_profile.h). What was known before the topic was
 * compacted only the log still says: records that are right with it are counted.
 *
 * Of a job that publishes nothing (output.publish: none) the events and dead letters are checked, and
 * no record is: those of the same topic are another job's.
 *
 * A job that was seeded took what came before its topic's part from files: give these, and they are
 * read again before each part of the topic.
 *
 * Memory is bounded: users are worked off in as many slices as it takes.
 */
#ifndef STREAM_VERIFY_VERIFY_H
#define STREAM_VERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/verify/verify_seed.h"

enum {
    VERIFY_CHECKPOINTS_MAX = 64, /* generations */
    VERIFY_SHOWN_MAX = 10,       /* violations of a kind that are printed one by one */
    VERIFY_MEMORY_MIN = 1 << 16, /* bytes of a slice, at least */
};

/* The order is the report's. */
enum verify_kind {
    VERIFY_LOST,           /* a user's newest record is missing */
    VERIFY_REPEATED,       /* user, n and generation were published before */
    VERIFY_ORDER,          /* n or generation fell */
    VERIFY_UNKNOWN,        /* a record of a user or event that the source does not have */
    VERIFY_SPLIT,          /* a user whose events lie in two partitions */
    VERIFY_POSITION,       /* not the source position, event time or `from` of its n */
    VERIFY_VALUE,          /* the vectors are not the fold's */
    VERIFY_DAMAGED,        /* not a record, or not what its checksum says */
    VERIFY_BAD_EVENT_LOST, /* a bad event without dead letter */
    VERIFY_BAD_EVENT_REPEATED,
    VERIFY_DEAD_LETTER, /* of no bad event, or with another reason */
    VERIFY_EVENTS,      /* events are missing in the count */
    VERIFY_KINDS
};

struct verify_options {
    const struct config *config;
    const char *const *checkpoints; /* paths; one per generation that may occur */
    uint32_t checkpoints_count;
    struct verify_seed seed; /* what the job began with; all zero: it was not seeded */
    bool allow_unverifiable; /* records that cannot be computed again are not a failure */
    size_t memory;           /* bytes of one slice, at most */
};

struct verify_report {
    uint64_t events;   /* of the source, up to the last seal */
    uint64_t accepted; /* those of a seed included: */
    uint64_t seeded;
    uint64_t dropped;
    uint64_t blank;
    uint64_t profiles;
    uint64_t flooded;
    uint64_t duplicates;
    uint64_t dead_letters;
    uint64_t unknown_items;  /* accepted, of an item that the newest generation does not know */
    uint64_t odd_categories; /* accepted without the category they have, which cannot be used */
    uint64_t users;
    uint64_t records;
    uint64_t profiles_gone;     /* records right with a profile that the topic has no more, */
    uint64_t profiles_unplaced; /* or with one of it, the log no longer says which */
    uint64_t unverifiable; /* records whose checkpoint was not given, or whose events are gone */
    uint64_t slices;       /* passes over the source, or over a partition of it, all told */
    uint64_t violations[VERIFY_KINDS];
};

/* "lost", "repeated", ... */
const char *verify_kind_name(enum verify_kind kind);

/*
 * Verifies, printing violations to `out` as they are found. STATUS_OK: it was done, and `report`
 * says what was found. STATUS_REFUSED: another input than the one that was processed, other
 * settings of it, or another checkpoint of the generation that published.
 */
MUST_CHECK enum status verify_run(const struct verify_options *options, FILE *out,
                                  struct verify_report *report, struct error *error);

/* True if nothing was found, and nothing was left unverified that should not be. */
bool verify_passed(const struct verify_report *report, bool allow_unverifiable);

#endif
