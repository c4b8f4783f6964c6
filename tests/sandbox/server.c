/* The HTTP side's resources: the listening socket, and libmicrohttpd on it.
 *
 * One thread (or --threads of them) serves, each with an MHD daemon of its own: see loop.c. What a request meets on its
 * way is in handler.c. MHD_USE_TURBO matters beyond speed: without it MHD says an orderly goodbye before it closes, and
 * a reset would not look like one. */
#include "tests/sandbox/server.h"
#include "tests/sandbox/handler.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <microhttpd.h>

#define SERVER_SPARE_FDS 64
#define SERVER_LANE_FDS  3 /* listening socket, epoll, eventfd */
#define SERVER_IDLE_S    300
#define SERVER_PEM_MAX   (256 * 1024)

struct server {
    struct app *app;
    struct lane *lanes;
    size_t lane_count; /* of those that have a loop */
    char *cert;
    char *key;
    int port;
};

/* listen_on: a listening socket, or -1. Our own and not MHD's, so that the backlog and the port are known. */
static int listen_on(const char *host, int64_t port, int *ret_port)
{
    char service[8];
    (void)snprintf(service, sizeof service, "%d", (int)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        return -1;
    }
    int on = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } bound = {.in6 = {0}};
    socklen_t length = sizeof bound;
    bool listening = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                     bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0 &&
                     getsockname(fd, &bound.any, &length) == 0;
    freeaddrinfo(found);
    if (!listening) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return -1;
    }
    *ret_port = ntohs(bound.any.sa_family == AF_INET6 ? bound.in6.sin6_port : bound.in.sin_port);
    return fd;
}

static char *read_pem(const char *path)
{
    FILE *file = fopen(path, "re");
    char *pem = malloc(SERVER_PEM_MAX);
    size_t length = 0;
    if (file != NULL && pem != NULL) {
        length = fread(pem, 1, SERVER_PEM_MAX - 1, file);
    }
    if (file != NULL) {
        (void)fclose(file); /* only read from */
    }
    if (length == 0) {
        free(pem);
        return NULL;
    }
    pem[length] = '\0';
    return pem;
}

/* connection_limit: of one lane among `lanes`; MHD stops accepting there, before descriptors run out. */
static unsigned connection_limit(unsigned lanes)
{
    struct rlimit files;
    unsigned spare = SERVER_SPARE_FDS + lanes * SERVER_LANE_FDS;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < 4 * spare) {
        return 2 * SERVER_SPARE_FDS / lanes + 1;
    }
    return (files.rlim_cur > 1000000 ? 1000000 : (unsigned)files.rlim_cur - spare) / lanes;
}

/* start_lane: 0 if it serves. The lane is one of server->lanes, and is left to server_stop in any case. */
static int start_lane(struct server *server, struct lane *lane, unsigned lanes, int fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_OptionItem extra[3];
    int count = 0;
    if (server->cert != NULL) {
        flags |= MHD_USE_TLS;
        extra[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, server->cert};
        extra[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, server->key};
    }
    extra[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    lane->app = server->app;
    lane->loop = loop_create();
    if (lane->loop == NULL) {
        return -1;
    }
    server->lane_count++;
    int own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* MHD closes it, perhaps also when it fails to start */
    if (own_fd < 0) {
        return -1;
    }
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handler_on_request, lane, MHD_OPTION_LISTEN_SOCKET, own_fd, MHD_OPTION_NOTIFY_COMPLETED,
        handler_on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, handler_on_connection, lane,
        MHD_OPTION_CONNECTION_LIMIT, connection_limit(lanes), MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVER_IDLE_S,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, extra, MHD_OPTION_END);
    return daemon == NULL ? -1 : loop_start(lane->loop, daemon);
}

static int start_lanes(struct server *server, unsigned lanes, int fd)
{
    server->lanes = calloc(lanes, sizeof *server->lanes);
    if (server->lanes == NULL) {
        return -1;
    }
    for (unsigned i = 0; i < lanes; i++) {
        if (start_lane(server, &server->lanes[i], lanes, fd) != 0) {
            return -1;
        }
    }
    return 0;
}

struct server *server_start(struct app *app, const struct settings *settings)
{
    const char *failed = "out of memory";
    int fd = -1;
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        goto out;
    }
    server->app = app;
    if (settings->tls_cert != NULL) {
        failed = "this libmicrohttpd has no TLS, or the certificate or key cannot be read";
        server->cert = read_pem(settings->tls_cert);
        server->key = read_pem(settings->tls_key);
        if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES || server->cert == NULL || server->key == NULL) {
            goto out;
        }
    }
    failed = "cannot listen on that host and port";
    fd = listen_on(settings->host, settings->port, &server->port);
    if (fd < 0) {
        goto out;
    }
    failed = "cannot start the delay thread";
    app->delay = delay_create(handler_on_due);
    if (app->delay == NULL) {
        goto out;
    }
    failed = "cannot start the HTTP server (is the certificate in order?)";
    if (start_lanes(server, (unsigned)settings->threads, fd) == 0) {
        failed = NULL;
    }
out:
    if (fd >= 0) {
        (void)close(fd); /* each lane has its own copy */
    }
    if (failed != NULL) {
        (void)fprintf(stderr, "herald-sandbox: %s\n", failed);
        if (server != NULL) {
            server_stop(server);
        }
        return NULL;
    }
    return server;
}

int server_port(const struct server *server)
{
    return server->port;
}

void server_stop(struct server *server)
{
    /* First everything suspended is let go, because MHD cannot stop while something is; later suspensions undo
     * themselves, as delay_add then takes nothing. */
    if (server->app->delay != NULL) {
        delay_stop(server->app->delay);
    }
    for (size_t i = 0; i < server->lane_count; i++) {
        loop_destroy(server->lanes[i].loop);
    }
    free(server->lanes);
    delay_destroy(server->app->delay);
    server->app->delay = NULL;
    free(server->cert);
    free(server->key);
    free(server);
}
