/* Answers: the platform's error body, and the one place where a reply becomes an MHD response. */
#include "tests/sandbox/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <microhttpd.h>

#define BLOCK_SIZE (64 * 1024)
#define HUGE_SIZE  (10 * 1024 * 1024)

static const struct usual {
    int status;
    const char *code;
    const char *message;
} usuals[] = {
    {400, "bad.request", "The request could not be understood by the server due to malformed syntax."},
    {401, "bad.credentials", "Invalid login credentials."},
    {403, "missing.permissions",
     "Unable to perform the requested action. You are missing the following permission(s): "
     "conversation:message:create"},
    {404, "not.found", "The requested resource was not found."},
    {405, "method.not.allowed", "The request method is not supported for this resource."},
    {408, "request.timeout", "The client did not produce a request in time."},
    {409, "general.conflict", "The request conflicts with the current state of the resource."},
    {413, "request.entity.too.large", "The request body is over the maximum of 512000 bytes."},
    {415, "unsupported.media.type", "The content type must be application/json."},
    {429, "too.many.requests.retry.after", "Rate limit exceeded the maximum. Retry the request in [1] seconds"},
    {500, "internal.server.error", "The server encountered an unexpected condition."},
    {502, "bad.gateway", "An upstream server gave no valid answer."},
    {503, "service.unavailable", "The service is temporarily unavailable."},
    {504, "request.timeout", "The request timed out."},
};

struct text *reply_json(struct request *request, int status)
{
    request->reply.how = HOW_PLAIN;
    request->reply.status = status;
    request->reply.content_type = "application/json";
    return &request->reply.body;
}

void reply_error(struct request *request, int status, const char *code, const char *field, const char *message)
{
    struct usual usual = {status, "error", "The request failed."};
    for (size_t i = 0; i < sizeof usuals / sizeof usuals[0]; i++) {
        if (usuals[i].status == status) {
            usual = usuals[i];
        }
    }
    const char *said = message == NULL || message[0] == '\0' ? usual.message : message;
    const char *coded = code == NULL || code[0] == '\0' ? usual.code : code;
    struct text *out = reply_json(request, status);
    text_say(out, "{\"message\":");
    text_json(out, said, strlen(said));
    text_say(out, ",\"code\":");
    text_json(out, coded, strlen(coded));
    text_printf(out, ",\"status\":%d,\"contextId\":\"%s\",\"details\":[", status, request->correlation);
    if (field != NULL) {
        text_say(out, "{\"errorCode\":");
        text_json(out, coded, strlen(coded));
        text_say(out, ",\"fieldName\":");
        text_json(out, field, strlen(field));
        text_say(out, "}");
    }
    text_say(out, "],\"errors\":[]}");
}

void reply_not_allowed(struct request *request, const char *allow)
{
    reply_error(request, 405, NULL, NULL, NULL);
    (void)snprintf(request->reply.allow, sizeof request->reply.allow, "%s", allow);
}

void reply_problem(struct request *request, const struct problem *problem)
{
    int status = strcmp(problem->code, "internal.server.error") == 0 ? 500 : 400;
    reply_error(request, status, problem->code, problem->field, problem->message);
}

void reply_retry_after(struct request *request, const struct tuning *tuning, int64_t wait_us)
{
    char *header = request->reply.retry_after;
    if (tuning->retry_as_date) {
        int64_t until_ms = clock_wall_ms() + (wait_us + 999) / 1000;
        clock_format_http((until_ms + 999) / 1000, header);
    } else {
        (void)snprintf(header, TEXT_HTTP_SIZE, "%" PRId64, (wait_us + 999999) / 1000000);
    }
}

void reply_broken(struct request *request, const struct verdict *verdict)
{
    struct reply *reply = &request->reply;
    reply->how = verdict->how;
    reply->status = verdict->status;
    if (verdict->how == HOW_HTML) {
        reply->content_type = "text/html";
        text_say(&reply->body, "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
                               "<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n");
    } else if (verdict->how == HOW_HUGE) {
        reply->content_type = "application/json";
    }
}

static ssize_t huge_block(void *context, uint64_t position, char *block, size_t size)
{
    (void)context;
    (void)position; /* every byte is the same: a body that a parser can only choke on */
    memset(block, 'x', size);
    return (ssize_t)size;
}

/* What MHD reads the ledgers through: lines are rendered one by one and handed out in pieces of any size. */
struct stream {
    struct lines lines;
    struct text line;
    size_t taken;
};

static ssize_t stream_block(void *context, uint64_t position, char *block, size_t size)
{
    (void)position; /* always the next byte */
    struct stream *stream = context;
    size_t filled = 0;
    while (filled < size) {
        if (stream->taken == stream->line.length) {
            stream->line.length = 0;
            stream->taken = 0;
            struct lines *lines = &stream->lines;
            int more = lines->ledger != NULL ? ledger_next(lines->ledger, &lines->ledger_at, &stream->line)
                                             : events_next(lines->events, &lines->events_at, &stream->line);
            if (more < 0 || stream->line.failed) {
                return MHD_CONTENT_READER_END_WITH_ERROR;
            }
            if (more == 0) {
                break;
            }
        }
        size_t left = stream->line.length - stream->taken;
        size_t step = left < size - filled ? left : size - filled;
        memcpy(block + filled, stream->line.data + stream->taken, step);
        stream->taken += step;
        filled += step;
    }
    return filled == 0 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t)filled;
}

static void stream_free(void *context)
{
    struct stream *stream = context;
    text_clear(&stream->line);
    free(stream);
}

static struct MHD_Response *render_stream(struct request *request)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return NULL;
    }
    stream->lines = *request->reply.lines;
    text_init(&stream->line, NULL, 0);
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, stream_block, stream, stream_free);
    if (response == NULL) {
        stream_free(stream);
    }
    return response;
}

static bool add_headers(const struct request *request, struct MHD_Response *response)
{
    const struct reply *reply = &request->reply;
    bool added = MHD_add_response_header(response, "ININ-Correlation-Id", request->correlation) == MHD_YES;
    if (reply->content_type != NULL) {
        added &= MHD_add_response_header(response, "Content-Type", reply->content_type) == MHD_YES;
    }
    if (reply->retry_after[0] != '\0') {
        added &= MHD_add_response_header(response, "Retry-After", reply->retry_after) == MHD_YES;
    }
    if (reply->allow[0] != '\0') {
        added &= MHD_add_response_header(response, "Allow", reply->allow) == MHD_YES;
    }
    if (reply->has_challenge) {
        added &= MHD_add_response_header(response, "WWW-Authenticate", "Basic realm=\"oauth\"") == MHD_YES;
    }
    if (reply->echoes_request_id && request->request_id != NULL) {
        added &= MHD_add_response_header(response, "X-Genesys-Request-Id", request->request_id) == MHD_YES;
    }
    return added;
}

struct MHD_Response *reply_render(struct request *request)
{
    struct reply *reply = &request->reply;
    struct MHD_Response *response = NULL;
    if (reply->lines != NULL) {
        response = render_stream(request);
    } else if (reply->how == HOW_HUGE) {
        response = MHD_create_response_from_callback(HUGE_SIZE, BLOCK_SIZE, huge_block, NULL, NULL);
    } else if (!reply->body.failed) {
        response = MHD_create_response_from_buffer(reply->body.length, reply->body.data, MHD_RESPMEM_MUST_COPY);
    }
    if (response != NULL && !add_headers(request, response)) {
        MHD_destroy_response(response);
        response = NULL;
    }
    return response;
}
