/* hex.c - four bits are one digit. */
#include "base/hex.h"

char *put_hex(char *to, uint64_t value, unsigned digits)
{
    while (digits > 0) {
        *to++ = "0123456789abcdef"[value >> 4 * --digits & 15];
    }
    return to;
}

/* 16 if `digit` is none. */
static unsigned value_of_digit(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') return digit - (unsigned)'0';
    if (digit >= 'a' && digit <= 'f') return digit - (unsigned)'a' + 10;
    return 16;
}

bool parse_hex(struct bytes text, uint64_t *valuep)
{
    const uint8_t *at = text.at;
    uint64_t value = 0;
    if (text.size == 0 || text.size > 16) return false;
    for (size_t i = 0; i < text.size; i++) {
        const unsigned digit = value_of_digit(at[i]);
        if (digit == 16) return false;
        value = value << 4 | digit;
    }
    *valuep = value;
    return true;
}

char *put_hex_bytes(char *to, struct bytes from)
{
    const uint8_t *at = from.at;
    for (size_t i = 0; i < from.size; i++) {
        to = put_hex(to, at[i], 2);
    }
    return to;
}

bool parse_hex_bytes(struct bytes text, void *to, size_t size)
{
    uint8_t *bytes = to;
    if (text.size != 2 * size) return false;
    for (size_t i = 0; i < size; i++) {
        uint64_t byte;
        if (!parse_hex((struct bytes){(const char *)text.at + 2 * i, 2}, &byte)) return false;
        bytes[i] = (uint8_t)byte;
    }
    return true;
}
