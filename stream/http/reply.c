/* reply.c - see reply.h. */
#include "stream/http/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number_text.h"

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

static void write_error(struct reply *reply, enum code code, const char *text, const char *address)
{
    struct json_writer json = json_writer_growing();
    json_begin(&json, '{');
    json_key(&json, "status");
    json_unsigned(&json, code);
    json_key(&json, "error");
    json_text(&json, bytes_of(text));
    if (address) json_key(&json, "ask"), json_text(&json, bytes_of(address));
    json_end(&json, '}');
    reply->code = code;
    reply_json(reply, &json);
}

void reply_error(struct reply *reply, enum code code, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    write_error(reply, code, text, NULL);
}

void reply_misdirected(struct reply *reply, uint32_t partition, const char *address)
{
    char text[ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "the user's partition, %u, is another process's: ask %s", partition,
             address ? address : "the others of the group");
    write_error(reply, CODE_MISDIRECTED, text, address);
}

struct bytes request_argument(const struct request *request, const char *name)
{
    const struct bytes wanted = bytes_of(name);
    for (uint32_t i = 0; i < request->arguments_count; i++) {
        if (bytes_equal(request->arguments[i].name, wanted)) return request->arguments[i].value;
    }
    return (struct bytes){0};
}

bool request_count(const struct request *request, const char *name, uint32_t least, uint32_t most,
                   uint32_t *valuep, struct reply *reply)
{
    const struct bytes text = request_argument(request, name);
    uint64_t value;
    if (!text.at) return true;
    if (parse_unsigned(text, most, &value) && value >= least) {
        *valuep = (uint32_t)value;
        return true;
    }
    reply_error(reply, CODE_BAD_REQUEST, "%s is a whole number from %u to %u", name, least, most);
    return false;
}

bool request_real(const struct request *request, const char *name, double least, double most,
                  double *valuep, struct reply *reply)
{
    const struct bytes text = request_argument(request, name);
    double value;
    if (!text.at) return true;
    if (parse_real(text, &value) && value >= least && value <= most) {
        *valuep = value;
        return true;
    }
    reply_error(reply, CODE_BAD_REQUEST, "%s is a number from %g to %g", name, least, most);
    return false;
}

bool request_moment(const struct request *request, const char *name, int64_t *msp,
                    struct reply *reply)
{
    const struct bytes text = request_argument(request, name);
    if (!text.at || parse_signed(text, msp)) return true;
    reply_error(reply, CODE_BAD_REQUEST, "%s is a number of milliseconds since 1970", name);
    return false;
}

bool request_bool(const struct request *request, const char *name, bool *valuep,
                  struct reply *reply)
{
    const struct bytes text = request_argument(request, name);
    if (!text.at) return true;
    *valuep = bytes_equal(text, bytes_of("true"));
    if (*valuep || bytes_equal(text, bytes_of("false"))) return true;
    reply_error(reply, CODE_BAD_REQUEST, "%s is true or false", name);
    return false;
}
