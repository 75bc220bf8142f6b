/*
 * input.h - the bytes of a file or of standard input, decompressed.
 *
 * gzip is recognized by its first two bytes and read as zlib's gzread does: members follow one
 * another as one stream, and what lies behind the last one (zeros, text) is ignored. A member that
 * is not complete is no damage: somebody may still be writing it. What can be decompressed of it is
 * delivered, and the input ends there, unfinished.
 */
#ifndef STREAM_SOURCE_INPUT_H
#define STREAM_SOURCE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct input;

/* `path` "-" is standard input. STATUS_INVALID: it cannot be opened. */
MUST_CHECK enum status input_open(struct input **inputp, const char *path, struct error *error);
void input_close(struct input *input);

/*
 * Reads up to `size` bytes; *countp = 0 at the end. A pipe gives what it has. STATUS_CORRUPT: the
 * gzip stream is damaged.
 */
MUST_CHECK enum status input_read(struct input *input, void *to, size_t size, size_t *countp,
                                  struct error *error);

/*
 * Passes over the first `count` bytes; nothing has been read yet. A plain file seeks. STATUS_REFUSED:
 * there are not so many.
 */
MUST_CHECK enum status input_skip(struct input *input, int64_t count, struct error *error);

/* At the end: it lies inside a gzip member. */
bool input_is_unfinished(const struct input *input);

/* Bytes of the file (compressed ones) read so far and in all, for progress; -1: unknown. */
void input_progress(const struct input *input, int64_t *donep, int64_t *totalp);

/* Identity of an input: hash over its first bytes (decompressed content, up to a limit). */
enum { INPUT_IDENTITY_MAX = 65536 };
struct input_identity {
    uint64_t hash;
    uint32_t size; /* bytes that were hashed */
};

/*
 * Takes the identity of `path`, over `size` bytes (0: as many as there are, up to 64 KiB). Standard
 * input cannot be read twice and has none: {0, 0}.
 */
MUST_CHECK enum status input_identify(const char *path, uint32_t size,
                                      struct input_identity *identity, struct error *error);

#endif
