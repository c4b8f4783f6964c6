/* A request's way through libmicrohttpd's callbacks, from its headers to the last byte of its answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/mem.h"
#include "producer/gateway/endpoints.h"
#include "producer/gateway/exchange_mhd.h"
#include "producer/gateway/framing.h"
#include "producer/gateway/lane.h"
#include "producer/gateway/meters.h"

#define HEADER_NODE 64                 /* bytes of libmicrohttpd for one header */
#define DRAIN_MAX   ((size_t)16 << 20) /* of a refused body, read and dropped so that the answer can be read */

/* --- headers --- */

static bool list_has(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = list; *at; at += strcspn(at, ", ")) {
        at += strspn(at, ", ");
        if (strncasecmp(at, word, len) == 0 && (at[len] == '\0' || strchr(", ", at[len])))
            return true;
    }
    return false;
}

/* A page of another host may ask only when it is on the list; what is no page sends no Origin. */
static void note_origin(struct exchange *exchange)
{
    const char *origin = exchange_header(exchange, "Origin");
    const char *allowed = exchange_gateway(exchange)->settings->cors_origins;

    if (origin && allowed && *origin && !strpbrk(origin, ", ") && list_has(allowed, origin))
        exchange->origin = origin;
}

static struct span without_blanks(const char *text)
{
    struct span span = span_of(text + strspn(text, " \t"));

    while (span.len > 0 && strchr(" \t", span.data[span.len - 1]))
        span.len--;
    return span;
}

static void check_client(struct exchange *exchange)
{
    static const char scheme[] = "Bearer ";
    struct gateway *gateway = exchange_gateway(exchange);
    const char *header = exchange_header(exchange, "Authorization");

    if (header && strncasecmp(header, scheme, sizeof(scheme) - 1) == 0)
        exchange->client =
            clients_find(&keyring_now(gateway->keyring)->clients, without_blanks(header + sizeof(scheme) - 1));
    if (!exchange->client) {
        COUNT_UP(gateway->counters.unauthorized);
        exchange_problem(exchange, 401, "unauthorized", NULL, "the bearer token of a client is needed");
    } else if ((exchange->client->rights & exchange->endpoint->right) == 0) {
        COUNT_UP(gateway->counters.forbidden);
        exchange_problem(exchange, 403, "forbidden", NULL, "this client has not the right to do that");
    }
}

static void refuse_size(struct exchange *exchange)
{
    struct answer *answer = exchange_answer(exchange);

    answer_problem(answer, 413, "body_too_large", NULL, "this takes a body of at most %zu bytes",
                   exchange->endpoint->body_max);
    exchange_send(exchange);
}

static enum MHD_Result see_header(void *framing, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    framing_see(framing, name, value);
    return MHD_YES;
}

/* What libmicrohttpd needs for them: their bytes, a node for each, and cookies a second time. */
static size_t header_memory(struct exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    int count = MHD_get_connection_values(exchange->connection,
                                          MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND | MHD_COOKIE_KIND, NULL, NULL);
    const char *cookies = exchange_header(exchange, MHD_HTTP_HEADER_COOKIE);

    return (info ? info->header_size : 0) + (size_t)count * HEADER_NODE + (cookies ? strlen(cookies) : 0);
}

/* False: answered 400 or 431, and the connection ends with it. */
static bool check_framing(struct exchange *exchange)
{
    struct framing framing = {0};

    if (header_memory(exchange) > EXCHANGE_HEADERS_MAX) {
        exchange->must_close = true;
        exchange_problem(exchange, 431, "headers_too_large", NULL, "the headers are too many or too long");
        return false;
    }
    (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, see_header,
                                    &framing); /* how many there are */
    if (framing.problem) {
        exchange->must_close = true;
        exchange_problem(exchange, 400, "request_malformed", NULL, framing.problem);
    }
    return !framing.problem;
}

/* Bytes that the client says it will send; 0 when it does not say. What is no number libmicrohttpd has refused. */
static uint64_t announced(const struct exchange *exchange)
{
    const char *length = exchange_header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return length ? strtoull(length, NULL, 10) : 0;
}

static void check_body(struct exchange *exchange)
{
    const char *encoding = exchange_header(exchange, "Content-Encoding");
    size_t max = exchange->endpoint->body_max;

    buf_init(&exchange->body, max);
    if (encoding && strcasecmp(encoding, "identity") != 0)
        exchange_problem(exchange, 415, "encoding_unsupported", NULL, "compressed bodies are not taken");
    else if (!exchange->sink && announced(exchange) > max)
        refuse_size(exchange);
}

static void answer_preflight(struct exchange *exchange, const struct endpoint_match *match)
{
    struct answer *answer = exchange_answer(exchange);

    if (!match->is_path_known || !exchange->origin) {
        exchange_problem(exchange, 403, "origin_forbidden", NULL, "this origin is not one of --cors-origins");
        return;
    }
    answer->status = 204;
    memcpy(answer->allow, match->allowed, sizeof(answer->allow));
    exchange_send(exchange);
}

static void refuse_path(struct exchange *exchange, const struct endpoint_match *match)
{
    struct answer *answer = exchange_answer(exchange);

    if (!match->is_path_known) {
        exchange_problem(exchange, 404, "not_found", NULL, "there is nothing at this path");
        return;
    }
    answer_problem(answer, 405, "method_not_allowed", NULL, "this path takes %s", match->allowed);
    memcpy(answer->allow, match->allowed, sizeof(answer->allow));
    exchange_send(exchange);
}

static void begin_at(struct exchange *exchange, const struct endpoint_match *match)
{
    exchange->endpoint = match->endpoint;
    memcpy(exchange->segment, match->segment, sizeof(exchange->segment));
    if (match->endpoint->right != 0)
        check_client(exchange);
    if (exchange->phase == PHASE_READING && match->endpoint->needs_redis && !store_is_up(lane_store(exchange->lane)))
        exchange_redis_away(exchange, ERR_UNREACHABLE);
    if (exchange->phase == PHASE_READING && match->endpoint->begin)
        match->endpoint->begin(exchange);
    if (exchange->phase == PHASE_READING)
        check_body(exchange);
}

static void begin(struct exchange *exchange, const char *method, const char *path)
{
    struct endpoint_match match;

    COUNT_UP(exchange_gateway(exchange)->counters.requests);
    if (!check_framing(exchange))
        return;
    note_origin(exchange);
    endpoint_find(endpoints, endpoint_count, method, path, &match);
    if (lane_is_stopping(exchange->lane))
        exchange_unavailable(exchange, "stopping", "this gateway is being stopped; ask again");
    else if (match.endpoint)
        begin_at(exchange, &match);
    else if (strcmp(method, "OPTIONS") == 0)
        answer_preflight(exchange, &match);
    else
        refuse_path(exchange, &match);
}

/* --- the body --- */

static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t *size)
{
    size_t taken = *size;

    if (exchange->phase == PHASE_READY) { /* answered before its end */
        exchange->dropped += *size;
        *size = 0;
        return exchange->dropped > DRAIN_MAX ? MHD_NO : MHD_YES;
    }
    exchange->received += *size;
    if (exchange->sink) {
        taken = exchange->sink->take(exchange, exchange->sink_state, data, *size);
        exchange->received -= *size - taken;
        if (exchange->phase == PHASE_READING && taken < *size)
            exchange_wait(exchange);
    } else if (exchange->received > exchange->endpoint->body_max) {
        refuse_size(exchange);
    } else if (!lane_hold_bytes(exchange->lane, (int64_t)*size)) {
        exchange->received -= *size;
        exchange_unavailable(exchange, "busy", "too many bodies are coming in at once; ask again");
    } else {
        buf_add(&exchange->body, data, *size);
    }
    *size -= taken;
    return MHD_YES;
}

/* --- the answer --- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name, value); /* fails only without memory: the answer still says it all */
}

static void add_headers(const struct exchange *exchange, struct MHD_Response *response)
{
    const struct answer *answer = &exchange->answer;
    char seconds[16];

    if (answer->content_type)
        add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    if (answer->retry_after_s > 0) {
        (void)snprintf(seconds, sizeof(seconds), "%d", answer->retry_after_s);
        add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (answer->is_replayed)
        add_header(response, "Idempotency-Replayed", "true");
    if (answer->asks_for_bearer)
        add_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (answer->allow[0])
        add_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
    if (lane_is_stopping(exchange->lane) || exchange->must_close)
        add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (!exchange->origin)
        return;
    add_header(response, "Access-Control-Allow-Origin", exchange->origin);
    add_header(response, MHD_HTTP_HEADER_VARY, "Origin");
    add_header(response, "Access-Control-Expose-Headers", "Idempotency-Replayed, Retry-After");
    if (!exchange->endpoint && answer->status == 204) { /* a preflight */
        add_header(response, "Access-Control-Allow-Methods", answer->allow);
        add_header(response, "Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key");
        add_header(response, "Access-Control-Max-Age", "600");
    }
}

/* The body goes over to libmicrohttpd, which frees it. */
static struct MHD_Response *make_response(struct answer *answer)
{
    struct MHD_Response *response;

    if (answer->file_fd >= 0) {
        response = MHD_create_response_from_fd64((uint64_t)answer->file_size, answer->file_fd);
        if (response)
            answer->file_fd = -1;
        return response;
    }
    response = MHD_create_response_from_buffer(answer->body.len, answer->body.data, MHD_RESPMEM_MUST_FREE);
    if (response)
        buf_init(&answer->body, ANSWER_BODY_MAX);
    return response;
}

static enum MHD_Result put_answer(struct exchange *exchange)
{
    bool is_file = exchange->answer.file_fd >= 0;
    struct MHD_Response *response = make_response(&exchange->answer);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    exchange->answered_ms = is_file ? 0 : clock_mono_ms(); /* a file may take its time */
    add_headers(exchange, response);
    meters_note_answer(lane_metrics(exchange->lane), exchange->endpoint, exchange->answer.status,
                       clock_mono_us() - exchange->opened_us);
    result = MHD_queue_response(exchange->connection, (unsigned)exchange->answer.status, response);
    lane_note_stirred(exchange->lane); /* it is written when libmicrohttpd runs again */
    MHD_destroy_response(response);
    return result;
}

/* --- callbacks --- */

static struct visitor *visitor_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static enum MHD_Result open_exchange(struct lane *lane, struct MHD_Connection *connection, const char *path,
                                     const char *method, void **state)
{
    struct exchange *exchange = exchange_open(lane, connection);
    const char *expected = exchange_header(exchange, "Expect");
    struct visitor *visitor = visitor_of(connection);

    *state = exchange;
    if (visitor)
        visitors_move(lane_visitors(lane), visitor, exchange);
    begin(exchange, method, path);
    /* Who asks before sending a body is told before sending it, and who would send more than is read and dropped, too:
     * the connection ends after that. */
    if (exchange->phase == PHASE_READY && (expected || exchange->must_close || announced(exchange) > DRAIN_MAX))
        return put_answer(exchange);
    return MHD_YES;
}

enum MHD_Result exchange_on_request(void *lane, struct MHD_Connection *connection, const char *path, const char *method,
                                    const char *version, const char *data, size_t *size, void **state)
{
    struct exchange *exchange = *state;

    (void)version;
    if (!exchange)
        return open_exchange(lane, connection, path, method, state);
    if (*size > 0)
        return take_body(exchange, data, size);
    exchange_note_whole(exchange);
    if (exchange->phase == PHASE_READING) {
        if (exchange->sink)
            exchange->sink->finish(exchange, exchange->sink_state);
        else
            exchange->endpoint->answer(exchange);
    }
    if (exchange->phase == PHASE_READING)
        exchange_linger(exchange);
    else
        exchange_visit(exchange);
    return exchange->phase == PHASE_READY ? put_answer(exchange) : MHD_YES;
}

void exchange_on_completed(void *lane, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code)
{
    struct visitor *visitor = visitor_of(connection);

    (void)code; /* a client that went away gets no answer; what it asked for is done all the same */
    if (!*state)
        return;
    exchange_close(*state);
    *state = NULL;
    if (visitor)
        visitors_move(lane_visitors(lane), visitor, NULL);
}

size_t exchange_unescape(void *lane, struct MHD_Connection *connection, char *text)
{
    (void)lane;
    (void)connection;
    /* A NUL in a path would end it there, and let `/v1/status%00x` be another name of `/v1/status`. */
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

void exchange_on_connection(void *lane, struct MHD_Connection *connection, void **context,
                            enum MHD_ConnectionNotificationCode code)
{
    struct visitor *visitor = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

        visitor = mem_zalloc(1, sizeof(*visitor));
        visitor->fd = info ? info->connect_fd : -1;
        visitors_add(lane_visitors(lane), visitor);
        *context = visitor;
    } else if (visitor) {
        visitors_remove(lane_visitors(lane), visitor);
        free(visitor);
        *context = NULL;
    }
}
