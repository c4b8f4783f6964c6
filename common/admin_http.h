/* The pages that a program has for those who run it, over HTTP, from a thread of their own: libmicrohttpd, whose types
 * stay in admin_http.c, and a store that answers may wait for. GET and HEAD of a few fixed paths, nothing else; each
 * connection carries one request, may be open for a few seconds, and makes room for a newer one when there are too
 * many, so that nobody can keep a health check out. Nothing here is secret, and nobody is asked who he is: the address
 * is what protects it. */
#ifndef HERALD_COMMON_ADMIN_HTTP_H
#define HERALD_COMMON_ADMIN_HTTP_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/reason.h"
#include "common/store.h"

struct admin_http;

struct admin_page {
    const char *path, *content_type;
    /* Writes the body and returns the status (200, 503). 0: not yet; it is asked again when the store has answered
     * something, and with `is_last` when it has waited for long enough: then it must answer. In the thread of the
     * pages. */
    int (*answer)(void *context, bool is_last, struct buf *body);
};

struct admin_http_config {
    const struct admin_page *pages; /* borrowed, as all here */
    size_t page_count;
    void *context;
    int listen_fd; /* taken, in any case */
    /* Asked before each wait; true: the store is pumped. It does not connect before that. */
    bool (*needs_store)(void *context);
    struct store *store;
};

/* ERR_IO or ERR_LIMIT when the system gives no more of something. */
int admin_http_start(struct admin_http **ret, const struct admin_http_config *config, struct reason *why);
void admin_http_stop(struct admin_http *http); /* takes NULL; waits until its thread has ended */

#endif
