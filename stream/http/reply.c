/* reply.c - see reply.h. */
#include "stream/http/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char json_type[] = "application/json";

void reply_json(struct reply *reply, struct json_writer *json)
{
    if (json->failed) {
        free(json->at);
        *reply = (struct reply){
            .code = CODE_FAILED, .type = json_type, .fixed = "{}", .size = sizeof "{}" - 1};
        return;
    }
    reply->type = json_type;
    reply->at = json->at;
    reply->size = json->used;
}

void reply_error(struct reply *reply, enum code code, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    struct json_writer json = json_writer_growing();
    json_begin(&json, '{');
    json_key(&json, "status");
    json_unsigned(&json, code);
    json_key(&json, "error");
    json_text(&json, bytes_of(text));
    json_end(&json, '}');
    reply->code = code;
    reply_json(reply, &json);
}

struct bytes request_argument(const struct request *request, const char *name)
{
    const struct bytes wanted = bytes_of(name);
    for (uint32_t i = 0; i < request->arguments_count; i++) {
        if (bytes_equal(request->arguments[i].name, wanted)) return request->arguments[i].value;
    }
    return (struct bytes){0};
}
