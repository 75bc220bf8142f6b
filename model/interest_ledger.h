/*
 * interest_ledger.h - a user's interests as decayed sums, their number being itself state.
 *
 * Each entry keeps s = sum of w e, m = sum of w and q = sum of w |e|^2 over the vectors e that were
 * assigned to it, where w halves every half_life_days. From these follow its centroid and its
 * scatter, so entries can grow, split, merge and fade without any vector being kept (models.md
 * section 7.1).
 *
 * A state is plain bytes of fixed size, 8-byte aligned: 4,360 of them at d = 64 with 16 entries.
 * All zero is the empty ledger; entries beyond the live ones are zero. The same events give the
 * same bytes on every processor: sums have a fixed order, and 2^-x is computed here.
 *
 *     memset(state, 0) -> interest_ledger_absorb ... -> interest_ledger_read
 *
 * Threads: the options are only read; a state belongs to one thread.
 */
#ifndef MODEL_INTEREST_LEDGER_H
#define MODEL_INTEREST_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "model/kernel/real.h"

enum { INTEREST_LEDGER_MAX = 64 }; /* the greatest interests_max */

struct interest_ledger {
    uint32_t d;             /* width of a vector */
    uint32_t interests_max; /* entries, at most */
    double half_life_days;
    double new_cosine;    /* an event farther from every entry begins one */
    double merge_cosine;  /* entries nearer to each other become one */
    double drop_mass;     /* a lighter entry is forgotten */
    double publish_mass;  /* a lighter entry is not published */
    double split_mass;    /* an entry of this mass ... */
    double split_scatter; /* ... and more than this scatter is cut in two ... */
    double split_share;   /* ... whose centers take this share of the scatter */
};

enum interest_ledger_action { INTEREST_LEDGER_ASSIGN, INTEREST_LEDGER_GROW, INTEREST_LEDGER_SPLIT };

/* One live entry; `s` [d] is borrowed from the state. */
struct interest_ledger_entry {
    const real *s;
    real m;
    real q;
    int64_t last_s; /* time of the last assignment */
};

/* Bytes of a state. */
size_t interest_ledger_size(const struct interest_ledger *ledger);

/* Absorbs one vector [d], which should have length 1, at a time in seconds. O(entries x d). */
enum interest_ledger_action interest_ledger_absorb(const struct interest_ledger *ledger,
                                                   void *state, const real *vector, int64_t time_s);

/*
 * Which part of each behavior's mass lies in which entry. A behavior begins as a whole in one; a
 * split leaves half of it in either, a merge adds, what is dropped is gone. Time takes from all
 * alike, and is not in here: interest_ledger_left.
 */
struct interest_ledger_parts {
    real *at;      /* [behaviors][stride], of which the first interests_max count */
    size_t stride; /* reals */
    uint32_t count;
};

/* interest_ledger_absorb, with the vector as the next behavior of `parts`. O(behaviors) as well. */
void interest_ledger_absorb_part(const struct interest_ledger *ledger, void *state,
                                 const real *vector, int64_t time_s,
                                 struct interest_ledger_parts *parts);

/* What so many seconds leave of a mass. */
double interest_ledger_left(const struct interest_ledger *ledger, double seconds);

uint32_t interest_ledger_count(const struct interest_ledger *ledger, const void *state);
int64_t interest_ledger_time_s(const void *state); /* the latest time absorbed; 0 if empty */
struct interest_ledger_entry interest_ledger_at(const struct interest_ledger *ledger,
                                                const void *state, uint32_t index);

/*
 * Which entries to publish, heaviest first, `limit` >= 1 of them at most: those of publish_mass, or
 * the heaviest alone. Returns how many; 0 only for an empty ledger.
 */
uint32_t interest_ledger_publish(const struct interest_ledger *ledger, const void *state,
                                 uint32_t limit, uint32_t *indices);

/*
 * The published entries as unit vectors [limit][d] and their shares of the published mass [limit];
 * rows beyond the returned count are zero.
 */
uint32_t interest_ledger_read(const struct interest_ledger *ledger, const void *state,
                              uint32_t limit, real *vectors, real *weights);

#endif
