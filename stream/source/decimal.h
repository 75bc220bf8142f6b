/*
 * decimal.h - numbers by value, however they are written: 123, 123.0 and 1.23e2 are one.
 */
#ifndef STREAM_SOURCE_DECIMAL_H
#define STREAM_SOURCE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    DECIMAL_DIGITS_MAX = 40,  /* significant ones */
    DECIMAL_INTEGER_MAX = 20, /* bytes of a whole number as text */
};

/* 0.DIGITS times ten to the power of `point`. */
struct decimal {
    bool negative;
    int count; /* of digits; 0: zero. Neither the first nor the last one is 0 */
    int point;
    char digits[DECIMAL_DIGITS_MAX];
};

/*
 * Reads -12, +12, 12.50, 1.25e1, 1.25E+01. False if `text` is something else, or has more than
 * DECIMAL_DIGITS_MAX significant digits.
 */
bool decimal_parse(struct bytes text, struct decimal *decimal);

/* The number times ten to the power of `places`, without its fraction; false if beyond 64 bits. */
bool decimal_scaled(const struct decimal *decimal, int places, int64_t *valuep);

/*
 * Writes a whole number with its digits and nothing else, and returns its size, at most
 * DECIMAL_INTEGER_MAX; 0 if it has a fraction or is longer.
 */
size_t decimal_integer(const struct decimal *decimal, char to[DECIMAL_INTEGER_MAX]);

#endif
