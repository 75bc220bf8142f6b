/* site.c - see site.h. A count of who is inside, and a job that leaves when it is zero. */
#include "stream/http/site.h"

#include <pthread.h>
#include <stdlib.h>

struct site {
    const struct config *config;
    struct catalogue *catalogue; /* NULL: no titles */
    struct servings *servings;
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
    const char *titles = config->http.catalogue;
    enum status status = servings_open(&site->servings, config->http.threads, error);
    if (status == STATUS_OK && *titles) {
        status = catalogue_open(&site->catalogue, titles, NULL, NULL, error);
        if (status != STATUS_OK) error_prefix(error, "http.catalogue: ");
    }
    if (status == STATUS_OK) return STATUS_OK;
    site_close(site);
    *sitep = NULL;
    return status;
}

void site_close(struct site *site)
{
    if (!site) return;
    catalogue_close(site->catalogue);
    servings_close(site->servings);
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
    servings_clear(site->servings);
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

const struct catalogue *site_catalogue(const struct site *site)
{
    return site->catalogue;
}

struct servings *site_servings(const struct site *site)
{
    return site->servings;
}
