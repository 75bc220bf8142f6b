/* event_time.c - epoch numbers by value, and ISO 8601. */
#include "stream/source/event_time.h"

#include "base/iso8601.h"
#include "stream/source/decimal.h"

/* Digits alone, as most times are; not so many that they could overflow. */
static bool parse_digits(struct bytes text, int64_t *valuep)
{
    const char *at = text.at;
    int64_t value = 0;
    if (text.size == 0 || text.size > 18) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        value = value * 10 + (at[i] - '0');
    }
    *valuep = value;
    return true;
}

/* `places`: what makes a number of the unit one of milliseconds, as a power of ten. */
static bool parse_epoch(struct bytes text, int places, int64_t *msp)
{
    struct decimal decimal;
    if (places == 0 && parse_digits(text, msp)) return true;
    return decimal_parse(text, &decimal) && decimal_scaled(&decimal, places, msp);
}

static struct bytes trimmed(struct bytes text)
{
    const char *at = text.at;
    while (text.size > 0 && at[text.size - 1] == ' ') {
        text.size--;
    }
    while (text.size > 0 && *at == ' ') {
        at++;
        text.size--;
    }
    return (struct bytes){at, text.size};
}

bool event_time_parse(struct bytes text, enum config_time unit, int64_t *msp)
{
    text = trimmed(text);
    switch (unit) {
    case CONFIG_TIME_S: return parse_epoch(text, 3, msp);
    case CONFIG_TIME_MS: return parse_epoch(text, 0, msp);
    case CONFIG_TIME_US: return parse_epoch(text, -3, msp);
    case CONFIG_TIME_ISO8601: return iso8601_parse(text, msp);
    }
    return false;
}
