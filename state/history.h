/*
 * history.h - a user's behaviors: what is stored, and the only thing that must survive.
 *
 * A behavior is 16 bytes. A user's behaviors are numbered by ordinal from its first one ever and
 * cut into chunks of 32: chunk k holds the ordinals 32k .. 32k+31. The last chunk is the open one;
 * it and the header are the user's record. Chunks before it are full and never change.
 *
 *     record = header | up to 32 behaviors           one encoding for the history log and the store
 *
 * The header says all that a restore needs to know of a user: how many behaviors (n), where the
 * fold of its state begins (`from`), its latest time and the generation that folds it.
 */
#ifndef STATE_HISTORY_H
#define STATE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

enum {
    HISTORY_CHUNK_BEHAVIORS = 32,
    HISTORY_BEHAVIOR_SIZE = 16,   /* bytes, encoded */
    HISTORY_USER_SIZE_MAX = 4096, /* bytes of a user id, at most (source.id_size_max is less) */
    HISTORY_DECODING_MAX = 32,    /* options whose fingerprints a seal holds, at most */
};

#define HISTORY_NO_TIME     INT64_MIN
#define HISTORY_TIME_MAX_MS (((int64_t)1 << 48) - 1)

/*
 * item: FNV-1a of the item id. stamp: event time in ms (48 bits), action (8), reserved (8, zero).
 */
struct history_behavior {
    uint64_t item;
    uint64_t stamp;
};

static inline struct history_behavior history_behavior_of(uint64_t item, int64_t time_ms,
                                                          uint8_t action)
{
    return (struct history_behavior){item, (uint64_t)time_ms << 16 | (uint64_t)action << 8};
}

static inline int64_t history_time_ms(struct history_behavior behavior)
{
    return (int64_t)(behavior.stamp >> 16);
}

static inline uint8_t history_action(struct history_behavior behavior)
{
    return (uint8_t)(behavior.stamp >> 8);
}

enum {
    HISTORY_FEATURES = 8, /* of a user's profile */
    HISTORY_CHANGES = 8,  /* of it that a chunk tells apart */
};

/*
 * What was known of the user while a chunk filled: the hash of each feature's value, 0 where there is
 * none. A change came with a behavior of the chunk. Of more changes than a chunk holds the oldest
 * count as made before it: what is in force at its end is exact whatever came.
 * The last `waiting` ones were made between two behaviors: they come with the next one.
 */
struct history_profile {
    uint64_t before[HISTORY_FEATURES]; /* in force before the chunk */
    uint64_t value[HISTORY_CHANGES];   /* of each change, in order */
    uint8_t feature[HISTORY_CHANGES];
    uint8_t at[HISTORY_CHANGES]; /* index of the behavior that it came with */
    uint32_t changes;
    uint32_t waiting; /* of them */
};

/* One chunk with its header; the open chunk of a user when held in memory. */
struct history {
    uint64_t first;        /* ordinal of at[0]: a multiple of HISTORY_CHUNK_BEHAVIORS */
    uint32_t count;        /* behaviors in `at` */
    bool tombstone;        /* the user was erased or expired; n goes on counting */
    uint64_t start;        /* ordinal at which the user's life began */
    uint64_t from;         /* ordinal at which the fold of its state begins */
    int64_t before_ms;     /* latest time of ordinals [start, first), HISTORY_NO_TIME if none */
    uint64_t generation;   /* the generation that folds this user */
    int64_t source_offset; /* of the last behavior, */
    int64_t event_ms;      /* and its event time; -1 and HISTORY_NO_TIME if there is none */
    uint64_t hour;         /* of the last behavior, since 1970, */
    uint32_t hour_events;  /* and how many on end are of it; 0: they are not counted */
    int64_t clock_ms;      /* the partition's when the last behavior of the life came, if it was
                            * ahead of the life's latest time; else that or HISTORY_NO_TIME */
    struct history_behavior at[HISTORY_CHUNK_BEHAVIORS]; /* behind `count`, in memory alone: those
                                                          * of the chunk before (history_recall) */
    struct history_profile profile;
};

/* A user without behaviors. */
void history_init(struct history *history, uint64_t generation);

/* n: the ordinal after the last behavior = how many were absorbed in all. */
static inline uint64_t history_events(const struct history *history)
{
    return history->first + history->count;
}

/* Latest time of the user's life, HISTORY_NO_TIME if it has no behavior yet. */
int64_t history_last_ms(const struct history *history);

/* True if the next append closes the open chunk: save it (history_encode) before appending. */
static inline bool history_full(const struct history *history)
{
    return history->count == HISTORY_CHUNK_BEHAVIORS;
}

/*
 * Appends a behavior, opening the next chunk first if the open one is full, and lets `from` jump
 * to where history_from has it: when n - from reaches `history_max` (a multiple of 128), so that a
 * quarter is left. It never goes back, also when `history_max` was raised. Returns true if `from`
 * jumped: the state must then be folded anew from it. A tombstone ends.
 */
bool history_append(struct history *history, struct history_behavior behavior,
                    int64_t source_offset, uint32_t history_max);

/* A full chunk as it is stored: it stands for its behaviors alone, what came before the record tells. */
struct history history_closed(const struct history *history);

/*
 * history_intake.c: which events a history takes, by what is in it: at most `hour_max` on end whose
 * times are of the same hour (0: any number), and, if `distinct`, none that equals one of the last
 * 32 behaviors, as far as they lie behind `from`. A life ends before an event whose time is more than
 * `ttl_ms` after the latest of it (0: never), and before one by whose coming the partition's clock
 * stands more than that behind where the user was seen last (history_left): `start` and `from` are
 * then that event's, and what its behaviors said of the user is forgotten, unless something else
 * says it (`keeps_profile`).
 */
struct history_rules {
    uint32_t hour_max;
    bool distinct;
    int64_t ttl_ms;
    bool keeps_profile;
};

enum history_intake { HISTORY_TAKES, HISTORY_FLOODED, HISTORY_DUPLICATE };

/*
 * What becomes of the user's next event. One that is taken counts for its hour and begins a life if
 * that is due: append it. `clock_ms` is the partition's clock, this event included
 * (stream/source/partition_clock.h); HISTORY_NO_TIME: there is none.
 */
enum history_intake history_admit(struct history *history, struct history_behavior behavior,
                                  int64_t clock_ms, const struct history_rules *rules);

/* Where a life stands: its latest time, and the partition's clock when its last behavior came. */
struct history_pulse {
    int64_t last_ms, clock_ms;
};

/* By which events a life ends, and who has left (history_admit, history_left): of a life's pulse. */
bool history_pulse_ends(struct history_pulse pulse, int64_t time_ms, int64_t clock_ms,
                        int64_t ttl_ms);
bool history_pulse_left(struct history_pulse pulse, int64_t clock_ms, int64_t ttl_ms);

/*
 * Whether the user has left: the clock stands more than `ttl_ms` (not 0) after the latest time of its
 * life, and after where it stood when the life's last behavior came. Whatever comes next begins
 * another life, so nothing is decided by when this one is forgotten.
 */
bool history_left(const struct history *history, int64_t clock_ms, int64_t ttl_ms);

/* The life's behaviors are no longer kept, nor what they said of the user; n stays. */
void history_forget(struct history *history, bool keeps_profile);

/* Whether that has been done, and nothing came since. */
static inline bool history_is_forgotten(const struct history *history)
{
    return history_events(history) > 0 && history->start == history_events(history);
}

/* Whether nothing is told of the user any more: that, or its tombstone was published. */
static inline bool history_is_gone(const struct history *history)
{
    return history->tombstone || history_is_forgotten(history);
}

/* The open chunk alone does not have the last 32: `before` is the full one before it. */
void history_recall(struct history *history, const struct history *before);

/* The behavior appended last says a feature's value; nothing changes if it is in force. */
void history_set_feature(struct history *history, uint32_t feature, uint64_t value);

/*
 * The user's whole profile is another one from its next behavior on: what waited before is replaced.
 * A feature that is 0 is no longer known.
 */
void history_set_profile(struct history *history, const uint64_t values[HISTORY_FEATURES]);

/* What is in force when so many behaviors have been appended, `first` or more. */
void history_profile_at(const struct history *history, uint64_t events,
                        uint64_t values[HISTORY_FEATURES]);

/* Where `from` stands after n behaviors of a life that began at `start`: a pure function. */
uint64_t history_from(uint64_t start, uint64_t events, uint32_t history_max);

/*
 * A record is, little-endian, with numbers as varints (7 bits a byte, least first, no byte to
 * spare):
 *
 *     version (1) | tombstone (1) | count (1) | first / 32 | start | from - start | before_ms + 1
 *     | generation | source_offset + 1 | count x (item (8), stamp (8)) | XXH3 of all that (4)
 *
 * with 0 for no time. event_ms is not written: it is the last behavior's. A user with a few hundred
 * behaviors has 24 bytes beside them. Where hours are counted the version is 2, and hour |
 * hour_events stand before the behaviors. Where something is known of the user it is 3, and behind
 * these two, which may be 0, stands its profile:
 *
 *     which features there are (1, a bit each) | before (8 each) | changes (1) | of each: at << 3 |
 *     feature (1), value (8)
 *
 * Where changes wait for the next behavior the version is 4, and the number of changes has theirs
 * in its upper four bits. Where behaviors of the chunk lie before `start`, or the clock is ahead of
 * the life's latest time, the version is 5: behind the profile, which may be empty, stands by how
 * much it is, and the behaviors are those from `start` on.
 */
enum {
    HISTORY_HEADER_MAX = 235, /* bytes beside the behaviors, at most */
    HISTORY_RECORD_MAX = HISTORY_HEADER_MAX + HISTORY_CHUNK_BEHAVIORS * HISTORY_BEHAVIOR_SIZE,
};

/*
 * Writes the record into `to` (HISTORY_RECORD_MAX bytes) and returns its size. A history that
 * decoding would refuse is a broken precondition.
 */
size_t history_encode(const struct history *history, void *to);

/*
 * Reads a record. STATUS_CORRUPT if it fails its checksum or contradicts itself, STATUS_REFUSED if
 * its format is newer than this build knows.
 */
MUST_CHECK enum status history_decode(struct history *history, struct bytes record,
                                      struct error *error);

/*
 * Key of a chunk in the history log: user length (2 bytes, big-endian), user, chunk (8,
 * big-endian).
 */
enum { HISTORY_KEY_MAX = 2 + HISTORY_USER_SIZE_MAX + 8 };

/*
 * In place of a chunk, in a key that never has a value: the user is gone with all its chunks, each of
 * which is deleted by itself before. What follows of it is a new history.
 */
#define HISTORY_USER_GONE ((uint64_t)1 << 63)
size_t history_key_encode(struct bytes user, uint64_t chunk, void *to);
MUST_CHECK enum status history_key_decode(struct bytes key, struct bytes *userp, uint64_t *chunkp,
                                          struct error *error);

/*
 * Which of the source's offsets of a partition a job takes (source.start, source.end). It is fixed
 * when the partition is read for the first time within those bounds, and travels in the seals.
 */
struct history_range {
    int64_t first;  /* where its events begin; 0 in a seal of an older format */
    int64_t end;    /* before which they end, if `bound` is not 0 */
    uint32_t bound; /* fingerprint of the source.end by which the end was fixed; 0: none */
    int64_t cut_ms; /* of a job that was seeded: what records of an earlier timestamp say was in the
                     * files, wherever they lie; 0: it was not */
    bool unsealed;  /* fixed just now: no seal says it yet. Not encoded */
};

/* Whether a record with this timestamp (-1: it has none) is behind the cut. */
static inline bool history_behind_cut(int64_t cut_ms, int64_t record_ms)
{
    return record_ms >= 0 && record_ms < cut_ms;
}

/*
 * The seal: the last record that a transaction writes into each history partition, under one fixed
 * key that no chunk key can equal. Control facts cannot be lost or reordered by compaction.
 */
struct history_seal {
    uint64_t number;          /* 1, 2, ... per partition */
    uint64_t source_identity; /* of the input: topic name and id, or file; never another one */
    uint32_t partitions;      /* partition count of the source */
    int64_t next_offset;      /* first source offset not yet processed */
    uint64_t generation;      /* the oldest that may still fold a user of the partition */
    uint64_t target;          /* the one that folds whoever is touched; = generation: all of them */
    uint64_t sweep;           /* 0: a sweep needs no cursor */
    int64_t watermark_ms;     /* the partition's clock, HISTORY_NO_TIME if it has none */
    uint64_t lost; /* source offsets that were gone before they were read and were skipped, in all;
                    * 0 in a seal of format 1 */

    /* Of what this was made with, 0 where it is not known (a seal of format 1): */
    uint64_t checkpoint;                     /* fingerprint of the target */
    uint32_t decoding[HISTORY_DECODING_MAX]; /* of each option that decides which events are
                                              * accepted, and how (stream/source/decoding.h) */
    struct history_range range;
    int64_t next_profile; /* first offset of source.profile not yet processed (Kafka), */
    int64_t next_erasure; /* and of source.erase */
};

/*
 * A seal is, little-endian: version (1) | the members up to watermark_ms in their order | from
 * version 2 on: lost (8) | checkpoint (8) | number of fingerprints (1) | decoding (4 each) | from
 * version 3 on: range's first (8) | end (8) | bound (4) | from version 4 on next_profile (8) | from
 * version 5 on next_erasure (8) | in version 6 range's cut_ms (8) | XXH3 of all that (4). A version
 * is the least that says all of it. Seals of versions 1 and 2 are still read. Of more fingerprints
 * than this build knows the rest is ignored.
 */
enum { HISTORY_SEAL_MAX = 126 + 4 * HISTORY_DECODING_MAX, HISTORY_SEAL_KEY_SIZE = 2 };
extern const uint8_t history_seal_key[HISTORY_SEAL_KEY_SIZE];
bool history_is_seal(struct bytes key);

/* Writes the seal into `to` (HISTORY_SEAL_MAX bytes) and returns its size. */
size_t history_seal_encode(const struct history_seal *seal, void *to);
MUST_CHECK enum status history_seal_decode(struct history_seal *seal, struct bytes record,
                                           struct error *error);

#endif
