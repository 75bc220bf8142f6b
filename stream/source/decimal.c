/* decimal.c - digits and where the point is among them; nothing is rounded. */
#include "stream/source/decimal.h"

enum { EXPONENT_MAX = 1000 }; /* beyond it a number is zero or out of all bounds */

/* A number that is being read. */
struct scan {
    const char *at;
    const char *end;
    int zeros; /* seen behind the last significant digit */
};

static bool is_digit(const struct scan *scan)
{
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static bool take(struct scan *scan, char symbol)
{
    if (scan->at == scan->end || *scan->at != symbol) return false;
    scan->at++;
    return true;
}

/* Keeps a digit; zeros only when another digit follows. False if there are too many. */
static bool keep_digit(struct scan *scan, struct decimal *decimal, char digit)
{
    if (digit == '0') {
        scan->zeros += decimal->count > 0;
        return true;
    }
    if (decimal->count + scan->zeros >= DECIMAL_DIGITS_MAX) return false;
    for (; scan->zeros > 0; scan->zeros--) {
        decimal->digits[decimal->count++] = '0';
    }
    decimal->digits[decimal->count++] = digit;
    return true;
}

/* The digits in front of the point or behind it; of the latter, leading zeros move the point. */
static bool take_digits(struct scan *scan, struct decimal *decimal, bool fraction)
{
    if (!is_digit(scan)) return false;
    for (; is_digit(scan); scan->at++) {
        if (!keep_digit(scan, decimal, *scan->at)) return false;
        if (fraction) {
            decimal->point -= decimal->count == 0;
        } else {
            decimal->point += decimal->count > 0;
        }
    }
    return true;
}

static bool take_exponent(struct scan *scan, struct decimal *decimal)
{
    int exponent = 0;
    const bool negative = take(scan, '-');
    if (!negative) take(scan, '+');
    if (!is_digit(scan)) return false;
    for (; is_digit(scan); scan->at++) {
        if (exponent < EXPONENT_MAX) exponent = exponent * 10 + (*scan->at - '0');
    }
    decimal->point += negative ? -exponent : exponent;
    return true;
}

bool decimal_parse(struct bytes text, struct decimal *decimal)
{
    struct scan scan = {text.at, (const char *)text.at + text.size, 0};
    decimal->negative = take(&scan, '-');
    decimal->count = decimal->point = 0;
    if (!decimal->negative) take(&scan, '+');
    if (!take_digits(&scan, decimal, false)) return false;
    if (take(&scan, '.') && !take_digits(&scan, decimal, true)) return false;
    if ((take(&scan, 'e') || take(&scan, 'E')) && !take_exponent(&scan, decimal)) return false;
    return scan.at == scan.end;
}

bool decimal_scaled(const struct decimal *decimal, int places, int64_t *valuep)
{
    const int whole = decimal->count ? decimal->point + places : 0;
    int64_t value = 0;
    if (whole > DECIMAL_DIGITS_MAX) return false;
    for (int i = 0; i < whole; i++) {
        const int digit = i < decimal->count ? decimal->digits[i] - '0' : 0;
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_add_overflow(value, digit, &value)) return false;
    }
    *valuep = decimal->negative ? -value : value;
    return true;
}

size_t decimal_integer(const struct decimal *decimal, char to[DECIMAL_INTEGER_MAX])
{
    size_t size = 0;
    if (decimal->count == 0) {
        to[size++] = '0';
        return size;
    }
    if (decimal->point < decimal->count) return 0;
    if (decimal->point + decimal->negative > DECIMAL_INTEGER_MAX) return 0;
    if (decimal->negative) to[size++] = '-';
    for (int i = 0; i < decimal->point; i++) {
        to[size++] = i < decimal->count ? decimal->digits[i] : '0';
    }
    return size;
}
