/*
 * fencing.c - after a client has lost its place: to another process, or to nobody?
 *
 * Brokers grant two names of a session to one holder only: group.instance.id, its place in the
 * group, and transactional.id, its producer. A session that is fenced has lost one of them to
 * another process that was started under the same name, which may keep it; or to nobody:
 *
 *   - librdkafka 2.0.2 forgets its member id when its session times out, goes on with heartbeats
 *     without one until the partitions are given up, and is fenced for that by a group that still
 *     has it as a member, as after a restart of the coordinator;
 *   - a transaction that is open for too long costs its producer.
 *
 * The errors are the same in all these cases, but the group tells them apart: it says which member
 * holds the name, and the session has noted which member it was. It is also asked when a session has
 * ended without an error, before the consumer joins again: a process that slept, and wakes up beside
 * its successor of the same name, would drive that one out.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "stream/broker/kafka/session.h"

enum {
    FENCINGS_WINDOW_MS = 60000, /* FENCINGS_MAX within: another uses the transactional id */
    FENCING_WAIT_MS = 1000,     /* beyond a heartbeat, or a session */
    FENCING_ASK_MS = 50,
    UUID_SIZE = 36, /* with its hyphens */
};

struct holder {
    char member[MEMBER_ID_SIZE]; /* "": nobody */
    char host[MEMBER_ID_SIZE];
};

bool fencing_note_member(struct session *session)
{
    if (!session->consumer.handle) return false;
    char *id = rd_kafka_memberid(session->consumer.handle);
    bool known = id && id[0];
    bool same = known && strcmp(id, session->member_id) == 0;
    if (known) snprintf(session->member_id, sizeof session->member_id, "%s", id);
    if (id) rd_kafka_mem_free(session->consumer.handle, id);
    return same;
}

/* A session, and which member of the group has its group.instance.id. */
struct holder_search {
    const struct session *session;
    struct holder *holder;
};

/* A static member's id is its group.instance.id, a hyphen, and a UUID. */
static bool is_of_instance(const char *member, const char *instance)
{
    const size_t size = strlen(instance);
    return strncmp(member, instance, size) == 0 && member[size] == '-' &&
           strlen(member + size + 1) == UUID_SIZE;
}

static void find_holder(void *context, const struct rd_kafka_group_info *group)
{
    const struct holder_search *search = context;
    struct holder *holder = search->holder;
    *holder = (struct holder){.member = ""};
    for (int i = 0; i < group->member_cnt; i++) {
        const struct rd_kafka_group_member_info *member = &group->members[i];
        if (!is_of_instance(member->member_id, search->session->settings.instance)) continue;
        snprintf(holder->member, sizeof holder->member, "%s", member->member_id);
        snprintf(holder->host, sizeof holder->host, "%s", member->client_host);
    }
}

/* Asks the group for that member; 0, or why there was no answer, which is logged. */
static rd_kafka_resp_err_t ask_for_holder(struct session *session, struct holder *holder)
{
    struct holder_search search = {session, holder};
    const rd_kafka_resp_err_t code =
        client_describe_group(&session->broker->admin, session->broker->config->kafka.group,
                              CLIENT_REQUEST_MS, find_holder, &search);
    if (code)
        client_report_error(&session->consumer, code,
                            "asking which member of the group has this group.instance.id");
    return code;
}

enum status fencing_check_consumer(struct session *session, bool as_member, struct error *error)
{
    const struct config *config = session->broker->config;
    const int64_t begun_ns = clock_monotonic_ns();
    const int64_t session_ms = (int64_t)config->kafka.session_timeout_ms + FENCING_WAIT_MS;
    const int64_t wait_ms = as_member ? 0 : session_ms;
    for (;;) {
        struct holder holder;
        rd_kafka_resp_err_t code = ask_for_holder(session, &holder);
        if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) {
            return error_set(error, STATUS_IO, "kafka: describing group '%s': %s",
                             config->kafka.group, rd_kafka_err2str(code));
        }
        if (code && atomic_load(&session->broker->stopping)) return STATUS_OK;
        if (!code) {
            (void)fencing_note_member(session); /* it may have joined anew meanwhile */
            bool ours = strcmp(holder.member, session->member_id) == 0;
            if (ours || !holder.member[0]) return STATUS_OK;
            if (clock_monotonic_ns() - begun_ns >= wait_ms * 1000000) {
                return error_set(error, STATUS_FENCED,
                                 "kafka: worker %u has lost its place in the group: "
                                 "another process runs with kafka.instance '%s' on %s",
                                 session->worker, config->kafka.instance, holder.host);
            }
        }
        rd_kafka_poll(session->producer.handle, FENCING_ASK_MS);
    }
}

/* A process that shares only the transactional id fences again and again; then this one leaves. */
static enum status count_fencing(struct session *session, struct error *error)
{
    const struct config *config = session->broker->config;
    const int64_t now_ns = clock_monotonic_ns();
    int64_t *oldest_ns = &session->fencings_ns[session->fencings++ % (FENCINGS_MAX - 1)];
    if (*oldest_ns && now_ns - *oldest_ns < (int64_t)FENCINGS_WINDOW_MS * 1000000) {
        return error_set(error, STATUS_FENCED,
                         "kafka: worker %u was fenced %d times in %d s: another process runs with "
                         "kafka.instance '%s' in group '%s'; give each its own",
                         session->worker, FENCINGS_MAX, FENCINGS_WINDOW_MS / 1000,
                         config->kafka.instance, config->kafka.group);
    }
    *oldest_ns = now_ns;
    return STATUS_OK;
}

enum status fencing_check_producer(struct session *session, struct error *error)
{
    const struct config *config = session->broker->config;
    const int64_t now_ns = clock_monotonic_ns();
    const int64_t limit_ns = (int64_t)config->kafka.transaction_timeout_ms * 1000000;
    const bool timed_out = session->open && now_ns - session->begun_ns >= limit_ns;
    const int64_t wait_ms = timed_out ? 0 : session->settings.heartbeat_ms + FENCING_WAIT_MS;
    bool fenced;
    while (!(fenced = rd_kafka_fatal_error(session->consumer.handle, NULL, 0) != 0) &&
           clock_monotonic_ns() - now_ns < wait_ms * 1000000) {
        rd_kafka_poll(session->producer.handle, FENCING_ASK_MS);
    }
    TRY(fencing_check_consumer(session, fenced && fencing_note_member(session), error));
    return timed_out ? STATUS_OK : count_fencing(session, error);
}
