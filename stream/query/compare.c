/* compare.c - the same share of both logs in memory, user by user. */
#include "stream/query/compare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "stream/query/history_users.h"

/* A user to be printed. */
struct example {
    char *id; /* owned */
    size_t id_size;
    uint32_t partition;
    uint64_t events[2];
};

/* Those of one kind that differ by most, the worst first. */
struct examples {
    struct example at[COMPARE_SHOWN_MAX];
    uint32_t count;
};

struct compare {
    const struct log_input_ops *ops;
    struct log_input *inputs[2];
    struct history_users users[2];
    uint32_t partition;
    FILE *out;
    compare_taker *take;
    void *context;
    struct compare_report *report;
    struct examples examples[COMPARE_KINDS];
};

static const char *const compare_names[COMPARE_KINDS] = {
    [COMPARE_SAME] = "same",
    [COMPARE_AHEAD] = "ahead",
    [COMPARE_BEHIND] = "behind",
    [COMPARE_OTHER] = "other",
};

const char *compare_kind_name(enum compare_kind kind)
{
    return compare_names[kind];
}

/* ---- one user ---- */

static const struct history *newest_of(const struct history_user *user)
{
    return user && user->newest ? &user->newest->history : NULL;
}

static uint64_t events_of(const struct history *newest)
{
    return newest ? history_events(newest) : 0;
}

/* False if a behavior that both chunks have differs. */
static bool chunks_agree(const struct history *a, const struct history *b)
{
    const uint32_t both = a->count < b->count ? a->count : b->count;
    const uint64_t start = a->start > b->start ? a->start : b->start; /* before it none is kept */
    const uint64_t before = start > a->first ? start - a->first : 0;
    for (uint64_t i = before; i < both; i++) {
        if (a->at[i].item != b->at[i].item || a->at[i].stamp != b->at[i].stamp) return false;
    }
    return true;
}

/* Chunks begin at the same ordinals in both; each may have dropped older ones. */
static bool behaviors_agree(const struct history_user *one, const struct history_user *other)
{
    const struct user_chunk *a = one->oldest, *b = other->oldest;
    while (a && b) {
        if (a->history.first == b->history.first && !chunks_agree(&a->history, &b->history)) {
            return false;
        }
        const uint64_t first = a->history.first;
        if (first <= b->history.first) a = a->next;
        if (first >= b->history.first) b = b->next;
    }
    return true;
}

static enum compare_kind kind_of(const struct history_user *one, const struct history_user *other)
{
    const struct history *a = newest_of(one), *b = newest_of(other);
    if (a && b && !behaviors_agree(one, other)) return COMPARE_OTHER;
    const bool forgotten = a && b && (history_is_forgotten(a) || history_is_forgotten(b));
    if (events_of(a) == events_of(b) && forgotten) return COMPARE_SAME; /* one sweep is ahead */
    if (a && b && events_of(a) == events_of(b) && a->start != b->start) return COMPARE_OTHER;
    if (events_of(a) == events_of(b)) return COMPARE_SAME;
    return events_of(a) < events_of(b) ? COMPARE_AHEAD : COMPARE_BEHIND;
}

static uint64_t apart(const uint64_t events[2])
{
    return events[0] < events[1] ? events[1] - events[0] : events[0] - events[1];
}

/* In the place of the least of them, if there is no room. */
static enum status keep_example(struct compare *compare, enum compare_kind kind, struct bytes id,
                                const uint64_t events[2], struct error *error)
{
    struct examples *kept = &compare->examples[kind];
    uint32_t at = kept->count;
    while (at > 0 && apart(events) > apart(kept->at[at - 1].events))
        at--;
    if (kind == COMPARE_SAME || at == COMPARE_SHOWN_MAX) return STATUS_OK;
    char *copy = malloc(id.size + 1);
    if (!copy) return error_set(error, STATUS_IO, "out of memory: a user's id");
    memcpy(copy, id.at, id.size);
    if (kept->count == COMPARE_SHOWN_MAX) {
        free(kept->at[--kept->count].id);
    }
    memmove(&kept->at[at + 1], &kept->at[at], (kept->count - at) * sizeof *kept->at);
    kept->at[at] = (struct example){copy, id.size, compare->partition, {events[0], events[1]}};
    kept->count++;
    return STATUS_OK;
}

static void print_examples(const struct compare *compare, enum compare_kind kind)
{
    const struct examples *kept = &compare->examples[kind];
    for (uint32_t i = 0; i < kept->count; i++) {
        const struct example *one = &kept->at[i];
        fprintf(compare->out, "%s: user '", compare_names[kind]);
        print_escaped(compare->out, (struct bytes){one->id, one->id_size});
        fprintf(compare->out, "' of partition %" PRIu32 ": n=%" PRIu64 " and n=%" PRIu64 "\n",
                one->partition, one->events[0], one->events[1]);
    }
    const uint64_t users = compare->report->users[kind];
    if (kept->count > 0 && users > kept->count) {
        fprintf(compare->out, "%s: ... and %" PRIu64 " more\n", compare_names[kind],
                users - kept->count);
    }
}

static void close_examples(struct compare *compare)
{
    for (int kind = 0; kind < COMPARE_KINDS; kind++) {
        for (uint32_t i = 0; i < compare->examples[kind].count; i++) {
            free(compare->examples[kind].at[i].id);
        }
    }
}

static enum status compare_user(struct compare *compare, struct bytes id,
                                const struct history_user *one, const struct history_user *other,
                                struct error *error)
{
    struct compare_report *report = compare->report;
    const uint64_t events[2] = {events_of(newest_of(one)), events_of(newest_of(other))};
    if (events[0] == 0 && events[1] == 0) return STATUS_OK;
    const enum compare_kind kind = kind_of(one, other);
    TRY(keep_example(compare, kind, id, events, error));
    report->users[kind]++;
    if (apart(events) > report->most) report->most = apart(events);
    return compare->take ? compare->take(compare->context, one, other, error) : STATUS_OK;
}

/* ---- shares ---- */

static enum status compare_loaded(struct compare *compare, struct error *error)
{
    const struct history_users *one = &compare->users[0], *other = &compare->users[1];
    for (const struct history_user *user = one->first_user; user; user = user->next) {
        TRY(compare_user(compare, user->id, user, history_users_find(other, user->id, user->hash),
                         error));
    }
    for (const struct history_user *user = other->first_user; user; user = user->next) {
        if (history_users_find(one, user->id, user->hash)) continue;
        TRY(compare_user(compare, user->id, NULL, user, error));
    }
    return STATUS_OK;
}

/* A share that does not fit is taken as two halves. */
static enum status compare_share(struct compare *compare, uint64_t suffix, unsigned bits,
                                 struct error *error)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < 2 && status == STATUS_OK; i++) {
        status = history_users_load(&compare->users[i], compare->ops, compare->inputs[i],
                                    compare->partition, suffix, bits, NULL, error);
    }
    if (status == STATUS_OK) return compare_loaded(compare, error);
    if (status != STATUS_BUSY) return status;
    if (bits == HISTORY_USERS_BITS_MAX) {
        return error_set(error, STATUS_INVALID,
                         "the history of one user does not fit into %zu bytes: raise job.memory",
                         compare->users[0].size);
    }
    TRY(compare_share(compare, suffix, bits + 1, error));
    return compare_share(compare, suffix | (uint64_t)1 << bits, bits + 1, error);
}

static enum status compare_partitions(struct compare *compare, size_t memory, struct error *error)
{
    const uint32_t partitions = compare->ops->partitions(compare->inputs[0]);
    if (compare->ops->partitions(compare->inputs[1]) != partitions) {
        return error_set(error, STATUS_REFUSED,
                         "the jobs have %" PRIu32 " and %" PRIu32
                         " partitions: compare jobs of the "
                         "same source",
                         partitions, compare->ops->partitions(compare->inputs[1]));
    }
    TRY(history_users_open(&compare->users[0], memory / 2, error));
    TRY(history_users_open(&compare->users[1], memory / 2, error));
    for (uint32_t p = 0; p < partitions; p++) {
        compare->partition = p;
        TRY(compare_share(compare, 0, 0, error));
    }
    return STATUS_OK;
}

enum status compare_histories(const struct log_input_ops *ops, struct log_input *one,
                              struct log_input *other, size_t memory, FILE *out,
                              compare_taker *take, void *context, struct compare_report *report,
                              struct error *error)
{
    struct compare compare = {.ops = ops,
                              .inputs = {one, other},
                              .out = out,
                              .take = take,
                              .context = context,
                              .report = report};
    *report = (struct compare_report){0};
    const enum status status = compare_partitions(&compare, memory, error);
    for (enum compare_kind kind = 0; kind < COMPARE_KINDS && status == STATUS_OK; kind++) {
        print_examples(&compare, kind);
    }
    close_examples(&compare);
    history_users_close(&compare.users[0]);
    history_users_close(&compare.users[1]);
    return status;
}
