/* A request's way through MHD's callbacks, from its first header to the last byte of its answer.
 *
 * A request that has to wait is suspended and handed to the delay thread, so nothing ever blocks. */
#include "tests/sandbox/handler.h"
#include "tests/sandbox/request.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define HANDLER_DRAIN_MAX     (64U * 1024 * 1024) /* of a body that is too large and is read only to be refused */
#define HANDLER_HANG_CHECK_US 200000

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
        reply_not_allowed(request, "POST");
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
    case 't':
        if (strcasecmp(name, "traceparent") == 0 && strlen(value) <= LEDGER_PART_MAX) {
            request->traceparent = value;
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

static enum method find_method(const char *name)
{
    static const struct {
        const char *name;
        enum method method;
    } methods[] = {{"POST", METHOD_POST},
                   {"GET", METHOD_GET},
                   {"HEAD", METHOD_GET},
                   {"PATCH", METHOD_PATCH},
                   {"DELETE", METHOD_DELETE}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i].name, name) == 0) {
            return methods[i].method;
        }
    }
    return METHOD_OTHER;
}

static struct request *request_create(const struct lane *lane, struct MHD_Connection *connection, const char *path,
                                      const char *method)
{
    struct request *request = malloc(sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    /* The rooms at the end stay as they are: clearing them would cost more than the rest of this function. */
    memset(request, 0, offsetof(struct request, body_room));
    request->app = lane->app;
    request->loop = lane->loop;
    request->connection = connection;
    request->path = path;
    request->method = find_method(method);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    request->fd = info == NULL ? -1 : info->connect_fd;
    text_init(&request->body, request->body_room, sizeof request->body_room);
    text_init(&request->reply.body, request->reply_room, sizeof request->reply_room);
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, request); /* a count: not needed */
    dice_uuid(&lane->app->name_dice, request->correlation);
    return request;
}

void handler_on_completed(void *context, struct MHD_Connection *connection, void **state,
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
    free(request->reply.lines);
    free(request);
}

void handler_on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                           enum MHD_ConnectionNotificationCode code)
{
    (void)connection;
    (void)socket_context;
    const struct lane *lane = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        count_up(&lane->app->counters.connections);
    }
}

static bool is_peer_gone(int fd)
{
    struct pollfd peer = {.fd = fd, .events = POLLRDHUP};
    return poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* resume: gives the request back to its serving thread, which may end it at once. */
static void resume(struct request *request)
{
    struct loop *loop = request->loop;
    request->phase = PHASE_READY;
    MHD_resume_connection(request->connection);
    loop_wake(loop);
}

/* handler_on_due: the delay thread lets a request go on. MHD does not look at suspended connections, so one that hangs
 * is looked at here: when its client has left, it must not keep its descriptor. */
int64_t handler_on_due(void *item, bool stopping)
{
    struct request *request = item;
    if (request->reply.how == HOW_HANG && !stopping && !is_peer_gone(request->fd)) {
        return clock_mono_us() + HANDLER_HANG_CHECK_US;
    }
    resume(request);
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
        resume(request);
    }
    return MHD_YES;
}

enum MHD_Result handler_on_request(void *context, struct MHD_Connection *connection, const char *path,
                                   const char *method, const char *version, const char *data, size_t *size,
                                   void **state)
{
    (void)version;
    struct request *request = *state;
    if (request == NULL) {
        *state = request_create(context, connection, path, method);
        return *state == NULL ? MHD_NO : MHD_YES;
    }
    if (*size > 0) {
        request->received += *size;
        if (request->received > HANDLER_DRAIN_MAX) {
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
