/* escape.c - well-formed UTF-8 (RFC 3629), and which of its characters can be printed. */
#include "base/escape.h"

#include "base/hex.h"

/* Bytes of the character that begins with `lead`, 0 if none does. */
static size_t sequence_size(uint8_t lead)
{
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* The character at the beginning of `text`, and its bytes; 0 bytes if there is no whole one. */
static uint32_t decode_utf8(struct bytes text, size_t *sizep)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *at = text.at;
    const size_t size = sequence_size(at[0]);
    *sizep = 0;
    if (size == 0 || size > text.size) return 0;
    uint32_t code = size == 1 ? at[0] : at[0] & 0xFFu >> (size + 1);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80) return 0;
        code = code << 6 | (at[i] & 0x3Fu);
    }
    if (code < least[size] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return 0;
    *sizep = size;
    return code;
}

static bool is_printable(uint32_t code)
{
    const bool control = code < 0x20 || (code >= 0x7F && code < 0xA0);
    const bool line_end = code == 0x2028 || code == 0x2029;
    const bool direction = (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
    return !control && !line_end && !direction;
}

size_t printable_size(struct bytes text)
{
    size_t size;
    const uint32_t code = decode_utf8(text, &size);
    return size > 0 && is_printable(code) ? size : 0;
}

static char *put_text(char *to, const char *text)
{
    const size_t size = strlen(text);
    memcpy(to, text, size);
    return to + size;
}

char *put_escaped(char *to, struct bytes text)
{
    const uint8_t *at = text.at;
    for (size_t left = text.size, size; left > 0; left -= size, at += size) {
        const uint32_t code = decode_utf8((struct bytes){at, left}, &size);
        if (size == 0) {
            size = 1;
            to = put_hex(put_text(to, "\\\\x"), *at, 2);
        } else if (!is_printable(code)) {
            to = put_hex(put_text(to, "\\u"), code, 4);
        } else {
            if (code == '"' || code == '\\') *to++ = '\\';
            memcpy(to, at, size);
            to += size;
        }
    }
    return to;
}

size_t escaped_size(struct bytes text)
{
    const uint8_t *at = text.at;
    size_t escaped = 0;
    for (size_t left = text.size, size; left > 0; left -= size, at += size) {
        const uint32_t code = decode_utf8((struct bytes){at, left}, &size);
        if (size == 0) {
            size = 1;
            escaped += 5;
        } else if (!is_printable(code)) {
            escaped += ESCAPE_MAX;
        } else {
            escaped += size + (code == '"' || code == '\\');
        }
    }
    return escaped;
}

const char *escape_message(struct bytes text, char *to, size_t room)
{
    const uint8_t *at = text.at;
    size_t used = 0;
    for (size_t left = text.size, size; left > 0; left -= size, at += size) {
        size = printable_size((struct bytes){at, left});
        const size_t width = size ? size : 4;
        if (width >= room - used) break;
        if (size > 0) {
            memcpy(to + used, at, size);
        } else {
            size = 1;
            memcpy(to + used, "\\x", 2);
            put_hex(to + used + 2, *at, 2);
        }
        used += width;
    }
    to[used] = 0;
    return to;
}

void print_escaped(FILE *out, struct bytes text)
{
    const uint8_t *at = text.at;
    for (size_t left = text.size, size; left > 0; left -= size, at += size) {
        size = printable_size((struct bytes){at, left});
        if (size > 0) {
            fwrite(at, size, 1, out);
        } else {
            fprintf(out, "\\x%02x", *at);
            size = 1;
        }
    }
}
