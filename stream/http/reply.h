/*
 * reply.h - what is asked and what is answered, without a word of the protocol.
 *
 * Threads: each belongs to the thread that answers.
 */
#ifndef STREAM_HTTP_REPLY_H
#define STREAM_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/json_writer.h"
#include "base/status.h"

enum { REQUEST_ARGUMENTS_MAX = 8 };

/* The codes that are answered. */
enum code {
    CODE_OK = 200,
    CODE_BAD_REQUEST = 400,
    CODE_FORBIDDEN = 403,
    CODE_NOT_FOUND = 404,
    CODE_METHOD_NOT_ALLOWED = 405,
    CODE_TOO_LARGE = 413,
    CODE_MISDIRECTED = 421, /* another process has that */
    CODE_FAILED = 500,
    CODE_UNAVAILABLE = 503, /* not now */
};

struct argument {
    struct bytes name, value; /* as they came, percent signs and all */
};

struct request {
    struct bytes path; /* as it came, without what follows a question mark */
    struct argument arguments[REQUEST_ARGUMENTS_MAX];
    uint32_t arguments_count;
    struct bytes accept; /* the header of that name, empty if there is none */
};

struct reply {
    enum code code;
    const char *type; /* Content-Type */
    char *at;         /* the body, of the heap; */
    size_t size;
    const void *fixed; /* or, if not NULL, one that is there for good */
};

/* Makes what was written the body; out of memory is CODE_FAILED. Takes the writer's memory. */
void reply_json(struct reply *reply, struct json_writer *json);

/* {"status":404,"error":"..."}; what cannot be printed is escaped. */
void reply_error(struct reply *reply, enum code code, const char *format, ...) PRINTF_LIKE(3, 4);

/*
 * The same with CODE_MISDIRECTED, and as "ask" the address of who has the partition; NULL: it is not
 * known.
 */
void reply_misdirected(struct reply *reply, uint32_t partition, const char *address);

/*
 * Arguments by name. One that was not given leaves its value as it is; false: it is not what it may
 * be, and `reply` says so.
 */
bool request_count(const struct request *request, const char *name, uint32_t least, uint32_t most,
                   uint32_t *valuep, struct reply *reply);
bool request_real(const struct request *request, const char *name, double least, double most,
                  double *valuep, struct reply *reply);
bool request_moment(const struct request *request, const char *name, int64_t *msp,
                    struct reply *reply); /* ms since 1970 */
bool request_bool(const struct request *request, const char *name, bool *valuep,
                  struct reply *reply);

/* The value of an argument; .at NULL: it was not given. */
struct bytes request_argument(const struct request *request, const char *name);

#endif
