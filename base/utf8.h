/*
 * utf8.h - what a byte order mark and a character of UTF-8 are, byte by byte.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/bytes.h"

enum { UTF8_MARK_SIZE = 3 };

/* True if `text` begins with a byte order mark, which is no part of what it says. */
static inline bool utf8_has_mark(struct bytes text)
{
    return text.size >= UTF8_MARK_SIZE && memcmp(text.at, "\xEF\xBB\xBF", UTF8_MARK_SIZE) == 0;
}

/* `text` without the byte order mark it may begin with. */
static inline struct bytes utf8_without_mark(struct bytes text)
{
    if (!utf8_has_mark(text)) return text;
    return (struct bytes){(const char *)text.at + UTF8_MARK_SIZE, text.size - UTF8_MARK_SIZE};
}

#endif
