/* Routes: the ways to send. A route is one row: where it posts, how it reads a payload, what it allows, how it writes
 * one. A new route is a new row and its body rules (route_<name>.c), nothing else. */
#ifndef HERALD_COMMON_ROUTE_H
#define HERALD_COMMON_ROUTE_H

#include "common/buf.h"
#include "common/content.h"
#include "common/json_view.h"
#include "common/refusal.h"

#define ROUTE_PATH_MAX 256

struct route {
    const char *name;
    const char *path;      /* `{}` stands for the conversation's id */
    bool needs_consent;    /* consentVerified must be there; an explicit false is refused on every route */
    bool id_from_header;   /* the answer's X-Genesys-Request-Id stands in for a missing id */
    const char *hidden[3]; /* payload members that are Herald's own and not sent */

    /* Whether a payload that names no route is one of this. */
    bool (*matches)(const struct json_value *payload);
    /* Takes the values out of a payload, checking their kinds; fields are pointers below /payload. */
    int (*read)(const struct json_value *payload, struct content *ret, struct refusal *why);
    /* Whether the values may be sent. */
    int (*check)(const struct content *content, struct refusal *why);
    /* Checks and then writes a payload out of values; NULL: only payloads made elsewhere go this way. */
    void (*write)(const struct content *content, struct buf *out);
};

extern const struct route route_agentless, route_messaging, route_conversation;

const struct route *route_find(struct span name);                  /* NULL: no such route */
const struct route *route_infer(const struct json_value *payload); /* NULL: none matches */
const char *route_names(void); /* for messages: "agentless, messaging, conversation" */

/* The path with the conversation's id in its place. */
void route_path(const struct route *route, struct span conversation_id, char out[ROUTE_PATH_MAX]);

/* What is sent: the payload without the members that are Herald's own. */
void route_body(const struct route *route, const struct json_value *payload, struct buf *out);

/* For the routes' read functions: a text member, absent unless there; a refusal when it is something else. */
int route_read_text(const struct json_value *object, const char *key, const char *pointer, struct span *ret,
                    struct refusal *why);

#endif
