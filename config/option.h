/*
 * option.h - the option table: what may be set, and to what. Inside config/ only.
 *
 * A row has everything that is ever said about an option; parsing, checking, printing and the
 * reference read nothing else. Defaults are text and go through the same parser as a user's values.
 */
#ifndef CONFIG_OPTION_H
#define CONFIG_OPTION_H

#include "config/config.h"

enum option_type {
    OPTION_BOOL,
    OPTION_CHOICE,   /* one of `choices`, stored as its index */
    OPTION_COUNT,    /* a whole number */
    OPTION_REAL,     /* a number, stored as a double */
    OPTION_SIZE,     /* bytes: 65536, 64KB, 1GB */
    OPTION_DURATION, /* milliseconds: 500, 500ms, 10s, 5min, 1h, 7d */
    OPTION_DATE,     /* ISO 8601, stored as milliseconds since 1970 */
    OPTION_TEXT,
    OPTION_BYTE, /* one character, or \t, or \x01; stored as 0 if empty */
};

struct option {
    const char *key; /* dotted */
    enum option_type type;
    size_t offset;     /* of the field in struct config ... */
    size_t width;      /* ... and its bytes */
    const char *value; /* default */
    int64_t least;     /* limits, both included: of the number, or of a text's bytes */
    int64_t most;
    const char *const *choices; /* ends with NULL */
    const char *help;
};

extern const struct option option_table[];
extern const unsigned option_count;

/* The row of that key, or NULL. */
const struct option *option_find(const char *key);

/* True for actions.NAME and kafka.client.PROPERTY, whose names are the user's. */
bool option_is_open(const char *key);

/* True if options begin with `key` and a dot. */
bool option_is_section(const char *key);

/* "config/x.yaml:12: source.pth: unknown key; did you mean source.path?" */
enum status option_unknown(const char *key, const char *origin, struct error *error);

/* What is allowed, as a phrase: "a whole number from 1 to 64". */
const char *option_allowed(const struct option *option, char to[CONFIG_TEXT_MAX]);

/* Parses `value` into the config. STATUS_INVALID says what is allowed. */
MUST_CHECK enum status option_set(struct config *config, const struct option *option,
                                  const char *value, const char *origin, struct error *error);

/* The value in effect, as it could be written in a file. */
const char *option_print(const struct config *config, const struct option *option,
                         char to[CONFIG_TEXT_MAX]);

#endif
