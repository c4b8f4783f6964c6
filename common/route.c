#include "common/route.h"

#include <stdio.h>

#include "common/reason.h"

static const struct route *const routes[] = {&route_agentless, &route_messaging, &route_conversation};

#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

const struct route *route_find(const char *name)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (strcmp(routes[i]->name, name) == 0)
            return routes[i];
    }
    return NULL;
}

const struct route *route_infer(const struct json *payload)
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
        (void)snprintf(out, ROUTE_PATH_MAX, "%s", route->path);
}

struct copying {
    const struct route *route;
    struct json *copy;
    bool has_hidden;
};

static bool is_hidden(const struct route *route, const char *key)
{
    for (size_t i = 0; route->hidden[i]; i++) {
        if (strcmp(route->hidden[i], key) == 0)
            return true;
    }
    return false;
}

static bool copy_member(void *context, const char *key, const struct json *value)
{
    struct copying *copying = context;

    if (!is_hidden(copying->route, key))
        json_set(copying->copy, key, json_ref(value));
    return true;
}

/* Null members count: json_get would not see them. */
static bool find_hidden(void *context, const char *key, const struct json *value)
{
    struct copying *copying = context;

    (void)value; /* whatever it is */
    copying->has_hidden = is_hidden(copying->route, key);
    return !copying->has_hidden;
}

void route_body(const struct route *route, const struct json *payload, struct buf *out)
{
    struct copying copying = {.route = route};

    json_each(payload, find_hidden, &copying);
    if (!copying.has_hidden) {
        json_print(payload, out);
        return;
    }
    copying.copy = json_new_object();
    json_each(payload, copy_member, &copying);
    json_print(copying.copy, out);
    json_free(copying.copy);
}

int route_read_text(const struct json *object, const char *key, const char *pointer, struct span *ret,
                    struct refusal *why)
{
    const struct json *member = json_get(object, key);
    struct span text = {NULL, 0};

    if (member) {
        text.data = json_text(member, &text.len);
        if (!text.data)
            return refuse(why, "field_invalid", pointer, "must be text, not %s", json_kind_name(json_kind(member)));
    }
    *ret = text;
    return 0;
}
