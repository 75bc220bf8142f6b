/*
 * edit_distance.h - how many edits turn one word into another, to suggest what was meant.
 */
#ifndef BASE_EDIT_DISTANCE_H
#define BASE_EDIT_DISTANCE_H

#include <stddef.h>

enum { EDIT_DISTANCE_WORD_MAX = 64 }; /* bytes of a word that are compared */

/* Levenshtein's distance: insertions, deletions and replacements that turn `a` into `b`. */
size_t edit_distance(const char *a, const char *b);

#endif
