/*
 * hex.h - bytes and numbers in hexadecimal, in lower case.
 */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Writes the `digits` (1 to 16) lowest digits of `value` at `to`, without an end; returns what is behind them. */
char *put_hex(char *to, uint64_t value, unsigned digits);

/* The number that `text` is: 1 to 16 digits and nothing else. False, and no number, if it is none. */
bool parse_hex(struct bytes text, uint64_t *valuep);

/* Writes two digits a byte at `to`, without an end; returns what is behind them. */
char *put_hex_bytes(char *to, struct bytes from);

/* Reads the bytes that `text` is into `to`, which has room for `size`. False if it is not exactly
 * as many, or not hexadecimal. */
bool parse_hex_bytes(struct bytes text, void *to, size_t size);

#endif
