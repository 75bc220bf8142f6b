/* edit_distance.c - the classic table, of which one row is kept. */
#include "base/edit_distance.h"

#include <string.h>

size_t edit_distance(const char *a, const char *b)
{
    size_t a_size = strnlen(a, EDIT_DISTANCE_WORD_MAX), b_size = strnlen(b, EDIT_DISTANCE_WORD_MAX);
    size_t row[EDIT_DISTANCE_WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_size];
}
