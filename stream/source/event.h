/*
 * event.h - one click as it comes from a source, decoded and judged.
 *
 * event_decoder.h makes a `struct event` of bytes from outside; after that the inside may assert.
 * What cannot be used says why: it becomes a dead letter, is counted; the stream goes on.
 *
 * Ids are borrowed from whoever holds the raw event or the scratch memory it was decoded with.
 */
#ifndef STREAM_SOURCE_EVENT_H
#define STREAM_SOURCE_EVENT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/status.h"

/* What became of an event. The names are the dead letters' `reason` and the counters' labels. */
enum event_verdict {
    EVENT_ACCEPTED,
    EVENT_DROPPED,       /* its action is not listed: counted, not a dead letter */
    EVENT_BLANK,         /* nothing or white space, as a tombstone: counted, not a dead letter */
    EVENT_FLOODED,       /* more of the user in an hour than source.user_events_max: counted */
    EVENT_DUPLICATE,     /* one of the user's last ones again (source.deduplicate): counted */
    EVENT_PROFILE,       /* no event, but what source.profile says of a user: all that is known */
    EVENT_ERASURE,       /* nor this: source.erase says that a user is erased */
    EVENT_MALFORMED,     /* not JSON / not a row of the table */
    EVENT_MISSING_FIELD, /* a field that the configuration names is absent or empty */
    EVENT_BAD_FIELD,     /* a field of the wrong type */
    EVENT_OVERSIZE,      /* the event, or an id in it, is longer than configured */
    EVENT_BAD_TIME,      /* not a time, or outside the valid range */
    EVENT_BAD_UTF8,      /* an id or a time that is no text */
    EVENT_VERDICTS
};

/* What an event was read from: the source, or a topic beside it. */
enum event_origin { EVENT_OF_SOURCE, EVENT_OF_PROFILES, EVENT_OF_ERASURES, EVENT_ORIGINS };

/* "accepted", "dropped", "blank", "malformed", "missing_field", ... */
const char *event_verdict_name(enum event_verdict verdict);

/* The option to look at when many events have this verdict: "source.time", "actions", ... */
const char *event_verdict_option(enum event_verdict verdict);

static inline bool event_is_bad(enum event_verdict verdict)
{
    return verdict >= EVENT_MALFORMED;
}

enum { EVENT_FEATURES = 8 }; /* of a user, that events may say */

struct event {
    enum event_verdict verdict;
    uint8_t action;           /* 1-based index into config.actions; 0 = no action field */
    uint8_t features;         /* of the user, that are configured */
    bool erased;              /* dropped: what its user did before it was erased (erased.h) */
    bool odd_category;        /* accepted: it has a category, or a feature, that cannot be used */
    enum event_origin origin; /* the topic it is of: each has offsets of its own */
    uint32_t partition;       /* of the source */
    int64_t offset;     /* in the partition; file broker: record number in the input, from 0 */
    int64_t time_ms;    /* event time; profile: of its record; erasure: the user's cut */
    int64_t broker_ms;  /* the broker's timestamp of its record; -1: it has none (files) */
    uint64_t item_hash; /* identity_of(item); erasure: of the user */
    struct bytes user;  /* valid if accepted; also set for a bad event if it could be read; erasure:
                         * at = NULL if only its hash is known */
    struct bytes item;
    struct bytes category; /* empty if none; several: categories.h */
    const void *profile;   /* accepted, profile: 8 bytes of each of its features: event_feature */
    struct bytes payload;  /* bad events: the raw event; of files cut at source.event_size_max */
    struct bytes key;      /* bad events of Kafka: the record's, at = NULL if it has none */
    char why[128];         /* bad events, odd categories: what exactly is wrong, and the value */
};

/* Bytes that must be readable behind a raw event, of any content. */
enum { EVENT_PADDING = 64 };

/* Bytes that decoding an event of `size` bytes may write: all that is put there. */
static inline size_t event_scratch_size(size_t size)
{
    return 2 * size + 320;
}

/* What an accepted event, or a profile, says of its user: identity_of("name=value"), 0 = nothing. */
static inline uint64_t event_feature(const struct event *event, uint32_t feature)
{
    uint64_t hash;
    memcpy(&hash, (const char *)event->profile + feature * sizeof hash, sizeof hash);
    return hash;
}

/* Says in event->why what is wrong with a bad event, cut at its size, and returns `verdict`. */
enum event_verdict event_refuse(struct event *event, enum event_verdict verdict, const char *format,
                                ...) PRINTF_LIKE(3, 4);

#endif
