/* routes.c - the table of routes, and the way through it. */
#include "stream/http/routes.h"

#include <stdlib.h>

#include "base/number_text.h"
#include "stream/http/answers.h"

enum { PARTS_MAX = 4, ARGUMENTS_MAX = 7 };

struct route {
    const char *parts[PARTS_MAX]; /* "*" is an id; NULL ends them */
    answer *answer;
    const char *arguments[ARGUMENTS_MAX]; /* that it knows; NULL ends them */
};

static const struct route routes[] = {
    {{NULL}, answer_page, {NULL}},
    {{"curve"}, answer_curve, {NULL}},
    {{"healthz"}, answer_healthz, {NULL}},
    {{"readyz"}, answer_readyz, {NULL}},
    {{"metrics"}, answer_metrics, {NULL}},
    {{"generation"}, answer_generation, {NULL}},
    {{"users"}, answer_users, {"n", NULL}},
    {{"users", "*", "interests"}, answer_interests, {"items", "vectors", "as_of", NULL}},
    {{"users", "*", "history"}, answer_history, {"last", "explain", NULL}},
    {{"users", "*", "recommendations"},
     answer_recommendations,
     {"n", "diversity", "pool", "exclude_seen", "interest", "by", NULL}},
    {{"items", "*", "similar"}, answer_similar, {"n", NULL}},
};

/* A path cut into parts, unescaped. */
struct path {
    struct bytes parts[PARTS_MAX];
    uint32_t count;
};

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

/* Unescapes `text` to `to`, which it advances; false: a percent sign without two digits. */
static bool unescape(struct bytes text, char **to, struct bytes *part)
{
    const char *at = text.at;
    char *out = *to;
    for (size_t i = 0; i < text.size; i++) {
        if (at[i] != '%') {
            *out++ = at[i];
            continue;
        }
        if (text.size - i < 3) return false;
        const int high = hex_digit(at[i + 1]), low = hex_digit(at[i + 2]);
        if (high < 0 || low < 0) return false;
        *out++ = (char)(high << 4 | low);
        i += 2;
    }
    *part = (struct bytes){*to, (size_t)(out - *to)};
    *to = out;
    return true;
}

/* Takes `text` apart; the parts lie in `room`, as large as it. False: it is malformed. */
static bool cut_path(struct bytes text, char *room, struct path *path, bool *deepp)
{
    const char *at = text.at, *end = at + text.size;
    *path = (struct path){.count = 0};
    *deepp = false;
    if (text.size == 0 || *at++ != '/') return false;
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const size_t size = (size_t)((slash ? slash : end) - at);
        *deepp = path->count == PARTS_MAX;
        if (*deepp) return true;
        if (!unescape((struct bytes){at, size}, &room, &path->parts[path->count++])) return false;
        at += size + 1;
    }
    return true;
}

static bool leads_to(const struct route *route, const struct path *path, struct bytes *idp)
{
    uint32_t i = 0;
    for (; i < PARTS_MAX && route->parts[i]; i++) {
        if (i >= path->count) return false;
        if (strcmp(route->parts[i], "*") == 0) {
            *idp = path->parts[i];
        } else if (!bytes_equal(path->parts[i], bytes_of(route->parts[i]))) {
            return false;
        }
    }
    return i == path->count;
}

static bool knows(const struct route *route, struct bytes name)
{
    for (uint32_t i = 0; i < ARGUMENTS_MAX && route->arguments[i]; i++) {
        if (bytes_equal(name, bytes_of(route->arguments[i]))) return true;
    }
    return false;
}

static void take(const struct route *route, const struct question *question, struct reply *reply)
{
    const struct request *request = question->request;
    for (uint32_t i = 0; i < request->arguments_count; i++) {
        const struct bytes name = request->arguments[i].name;
        if (knows(route, name)) continue;
        reply_error(reply, CODE_BAD_REQUEST, "this path takes no argument '%.*s'",
                    (int)(name.size < 64 ? name.size : 64), (const char *)name.at);
        return;
    }
    reply->code = CODE_OK;
    route->answer(question, reply);
}

void routes_answer(struct site *site, const struct request *request, struct reply *reply)
{
    struct path path;
    bool deep;
    struct question question = {.site = site, .request = request};
    char *room = malloc(request->path.size + 1);
    if (!room) {
        reply_error(reply, CODE_FAILED, "out of memory: a path");
        return;
    }
    if (!cut_path(request->path, room, &path, &deep)) {
        reply_error(reply, CODE_BAD_REQUEST, "the path is malformed");
    } else {
        size_t i = 0;
        while (i < sizeof routes / sizeof *routes &&
               (deep || !leads_to(&routes[i], &path, &question.id))) {
            i++;
        }
        if (i < sizeof routes / sizeof *routes) {
            take(&routes[i], &question, reply);
        } else {
            reply_error(reply, CODE_NOT_FOUND, "there is nothing at this path");
        }
    }
    free(room);
}
