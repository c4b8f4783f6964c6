/* The calls of the API that are no sends: which path and method is which, and what all of them meet first. They count
 * in the rate window, as every call does. */
#include "tests/sandbox/api.h"

#include <stdio.h>
#include <string.h>

#define WEBHOOKS     "/api/v2/webhooks"
#define INTEGRATIONS "/api/v2/conversations/messaging/integrations/open"
#define MESSAGES     "/api/v2/conversations/messages/*/messages"

static const struct api_row {
    enum method method;
    const char *pattern; /* a star is one part of the path */
    const char *route;   /* for scripts */
    void (*answer)(const struct api_call *call);
} rows[] = {
    {METHOD_GET, WEBHOOKS, SCRIPT_WEBHOOKS_ROUTE, webhook_list},
    {METHOD_POST, WEBHOOKS, SCRIPT_WEBHOOKS_ROUTE, webhook_create},
    {METHOD_GET, WEBHOOKS "/*", SCRIPT_WEBHOOKS_ROUTE, webhook_show},
    {METHOD_DELETE, WEBHOOKS "/*", SCRIPT_WEBHOOKS_ROUTE, webhook_delete},
    {METHOD_GET, INTEGRATIONS, SCRIPT_WEBHOOKS_ROUTE, integration_list},
    {METHOD_POST, INTEGRATIONS, SCRIPT_WEBHOOKS_ROUTE, integration_create},
    {METHOD_GET, INTEGRATIONS "/*", SCRIPT_WEBHOOKS_ROUTE, integration_show},
    {METHOD_PATCH, INTEGRATIONS "/*", SCRIPT_WEBHOOKS_ROUTE, integration_change},
    {METHOD_DELETE, INTEGRATIONS "/*", SCRIPT_WEBHOOKS_ROUTE, integration_delete},
    {METHOD_POST, MESSAGES "/bulk", SCRIPT_STATUS_ROUTE, status_bulk},
    {METHOD_GET, MESSAGES "/*", SCRIPT_STATUS_ROUTE, status_show},
    {METHOD_GET, "/api/v2/messaging/messages", SCRIPT_REPORT_ROUTE, report_messages},
    {METHOD_POST, "/api/v2/analytics/conversations/details/query", SCRIPT_REPORT_ROUTE, report_details},
};

static const char *const method_names[] = {
    [METHOD_GET] = "GET", [METHOD_POST] = "POST", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE"};

/* matches: a star takes everything up to the next slash, but not nothing. */
static bool matches(const char *pattern, const char *path, struct span arguments[API_ARGUMENTS])
{
    size_t taken = 0;
    while (*pattern != '\0') {
        if (*pattern != '*') {
            if (*pattern++ != *path++) {
                return false;
            }
            continue;
        }
        size_t length = strcspn(path, "/");
        if (length == 0) {
            return false;
        }
        arguments[taken++] = (struct span){path, length};
        path += length;
        pattern++;
    }
    return *path == '\0';
}

/* find_row: the row of this request, or NULL with a 404 or 405 in the reply. */
static const struct api_row *find_row(struct request *request, struct api_call *call)
{
    char allow[32] = "";
    size_t length = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!matches(rows[i].pattern, request->path, call->arguments)) {
            continue;
        }
        if (rows[i].method == request->method) {
            return &rows[i];
        }
        length += (size_t)snprintf(allow + length, sizeof allow - length, "%s%s", length == 0 ? "" : ", ",
                                   method_names[rows[i].method]);
    }
    if (length == 0) {
        reply_error(request, 404, NULL, NULL, NULL);
    } else {
        reply_not_allowed(request, allow);
    }
    return NULL;
}

/* pass: true unless a script answers in place of the route. */
static bool pass(struct request *request, const struct tuning *tuning, const char *route)
{
    struct app *app = request->app;
    struct verdict verdict;
    const struct subject subject = {.parts[SUBJECT_ROUTE] = {route, strlen(route)}, .by_name_only = true};
    if (!script_take(app->script, &subject, &verdict)) {
        return true;
    }
    count_up(&app->counters.scripted);
    return !gate_apply(request, tuning, &verdict);
}

void api_answer(struct request *request, const struct tuning *tuning)
{
    struct app *app = request->app;
    struct api_call call = {.request = request};
    const struct api_row *row = find_row(request, &call);
    if (row == NULL) {
        return;
    }
    count_up(&app->counters.calls);
    if (tuning->observe.width_us > 0) {
        window_note(app->observer);
    }
    request->reply.delay_us = latency_sample(&tuning->latency, &app->latency_dice);
    if (tuning->outage) {
        reply_error(request, 503, NULL, NULL, NULL);
        return;
    }
    bool has_body = row->method == METHOD_POST || row->method == METHOD_PATCH;
    if (!gate_is_authentic(request) || (has_body && !request_is_json(request)) || !gate_is_in_window(request, tuning) ||
        !pass(request, tuning, row->route)) {
        return;
    }
    struct problem problem = {0};
    struct json_object *body = has_body ? body_parse(request->body.data, request->body.length, &problem) : NULL;
    if (problem.code != NULL) {
        reply_problem(request, &problem);
    } else {
        call.body = body;
        row->answer(&call);
    }
    body_free(body);
}
