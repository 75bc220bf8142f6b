/*
 * server.h - answers over HTTP, on threads of its own: read-only, and bounded in everything.
 *
 * GET and HEAD are answered; connections, the size of a request and the time of a connection are
 * limited (http.*). It may be opened before the job and closed after it.
 */
#ifndef STREAM_HTTP_SERVER_H
#define STREAM_HTTP_SERVER_H

#include "base/status.h"
#include "config/config.h"
#include "stream/job/job_view.h"

struct server;

/*
 * Listens where http.listen says, and logs where that is; *serverp is NULL if it is off, or auto
 * and the port another's. Keeps `config`.
 */
MUST_CHECK enum status server_open(struct server **serverp, const struct config *config,
                                   struct error *error);
void server_close(struct server *server); /* ends what is being answered; legal on NULL */

/* To show a job to. */
struct job_viewer server_viewer(struct server *server);

#endif
