/* commit_text.h - a commit file as text: a few lines that a person can read, and their checksum. */
#ifndef STREAM_BROKER_FILE_COMMIT_TEXT_H
#define STREAM_BROKER_FILE_COMMIT_TEXT_H

#include <stddef.h>

#include "base/status.h"
#include "stream/broker/file/commit.h"

/* The text, `*sizep` bytes, which the caller frees. NULL: out of memory. */
char *commit_text_print(const struct commit *commit, size_t *sizep);

/*
 * Parses `size` bytes of text, which a zero follows and which it changes; `path` is for errors.
 * STATUS_CORRUPT: damaged. STATUS_REFUSED: a newer format. On failure there is nothing to close.
 */
MUST_CHECK enum status commit_text_parse(struct commit *commit, char *text, size_t size,
                                         const char *path, struct error *error);

#endif
