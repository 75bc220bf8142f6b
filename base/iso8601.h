/*
 * iso8601.h - moments as ISO 8601 writes them, to and from milliseconds since 1970 UTC.
 */
#ifndef BASE_ISO8601_H
#define BASE_ISO8601_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { ISO8601_SIZE = 32 };

/* The first and the last millisecond that can be printed: of the years 0 and 9999. */
#define ISO8601_MIN_MS INT64_C(-62167219200000)
#define ISO8601_MAX_MS INT64_C(253402300799999)

/*
 * Reads a date, or a date and time (T or spaces between them; seconds, a fraction of them and the
 * offset may be missing): 2024-05-01, 2024-05-01T12:00Z, 2024-05-01 12:00:00.123456+02:00. Dashes
 * and colons may be missing: 20240501T120000Z. With colons the hour may have one digit; 24:00 is
 * 00:00 of the next day. The offset may stand behind spaces, have seconds, be UTC or GMT, and have a
 * zone's name in brackets behind it. Without one it is UTC; of a fraction whole milliseconds count.
 * False if `text` is nothing of that.
 */
bool iso8601_parse(struct bytes text, int64_t *msp);

/* Writes "2024-05-01T12:00:00.123Z" with its end and returns `to`. Years 0 to 9999. */
const char *iso8601_print(int64_t ms, char to[ISO8601_SIZE]);

#endif
