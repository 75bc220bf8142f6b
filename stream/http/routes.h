/*
 * routes.h - which answer a path stands for.
 *
 * A path is cut at its slashes and each part unescaped, so that an id may hold any byte, a slash as
 * %2F. What is asked for beside the path must be what the route knows.
 *
 * Threads: any.
 */
#ifndef STREAM_HTTP_ROUTES_H
#define STREAM_HTTP_ROUTES_H

#include "stream/http/reply.h"
#include "stream/http/site.h"

/* Answers a GET. The body, if it is of the heap, is the caller's to free. */
void routes_answer(struct site *site, const struct request *request, struct reply *reply);

#endif
