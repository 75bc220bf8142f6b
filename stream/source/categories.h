/*
 * categories.h - several categories of an item as one text: one after the other, with a byte between
 * that no UTF-8 text has. So one category is its own name, and a list has one identity.
 */
#ifndef STREAM_SOURCE_CATEGORIES_H
#define STREAM_SOURCE_CATEGORIES_H

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"

enum {
    CATEGORIES_MAX = 8, /* of an item; what is beyond is dropped */
    CATEGORIES_BETWEEN = 0xFF,
};

/* Takes the first category off `list`; false if there is none left. Borrows. */
static inline bool categories_next(struct bytes *list, struct bytes *category)
{
    if (list->size == 0) return false;
    const char *at = list->at;
    const char *end = memchr(at, CATEGORIES_BETWEEN, list->size);
    *category = (struct bytes){at, end ? (size_t)(end - at) : list->size};
    *list =
        end ? (struct bytes){end + 1, list->size - category->size - 1} : (struct bytes){NULL, 0};
    return true;
}

/* Whether the list has that category. */
static inline bool categories_have(struct bytes list, struct bytes category)
{
    struct bytes one;
    while (categories_next(&list, &one)) {
        if (bytes_equal(one, category)) return true;
    }
    return false;
}

/*
 * Adds a category behind the `size` bytes that a list has at `to`, and returns its new size: the old
 * one if the list has it. `to` has room for the category and a byte.
 */
static inline size_t categories_add(char *to, size_t size, struct bytes category)
{
    if (category.size == 0 || categories_have((struct bytes){to, size}, category)) return size;
    if (size > 0) to[size++] = (char)CATEGORIES_BETWEEN;
    memcpy(to + size, category.at, category.size);
    return size + category.size;
}

#endif
