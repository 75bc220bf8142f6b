/* answer_metrics.c - the metrics, with what is only looked at when somebody asks. */
#include <stdlib.h>

#include "stream/http/answers.h"
#include "stream/http/exposition.h"
#include "stream/http/process_facts.h"

/* Whether the client names OpenMetrics among what it takes. */
static bool wants_openmetrics(struct bytes accept)
{
    static const char name[] = "application/openmetrics-text";
    return accept.size > 0 && memmem(accept.at, accept.size, name, sizeof name - 1);
}

void answer_metrics(const struct question *question, struct reply *reply)
{
    const bool openmetrics = wants_openmetrics(question->request->accept);
    process_facts_update();
    FILE *out = open_memstream(&reply->at, &reply->size);
    if (!out) {
        reply_error(reply, CODE_FAILED, "out of memory: metrics");
        return;
    }
    exposition_print(out, openmetrics);
    if (fclose(out) != 0) {
        free(reply->at);
        reply_error(reply, CODE_FAILED, "out of memory: metrics");
        return;
    }
    reply->type = openmetrics ? exposition_openmetrics_type : exposition_text_type;
}
