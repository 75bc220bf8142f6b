/* server.c - the protocol, by libmicrohttpd, which no other file knows. */
#include "stream/http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "config/listen.h"
#include "stream/http/connections.h"
#include "stream/http/routes.h"

enum {
    REQUEST_SIZE_MAX = 32 << 10, /* bytes of a request's head, and of the answer's */
    BACKLOG = 64,                /* connections that wait to be taken */
};

/* Bounds of the time an answer takes, ns. */
static const int64_t answer_bounds[] = {100000,    250000,    500000,    1000000,  2500000,
                                        5000000,   10000000,  25000000,  50000000, 100000000,
                                        250000000, 500000000, 1000000000};

struct server {
    struct listen_place place;
    struct site *site;
    struct connections *connections;
    struct MHD_Daemon *daemon;
    struct histogram *seconds;
};

/* ---- a request ---- */

/* Ids and arguments are unescaped where they are understood. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    return strlen(text);
}

struct collecting {
    struct request *request;
    bool too_many;
};

static enum MHD_Result add_argument(void *context, enum MHD_ValueKind kind, const char *name,
                                    size_t name_size, const char *value, size_t value_size)
{
    (void)kind;
    struct collecting *collecting = context;
    struct request *request = collecting->request;
    collecting->too_many = request->arguments_count == REQUEST_ARGUMENTS_MAX;
    if (collecting->too_many) return MHD_NO;
    request->arguments[request->arguments_count++] =
        (struct argument){{name, name_size}, {value, value_size}};
    return MHD_YES;
}

/* A header of the request; .at NULL: it has none of that name. */
static struct bytes header_of(struct MHD_Connection *connection, const char *name)
{
    struct bytes value = {0};
    const char *at;
    size_t size;
    if (MHD_lookup_connection_value_n(connection, MHD_HEADER_KIND, name, strlen(name), &at,
                                      &size) == MHD_YES) {
        value = (struct bytes){at, size};
    }
    return value;
}

static void answer_request(struct server *server, struct MHD_Connection *connection,
                           const char *path, struct reply *reply)
{
    struct request request = {.path = bytes_of(path), .accept = header_of(connection, "Accept")};
    struct collecting collecting = {.request = &request};
    const struct bytes host = header_of(connection, "Host");
    if (host.at && !listen_takes_host(&server->place, host)) {
        reply_error(reply, CODE_FORBIDDEN, "Host must be localhost or %s, where this listens",
                    server->place.host);
        return;
    }
    MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, add_argument, &collecting);
    if (collecting.too_many) {
        reply_error(reply, CODE_BAD_REQUEST, "more than %d arguments", REQUEST_ARGUMENTS_MAX);
        return;
    }
    routes_answer(server->site, &request, reply);
}

static void count_answer(const struct server *server, const struct reply *reply, int64_t began_ns)
{
    char code[8];
    snprintf(code, sizeof code, "%d", reply->code);
    metric_add(metrics_get("braid_http_requests_total", "code", code), 1);
    histogram_add(server->seconds, clock_monotonic_ns() - began_ns, 1);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct reply *reply,
                                  bool last)
{
    struct MHD_Response *response =
        reply->fixed
            ? MHD_create_response_from_buffer(reply->size, (void *)(uintptr_t)reply->fixed,
                                              MHD_RESPMEM_PERSISTENT)
            : MHD_create_response_from_buffer(reply->size, reply->at, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(reply->at);
        return MHD_NO;
    }
    static const char *const headers[][2] = {
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
         "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
         "frame-ancestors 'none'"},
    };
    bool made = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        made = made && MHD_add_response_header(response, headers[i][0], headers[i][1]);
    }
    if (reply->code == CODE_METHOD_NOT_ALLOWED) {
        made = made && MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    if (reply->code == CODE_UNAVAILABLE) {
        made = made && MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    }
    if (last) made = made && MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    const enum MHD_Result result =
        made ? MHD_queue_response(connection, (unsigned)reply->code, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

/*
 * Called with the head of a request, then with each piece of a body, then once more to answer.
 * `*statep` is NULL at first; a body, which no question has, is passed over and refused.
 */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *body,
                              size_t *body_size, void **statep)
{
    static char plain, with_body;
    struct server *server = context;
    struct reply reply = {.code = CODE_OK, .type = "text/plain"};
    const int64_t began_ns = clock_monotonic_ns();
    (void)version, (void)body;
    const bool reads =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (reads && !*statep) {
        *statep = &plain;
        return MHD_YES;
    }
    if (reads && *body_size > 0) {
        *statep = &with_body;
        *body_size = 0;
        return MHD_YES;
    }
    const bool had_body = *statep == &with_body;
    if (!reads) {
        reply_error(&reply, CODE_METHOD_NOT_ALLOWED, "only GET and HEAD are answered");
    } else if (had_body) {
        reply_error(&reply, CODE_TOO_LARGE, "a request has no body here");
    } else {
        answer_request(server, connection, path, &reply);
    }
    count_answer(server, &reply, began_ns);
    return send_reply(connection, &reply, !reads || had_body);
}

/* ---- connections ---- */

static void notice_connection(void *context, struct MHD_Connection *connection, void **slotp,
                              enum MHD_ConnectionNotificationCode what)
{
    struct server *server = context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        connections_remove(server->connections, *slotp);
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info) *slotp = connections_add(server->connections, info->connect_fd);
    if (info && !*slotp) shutdown(info->connect_fd, SHUT_RDWR);
}

static void notice_answered(void *context, struct MHD_Connection *connection, void **statep,
                            enum MHD_RequestTerminationCode how)
{
    struct server *server = context;
    (void)statep, (void)how;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info && info->socket_context) connections_renew(server->connections, info->socket_context);
}

static void log_message(void *context, const char *format, va_list values)
{
    char text[512];
    (void)context;
    vsnprintf(text, sizeof text, format, values);
    text[strcspn(text, "\n")] = 0;
    log_debug("http", log_text("message", text));
}

/* ---- opening ---- */

/* A socket that listens there; -1 with errno. */
static int listen_at(const struct listen_place *place)
{
    char port[8];
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM,
                                     .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    snprintf(port, sizeof port, "%u", place->port);
    if (getaddrinfo(place->host, port, &hints, &found) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    const int on = 1;
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int failed = fd < 0 ? errno : 0;
    if (!failed && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) failed = errno;
    if (!failed && bind(fd, found->ai_addr, found->ai_addrlen) != 0) failed = errno;
    if (!failed && listen(fd, BACKLOG) != 0) failed = errno;
    freeaddrinfo(found);
    if (!failed) return fd;
    if (fd >= 0) close(fd);
    errno = failed;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return 0;
    return address.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&address)->sin6_port)
                                         : ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static void log_place(const struct listen_place *place, int fd)
{
    char url[LISTEN_HOST_MAX + 32];
    const bool v6 = strchr(place->host, ':') != NULL;
    snprintf(url, sizeof url, "http://%s%s%s:%u/", v6 ? "[" : "", place->host, v6 ? "]" : "",
             port_of(fd));
    log_info("answering", log_text("url", url));
}

/* Takes `fd`. */
static enum status start_daemon(struct server *server, const struct config *config, int fd,
                                struct error *error)
{
    const uint32_t threads = config->http.threads;
    const uint32_t most =
        config->http.connections_max > threads ? config->http.connections_max : threads;
    enum status status =
        connections_open(&server->connections, most, config->http.timeout_ms, error);
    if (status == STATUS_OK) {
        server->daemon = MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, server,
            MHD_OPTION_EXTERNAL_LOGGER, log_message, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
            MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, MHD_OPTION_CONNECTION_LIMIT,
            most, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_SIZE_MAX,
            MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_CONNECTION,
            notice_connection, server, MHD_OPTION_NOTIFY_COMPLETED, notice_answered, server,
            MHD_OPTION_END);
        if (server->daemon) return STATUS_OK;
        status = error_set(error, STATUS_IO, "http.listen: the server does not start: %s",
                           strerror(errno));
    }
    close(fd);
    return status;
}

enum status server_open(struct server **serverp, const struct config *config, struct error *error)
{
    struct listen_place place;
    *serverp = NULL;
    TRY(listen_parse(&place, config->http.listen, error));
    if (place.off) return STATUS_OK;
    const int fd = listen_at(&place);
    if (fd < 0 && errno == EADDRINUSE && place.yields && !config->http.stay) {
        log_warn("no metrics, health and answers: another program has the port",
                 log_int("port", place.port), log_text("see", "http.listen"));
        return STATUS_OK;
    }
    if (fd < 0) {
        return error_set(error, STATUS_IO, "http.listen: %s port %u: %s", place.host, place.port,
                         strerror(errno));
    }
    struct server *server = calloc(1, sizeof *server);
    if (!server) {
        close(fd);
        return error_set(error, STATUS_IO, "out of memory: a server");
    }
    server->place = place;
    server->seconds = histograms_get("braid_http_request_seconds", answer_bounds,
                                     sizeof answer_bounds / sizeof *answer_bounds);
    log_place(&place, fd);
    enum status status = site_open(&server->site, config, error);
    if (status != STATUS_OK) close(fd);
    if (status == STATUS_OK) status = start_daemon(server, config, fd, error);
    if (status != STATUS_OK) {
        server_close(server);
        return status;
    }
    *serverp = server;
    return STATUS_OK;
}

void server_close(struct server *server)
{
    if (!server) return;
    if (server->daemon) MHD_stop_daemon(server->daemon);
    connections_close(server->connections);
    site_close(server->site);
    free(server);
}

struct job_viewer server_viewer(struct server *server)
{
    return site_viewer(server->site);
}
