/*
 * json.h - JSON through simdjson, behind functions that C can call.
 *
 * Two readers for two needs. A json_decoder takes named members out of one flat object after
 * another and is as fast as an event stream needs. A json_document holds any document and is walked
 * with cursors: a checkpoint's header, a published record.
 *
 * Text given to either must be followed by JSON_PADDING readable bytes (of any content). One that
 * begins with a byte order mark is malformed. No exception leaves these functions.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    JSON_PADDING = 64,
    JSON_NAMES_MAX = 24, /* that json_decode is asked for */
};

enum json_type {
    JSON_ABSENT, /* no member of that name */
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER,
    JSON_BIG_INTEGER, /* beyond int64 */
    JSON_REAL,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
    JSON_BAD_STRING, /* json_decode: a byte that is no UTF-8, a control character, a bad escape */
    JSON_BAD_SCALAR, /* json_decode: NaN, 01, undefined */
};

/* What is not said of a value's type below has no meaning for it. */
struct json_value {
    enum json_type type;
    struct bytes text;  /* strings: unescaped; scalars and arrays read by json_decode: as written */
    int64_t integer;    /* JSON_INTEGER; JSON_BOOL: 0 or 1 */
    double real;        /* JSON_INTEGER and JSON_REAL of a document */
    uint64_t handle[2]; /* JSON_ARRAY, JSON_OBJECT of a document: for json_walk */
};

enum json_verdict {
    JSON_OK,
    JSON_MALFORMED, /* not one JSON object */
};

struct json_decoder;

/* Prepares for texts of up to `size_max` bytes. One decoder per thread. */
MUST_CHECK enum status json_decoder_open(struct json_decoder **decoderp, size_t size_max,
                                         struct error *error);
void json_decoder_close(struct json_decoder *decoder);

/*
 * Reads the members `names[0..count)` of the object that `text` (at most size_max bytes) is into
 * `values`. "a.b" is the member of that name, or b of the object a. Of members with the same name
 * the last one counts. The object's structure is checked; members nobody named are stepped over,
 * whatever they are. Strings are written to `scratch` (text.size bytes are enough), scalars point
 * into `text`. If the verdict is JSON_MALFORMED, *whyp is a constant text that says why. Allocates
 * nothing.
 */
enum json_verdict json_decode(struct json_decoder *decoder, struct bytes text,
                              const struct bytes *names, unsigned count, void *scratch,
                              struct json_value *values, const char **whyp);

/*
 * Reads the first `max` elements of an array, as json_decode gave its text, into `values`: what they
 * are, as json_decode says it of members. Strings are written to `scratch` (text.size bytes are
 * enough). False if it is no array, or holds what is no UTF-8.
 */
bool json_decode_elements(struct json_decoder *decoder, struct bytes text, void *scratch,
                          struct json_value *values, unsigned max, unsigned *countp);

/* True if `text` is UTF-8. Needs no padding. */
bool json_utf8_valid(struct bytes text);

struct json_document;

/* A document may be parsed into again and again; its memory grows to what the largest needs. */
MUST_CHECK enum status json_document_open(struct json_document **documentp, struct error *error);
void json_document_close(struct json_document *document);

/*
 * Parses `text`; *rootp and all that is walked from it are valid until the next parse or the close.
 * STATUS_CORRUPT says why it is not JSON; STATUS_IO: out of memory.
 */
MUST_CHECK enum status json_document_parse(struct json_document *document, struct bytes text,
                                           struct json_value *rootp, struct error *error);

/* The place of a walk over an array's elements or an object's members, in the text's order. */
struct json_cursor {
    uint64_t next[2];
    uint64_t end[2];
    bool object;
};

/* A walk over `value`, which is a JSON_ARRAY or JSON_OBJECT of a document. */
struct json_cursor json_walk(const struct json_value *value);

/* The next element or member; false at the end. `key` (may be NULL) is empty for arrays. */
bool json_next(struct json_cursor *cursor, struct bytes *key, struct json_value *value);

#ifdef __cplusplus
}
#endif

#endif
