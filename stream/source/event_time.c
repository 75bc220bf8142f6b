/* event_time.c - epoch numbers in text, with a fraction or without, and ISO 8601. */
#include "stream/source/event_time.h"

#include "base/iso8601.h"

/*
 * "-12.345" with a decimal point moved `places` to the right, and what is then behind it cut off:
 * seconds are milliseconds by three places. Down to whole numbers, so -0.5 ms is 0.
 */
static bool parse_decimal(struct bytes text, int places, int64_t *valuep)
{
    const char *at = text.at, *end = at + text.size;
    bool negative = at < end && *at == '-';
    int64_t value = 0;
    int digits = 0;
    at += negative;
    for (; at < end && *at >= '0' && *at <= '9'; at++, digits++) {
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_add_overflow(value, *at - '0', &value)) return false;
    }
    if (digits == 0) return false;
    bool fraction = at < end && *at == '.';
    at += fraction;
    if (fraction && at == end) return false;
    for (; places > 0; places--) {
        bool digit = at < end && *at >= '0' && *at <= '9';
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (digit && __builtin_add_overflow(value, *at - '0', &value)) return false;
        at += digit;
    }
    while (fraction && at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    *valuep = negative ? -value : value;
    return at == end;
}

bool event_time_parse(struct bytes text, enum config_time unit, int64_t *msp)
{
    switch (unit) {
    case CONFIG_TIME_S: return parse_decimal(text, 3, msp);
    case CONFIG_TIME_MS: return parse_decimal(text, 0, msp);
    case CONFIG_TIME_US:
        if (!parse_decimal(text, 0, msp)) return false;
        *msp /= 1000;
        return true;
    case CONFIG_TIME_ISO8601: return iso8601_parse(text, msp);
    }
    return false;
}
