/* The inside of http.h, for its two files: what libcurl is told once (http_setup.c) and its requests (http.c). */
#ifndef HERALD_WORKER_HTTP_PARTS_H
#define HERALD_WORKER_HTTP_PARTS_H

#include <curl/curl.h>

#include "common/buf.h"
#include "worker/http.h"
#include "worker/shared_line.h"
#include "worker/sockets.h"

#define HEADER_COUNT (7 + HTTP_MORE_HEADERS) /* as set_headers adds them */

struct transfer {
    struct transfer *next_free;
    struct transfer *older, *newer; /* among those under way, by when they started */
    struct http *http;
    CURL *easy;
    void *context;
    int64_t started_ms;
    bool is_active;
    bool has_left;     /* the request has begun to leave */
    bool was_stopped;  /* libcurl wanted to send it a second time */
    bool was_withheld; /* ended by us before it left */
    bool is_cut;       /* the answer's body is larger than we keep */
    char *url_text;    /* what `url` was made of */
    CURLU *url;
    bool was_denied;  /* an address that it would have had was not allowed */
    bool was_allowed; /* one was, whatever became of the connection */
    struct shared_line *authorization, *content_type;
    char request_id[HTTP_HEADER_MAX], traceparent[HTTP_HEADER_MAX];
    struct curl_slist headers[HEADER_COUNT]; /* nodes of our own: no allocation for each request */
    char answer_retry_after[HTTP_HEADER_MAX], answer_correlation_id[HTTP_HEADER_MAX],
        answer_request_id[HTTP_HEADER_MAX];
    struct buf body;
    char error[CURL_ERROR_SIZE];
};

struct http {
    CURLM *multi;
    struct http_config config;
    char *ca_file;
    struct transfer *transfers; /* max_requests of them */
    struct transfer *free;
    struct transfer *shown;           /* its result is borrowed; free after the next call */
    struct transfer *oldest, *newest; /* under way; all have the same time, so the oldest is the next to be late */
    struct shared_line *authorization, *content_type; /* of the last request */
    struct sockets sockets;
    int wake_fd;
    int64_t timer_at_ms; /* monotonic; when libcurl wants to be called although no descriptor is ready */
    int64_t pumped_ms;   /* when the last pump began: what had come by then has been read */
    bool has_proxy;      /* the environment names one */
    bool is_aborting;
    size_t active;
};

bool http_set_up_easy(struct http *http, struct transfer *transfer); /* false: out of memory */

#endif
