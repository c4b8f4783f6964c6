/* The connections of a lane, between requests as well, and which of them it has had enough of. For the lane's thread.
 */
#ifndef HERALD_PRODUCER_GATEWAY_VISITORS_H
#define HERALD_PRODUCER_GATEWAY_VISITORS_H

#include <stdbool.h>
#include <stdint.h>

struct exchange;

struct visitor {
    struct visitor *older, *newer; /* of its list: those that have a request under way, or those that have none */
    struct exchange *exchange;     /* NULL: none */
    int fd;
    int64_t since_ms;  /* monotonic; when it came to its list */
    bool is_looked_at; /* idle for some time: whether its client still sends */
};

struct visitor_list {
    struct visitor *oldest, *newest;
};

struct visitors {
    struct visitor_list idle, busy;
};

/* One that is new, has another exchange (or none) from now on, or is closed. */
void visitors_add(struct visitors *visitors, struct visitor *visitor);
void visitors_move(struct visitors *visitors, struct visitor *visitor, struct exchange *exchange);
void visitors_remove(struct visitors *visitors, struct visitor *visitor);

/* Hangs up on those that have had no request for so long, or send no more, or whose request is too slow; libmicrohttpd
 * finds them closed then, and ends them. */
void visitors_close(struct visitors *visitors, int64_t idle_ms, int64_t now_ms);

#endif
