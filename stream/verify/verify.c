/* verify.c - part by part, slice by slice, user by user, record by record. */
#include "stream/verify/verify.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/escape.h"
#include "base/progress.h"
#include "stream/log_input/log_input.h"
#include "stream/source/decoding.h"
#include "stream/verify/verify_profile.h"
#include "stream/verify/verify_replay.h"
#include "stream/verify/verify_slice.h"
#include "stream/verify/verify_users.h"

enum {
    SLICE_BITS_MAX = 40,       /* a share that small is one user or one event */
    USERS_SHARE = 8,           /* one of so many parts of the memory is the users' table */
    VIOLATION_TEXT_MAX = 8192, /* bytes; more is cut */
};

struct verify {
    const struct verify_options *options;
    const struct log_input_ops *ops;
    struct log_input *input;
    struct replay *replays[VERIFY_CHECKPOINTS_MAX];
    uint32_t replays_count;
    struct verify_slice slice;
    struct verify_users users; /* only if there is more than one part */
    struct verify_report *report;
    struct progress progress;
    double done; /* parts, the finished slices of the present one as fractions */
    uint32_t part;
    FILE *out;
};

static const char *const kind_names[VERIFY_KINDS] = {
    [VERIFY_LOST] = "lost",
    [VERIFY_REPEATED] = "repeated",
    [VERIFY_ORDER] = "order",
    [VERIFY_UNKNOWN] = "unknown user",
    [VERIFY_SPLIT] = "split user",
    [VERIFY_POSITION] = "position",
    [VERIFY_VALUE] = "value",
    [VERIFY_DAMAGED] = "damaged",
    [VERIFY_BAD_EVENT_LOST] = "bad event lost",
    [VERIFY_BAD_EVENT_REPEATED] = "bad event repeated",
    [VERIFY_DEAD_LETTER] = "dead letter",
    [VERIFY_EVENTS] = "events",
};

const char *verify_kind_name(enum verify_kind kind)
{
    return kind_names[kind];
}

/* Counts a violation, and prints it unless many of its kind were printed already. */
static void violation(struct verify *verify, enum verify_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void violation(struct verify *verify, enum verify_kind kind, const char *format, ...)
{
    char text[VIOLATION_TEXT_MAX];
    uint64_t before = verify->report->violations[kind]++;
    if (before > VERIFY_SHOWN_MAX) return;
    progress_end(&verify->progress);
    fprintf(verify->out, "%s: ", kind_names[kind]);
    if (before == VERIFY_SHOWN_MAX) {
        fputs("... and more\n", verify->out);
        return;
    }
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    print_escaped(verify->out, bytes_of(text));
    fputc('\n', verify->out);
}

/* As violation(), of a record of `user`: says where it lies and what it names. */
static void record_violation(struct verify *verify, enum verify_kind kind,
                             const struct verify_user *user, const struct verify_published *record,
                             const char *why)
{
    char place[LOG_PLACE_MAX];
    verify->ops->place_text(verify->input, LOG_RECORDS, record->place, place);
    violation(verify, kind, "%s: record of user '%.*s' n=%" PRIu64 " generation=%" PRIu64 ": %s",
              place, (int)user->id.size, (const char *)user->id.at, record->events,
              record->generation, why);
}

static struct replay *replay_of(const struct verify *verify, uint64_t generation)
{
    for (uint32_t i = 0; i < verify->replays_count; i++) {
        if (replay_generation(verify->replays[i]) == generation) return verify->replays[i];
    }
    return NULL;
}

static struct replay *newest_replay(const struct verify *verify)
{
    struct replay *newest = verify->replays[0];
    for (uint32_t i = 1; i < verify->replays_count; i++) {
        struct replay *replay = verify->replays[i];
        if (replay_generation(replay) > replay_generation(newest)) newest = replay;
    }
    return newest;
}

/* (ii), (iii): against the newest record before it; true if this one is newer. */
static bool check_order(struct verify *verify, const struct verify_user *user,
                        const struct verify_published *newest,
                        const struct verify_published *record)
{
    char why[128];
    if (!newest) return true;
    if (record->generation > newest->generation && record->events >= newest->events) return true;
    if (record->generation == newest->generation && record->events > newest->events) return true;
    if (record->generation == newest->generation && record->events == newest->events) {
        record_violation(verify, VERIFY_REPEATED, user, record, "was published before");
        return false;
    }
    snprintf(why, sizeof why, "comes after n=%" PRIu64 " generation=%" PRIu64, newest->events,
             newest->generation);
    record_violation(verify, VERIFY_ORDER, user, record, why);
    return false;
}

enum value { VALUE_RIGHT, VALUE_WRONG, VALUE_UNKNOWN };

/*
 * Of a record that any profile may have been read with which the topic says of the user, or none yet,
 * but none before that of the record before.
 */
static enum value value_with_some(struct verify *verify, struct replay *replay,
                                  const struct verify_user *user,
                                  const struct verify_published *record,
                                  const struct verify_profile **versionp)
{
    const struct verify_profile *version = *versionp ? *versionp : user->first_profile;
    bool right = !*versionp && replay_checksum(replay, record, NULL) == record->checksum;
    while (!right && version) {
        right = replay_checksum(replay, record, &version->profile) == record->checksum;
        if (right) *versionp = version;
        version = version->next;
    }
    verify->report->profiles_unplaced += right;
    if (right) return VALUE_RIGHT;
    return verify->slice.profiles_gone ? VALUE_UNKNOWN : VALUE_WRONG;
}

/* Of one that was read with what the history log says was in force, and that the topic has said. */
static enum value value_with_topic(struct verify *verify, struct replay *replay,
                                   const struct verify_user *user,
                                   const struct verify_published *record,
                                   const struct verify_profile **versionp)
{
    struct user_profile profile;
    const enum verify_placed placed =
        verify_profile_at(user, record->events, verify->slice.features, &profile);
    const bool right =
        placed != VERIFY_UNPLACED && replay_checksum(replay, record, &profile) == record->checksum;
    if (!right && placed == VERIFY_PLACED) return VALUE_WRONG;
    if (!right) return value_with_some(verify, replay, user, record, versionp);
    if (verify_profile_said(user, &profile, versionp)) return VALUE_RIGHT;
    if (!verify->slice.profiles_gone) return VALUE_WRONG;
    verify->report->profiles_gone++;
    return VALUE_RIGHT;
}

/* Whether the record is what its events make it, with the profile that was in force. */
static enum value judge_value(struct verify *verify, const struct verify_user *user,
                              const struct verify_published *record,
                              const struct verify_event *last,
                              const struct verify_profile **versionp)
{
    struct replay *replay = replay_of(verify, record->generation);
    if (!replay || record->from < user->forgotten) return VALUE_UNKNOWN;
    const bool profile = replay_takes_profile(replay);
    if (profile && config_has_profile_topic(verify->options->config)) {
        return value_with_topic(verify, replay, user, record, versionp);
    }
    if (profile && user->forgotten) return VALUE_UNKNOWN;
    const bool right = replay_checksum(replay, record, last->profile) == record->checksum;
    return right ? VALUE_RIGHT : VALUE_WRONG;
}

/* The rest of (i), for a record whose n the source has: `last` is the event n - 1. */
static void check_content(struct verify *verify, const struct verify_user *user,
                          const struct verify_published *record, const struct verify_event *last,
                          const struct verify_profile **versionp)
{
    char why[160];
    const uint32_t history_max = verify->options->config->state.history_max;
    uint64_t from = history_from(last->start, record->events, history_max);
    int64_t time_ms = history_time_ms(last->behavior);
    if (record->partition != user->partition || record->offset != last->offset ||
        record->event_ms != time_ms || record->from != from) {
        snprintf(why, sizeof why,
                 "should name partition=%u offset=%" PRId64 " event_time_ms=%" PRId64
                 " from=%" PRIu64,
                 user->partition, last->offset, time_ms, from);
        record_violation(verify, VERIFY_POSITION, user, record, why);
        return;
    }
    const enum value value = judge_value(verify, user, record, last, versionp);
    verify->report->unverifiable += value == VALUE_UNKNOWN;
    if (value == VALUE_WRONG) {
        record_violation(verify, VERIFY_VALUE, user, record,
                         "its interests are not those of the events it names");
    }
}

/* Whether the user had left behind its first `events` events, before another one came. */
static bool may_be_gone(const struct verify *verify, const struct verify_user *user,
                        uint64_t events)
{
    const int64_t ttl_ms = verify->options->config->state.ttl_ms;
    if (ttl_ms == 0 || events == 0 || !user->history) return false;
    if (events >= user->events) {
        return history_left(user->history, verify->slice.clock_ms[user->partition], ttl_ms);
    }
    const struct verify_event *next = user->first_event;
    for (uint64_t n = 0; n < events; n++) {
        next = next->next;
    }
    return next->left;
}

/*
 * A tombstone comes once, behind the record of the user's last event, when the user has left or was
 * erased. A job that took another's place cannot know what that has told, and tells it under its own
 * generation; `before` is the tombstone that nothing came behind, or NULL.
 */
static void check_tombstone(struct verify *verify, const struct verify_user *user,
                            const struct verify_published *newest,
                            const struct verify_published *record,
                            const struct verify_published *before)
{
    if (user->erased) return; /* and compaction may have removed what was between two of them */
    if (before && record->generation <= before->generation) {
        record_violation(verify, VERIFY_REPEATED, user, record, "the user was gone before");
    } else if (!may_be_gone(verify, user, newest ? newest->events : user->events)) {
        record_violation(verify, VERIFY_LOST, user, record, "a tombstone of a user who stays");
    }
}

/*
 * (iv): the user's newest record names its last accepted event. Who left may have none: compaction
 * removes what a tombstone ends, and then the tombstone.
 */
static void check_newest(struct verify *verify, const struct verify_user *user,
                         const struct verify_published *newest)
{
    uint64_t events = user->forgotten + user->events;
    if (verify->options->config->output.publish == CONFIG_PUBLISH_NONE) return;
    if (events == (newest ? newest->events : 0)) return;
    if (!newest && user->events == user->seeded) return; /* it has not acted since */
    if (!newest && may_be_gone(verify, user, user->events) &&
        verify->options->config->source.broker == CONFIG_BROKER_KAFKA) {
        return;
    }
    violation(verify, VERIFY_LOST,
              "user '%.*s' has %" PRIu64 " accepted events, its newest record names n=%" PRIu64,
              (int)user->id.size, (const char *)user->id.at, events, newest ? newest->events : 0);
}

/* Readers are told that a user was erased: the last that they have of it is no record from before. */
static void check_erased(struct verify *verify, const struct verify_user *user)
{
    const struct verify_published *last = user->last_published;
    if (!last || !last->erased) return;
    record_violation(verify, VERIFY_LOST, user, last, "the user was erased, and it is still there");
}

static void check_user(struct verify *verify, const struct verify_user *user)
{
    const struct verify_published *newest = NULL;
    const struct verify_event *last = user->first_event;
    const struct verify_profile *version = NULL;
    uint64_t last_ordinal = user->forgotten;
    for (uint32_t i = 0; i < verify->replays_count && user->events; i++) {
        replay_begin(verify->replays[i], user);
    }
    const struct verify_published *gone = NULL;
    for (const struct verify_published *record = user->first_published; record;
         record = record->next) {
        if (record->gone) {
            check_tombstone(verify, user, newest, record, gone);
            gone = record;
            continue;
        }
        gone = NULL;
        if (record->erased) continue;
        if (record->damaged) {
            record_violation(verify, VERIFY_DAMAGED, user, record, "its checksum does not match");
        }
        bool elsewhere = user->events > 0 && record->place.partition != user->partition;
        if (record->events == 0 || record->events > user->forgotten + user->events || elsewhere) {
            record_violation(verify, VERIFY_UNKNOWN, user, record,
                             "the source has no such event of this user in this partition");
            continue;
        }
        if (check_order(verify, user, newest, record)) newest = record;
        if (record->damaged) continue;
        if (record->events <= user->forgotten) {
            verify->report->unverifiable++;
            continue;
        }
        if (record->events <= last_ordinal) {
            last = user->first_event;
            last_ordinal = user->forgotten;
        }
        for (; last_ordinal < record->events - 1; last_ordinal++) {
            last = last->next;
        }
        check_content(verify, user, record, last, &version);
    }
    check_newest(verify, user, newest);
    check_erased(verify, user);
}

/* (vi), the dead letters' side. */
static void check_bad_events(struct verify *verify)
{
    const struct verify_slice *slice = &verify->slice;
    for (const struct verify_bad_event *bad = slice->first_bad; bad; bad = bad->next) {
        char place[LOG_PLACE_MAX];
        if (bad->dead_letters == 1) continue;
        verify->ops->place_text(verify->input, LOG_SOURCE, bad->place, place);
        violation(verify, bad->dead_letters ? VERIFY_BAD_EVENT_REPEATED : VERIFY_BAD_EVENT_LOST,
                  "%s: bad event (%s) has %u dead letters", place, event_verdict_name(bad->verdict),
                  bad->dead_letters);
    }
    for (const struct verify_anomaly *at = slice->unexpected; at; at = at->next) {
        char place[LOG_PLACE_MAX];
        verify->ops->place_text(verify->input, LOG_DEAD_LETTERS, at->place, place);
        violation(verify, VERIFY_DEAD_LETTER, "%s: %s", place, at->why);
    }
    for (const struct verify_anomaly *at = slice->unreadable; at; at = at->next) {
        char place[LOG_PLACE_MAX];
        verify->ops->place_text(verify->input, LOG_RECORDS, at->place, place);
        violation(verify, VERIFY_DAMAGED, "%s: not a record: %s", place, at->why);
    }
}

static void check_slice(struct verify *verify, double weight)
{
    struct verify_report *report = verify->report;
    const struct verify_slice *slice = &verify->slice;
    const struct replay *newest = newest_replay(verify);
    uint64_t before = report->accepted;
    for (const struct verify_user *user = slice->first_user; user; user = user->next) {
        check_user(verify, user);
        if (verify->users.entries && user->events > 0) {
            verify_users_add(&verify->users, user->id, user->partition);
        }
        report->accepted += user->events;
        report->users += user->events > 0;
        if (newest) report->unknown_items += replay_unknown_items(newest, user);
        double share = (double)(report->accepted - before) / (double)(slice->accepted + 1);
        progress_show(&verify->progress,
                      (verify->done + weight * share) /
                          verify->ops->parts(verify->input, LOG_SOURCE),
                      report->accepted);
    }
    check_bad_events(verify);
    report->odd_categories += slice->odd_categories;
    report->seeded += slice->seeded;
    report->dropped += slice->dropped;
    report->blank += slice->blank;
    report->flooded += slice->flooded;
    report->duplicates += slice->duplicates;
    report->profiles += slice->profiles;
    report->dead_letters += slice->bad;
    report->records += slice->records;
    report->slices++;
    verify->done += weight;
}

/* A slice that does not fit is verified as two halves. */
static enum status verify_share(struct verify *verify, uint64_t suffix, unsigned bits,
                                struct error *error)
{
    enum status status = verify_slice_load(&verify->slice, verify->ops, verify->input, verify->part,
                                           suffix, bits, error);
    if (status == STATUS_OK) {
        check_slice(verify, 1.0 / (double)((uint64_t)1 << bits));
        return STATUS_OK;
    }
    if (status != STATUS_BUSY) return status;
    if (bits == SLICE_BITS_MAX) {
        return error_set(error, STATUS_INVALID,
                         "the events of one user do not fit into %zu bytes: raise job.memory",
                         verify->slice.size);
    }
    TRY(verify_share(verify, suffix, bits + 1, error));
    return verify_share(verify, suffix | (uint64_t)1 << bits, bits + 1, error);
}

static void report_split_user(void *context, struct bytes user, uint32_t partition, uint32_t other)
{
    violation(context, VERIFY_SPLIT,
              "user '%.*s' has events in partition %u and in partition %u: key the source by user, "
              "with one partitioner",
              (int)user.size, (const char *)user.at, other, partition);
}

static enum status open_replays(struct verify *verify, struct error *error)
{
    const struct verify_options *options = verify->options;
    if (options->checkpoints_count > VERIFY_CHECKPOINTS_MAX) {
        return error_set(error, STATUS_INVALID, "more than %d checkpoints", VERIFY_CHECKPOINTS_MAX);
    }
    for (uint32_t i = 0; i < options->checkpoints_count; i++) {
        TRY(replay_open(&verify->replays[i], options->checkpoints[i], error));
        verify->replays_count++;
    }
    return STATUS_OK;
}

/* Of what a seal says was the newest generation, another checkpoint would make every record a violation. */
static enum status check_checkpoint(const struct verify *verify, const struct history_seal *seal,
                                    struct error *error)
{
    struct replay *replay = replay_of(verify, seal->target);
    if (!replay || !seal->checkpoint || replay_fingerprint(replay) == seal->checkpoint) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_REFUSED,
                     "model.checkpoint: generation %" PRIu64 " is not the one that published "
                     "(fingerprint %016" PRIx64 ", that one's is %016" PRIx64
                     "): give the file that the job ran with",
                     seal->target, replay_fingerprint(replay), seal->checkpoint);
}

/* What was committed must have been made with these settings and these checkpoints. */
static enum status check_seals(const struct verify *verify, struct error *error)
{
    for (uint32_t p = 0; p < verify->ops->partitions(verify->input); p++) {
        struct history_seal seal;
        TRY(verify->ops->seal(verify->input, p, &seal, error));
        if (seal.number == 0) continue;
        TRY(decoding_check(verify->options->config, seal.decoding, error));
        TRY(check_checkpoint(verify, &seal, error));
    }
    return STATUS_OK;
}

static enum status verify_all(struct verify *verify, struct error *error)
{
    struct verify_report *report = verify->report;
    TRY(open_replays(verify, error));
    TRY(verify->ops->open(&verify->input, verify->options->config, error));
    TRY(check_seals(verify, error));
    uint32_t parts = verify->ops->parts(verify->input, LOG_SOURCE);
    size_t users = parts > 1 ? verify->options->memory / USERS_SHARE : 0;
    if (users > 0) {
        TRY(verify_users_open(&verify->users, users, report_split_user, verify, error));
    }
    TRY(verify_slice_open(&verify->slice, verify->options->config, &verify->options->seed,
                          verify->options->memory - users, error));
    for (verify->part = 0; verify->part < parts; verify->part++) {
        TRY(verify_share(verify, 0, 0, error));
    }
    if (users > 0) TRY(verify_users_finish(&verify->users, verify->ops, verify->input, error));
    report->events = verify->ops->events(verify->input);
    uint64_t found = report->accepted - report->seeded + report->dropped + report->blank +
                     report->flooded + report->duplicates + report->dead_letters +
                     (config_has_profile_topic(verify->options->config) ? 0 : report->profiles);
    if (found != report->events) {
        violation(
            verify, VERIFY_EVENTS,
            "accepted + dropped + blank + flooded + duplicates + profiles + dead letters = %" PRIu64
            ", but %" PRIu64 " events were processed",
            found, report->events);
    }
    return STATUS_OK;
}

enum status verify_run(const struct verify_options *options, FILE *out,
                       struct verify_report *report, struct error *error)
{
    struct verify verify = {
        .options = options, .ops = log_input_of(options->config), .report = report, .out = out};
    *report = (struct verify_report){0};
    progress_start(&verify.progress, "verify", "events", options->config->log.quiet);
    enum status status = verify_all(&verify, error);
    progress_end(&verify.progress);
    verify_slice_close(&verify.slice);
    verify_users_close(&verify.users);
    if (verify.input) verify.ops->close(verify.input);
    for (uint32_t i = 0; i < verify.replays_count; i++) {
        replay_close(verify.replays[i]);
    }
    return status;
}

bool verify_passed(const struct verify_report *report, bool allow_unverifiable)
{
    for (int kind = 0; kind < VERIFY_KINDS; kind++) {
        if (report->violations[kind]) return false;
    }
    return allow_unverifiable || !report->unverifiable;
}
