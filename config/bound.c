/* bound.c - see bound.h. Digits alone are a number, not a date without dashes. */
#include "config/bound.h"

#include <string.h>

#include "base/iso8601.h"
#include "base/number_text.h"

/* The next "PARTITION:OFFSET" of a text, which moves behind it and the comma that follows. */
static bool next_place(const char **textp, uint64_t *partitionp, uint64_t *offsetp)
{
    const size_t size = strcspn(*textp, ",");
    const size_t digits = strcspn(*textp, ":,");
    if (digits == size || !parse_unsigned((struct bytes){*textp, digits}, UINT32_MAX, partitionp) ||
        !parse_unsigned((struct bytes){*textp + digits + 1, size - digits - 1}, INT64_MAX,
                        offsetp)) {
        return false;
    }
    *textp += size;
    if (**textp != ',') return true;
    return *++*textp != 0; /* no comma at the end */
}

bool bound_place(const struct bound *bound, uint32_t partition, int64_t *offsetp)
{
    const char *at = bound->places;
    uint64_t found, offset;
    while (*at && next_place(&at, &found, &offset)) {
        if (found != partition) continue;
        *offsetp = (int64_t)offset;
        return true;
    }
    return false;
}

/* Whether all of a text is offsets, of partitions that are named once. */
static bool are_places(const char *text)
{
    const char *at = text;
    uint64_t partition, offset;
    if (*at == 0) return false;
    while (*at) {
        const char *before = at;
        if (!next_place(&at, &partition, &offset)) return false;
        for (const char *other = text; other < before;) {
            uint64_t named;
            if (!next_place(&other, &named, &offset) || named == partition) return false;
        }
    }
    return true;
}

static bool parse_place(struct bound *bound, const char *text)
{
    uint64_t number;
    bound->kind = BOUND_OFFSET;
    if (parse_unsigned(bytes_of(text), INT64_MAX, &number)) {
        bound->value = (int64_t)number;
        return true;
    }
    bound->places = text;
    bound->kind = BOUND_PLACES;
    if (are_places(text)) return true;
    bound->kind = strcmp(text, "latest") == 0 ? BOUND_LATEST : BOUND_TIME;
    return bound->kind == BOUND_LATEST || iso8601_parse(bytes_of(text), &bound->value);
}

enum status bound_parse_start(struct bound *bound, const char *text, struct error *error)
{
    *bound = (struct bound){.kind = BOUND_NONE};
    if (strcmp(text, "earliest") == 0 || parse_place(bound, text)) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "source.start: '%s' is not allowed; expected earliest, latest, a time as in "
                     "2024-05-01T12:00Z, the number of an event from 0 (file), or offsets as in "
                     "0:1200,1:3400 (kafka)",
                     text);
}

enum status bound_parse_end(struct bound *bound, const char *text, struct error *error)
{
    *bound = (struct bound){.kind = BOUND_NONE};
    if (strcmp(text, "never") == 0) bound->kind = BOUND_NEVER;
    if (*text == 0 || bound->kind == BOUND_NEVER || parse_place(bound, text)) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "source.end: '%s' is not allowed; expected latest, never, a time as in "
                     "2024-05-01T12:00Z, the number of an event from 0 (file), or offsets as in "
                     "0:1200,1:3400 (kafka)",
                     text);
}
