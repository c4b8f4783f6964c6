/* The HTTP side: libmicrohttpd, its threads, and a request's way through its callbacks.
 *
 * One epoll thread (or --threads of them) serves; a request that has to wait is suspended and handed to the delay
 * thread, so nothing ever blocks. MHD_USE_TURBO matters beyond speed: without it MHD says an orderly goodbye before it
 * closes, and a reset would not look like one. */
#include "tests/sandbox/server.h"
#include "tests/sandbox/request.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <microhttpd.h>

#define SERVER_SPARE_FDS     64
#define SERVER_IDLE_S        300
#define SERVER_DRAIN_MAX     (64U * 1024 * 1024) /* of a body that is too large and is read only to be refused */
#define SERVER_HANG_CHECK_US 200000
#define SERVER_PEM_MAX       (256 * 1024)

struct server {
    struct app *app;
    struct MHD_Daemon *daemon;
    char *cert;
    char *key;
    int port;
};

const char *request_query(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

bool request_is_json(struct request *request)
{
    static const char json[] = "application/json";
    const char *type = request->content_type;
    if (request->received > BODY_MAX) {
        reply_error(request, 413, NULL, NULL, NULL);
        return false;
    }
    if (type == NULL || strncasecmp(type, json, sizeof json - 1) != 0 ||
        (type[sizeof json - 1] != '\0' && strchr("; \t", type[sizeof json - 1]) == NULL)) {
        reply_error(request, 415, NULL, NULL, NULL);
        return false;
    }
    if (request->content_encoding != NULL && strcasecmp(request->content_encoding, "identity") != 0) {
        reply_error(request, 415, NULL, NULL, "Compressed request bodies are not supported.");
        return false;
    }
    return true;
}

void request_answer(struct request *request)
{
    struct counters *counters = &request->app->counters;
    if (strncmp(request->path, "/sandbox/", 9) == 0) {
        control_answer(request);
        return;
    }
    struct tuning tuning;
    tuner_get(&request->app->tuner, &tuning);
    if (strcmp(request->path, "/oauth/token") != 0) {
        send_answer(request, &tuning);
    } else if (request->method != METHOD_POST) {
        reply_error(request, 405, NULL, NULL, NULL);
        request->reply.has_allow = true;
    } else if (tuning.outage) {
        count_up(&counters->token_requests);
        reply_error(request, 503, NULL, NULL, NULL);
    } else {
        oauth_answer(request);
    }
    const struct reply *reply = &request->reply;
    count_up(reply->how == HOW_RESET  ? &counters->resets
             : reply->how == HOW_HANG ? &counters->hangs
                                      : &counters->by_status[reply->status]);
}

static enum MHD_Result take_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind; /* only headers are asked for */
    struct request *request = context;
    switch (name[0] | 0x20) { /* most headers are none of ours: one look at the first letter settles it */
    case 'a':
        if (strcasecmp(name, "Authorization") == 0) {
            request->authorization = value;
        }
        break;
    case 'c':
        if (strcasecmp(name, "Content-Type") == 0) {
            request->content_type = value;
        } else if (strcasecmp(name, "Content-Encoding") == 0) {
            request->content_encoding = value;
        }
        break;
    case 'x':
        if (strcasecmp(name, "X-Genesys-Request-Id") == 0) {
            request->request_id = value;
        }
        break;
    default:
        break;
    }
    return MHD_YES;
}

static struct request *request_create(struct app *app, struct MHD_Connection *connection, const char *path,
                                      const char *method)
{
    struct request *request = malloc(sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    /* The rooms at the end stay as they are: clearing them would cost more than the rest of this function. */
    memset(request, 0, offsetof(struct request, body_room));
    request->app = app;
    request->connection = connection;
    request->path = path;
    request->method = strcmp(method, "POST") == 0                                 ? METHOD_POST
                      : strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ? METHOD_GET
                                                                                  : METHOD_OTHER;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    request->fd = info == NULL ? -1 : info->connect_fd;
    text_init(&request->body, request->body_room, sizeof request->body_room);
    text_init(&request->reply.body, request->reply_room, sizeof request->reply_room);
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, request); /* a count: not needed */
    dice_uuid(&app->name_dice, request->correlation);
    return request;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code; /* a client that went away is no business of ours */
    struct request *request = *state;
    if (request == NULL) {
        return;
    }
    *state = NULL;
    text_clear(&request->body);
    text_clear(&request->reply.body);
    free(request->reply.stream);
    free(request);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    (void)connection;
    (void)socket_context;
    struct app *app = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        count_up(&app->counters.connections);
    }
}

static bool is_peer_gone(int fd)
{
    struct pollfd peer = {.fd = fd, .events = POLLRDHUP};
    return poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* on_due: the delay thread lets a request go on. MHD does not look at suspended connections, so one that hangs is
 * looked at here: when its client has left, it must not keep its descriptor. */
static int64_t on_due(void *item, bool stopping)
{
    struct request *request = item;
    if (request->reply.how == HOW_HANG && !stopping && !is_peer_gone(request->fd)) {
        return clock_mono_us() + SERVER_HANG_CHECK_US;
    }
    request->phase = PHASE_READY;
    MHD_resume_connection(request->connection);
    return 0;
}

/* finish: the answer onto the wire, or the end of the connection in its place. */
static enum MHD_Result finish(struct request *request)
{
    if (request->reply.how == HOW_RESET) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        /* If this fails, the client sees an orderly close instead of a reset: still no answer. */
        (void)setsockopt(request->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        return MHD_NO;
    }
    if (request->reply.how == HOW_HANG) {
        return MHD_NO;
    }
    struct MHD_Response *response = reply_render(request);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result result = MHD_queue_response(request->connection, (unsigned)request->reply.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result wait_or_finish(struct request *request)
{
    if (request->reply.delay_us == 0 && request->reply.how != HOW_HANG) {
        return finish(request);
    }
    request->phase = PHASE_WAITING;
    int64_t due_us = clock_mono_us() + request->reply.delay_us;
    MHD_suspend_connection(request->connection);
    if (!delay_add(request->app->delay, due_us, request)) {
        request->phase = PHASE_READY;
        MHD_resume_connection(request->connection);
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data, size_t *size, void **state)
{
    (void)version;
    struct request *request = *state;
    if (request == NULL) {
        *state = request_create(context, connection, path, method);
        return *state == NULL ? MHD_NO : MHD_YES;
    }
    if (*size > 0) {
        request->received += *size;
        if (request->received > SERVER_DRAIN_MAX) {
            return MHD_NO;
        }
        if (request->received <= BODY_MAX) {
            text_add(&request->body, data, *size);
        }
        *size = 0;
        return MHD_YES;
    }
    switch (request->phase) {
    case PHASE_READING:
        request_answer(request);
        return wait_or_finish(request);
    case PHASE_WAITING:
        return MHD_YES;
    case PHASE_READY:
        return finish(request);
    }
    return MHD_NO;
}

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

static unsigned connection_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < 4 * SERVER_SPARE_FDS) {
        return 2 * SERVER_SPARE_FDS;
    }
    return files.rlim_cur > 1000000 ? 1000000 : (unsigned)files.rlim_cur - SERVER_SPARE_FDS;
}

static struct MHD_Daemon *start_daemon(struct server *server, const struct settings *settings, int fd)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_OptionItem extra[4];
    int count = 0;
    if (settings->threads > 1) {
        extra[count++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, settings->threads, NULL};
    }
    if (server->cert != NULL) {
        flags |= MHD_USE_TLS;
        extra[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, server->cert};
        extra[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, server->key};
    }
    extra[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, server->app, MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
                            on_connection, server->app, MHD_OPTION_CONNECTION_LIMIT, connection_limit(),
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVER_IDLE_S, MHD_OPTION_ARRAY, extra,
                            MHD_OPTION_END);
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
    app->delay = delay_create(on_due);
    if (app->delay == NULL) {
        goto out;
    }
    failed = "cannot start the HTTP server (is the certificate in order?)";
    server->daemon = start_daemon(server, settings, fd);
    if (server->daemon != NULL) {
        return server;
    }
out:
    (void)fprintf(stderr, "herald-sandbox: %s\n", failed);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (server != NULL) {
        server_stop(server);
    }
    return NULL;
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
    if (server->daemon != NULL) {
        MHD_stop_daemon(server->daemon);
    }
    delay_destroy(server->app->delay);
    server->app->delay = NULL;
    free(server->cert);
    free(server->key);
    free(server);
}
