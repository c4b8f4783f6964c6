/* One message as a client of the gateway writes it (an envelope or a bare payload, docs/wire-format.md, or a template
 * and variables, compose.h), read, checked and written as it goes on the list. Pure but for new ids. */
#ifndef HERALD_PRODUCER_GATEWAY_INTAKE_H
#define HERALD_PRODUCER_GATEWAY_INTAKE_H

#include "common/store_accept.h"
#include "producer/gateway/clients.h"
#include "producer/gateway/compose.h"

#define REQUEST_KEY_MAX 256 /* bytes of an Idempotency-Key */

struct intake_rules {
    const char *origins; /* hosts, as in the settings */
    const struct callback_rules *callbacks;
    const char *request_key;   /* the request's Idempotency-Key; NULL: none */
    const char *traceparent;   /* the request's, for messages that have none of their own; NULL: none */
    struct composer *composer; /* NULL: a template is not taken for a payload */
    const char *client;        /* whose keys they are: two clients' keys are two */
};

struct intake {
    struct store_offer offer; /* borrows from the rest */
    struct envelope envelope;
    struct buf bytes;
    char actor[sizeof("gateway:") + CLIENT_NAME_MAX];
    char person[CHANNEL_PERSON_SIZE];
};

/* 0 and the offer, or ERR_INVALID with `why`. `index`: of the message in its request, since a request's key is that of
 * each of its messages. Clear it in any case. */
int intake_read(struct intake *ret, const struct intake_rules *rules, size_t index, struct span text, int64_t now_ms,
                struct refusal *why);
void intake_clear(struct intake *intake);

#endif
