#include "producer/gateway/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "common/utf8.h"

void answer_init(struct answer *answer)
{
    *answer = (struct answer){.file_fd = -1};
    buf_init(&answer->body, ANSWER_BODY_MAX);
}

void answer_clear(struct answer *answer)
{
    buf_clear(&answer->body);
    if (answer->file_fd >= 0)
        (void)close(answer->file_fd); /* only read from */
    answer->file_fd = -1;
}

struct buf *answer_json(struct answer *answer, int status)
{
    answer->status = status;
    answer->content_type = "application/json";
    buf_reset(&answer->body);
    return &answer->body;
}

const char *answer_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {207, "Multi-Status"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    return "Error";
}

void answer_problem(struct answer *answer, int status, const char *code, const char *pointer, const char *format, ...)
{
    struct buf *body = answer_json(answer, status);
    char detail[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof(detail), format, arguments); /* a longer sentence is cut */
    va_end(arguments);
    utf8_repair(detail);
    answer->content_type = "application/problem+json";
    buf_printf(body, "{\"type\":\"urn:herald:problem:%s\",\"title\":", code);
    buf_json_text(body, answer_phrase(status));
    buf_printf(body, ",\"status\":%d,\"code\":\"%s\",\"detail\":", status, code);
    buf_json_text(body, detail);
    if (pointer && *pointer) {
        buf_text(body, ",\"pointer\":");
        buf_json_text(body, pointer);
    }
    buf_text(body, "}\n");
}
