/*
 * verify_slice.h - one share of a part's users in memory: their events, and what was published.
 *
 * A slice holds the users whose hash ends in `bits` given bits, and the bad events whose offset's
 * hash does. It is loaded by one pass over the source, the records and the dead letters, and, where a
 * topic says what is known of users, over that and the history log. One that does not fit into its
 * memory is split in two by one more bit.
 *
 * Everything lies in one block that is taken once, and is forgotten at the next load.
 */
#ifndef STREAM_VERIFY_VERIFY_SLICE_H
#define STREAM_VERIFY_VERIFY_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "state/history.h"
#include "model/tensor/behavior.h"
#include "stream/source/event.h"
#include "stream/broker/broker.h"
#include "stream/log_input/log_input.h"
#include "stream/verify/verify_seed.h"

enum { VERIFY_WHY_MAX = 160 };

/* An accepted event of a user, the next one behind it. */
struct verify_event {
    struct verify_event *next;
    struct history_behavior behavior;
    int64_t offset;
    uint64_t start;                     /* ordinal at which the user's life began */
    bool left;                          /* before it came the user had left */
    const struct user_profile *profile; /* in force with it; NULL: nothing is known so far */
};

/* What a topic of profiles has said of a user, the next one behind it. */
struct verify_profile {
    struct verify_profile *next;
    struct user_profile profile;
};

/* What the history log says of a chunk of a user's behaviors, the one of earlier ordinals behind it. */
struct verify_chunk {
    struct verify_chunk *older;
    uint64_t first; /* ordinal of its first behavior */
    uint32_t count; /* of its behaviors; 0: the log has it no more */
    struct history_profile profile;
};

/* A record: what it says of itself; its vectors are represented by their checksum. */
struct verify_published {
    struct verify_published *next;
    uint64_t generation;
    uint64_t from;
    uint64_t events;
    int64_t event_ms;
    int64_t offset;
    uint32_t partition;
    bool gone;         /* a tombstone: nothing else is said */
    bool erased;       /* it is of what the user did before it was erased: nothing can be held
                        * against it */
    bool damaged;      /* its checksum is not that of its content */
    uint64_t checksum; /* of its content */
    struct log_place place;
};

struct verify_user {
    struct verify_user *child[4]; /* by two bits of the hash after another */
    struct verify_user *next;     /* in the order of their first appearance */
    struct bytes id;
    uint64_t hash;
    struct history *history;              /* decides what is taken; NULL: everything is */
    const struct user_profile *profile;   /* in force with its next event; NULL: nothing is known */
    struct verify_profile *first_profile; /* of a topic of their own */
    struct verify_profile *last_profile;
    struct verify_chunk *newest_chunk; /* with such a topic */
    bool erased;                       /* at some time */
    uint32_t partition;                /* of its events, if there are any */
    uint64_t events;                   /* accepted, that the source has, */
    uint64_t seeded;                   /* the first of them in the files of a seed */
    uint64_t forgotten;                /* before them, that the source has no more */
    struct verify_event *first_event;
    struct verify_event *last_event;
    struct verify_published *first_published;
    struct verify_published *last_published;
};

struct verify_bad_event {
    struct verify_bad_event *child[4];
    struct verify_bad_event *next;
    struct log_place place; /* its number is the event's offset */
    enum event_verdict verdict;
    uint32_t dead_letters; /* with its offset and reason */
};

/* A record that cannot be read, or a dead letter of no bad event. */
struct verify_anomaly {
    struct verify_anomaly *next;
    struct log_place place; /* of the record or dead letter */
    char why[VERIFY_WHY_MAX];
};

struct verify_slice {
    const struct config *config;
    struct verify_seed seed;
    uint8_t *memory;
    size_t size;
    size_t used;
    uint64_t suffix; /* the `bits` bits that its hashes end in */
    unsigned bits;
    struct verify_user *root;
    struct verify_user *first_user;
    struct verify_user **last_user;
    struct verify_bad_event *bad_root;
    struct verify_bad_event *first_bad;
    struct verify_bad_event **last_bad;
    struct verify_anomaly *unreadable;     /* records */
    struct verify_anomaly *unexpected;     /* dead letters */
    int64_t clock_ms[POLL_PARTITIONS_MAX]; /* of each partition */
    uint64_t accepted;
    uint64_t seeded; /* of them */
    uint64_t odd_categories;
    uint64_t dropped;
    uint64_t blank;
    uint64_t flooded;
    uint64_t duplicates;
    uint64_t profiles;
    uint32_t features;  /* that they have; HISTORY_FEATURES before the first one says */
    bool profiles_gone; /* the topic of profiles does not have all that it had */
    uint64_t bad;
    uint64_t records;
};

/* Takes `size` bytes; pages are touched when they are used. Keeps `config` and the seed's. */
MUST_CHECK enum status verify_slice_open(struct verify_slice *slice, const struct config *config,
                                         const struct verify_seed *seed, size_t size,
                                         struct error *error);
void verify_slice_close(struct verify_slice *slice);

/*
 * Loads the share (suffix, bits) of a part. STATUS_BUSY: it does not fit. STATUS_INVALID: what a
 * user's history took depends on events that the source has no more.
 */
MUST_CHECK enum status verify_slice_load(struct verify_slice *slice,
                                         const struct log_input_ops *ops, struct log_input *input,
                                         uint32_t part, uint64_t suffix, unsigned bits,
                                         struct error *error);

#endif
