/*
 * base64.h - bytes as text in JSON: RFC 4648 with padding, the only form that is written or read.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* Characters of the encoding of `size` bytes. */
static inline size_t base64_size(size_t size)
{
    return (size + 2) / 3 * 4;
}

/* Writes base64_size(from.size) characters to `to`; returns how many. */
size_t base64_encode(struct bytes from, char *to);

/*
 * Reads exactly `size` bytes into `to`. False if `text` is not the one encoding of so many bytes:
 * another length, a character outside the alphabet, bits set beyond the last byte.
 */
bool base64_decode(struct bytes text, void *to, size_t size);

#endif
