/* listen.h - the value of http.listen: where to listen, if at all. */
#ifndef CONFIG_LISTEN_H
#define CONFIG_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

enum {
    LISTEN_HOST_MAX = 64,
    LISTEN_ADDRESS_MAX = 264, /* bytes of HOST:PORT, with its end */
};

#define LISTEN_AUTO_PORT 9474

struct listen_place {
    bool off;
    bool yields;                /* auto: where another has the port, nobody listens */
    char host[LISTEN_HOST_MAX]; /* a numeric address, IPv4 or IPv6 */
    uint16_t port;              /* 0: any free one */
};

/*
 * Takes "off", "auto", "PORT", "ADDRESS:PORT" and "[ADDRESS]:PORT" apart. STATUS_INVALID: `text` is
 * none of them.
 */
MUST_CHECK enum status listen_parse(struct listen_place *place, const char *text,
                                    struct error *error);

/* Whether `text` is HOST:PORT: a name or an address ([...] of IPv6), and a port from 1 on. */
bool listen_is_address(const char *text);

/*
 * Whether a request with that Host may be answered. Where only this machine can reach the place, it
 * must name this machine: else a web page whose name was bound to 127.0.0.1 could read along.
 */
bool listen_takes_host(const struct listen_place *place, struct bytes host);

#endif
