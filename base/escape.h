/*
 * escape.h - bytes from outside made into text that a terminal, a log and a JSON reader can take.
 *
 * What cannot be printed is a control character (those of C1 and Unicode's line ends and changes of
 * direction included) or a byte that is no UTF-8. Everything else stays as it is.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/bytes.h"

enum { ESCAPE_MAX = 6 }; /* bytes that one byte may become */

/*
 * How many bytes at the beginning of `text`, which is not empty, are one character that can be
 * printed; 0 if its first byte is none, or only a part of one.
 */
size_t printable_size(struct bytes text);

/*
 * Writes `text` as the inside of a JSON string, at most ESCAPE_MAX times as long, without an end;
 * returns what is behind it. Characters that cannot be printed are written as \u001b, which reads
 * back as what they were. A byte that is no UTF-8 is written as \\xff, which reads back as \xff:
 * JSON has no way to say it.
 */
char *put_escaped(char *to, struct bytes text);

/* How many bytes put_escaped writes. */
size_t escaped_size(struct bytes text);

/*
 * Writes `text` with an end for a message, \x1b for each byte of what cannot be printed; quotes and
 * backslashes stay. What does not fit into `room` bytes, at least 1, is left out. Returns `to`.
 */
const char *escape_message(struct bytes text, char *to, size_t room);

/* Prints all of `text` in the same way. */
void print_escaped(FILE *out, struct bytes text);

#endif
