/* number_text.cc - C++17's to_chars and from_chars behind functions that C can call. */
#include "base/number_text.h"

#include <charconv>
#include <cmath>

/* Reads all of `text`, in place of *valuep only if that is a number. */
template <typename number> static bool parse_whole(struct bytes text, number *valuep)
{
    const char *begin = static_cast<const char *>(text.at), *end = begin + text.size;
    number value;
    const std::from_chars_result result = std::from_chars(begin, end, value);
    if (result.ec != std::errc() || result.ptr != end) return false;
    *valuep = value;
    return true;
}

bool parse_unsigned(struct bytes text, uint64_t most, uint64_t *valuep)
{
    uint64_t value;
    if (!parse_whole(text, &value) || value > most) return false;
    *valuep = value;
    return true;
}

bool parse_signed(struct bytes text, int64_t *valuep)
{
    return parse_whole(text, valuep);
}

bool parse_real(struct bytes text, double *valuep)
{
    double value;
    if (!parse_whole(text, &value) || !std::isfinite(value)) return false;
    *valuep = value;
    return true;
}

char *put_unsigned(char *to, uint64_t value)
{
    return std::to_chars(to, to + NUMBER_TEXT_MAX, value).ptr;
}

char *put_signed(char *to, int64_t value)
{
    return std::to_chars(to, to + NUMBER_TEXT_MAX, value).ptr;
}

char *put_float(char *to, float value)
{
    return std::to_chars(to, to + FLOAT_TEXT_MAX, value).ptr;
}
