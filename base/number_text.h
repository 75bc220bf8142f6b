/*
 * number_text.h - decimal numbers as text, both ways. No locale, no allocation.
 *
 * Readers take the whole of a text: nothing in front of the number and nothing behind it. They are
 * false, and write nothing, if the text is no number of their kind or one out of range.
 */
#ifndef BASE_NUMBER_TEXT_H
#define BASE_NUMBER_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    NUMBER_TEXT_MAX = 20, /* bytes of an integer */
    FLOAT_TEXT_MAX = 16,  /* bytes of a finite float; the longest are like -1.00034845e-36 */
};

/* A whole number without a sign, up to `most`. */
bool parse_unsigned(struct bytes text, uint64_t most, uint64_t *valuep);

/* A whole number, which may have a minus. */
bool parse_signed(struct bytes text, int64_t *valuep);

/* A finite number as JSON writes it, or with less: 3, -0.5, .5, 1.7145648E12. */
bool parse_real(struct bytes text, double *valuep);

/* Writers write at `to`, without an end, and return what is behind. */
char *put_unsigned(char *to, uint64_t value);
char *put_signed(char *to, int64_t value);

/* The fewest digits of a finite float that read back as the same, as JSON writes a number. */
char *put_float(char *to, float value);

#ifdef __cplusplus
}
#endif

#endif
