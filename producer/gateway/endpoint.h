/* What the gateway can be asked: a row for each method and path. Pure. */
#ifndef HERALD_PRODUCER_GATEWAY_ENDPOINT_H
#define HERALD_PRODUCER_GATEWAY_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/ids.h"
#include "producer/gateway/clients.h"

struct exchange;

/* Takes a body as it comes instead of having it gathered. `state` is the endpoint's own. */
struct sink {
    /* How many of the bytes it took; fewer than there are: the rest comes again after exchange_go_on. */
    size_t (*take)(struct exchange *exchange, void *state, const char *data, size_t len);
    void (*finish)(struct exchange *exchange, void *state); /* the body is whole: answer now or later */
    /* It has waited for too long: goes on, or answers what is known. NULL: 503. */
    void (*give_up)(struct exchange *exchange, void *state);
    void (*destroy)(void *state);
};

struct endpoint {
    const char *method;
    const char *path; /* `{}` is one segment of an id's characters */
    unsigned right;   /* what a client must be allowed; 0: the endpoint has its own check */
    size_t body_max;  /* bytes; 0: it takes none */
    bool needs_redis; /* 503 at once while Redis is away */
    /* May choose a sink (exchange_set_sink) when the headers are known, or answer at once; NULL: neither. */
    void (*begin)(struct exchange *exchange);
    void (*answer)(struct exchange *exchange); /* the body is whole: answer now, or keep it and answer later */
};

struct endpoint_match {
    const struct endpoint *endpoint; /* NULL: none */
    char segment[ID_SIZE];           /* what stood for `{}`; "" when there is none */
    bool is_path_known;              /* there is one for another method */
    char allowed[64];                /* then: the methods, for `Allow` */
};

void endpoint_find(const struct endpoint *table, size_t count, const char *method, const char *path,
                   struct endpoint_match *ret);

#endif
