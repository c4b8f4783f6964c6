/* One thread's HTTP requests, many at once, over libcurl, whose types stay in http.c. Not thread-safe but for
 * http_wake.
 *
 * A POST is never repeated behind our back: libcurl sends a request again by itself when a kept connection turns out to
 * be dead, which for a message may be a second one. Here the second try of one transfer is stopped and reported as
 * TRANSPORT_UNKNOWN, for the message's own `on_unknown` to decide. Redirects are not followed. */
#ifndef HERALD_WORKER_HTTP_H
#define HERALD_WORKER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

#include "common/reason.h"
#include "common/span.h"
#include "worker/verdict.h"

#define HTTP_BODY_MAX                                                                                                  \
    ((size_t)64 << 10) /* bytes of an answer that are kept unless asked for more; the rest is not read */
#define HTTP_HEADER_MAX                                                                                                \
    160 /* of an answer's header that is kept; and of a request's, but for those that many share                       \
         */
#define HTTP_MORE_HEADERS 3

struct http;

struct http_config {
    const char *ca_file; /* NULL: the system's */
    int64_t timeout_ms, connect_timeout_ms;
    size_t max_requests; /* under way at once */
    size_t body_max;     /* bytes of an answer that are kept; 0: HTTP_BODY_MAX */
    /* Asked right before a request leaves; false: it does not, and comes out as TRANSPORT_WITHHELD. NULL: always. */
    bool (*may_leave)(void *context, void *request_context);
    void *may_leave_context;
    /* Asked before a connection is made, with the address itself; false: none is made to that one, and a request for
     * which no other was allowed comes out with `is_forbidden`. With this no proxy of the environment is used. NULL:
     * any address. */
    bool (*may_connect)(void *request_context, const struct sockaddr *address);
};

/* Once, before any thread. */
int http_global_init(struct reason *why);
void http_global_clear(void);

int http_open(struct http **ret, const struct http_config *config, struct reason *why);
void http_close(struct http *http); /* takes NULL; what is under way is dropped without a result */

struct http_request {
    const char *url;
    const char *authorization; /* the whole value; NULL: none */
    const char *request_id;    /* X-Genesys-Request-Id; NULL: none */
    const char *traceparent;   /* NULL: none */
    const char *content_type;
    struct span body;              /* borrowed until the result has been taken */
    char *more[HTTP_MORE_HEADERS]; /* further headers, `Name: value`; borrowed likewise; the first NULL ends them */
    void *context;
};

/* Starts a POST. The texts are copied, the body is not. At most max_requests may be under way. */
void http_start(struct http *http, const struct http_request *request);
size_t http_active(const struct http *http);

struct http_result {
    void *context;
    enum transport transport;
    long status; /* 0 without an answer */
    int64_t latency_ms;
    const char *retry_after, *correlation_id, *request_id; /* NULL when absent */
    struct span body;                                      /* cut at body_max */
    const char *error;                                     /* libcurl's words; NULL with an answer */
    bool is_forbidden;                                     /* there is no answer, as no address was allowed */
};

/* Lets the requests go on, without waiting. */
void http_pump(struct http *http);
/* The next finished one, borrowed until the next call of this or of http_start. */
bool http_next(struct http *http, struct http_result *ret);
/* Ends everything under way; each comes out of http_next as TRANSPORT_WITHHELD or TRANSPORT_UNKNOWN. */
void http_abort_all(struct http *http);

/* Something else to wait for. */
struct http_watch {
    int fd; /* -1: skipped */
    bool wants_write;
};
#define HTTP_WATCH_MAX 8

/* Waits until a request can go on, a watched descriptor is ready, http_wake is called, or the time is over. */
void http_wait(struct http *http, const struct http_watch *watches, size_t count, int64_t timeout_ms);
void http_wake(struct http *http); /* any thread */

#endif
