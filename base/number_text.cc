/* number_text.cc - C++17's to_chars behind a function that C can call. */
#include "base/number_text.h"

#include <charconv>

char *put_float(char *to, float value)
{
    return std::to_chars(to, to + FLOAT_TEXT_MAX, value).ptr;
}
