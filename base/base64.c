/* base64.c - three bytes are four characters; one table each way. */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(struct bytes from, char *to)
{
    const uint8_t *at = from.at;
    char *const begin = to;
    size_t left = from.size;
    for (; left >= 3; left -= 3, at += 3, to += 4) {
        const uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        to[0] = alphabet[bits >> 18];
        to[1] = alphabet[bits >> 12 & 63];
        to[2] = alphabet[bits >> 6 & 63];
        to[3] = alphabet[bits & 63];
    }
    if (left) {
        const uint32_t bits = (uint32_t)at[0] << 16 | (left == 2 ? (uint32_t)at[1] << 8 : 0);
        to[0] = alphabet[bits >> 18];
        to[1] = alphabet[bits >> 12 & 63];
        to[2] = left == 2 ? alphabet[bits >> 6 & 63] : '=';
        to[3] = '=';
        to += 4;
    }
    return (size_t)(to - begin);
}

enum { NOT_BASE64 = 64 };

static uint32_t value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') return c - (uint32_t)'A';
    if (c >= 'a' && c <= 'z') return c - (uint32_t)'a' + 26;
    if (c >= '0' && c <= '9') return c - (uint32_t)'0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : NOT_BASE64;
}

bool base64_decode(struct bytes text, void *to, size_t size)
{
    if (text.size != base64_size(size)) return false;
    const uint8_t *at = text.at;
    uint8_t *bytes = to;
    for (size_t done = 0; done < size; done += 3, at += 4) {
        const size_t count = size - done < 3 ? size - done : 3;
        uint32_t bits = 0;
        for (size_t i = 0; i < 4; i++) {
            const bool pad = i > count;
            const uint32_t value = pad ? 0 : value_of(at[i]);
            if (value == NOT_BASE64 || (pad && at[i] != '=')) return false;
            bits = bits << 6 | value;
        }
        for (size_t i = 0; i < count; i++) {
            bytes[done + i] = (uint8_t)(bits >> (16 - 8 * i));
        }
        if (count < 3 && bits << (8 + 8 * count)) return false;
    }
    return true;
}
