/* iso8601.c - days of the proleptic Gregorian calendar by arithmetic; no locale, no time zone. */
#include "base/iso8601.h"

#include <stdio.h>

enum { MS_PER_SECOND = 1000, MS_PER_MINUTE = 60000, MS_PER_HOUR = 3600000, MS_PER_DAY = 86400000 };

/*
 * Days from 1970-01-01. A year is counted from March, so that the leap day is its last; an era is
 * the 400 years (146,097 days) after which the calendar repeats.
 */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static int64_t month_days(int64_t year, int64_t month)
{
    return month == 12 ? 31 : days_of(year, month + 1, 1) - days_of(year, month, 1);
}

/* Exactly `digits` digits; a sticky failure like that of struct byte_reader. */
static int64_t read_digits(struct byte_reader *reader, unsigned digits)
{
    const uint8_t *at = read_raw(reader, digits);
    int64_t value = 0;
    for (unsigned i = 0; at && i < digits; i++) {
        if (at[i] < '0' || at[i] > '9') reader->failed = true;
        value = value * 10 + (at[i] - '0');
    }
    return value;
}

static bool skip_symbol(struct byte_reader *reader, char symbol)
{
    if (reader->failed || reader->left == 0 || *reader->at != (uint8_t)symbol) return false;
    read_u8(reader);
    return true;
}

static bool skip_spaces(struct byte_reader *reader)
{
    const bool skipped = skip_symbol(reader, ' ');
    while (skip_symbol(reader, ' ')) {
    }
    return skipped;
}

/* Milliseconds of ".123456", if there is a fraction. */
static int64_t read_fraction(struct byte_reader *reader)
{
    int64_t ms = 0;
    int digits = 0;
    if (!skip_symbol(reader, '.') && !skip_symbol(reader, ',')) return 0;
    while (reader->left && *reader->at >= '0' && *reader->at <= '9') {
        uint8_t digit = read_u8(reader);
        if (digits++ < 3) ms = ms * 10 + (digit - '0');
    }
    if (digits == 0) reader->failed = true;
    for (; digits < 3; digits++) {
        ms *= 10;
    }
    return ms;
}

static bool at_digit(const struct byte_reader *reader)
{
    return !reader->failed && reader->left && *reader->at >= '0' && *reader->at <= '9';
}

/* Whether another two digits follow: behind a colon if `colons`, else at once. */
static bool skip_to_digits(struct byte_reader *reader, bool colons)
{
    return colons ? skip_symbol(reader, ':') : at_digit(reader);
}

/* hh[:mm[:ss[.fraction]]] or hh[mm[ss[.fraction]]]; with colons the hour may have one digit. */
static int64_t read_clock(struct byte_reader *reader)
{
    const bool one_digit = reader->left > 1 && reader->at[1] == ':';
    const int64_t hours = read_digits(reader, one_digit ? 1 : 2);
    const bool colons = reader->left && *reader->at == ':';
    int64_t minutes = 0, ms = 0;
    if (skip_to_digits(reader, colons)) minutes = read_digits(reader, 2);
    if (skip_to_digits(reader, colons)) {
        const int64_t seconds = read_digits(reader, 2);
        if (seconds > 60) reader->failed = true; /* 60: a leap second is the next minute's first */
        ms = seconds * MS_PER_SECOND + read_fraction(reader);
    }
    ms += minutes * MS_PER_MINUTE;
    if (minutes > 59 || hours > 24) reader->failed = true;
    if (hours == 24 && ms > 0) reader->failed = true; /* 24:00 is the next day's 00:00 */
    return hours * MS_PER_HOUR + ms;
}

static bool skip_word(struct byte_reader *reader, const char *word)
{
    const size_t size = strlen(word);
    if (reader->failed || reader->left < size || memcmp(reader->at, word, size) != 0) return false;
    read_raw(reader, size);
    return true;
}

/* +hh, +hhmm, +hh:mm, +hh:mm:ss, and behind it the zone's name: [Europe/Berlin]. */
static int64_t read_shift(struct byte_reader *reader)
{
    const bool behind = skip_symbol(reader, '-');
    if (!behind && !skip_symbol(reader, '+')) reader->failed = true;
    const int64_t hours = read_digits(reader, 2);
    const bool colons = reader->left && *reader->at == ':';
    int64_t minutes = 0, seconds = 0;
    if (skip_to_digits(reader, colons)) minutes = read_digits(reader, 2);
    if (skip_to_digits(reader, colons)) seconds = read_digits(reader, 2);
    if (hours > 23 || minutes > 59 || seconds > 59) reader->failed = true;
    if (skip_symbol(reader, '[')) {
        const uint8_t *end = memchr(reader->at, ']', reader->left);
        if (!end) reader->failed = true;
        read_raw(reader, end ? (size_t)(end - reader->at) + 1 : 0);
    }
    const int64_t ms = hours * MS_PER_HOUR + minutes * MS_PER_MINUTE + seconds * MS_PER_SECOND;
    return behind ? -ms : ms;
}

/* Z, UTC, GMT, a shift or nothing: what local time is ahead of UTC. */
static int64_t read_offset(struct byte_reader *reader)
{
    skip_spaces(reader);
    if (reader->left == 0 || skip_symbol(reader, 'Z') || skip_symbol(reader, 'z')) return 0;
    if (skip_word(reader, "UTC") || skip_word(reader, "GMT")) return 0;
    return read_shift(reader);
}

bool iso8601_parse(struct bytes text, int64_t *msp)
{
    struct byte_reader reader = byte_reader_of(text);
    const int64_t year = read_digits(&reader, 4);
    const bool dashes = skip_symbol(&reader, '-');
    const int64_t month = read_digits(&reader, 2);
    if (dashes && !skip_symbol(&reader, '-')) return false;
    const int64_t day = read_digits(&reader, 2);
    if (reader.failed || month < 1 || month > 12) return false;
    if (day < 1 || day > month_days(year, month)) return false;
    int64_t ms = days_of(year, month, day) * MS_PER_DAY;
    if (skip_symbol(&reader, 'T') || skip_symbol(&reader, 't') || skip_spaces(&reader)) {
        ms += read_clock(&reader);
        ms -= read_offset(&reader);
    }
    *msp = ms;
    return !reader.failed && reader.left == 0;
}

const char *iso8601_print(int64_t ms, char to[ISO8601_SIZE])
{
    int64_t days = ms / MS_PER_DAY - (ms % MS_PER_DAY < 0);
    int64_t rest = ms - days * MS_PER_DAY;
    int64_t year = 1970 + days / 366; /* at most a few years too early (or late, before 1970) */
    while (days_of(year + 1, 1, 1) <= days) {
        year++;
    }
    while (days_of(year, 1, 1) > days) {
        year--;
    }
    int64_t month = 1;
    while (month < 12 && days_of(year, month + 1, 1) <= days) {
        month++;
    }
    snprintf(to, ISO8601_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)(year % 10000),
             (int)month, (int)(days - days_of(year, month, 1) + 1), (int)(rest / MS_PER_HOUR),
             (int)(rest / MS_PER_MINUTE % 60), (int)(rest / MS_PER_SECOND % 60),
             (int)(rest % MS_PER_SECOND));
    return to;
}
