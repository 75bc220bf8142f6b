/* behavior.h - what models absorb: behaviors of users in ragged batches. */
#ifndef MODEL_TENSOR_BEHAVIOR_H
#define MODEL_TENSOR_BEHAVIOR_H

#include <stdint.h>

enum { TAGS_MAX = 8 }; /* categories of an item */

/* Two categories of an item or more: their rows in the catalogue's order, none twice, then zeros. */
struct category_list {
    uint32_t rows[TAGS_MAX];
};

static inline uint32_t category_list_count(const struct category_list *list)
{
    uint32_t count = 0;
    while (count < TAGS_MAX && list->rows[count]) {
        count++;
    }
    return count;
}

/* One action of a user, its item resolved by the generation's dictionary. */
struct behavior {
    uint32_t item;     /* row of item.embedding; 0 is padding and never occurs */
    uint32_t category; /* row of category.embedding; 0 = none; from their number on, a list */
    int64_t gap_s;     /* whole seconds since the user's latest time so far, -1 if none */
    uint64_t ordinal;  /* in the user's life */
};

enum { PROFILE_MAX = 8 }; /* features of a user */

/* What is known of a user: the hash of "name=value" of each feature, 0 where it is absent. */
struct user_profile {
    uint64_t hash[PROFILE_MAX];
};

/* An ordinal after which a whole number of any period has passed: it wraps around to 0. */
static const uint64_t ORDINAL_OF_ALL = UINT64_MAX;

/* Behaviors of several users, ragged: user u owns at[offsets[u]] .. at[offsets[u + 1] - 1]. */
struct behavior_batch {
    const struct behavior *at;
    const uint32_t *offsets; /* [users + 1] */
    uint32_t users;
};

#endif
