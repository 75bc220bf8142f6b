/*
 * store_format.h - what a store's keys and its mark look like in the database.
 *
 *     mark key: 'p'          user key: 'u' | size (2) | user
 *     chunk key: 'c' | size (2) | user | chunk (8)        snapshot key: 's' | size (2) | user
 *
 * Numbers in keys are big-endian, so that one order holds in all spaces: shorter ids first, then by
 * their bytes, then by chunk. The mark says what the store belongs to and up to where it was written.
 */
#ifndef STATE_STORE_FORMAT_H
#define STATE_STORE_FORMAT_H

#include "state/history.h"
#include "state/store.h"

enum {
    STORE_MARK_SIZE = 4 + 8 + 4 + 4 + 8 + 8 + 8 + 8 + 8,
    STORE_KEY_MAX = 1 + HISTORY_KEY_MAX,
};

extern const char store_mark_key[1];

/* Writes the key as the database has it into `to` (STORE_KEY_MAX bytes); returns its size. */
size_t store_key_encode(enum store_space space, const struct store_key *key, uint8_t *to);

/* False if it is not a key of ours. */
bool store_key_decode(enum store_space space, struct bytes raw, struct store_key *key);

void store_mark_encode(const struct store_identity *identity, const struct store_position *position,
                       uint8_t to[STORE_MARK_SIZE]);

/*
 * Reads the mark of the store at `path`, after checking that it is of this identity. A mark of any
 * format begins with its version and ends with its checksum. STATUS_CORRUPT, STATUS_REFUSED: with
 * the remedy.
 */
MUST_CHECK enum status store_mark_check(struct bytes mark, const char *path,
                                        const struct store_identity *identity,
                                        struct store_position *position, struct error *error);

#endif
