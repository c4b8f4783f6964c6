#include "common/route.h"

#include <stdio.h>

#include "common/reason.h"

static const struct route *const routes[] = {&route_agentless, &route_messaging, &route_conversation};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

const struct route *route_find(struct span name)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (span_is(name, routes[i]->name))
            return routes[i];
    }
    return NULL;
}

const struct route *route_infer(const struct json_value *payload)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (routes[i]->matches(payload))
            return routes[i];
    }
    return NULL;
}

const char *route_names(void)
{
    return "agentless, messaging, conversation";
}

void route_path(const struct route *route, struct span conversation_id, char out[ROUTE_PATH_MAX])
{
    const char *gap = strstr(route->path, "{}");

    if (gap)
        (void)snprintf(out, ROUTE_PATH_MAX, "%.*s%.*s%s", (int)(gap - route->path), route->path,
                       (int)conversation_id.len, conversation_id.data ? conversation_id.data : "", gap + 2);
    else
        (void)span_join(out, ROUTE_PATH_MAX, span_of(route->path), (struct span){NULL, 0});
}

static bool is_hidden(const struct route *route, struct span name)
{
    for (size_t i = 0; route->hidden[i]; i++) {
        if (span_is(name, route->hidden[i]))
            return true;
    }
    return false;
}

void route_body(const struct route *route, const struct json_value *payload, struct buf *out)
{
    char before = '{';

    for (const struct json_value *at = value_first(payload); at; at = value_next(payload, at)) {
        if (is_hidden(route, at->name))
            continue;
        buf_char(out, before);
        value_print_member(at, out);
        before = ',';
    }
    buf_text(out, before == '{' ? "{}" : "}");
}

int route_read_text(const struct json_value *object, const char *key, const char *pointer, struct span *ret,
                    struct refusal *why)
{
    const struct json_value *member = value_get(object, key);
    struct span text = value_text(member);

    if (member && !text.data)
        return refuse(why, "field_invalid", pointer, "must be text, not %s", json_kind_name(value_kind(member)));
    *ret = text;
    return 0;
}
