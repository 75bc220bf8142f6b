/*
 * site.h - the job that questions are answered about, while there is one.
 *
 * The server is there before the job is open and after it has ended: it is alive then, and has
 * nothing to tell. Who answers enters; the job's end waits until everybody has left.
 *
 * Threads: any.
 */
#ifndef STREAM_HTTP_SITE_H
#define STREAM_HTTP_SITE_H

#include "base/status.h"
#include "config/config.h"
#include "stream/http/serving.h"
#include "stream/job/job_view.h"
#include "stream/query/catalogue.h"

struct site;

/* Reads http.catalogue. Keeps `config`. */
MUST_CHECK enum status site_open(struct site **sitep, const struct config *config,
                                 struct error *error);
void site_close(struct site *site); /* legal on NULL */

/* Shows it a job, and takes that away again: see struct job_viewer. */
struct job_viewer site_viewer(struct site *site);

/* The job, until site_leave; NULL: there is none, and nothing to leave. */
const struct job_view *site_enter(struct site *site);
void site_leave(struct site *site);

const struct config *site_config(const struct site *site);
const struct catalogue *site_catalogue(const struct site *site); /* NULL: no titles */
struct servings *site_servings(const struct site *site);         /* for who has entered */

#endif
