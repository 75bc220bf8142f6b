/* site.c - see site.h. A count of who is inside, and a job that leaves when it is zero. */
#include "stream/http/site.h"

#include <pthread.h>
#include <stdlib.h>

struct site {
    const struct config *config;
    pthread_mutex_t lock;
    pthread_cond_t empty;
    const struct job_view *view; /* NULL: no job, or nobody may enter any more */
    uint32_t inside;
};

enum status site_open(struct site **sitep, const struct config *config, struct error *error)
{
    struct site *site = calloc(1, sizeof *site);
    *sitep = site;
    if (!site) return error_set(error, STATUS_IO, "out of memory: a site");
    site->config = config;
    pthread_mutex_init(&site->lock, NULL);
    pthread_cond_init(&site->empty, NULL);
    return STATUS_OK;
}

void site_close(struct site *site)
{
    if (!site) return;
    pthread_cond_destroy(&site->empty);
    pthread_mutex_destroy(&site->lock);
    free(site);
}

static void begin_view(void *context, const struct job_view *view)
{
    struct site *site = context;
    pthread_mutex_lock(&site->lock);
    site->view = view;
    pthread_mutex_unlock(&site->lock);
}

static void end_view(void *context)
{
    struct site *site = context;
    pthread_mutex_lock(&site->lock);
    site->view = NULL;
    while (site->inside > 0) {
        pthread_cond_wait(&site->empty, &site->lock);
    }
    pthread_mutex_unlock(&site->lock);
}

struct job_viewer site_viewer(struct site *site)
{
    return (struct job_viewer){site, begin_view, end_view};
}

const struct job_view *site_enter(struct site *site)
{
    pthread_mutex_lock(&site->lock);
    const struct job_view *view = site->view;
    site->inside += view != NULL;
    pthread_mutex_unlock(&site->lock);
    return view;
}

void site_leave(struct site *site)
{
    pthread_mutex_lock(&site->lock);
    if (--site->inside == 0) pthread_cond_signal(&site->empty);
    pthread_mutex_unlock(&site->lock);
}

const struct config *site_config(const struct site *site)
{
    return site->config;
}
