/* answer_page.c - what a browser gets: the page, and the curve of quality that it draws. */
#include <stdio.h>
#include <stdlib.h>

#include "stream/http/answers.h"
#include "stream/http/page.h"

enum { CURVE_MAX = 4 << 20, PATH_SIZE_MAX = 4096 }; /* bytes */

void answer_page(const struct question *question, struct reply *reply)
{
    (void)question;
    reply->type = "text/html; charset=utf-8";
    reply->fixed = page;
    reply->size = page_size;
}

/* The file as it is; a row that is being appended is read on the next look. */
void answer_curve(const struct question *question, struct reply *reply)
{
    char path[PATH_SIZE_MAX];
    const struct config *config = site_config(question->site);
    const int size = snprintf(path, sizeof path, "%s/curve.csv", config->model.dir);
    FILE *file = *config->model.dir && size < PATH_SIZE_MAX ? fopen(path, "r") : NULL;
    char *at = malloc(CURVE_MAX);
    if (!file || !at) {
        reply_error(reply, file ? CODE_FAILED : CODE_NOT_FOUND, "there is no curve: %s",
                    file ? "out of memory" : "no round of training has ended");
        if (file) fclose(file);
        free(at);
        return;
    }
    reply->at = at;
    reply->size = fread(at, 1, CURVE_MAX, file);
    reply->type = "text/csv; charset=utf-8";
    fclose(file);
}
