/* Who is told of messages: the tutorial's webhooks, and the settings of open integrations.
 *
 * Webhooks exist in the tutorial only, which shows what is sent and not what is answered: the answer (201, the webhook
 * with its id) and the listing follow the platform's habits; one without `enabled` is not enabled. Open integrations
 * are real; their URL has to be public HTTPS there, which a stand-in on one machine does not ask for. A secret is never
 * given back. */
#include "tests/sandbox/api.h"
#include "tests/sandbox/route.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE_USUAL 25
#define PAGE_SIZE_MAX   100
#define WEBHOOK_EVENT   "messaging:messages:updated"

static void copy(struct span from, char *to, size_t most)
{
    size_t length = from.length < most ? from.length : most; /* longer ones were refused */
    if (length > 0) {
        memcpy(to, from.bytes, length);
    }
    to[length] = '\0';
}

static struct span read_string(const struct json_object *object, const char *prefix, const char *name, bool required,
                               size_t most, struct problem *problem)
{
    struct span value = body_string(object, prefix, name, required, problem);
    if (value.bytes != NULL && (value.length > most || (required && value.length == 0))) {
        problem_set(problem, "invalid.value", name, "The field '%s%s' must have 1 to %zu bytes.", prefix, name, most);
        return (struct span){NULL, 0};
    }
    return value;
}

static void read_constant(const struct json_object *object, const char *prefix, const char *name, const char *wanted,
                          struct problem *problem)
{
    struct span value = body_string(object, prefix, name, true, problem);
    if (value.bytes != NULL && !route_span_is(value, wanted)) {
        problem_set(problem, "invalid.value", name, "The field '%s%s' must be '%s'.", prefix, name, wanted);
    }
}

static struct span read_url(const struct json_object *object, const char *prefix, const char *name, bool required,
                            struct problem *problem)
{
    struct span url = read_string(object, prefix, name, required, HOOK_URL_MAX, problem);
    bool is_http = url.length > 7 && memcmp(url.bytes, "http://", 7) == 0;
    bool is_https = url.length > 8 && memcmp(url.bytes, "https://", 8) == 0;
    bool has_odd = false;
    for (size_t i = 0; i < url.length; i++) {
        has_odd |= url.bytes[i] <= ' ' || url.bytes[i] == 0x7f;
    }
    if (url.bytes != NULL && ((!is_http && !is_https) || has_odd)) {
        problem_set(problem, "invalid.value", name, "The field '%s%s' must be an HTTP or HTTPS URL.", prefix, name);
    }
    return url;
}

static void render_webhook(const struct hook *hook, struct text *out)
{
    char time[TEXT_ISO_SIZE];
    clock_format_iso(hook->created_ms, time);
    text_pair(out, "{\"id\":", hook->id);
    text_pair(out, ",\"name\":", hook->name);
    text_pair(out, ",\"description\":", hook->description);
    text_pair(
        out, ",\"apiVersion\":\"v2\",\"domain\":\"messaging\",\"event\":\"" WEBHOOK_EVENT "\",\"httpTarget\":{\"url\":",
        hook->url);
    text_say(out, hook->enabled ? ",\"method\":\"POST\"},\"enabled\":true" : ",\"method\":\"POST\"},\"enabled\":false");
    text_pair(out, ",\"dateCreated\":", time);
    text_printf(out, ",\"selfUri\":\"/api/v2/webhooks/%s\"}", hook->id);
}

static void render_integration(const struct hook *hook, struct text *out)
{
    char time[TEXT_ISO_SIZE];
    clock_format_iso(hook->created_ms, time);
    text_pair(out, "{\"id\":", hook->id);
    text_pair(out, ",\"name\":", hook->name);
    text_pair(out, ",\"outboundNotificationWebhookUrl\":", hook->url);
    text_say(out, ",\"status\":\"Active\",\"createStatus\":\"Completed\"");
    text_pair(out, ",\"dateCreated\":", time);
    text_printf(out, ",\"selfUri\":\"/api/v2/conversations/messaging/integrations/open/%s\"}", hook->id);
}

static void render_hook(const struct hook *hook, struct text *out)
{
    switch (hook->kind) {
    case HOOK_WEBHOOK:
        render_webhook(hook, out);
        break;
    case HOOK_INTEGRATION:
        render_integration(hook, out);
        break;
    }
}

/* read_page: false with a 400 in the reply. */
static bool read_page(struct request *request, const char *name, int64_t most, int64_t *number)
{
    const char *argument = request_query(request, name);
    if (argument != NULL && units_parse_int(argument, 1, most, number) != 0) {
        reply_error(request, 400, "invalid.value", name, "The argument is no number or out of its range.");
        return false;
    }
    return true;
}

static void list(const struct api_call *call, enum hook_kind kind)
{
    struct request *request = call->request;
    int64_t size = PAGE_SIZE_USUAL;
    int64_t page = 1;
    if (!read_page(request, "pageSize", PAGE_SIZE_MAX, &size) || !read_page(request, "pageNumber", HOOKS_MAX, &page)) {
        return;
    }
    struct hook *hooks = calloc((size_t)size, sizeof *hooks);
    if (hooks == NULL) {
        reply_error(request, 500, NULL, NULL, NULL);
        return;
    }
    size_t count = 0;
    size_t total = hooks_list(request->app->hooks, kind, (size_t)((page - 1) * size), (size_t)size, hooks, &count);
    struct text *out = reply_json(request, 200);
    text_say(out, "{\"entities\":[");
    for (size_t i = 0; i < count; i++) {
        text_say(out, i == 0 ? "" : ",");
        render_hook(&hooks[i], out);
    }
    text_printf(out, "],\"pageSize\":%" PRId64 ",\"pageNumber\":%" PRId64 ",\"total\":%zu,\"pageCount\":%zu}", size,
                page, total, (total + (size_t)size - 1) / (size_t)size);
    free(hooks);
}

static void show(const struct api_call *call, enum hook_kind kind)
{
    struct hook hook;
    if (hooks_get(call->request->app->hooks, kind, call->arguments[0], &hook)) {
        render_hook(&hook, reply_json(call->request, 200));
    } else {
        reply_error(call->request, 404, NULL, NULL, NULL);
    }
}

static void delete (const struct api_call *call, enum hook_kind kind)
{
    if (!hooks_remove(call->request->app->hooks, kind, call->arguments[0])) {
        reply_error(call->request, 404, NULL, NULL, NULL);
        return;
    }
    call->request->reply.how = HOW_EMPTY;
    call->request->reply.status = 204;
}

typedef void read_hook(const struct json_object *body, bool is_new, struct hook *hook, struct problem *problem);

/* read_body: false with a 400 in the reply. */
static bool read_body(const struct api_call *call, read_hook *read, bool is_new, struct hook *hook)
{
    struct problem problem = {0};
    if (!body_is_object(call->body)) {
        problem_set(&problem, "bad.request", NULL, "The request body must be a JSON object.");
    } else {
        read(call->body, is_new, hook, &problem);
    }
    if (problem.code != NULL) {
        reply_problem(call->request, &problem);
    }
    return problem.code == NULL;
}

static void create(const struct api_call *call, read_hook *read, struct hook *hook, int status)
{
    struct app *app = call->request->app;
    if (!read_body(call, read, true, hook)) {
        return;
    }
    dice_uuid(&app->name_dice, hook->id);
    hook->created_ms = clock_wall_ms();
    if (hooks_add(app->hooks, hook) != 0) {
        reply_error(call->request, 409, NULL, NULL, "There are too many webhooks and integrations.");
        return;
    }
    render_hook(hook, reply_json(call->request, status));
}

/* --- the tutorial's webhooks */

static void read_webhook(const struct json_object *body, bool is_new, struct hook *hook, struct problem *problem)
{
    (void)is_new; /* always: a webhook cannot be changed */
    copy(read_string(body, "", "name", true, HOOK_NAME_MAX, problem), hook->name, HOOK_NAME_MAX);
    copy(read_string(body, "", "description", false, HOOK_DESCRIPTION_MAX, problem), hook->description,
         HOOK_DESCRIPTION_MAX);
    read_constant(body, "", "apiVersion", "v2", problem);
    read_constant(body, "", "domain", "messaging", problem);
    read_constant(body, "", "event", WEBHOOK_EVENT, problem);
    const struct json_object *target = body_object(body, "httpTarget", true, problem);
    if (target != NULL) {
        copy(read_url(target, "httpTarget.", "url", true, problem), hook->url, HOOK_URL_MAX);
        read_constant(target, "httpTarget.", "method", "POST", problem);
    }
    hook->enabled = body_bool(body, "", "enabled", problem);
}

void webhook_create(const struct api_call *call)
{
    struct hook hook = {.kind = HOOK_WEBHOOK};
    create(call, read_webhook, &hook, 201);
}

void webhook_list(const struct api_call *call)
{
    list(call, HOOK_WEBHOOK);
}

void webhook_show(const struct api_call *call)
{
    show(call, HOOK_WEBHOOK);
}

void webhook_delete(const struct api_call *call)
{
    delete (call, HOOK_WEBHOOK);
}

/* --- open integrations */

/* read_integration: a change keeps what it does not name. */
static void read_integration(const struct json_object *body, bool is_new, struct hook *hook, struct problem *problem)
{
    static const char secret_name[] = "outboundNotificationWebhookSignatureSecretToken";
    struct span name = read_string(body, "", "name", is_new, HOOK_NAME_MAX, problem);
    struct span url = read_url(body, "", "outboundNotificationWebhookUrl", is_new, problem);
    struct span secret = read_string(body, "", secret_name, is_new, HOOK_SECRET_MAX, problem);
    if (secret.bytes != NULL && secret.length < HOOK_SECRET_LEAST) {
        problem_set(problem, "invalid.value", secret_name, "The field '%s' must be longer than 15 characters.",
                    secret_name);
    }
    if (name.bytes != NULL) {
        copy(name, hook->name, HOOK_NAME_MAX);
    }
    if (url.bytes != NULL) {
        copy(url, hook->url, HOOK_URL_MAX);
    }
    if (secret.bytes != NULL) {
        copy(secret, hook->secret, HOOK_SECRET_MAX);
    }
}

void integration_create(const struct api_call *call)
{
    struct hook hook = {.kind = HOOK_INTEGRATION, .enabled = true};
    create(call, read_integration, &hook, 200);
}

void integration_change(const struct api_call *call)
{
    struct request *request = call->request;
    struct hook hook;
    if (!hooks_get(request->app->hooks, HOOK_INTEGRATION, call->arguments[0], &hook)) {
        reply_error(request, 404, NULL, NULL, NULL);
    } else if (read_body(call, read_integration, false, &hook)) {
        if (hooks_change(request->app->hooks, &hook)) {
            render_hook(&hook, reply_json(request, 200));
        } else {
            reply_error(request, 404, NULL, NULL, NULL); /* deleted meanwhile */
        }
    }
}

void integration_list(const struct api_call *call)
{
    list(call, HOOK_INTEGRATION);
}

void integration_show(const struct api_call *call)
{
    show(call, HOOK_INTEGRATION);
}

void integration_delete(const struct api_call *call)
{
    delete (call, HOOK_INTEGRATION);
}
