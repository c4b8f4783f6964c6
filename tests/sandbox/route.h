#ifndef SANDBOX_ROUTE_H
#define SANDBOX_ROUTE_H

#include "tests/sandbox/body.h"
#include "tests/sandbox/dice.h"

#include <stdbool.h>

#define ROUTE_CONVERSATION_MAX 128

/* What a request asks for. All spans are borrowed from the parsed body or the path; absent ones have NULL bytes. A
 * body with a problem is still read as far as it goes, so that scripts can match it. */
struct message {
    struct span to;
    struct span from;
    struct span channel;
    struct span text;
    struct span conversation; /* named in the path */
    unsigned recipients;
    bool use_existing;
};

/* The names given to an accepted message. */
struct names {
    char provider_id[TEXT_UUID_SIZE];
    char conversation_id[ROUTE_CONVERSATION_MAX + 1];
    char time[TEXT_ISO_SIZE];
};

struct route {
    const char *name;
    int status; /* of acceptance */
    bool echoes_request_id;
    void (*check)(const struct json_object *body, struct message *ret_message, struct problem *problem);
    void (*name_message)(struct dice *dice, const struct message *message, struct names *ret_names);
    void (*render)(struct text *out, const struct message *message, const struct names *names);
};

extern const struct route route_agentless;
extern const struct route route_messaging;
extern const struct route route_conversation;

/* route_find: the route of a path, or NULL. `ret_conversation` borrows from the path. */
const struct route *route_find(const char *path, struct span *ret_conversation);

/* route_is_e164: a plus sign (unless `bare`) and 7 to 15 digits, the first not zero. */
bool route_is_e164(struct span address, bool bare);
bool route_span_is(struct span span, const char *string);

#endif
