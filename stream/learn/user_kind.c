/* user_kind.c - a look back over the last few gaps of a user. */
#include "stream/learn/user_kind.h"

const char *user_kind_name(enum user_kind kind)
{
    static const char *const names[USER_KINDS] = {
        [USER_NEWCOMER] = "newcomers", [USER_REGULAR] = "regulars", [USER_RETURNER] = "returners"};
    return names[kind];
}

enum user_kind user_kind_of(const struct dataset_sequence *sequence, uint32_t position,
                            const struct user_kind_options *options)
{
    if (sequence->at[position].ordinal < options->events) return USER_NEWCOMER;
    for (uint32_t back = 0; back < options->events && back <= position; back++) {
        if (sequence->at[position - back].gap_s > options->return_gap_s) return USER_RETURNER;
    }
    return USER_REGULAR;
}
