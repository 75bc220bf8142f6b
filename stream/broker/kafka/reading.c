/*
 * reading.c - how far a session has read its partitions, and that a commit is due which says so.
 */
#include "base/clock.h"
#include "stream/broker/kafka/session.h"

void session_gather(struct session *session)
{
    if (session->gathering) return;
    session->gathering = true;
    session->gathering_ns = clock_monotonic_ns();
}

void session_advance(struct session *session, struct session_partition *mine, int64_t next)
{
    mine->next = next;
    if (next >= mine->end) session->assignment_dirty = true;
}

void session_pass(struct session *session, uint32_t partition, int64_t next)
{
    struct session_partition *mine = &session->partitions[partition];
    if (next > mine->end) next = mine->end;
    if (mine->state != PARTITION_LIVE || next <= mine->next) return;
    session_advance(session, mine, next);
    session_gather(session);
}
