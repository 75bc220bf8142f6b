/*
 * number_text.h - floats as text: the fewest digits that read back as the same float.
 */
#ifndef BASE_NUMBER_TEXT_H
#define BASE_NUMBER_TEXT_H

#ifdef __cplusplus
extern "C" {
#endif

enum { FLOAT_TEXT_MAX = 16 }; /* bytes of a finite float; the longest are like -1.00034845e-36 */

/*
 * Writes `value`, which is finite, at `to` as JSON writes a number, without an end; returns what is
 * behind it. No locale, no allocation.
 */
char *put_float(char *to, float value);

#ifdef __cplusplus
}
#endif

#endif
