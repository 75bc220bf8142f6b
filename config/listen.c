/* listen.c - see listen.h. Whether the address is one of this machine only the bind can tell. */
#include "config/listen.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/number_text.h"

static bool is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* What stands before the port; 127.0.0.1 if nothing does. */
static bool parse_host(struct listen_place *place, struct bytes host)
{
    const char *at = host.at;
    if (host.size == 0) host = bytes_of("127.0.0.1");
    if (host.size > 2 && at[0] == '[' && at[host.size - 1] == ']') {
        host = (struct bytes){at + 1, host.size - 2};
    } else if (memchr(host.at, ':', host.size)) {
        return false;
    }
    if (host.size >= sizeof place->host) return false;
    memcpy(place->host, host.at, host.size);
    place->host[host.size] = 0;
    return is_address(place->host);
}

enum status listen_parse(struct listen_place *place, const char *text, struct error *error)
{
    *place = (struct listen_place){.host = "127.0.0.1", .port = LISTEN_AUTO_PORT};
    place->off = strcmp(text, "off") == 0;
    place->yields = strcmp(text, "auto") == 0;
    if (place->off || place->yields) return STATUS_OK;
    const char *colon = strrchr(text, ':'), *port = colon ? colon + 1 : text;
    uint64_t number = 0;
    const struct bytes host = {text, colon ? (size_t)(colon - text) : 0};
    if (parse_unsigned(bytes_of(port), UINT16_MAX, &number) && (!colon || host.size > 0) &&
        parse_host(place, host)) {
        place->port = (uint16_t)number;
        return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID,
                     "http.listen: '%s' is not allowed; expected ADDRESS:PORT with a numeric "
                     "address ([ADDRESS]:PORT of IPv6), a PORT, auto or off",
                     text);
}

bool listen_is_address(const char *text)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    if (!colon || colon == text || strlen(text) >= LISTEN_ADDRESS_MAX) return false;
    const size_t size = (size_t)(colon - text);
    const bool v6 = text[0] == '[' && colon[-1] == ']';
    const size_t fits = v6 ? 2 + strspn(text + 1, "0123456789abcdefABCDEF:.") : strspn(text, name);
    return fits == size && parse_unsigned(bytes_of(colon + 1), UINT16_MAX, &port) && port > 0;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

bool listen_takes_host(const struct listen_place *place, struct bytes host)
{
    const char *const names[] = {"localhost", "127.0.0.1", "[::1]", place->host};
    if (!is_loopback(place->host)) return true;
    const char *colon = memrchr(host.at, ':', host.size);
    if (colon && !memchr(colon, ']', host.size - (size_t)(colon - (const char *)host.at))) {
        host.size = (size_t)(colon - (const char *)host.at);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (host.size == strlen(names[i]) && strncasecmp(host.at, names[i], host.size) == 0)
            return true;
    }
    return false;
}
