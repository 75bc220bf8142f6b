/*
 * connections.h - the open connections, each with the time that it has left.
 *
 * A client that sends or reads a byte now and then is never idle, so idleness bounds nothing. Here
 * a connection has a fixed time from its opening or its last complete answer; then it is shut down,
 * which its thread takes for the client's end.
 *
 * Threads: any.
 */
#ifndef STREAM_HTTP_CONNECTIONS_H
#define STREAM_HTTP_CONNECTIONS_H

#include <stdint.h>

#include "base/status.h"

struct connections;

/* For `most` connections at a time, of `timeout_ms` each. Starts a thread. */
MUST_CHECK enum status connections_open(struct connections **connectionsp, uint32_t most,
                                        uint32_t timeout_ms, struct error *error);
void connections_close(struct connections *connections); /* all are removed; legal on NULL */

struct connection_slot;

/* A new connection on that socket; NULL: there are too many. */
struct connection_slot *connections_add(struct connections *connections, int socket);

/* Its time begins anew. */
void connections_renew(struct connections *connections, struct connection_slot *slot);

/* Before its socket is closed. Legal on NULL. */
void connections_remove(struct connections *connections, struct connection_slot *slot);

#endif
