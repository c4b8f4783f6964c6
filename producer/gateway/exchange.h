/* One HTTP request and its answer, as endpoints see it. All calls are for the thread of its lane.
 *
 * An endpoint that cannot answer at once keeps the exchange (exchange_keep) and answers from a callback, which may come
 * late: when an exchange has waited EXCHANGE_PATIENCE_MS it is answered 503 by the lane, and an answer after that is
 * dropped. */
#ifndef HERALD_PRODUCER_GATEWAY_EXCHANGE_H
#define HERALD_PRODUCER_GATEWAY_EXCHANGE_H

#include "common/audit.h"
#include "common/span.h"
#include "producer/gateway/answer.h"
#include "producer/gateway/endpoint.h"

#define EXCHANGE_PATIENCE_MS 8000 /* Genesys waits 10 s for the answer to a receipt */
#define RETRY_AFTER_S        2

struct exchange;
struct lane;
struct gateway;

struct lane *exchange_lane(const struct exchange *exchange);
struct gateway *exchange_gateway(const struct exchange *exchange);
const struct client *exchange_client(const struct exchange *exchange); /* NULL when its endpoint needs none */
void exchange_actor(const struct exchange *exchange,
                    char out[AUDIT_ACTOR_MAX + 1]);                             /* the client's name in the audit */
const char *exchange_segment(const struct exchange *exchange);                  /* what stood for `{}` in the path */
const char *exchange_header(const struct exchange *exchange, const char *name); /* NULL: absent; borrowed */
const char *exchange_query(const struct exchange *exchange, const char *name);
struct span exchange_body(const struct exchange *exchange); /* gathered; not with a sink */

/* True when Content-Type is this one, parameters aside. */
bool exchange_is_type(const struct exchange *exchange, const char *type);

/* From `begin` only. The state is destroyed with the exchange. */
void exchange_set_sink(struct exchange *exchange, const struct sink *sink, void *state);
/* The sink, which took less than it was given, takes bytes again. */
void exchange_go_on(struct exchange *exchange);
/* How long it may wait each time, instead of EXCHANGE_PATIENCE_MS. */
void exchange_set_patience(struct exchange *exchange, int64_t patience_ms);

/* One more that holds it, until exchange_release: for whoever will call back. */
void exchange_keep(struct exchange *exchange);
void exchange_release(struct exchange *exchange);

/* The answer to fill, and that it is filled. NULL: it was answered before. */
struct answer *exchange_answer(struct exchange *exchange);
void exchange_send(struct exchange *exchange);

/* Answers that many endpoints give. */
void exchange_problem(struct exchange *exchange, int status, const char *code, const char *pointer, const char *detail);
void exchange_unavailable(struct exchange *exchange, const char *code, const char *detail); /* 503 with Retry-After */
void exchange_redis_away(struct exchange *exchange, int rc); /* rc as a store's callback gives it */

#endif
