#include "worker/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"

#define HEADER_COUNT      (6 + HTTP_MORE_HEADERS)
#define AUTHORIZATION_MAX 4400 /* a token may be a JWT of 4 kB */

/* A connection that has been idle for longer is not used again: load balancers close theirs after 60 s or so, and a
 * request that meets such a closing has an unknown outcome. */
#define IDLE_CONNECTION_SECONDS 30L

/* libcurl reads so much at once, and answers are a few hundred bytes. Each transfer holds one; 16 KiB by default. */
#define READ_BYTES 2048L

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
    bool is_forbidden; /* an address that it would have had was not allowed */
    char authorization[AUTHORIZATION_MAX];
    char content_type[HTTP_HEADER_MAX], request_id[HTTP_HEADER_MAX], traceparent[HTTP_HEADER_MAX];
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
    int64_t pumped_ms;                /* when the last pump began: what had come by then has been read */
    bool is_aborting;
    size_t active;
};

int http_global_init(struct reason *why)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        return 0;
    reason_set(why, "libcurl cannot be initialised");
    return ERR_STATE;
}

void http_global_clear(void)
{
    curl_global_cleanup();
}

/* Called right before a request goes out on a connection: for the second time when libcurl tries again by itself. */
static int on_leaving(void *user, char *primary_ip, char *local_ip, int primary_port, int local_port)
{
    struct transfer *transfer = user;
    const struct http_config *config = &transfer->http->config;

    (void)primary_ip;
    (void)local_ip;
    (void)primary_port;
    (void)local_port;
    if (!transfer->has_left && config->may_leave && !config->may_leave(config->may_leave_context, transfer->context)) {
        transfer->was_withheld = true;
        return CURL_PREREQFUNC_ABORT;
    }
    transfer->was_stopped = transfer->has_left;
    transfer->has_left = true;
    return transfer->was_stopped ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* In place of libcurl's own socket(). A transfer that finds a connection made before does without. */
static curl_socket_t on_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = user;

    (void)purpose;
    if (!transfer->http->config.may_connect(transfer->context, &address->addr)) {
        transfer->is_forbidden = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool guard_connections(struct transfer *transfer)
{
    return curl_easy_setopt(transfer->easy, CURLOPT_OPENSOCKETFUNCTION, on_socket) == CURLE_OK &&
           curl_easy_setopt(transfer->easy, CURLOPT_OPENSOCKETDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(transfer->easy, CURLOPT_PROXY, "") == CURLE_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;
    size_t len = size * count;

    if (len > transfer->body.max - transfer->body.len) {
        buf_add(&transfer->body, data, transfer->body.max - transfer->body.len);
        transfer->is_cut = true;
        return 0; /* ends the transfer */
    }
    buf_add(&transfer->body, data, len);
    return len;
}

/* Keeps the value if the line is this header; what is too long to be true is left out. */
static void keep_header(const char *line, size_t len, const char *name, char out[HTTP_HEADER_MAX])
{
    size_t name_len = strlen(name);

    if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
        return;
    line += name_len + 1;
    len -= name_len + 1;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
        len--;
    if (len >= HTTP_HEADER_MAX || memchr(line, '\0', len))
        return;
    memcpy(out, line, len);
    out[len] = '\0';
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;
    size_t len = size * count;

    keep_header(data, len, "Retry-After", transfer->answer_retry_after);
    keep_header(data, len, "ININ-Correlation-Id", transfer->answer_correlation_id);
    keep_header(data, len, "X-Genesys-Request-Id", transfer->answer_request_id);
    return len;
}

static bool set_up_easy(struct http *http, struct transfer *transfer)
{
    CURL *easy = transfer->easy = curl_easy_init();

    if (!easy)
        return false;
    return curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http->config.connect_timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_SECONDS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, READ_BYTES) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_leaving) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "herald/" HERALD_VERSION) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
           (!http->config.may_connect || guard_connections(transfer)) &&
           (!http->ca_file || curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file) == CURLE_OK);
}

int http_open(struct http **ret, const struct http_config *config, struct reason *why)
{
    struct http *http = mem_zalloc(1, sizeof(*http));

    http->config = *config;
    http->ca_file = mem_text(config->ca_file);
    http->transfers = mem_zalloc(config->max_requests, sizeof(*http->transfers));
    http->multi = curl_multi_init();
    if (!http->multi || curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)config->max_requests) != CURLM_OK ||
        curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) != CURLM_OK) {
        reason_set(why, "libcurl cannot be set up");
        http_close(http);
        return ERR_STATE;
    }
    for (size_t i = config->max_requests; i-- > 0;) {
        struct transfer *transfer = &http->transfers[i];

        transfer->http = http;
        buf_init(&transfer->body, config->body_max > 0 ? config->body_max : HTTP_BODY_MAX);
        transfer->next_free = http->free;
        http->free = transfer;
    }
    *ret = http;
    return 0;
}

void http_close(struct http *http)
{
    if (!http)
        return;
    for (size_t i = 0; i < http->config.max_requests; i++) {
        struct transfer *transfer = &http->transfers[i];

        if (transfer->is_active)
            (void)curl_multi_remove_handle(http->multi, transfer->easy); /* it goes in the next line */
        curl_easy_cleanup(transfer->easy);
        curl_url_cleanup(transfer->url);
        free(transfer->url_text);
        buf_clear(&transfer->body);
        explicit_bzero(transfer->authorization, sizeof(transfer->authorization));
    }
    (void)curl_multi_cleanup(http->multi); /* takes NULL */
    free(http->transfers);
    free(http->ca_file);
    free(http);
}

/* --- time ---
 *
 * The time of a request is kept here and not by libcurl, which looks at its clock before it looks at its sockets: after
 * a sleep (SIGSTOP, a paused machine) it would throw away answers that have long arrived, and call them unknown. */

static void join_line(struct http *http, struct transfer *transfer)
{
    transfer->newer = NULL;
    transfer->older = http->newest;
    if (http->newest)
        http->newest->newer = transfer;
    else
        http->oldest = transfer;
    http->newest = transfer;
}

static void leave_line(struct http *http, struct transfer *transfer)
{
    if (transfer->older)
        transfer->older->newer = transfer->newer;
    else
        http->oldest = transfer->newer;
    if (transfer->newer)
        transfer->newer->older = transfer->older;
    else
        http->newest = transfer->older;
}

static int64_t next_deadline_ms(const struct http *http)
{
    return http->oldest ? http->oldest->started_ms + http->config.timeout_ms : INT64_MAX;
}

static void add_header(struct transfer *transfer, size_t *count, char *line)
{
    transfer->headers[*count] = (struct curl_slist){.data = line, .next = NULL};
    if (*count > 0)
        transfer->headers[*count - 1].next = &transfer->headers[*count];
    (*count)++;
}

static void set_headers(struct transfer *transfer, const struct http_request *request)
{
    static char accept_json[] = "Accept: application/json", no_expect[] = "Expect:";
    size_t count = 0;

    (void)snprintf(transfer->content_type, sizeof(transfer->content_type), "Content-Type: %s", request->content_type);
    add_header(transfer, &count, transfer->content_type);
    add_header(transfer, &count, accept_json);
    add_header(transfer, &count, no_expect); /* libcurl must not wait for a 100 before it sends a large body */
    if (request->authorization) {
        (void)snprintf(transfer->authorization, sizeof(transfer->authorization), "Authorization: %s",
                       request->authorization);
        add_header(transfer, &count, transfer->authorization);
    }
    if (request->request_id) {
        (void)snprintf(transfer->request_id, sizeof(transfer->request_id), "X-Genesys-Request-Id: %s",
                       request->request_id);
        add_header(transfer, &count, transfer->request_id);
    }
    if (request->traceparent) {
        (void)snprintf(transfer->traceparent, sizeof(transfer->traceparent), "traceparent: %s", request->traceparent);
        add_header(transfer, &count, transfer->traceparent);
    }
    for (size_t i = 0; i < HTTP_MORE_HEADERS && request->more[i]; i++)
        add_header(transfer, &count, request->more[i]);
}

/* The URL of a transfer is nearly always that of its last one, so it is taken apart once: libcurl would do it, and put
 * it together again, for every request. One that cannot be taken apart is left to libcurl, whose error is the result.
 */
static bool set_url(struct transfer *transfer, const char *url)
{
    if (transfer->url_text && strcmp(transfer->url_text, url) == 0)
        return true;
    free(transfer->url_text);
    transfer->url_text = mem_text(url);
    curl_url_cleanup(transfer->url);
    transfer->url = curl_url();
    if (!transfer->url)
        return false;
    if (curl_url_set(transfer->url, CURLUPART_URL, url, 0) == CURLUE_OK)
        return curl_easy_setopt(transfer->easy, CURLOPT_CURLU, transfer->url) == CURLE_OK;
    return curl_easy_setopt(transfer->easy, CURLOPT_CURLU, NULL) == CURLE_OK &&
           curl_easy_setopt(transfer->easy, CURLOPT_URL, url) == CURLE_OK;
}

/* The result that was shown last is not borrowed any more. */
static void give_shown_back(struct http *http)
{
    if (!http->shown)
        return;
    http->shown->next_free = http->free;
    http->free = http->shown;
    http->shown = NULL;
}

void http_start(struct http *http, const struct http_request *request)
{
    struct transfer *transfer;

    give_shown_back(http);
    transfer = http->free;
    if (!transfer || (!transfer->easy && !set_up_easy(http, transfer)))
        abort(); /* more than max_requests is our own mistake; the rest is out of memory: see mem.h */
    http->free = transfer->next_free;
    transfer->context = request->context;
    transfer->has_left = transfer->was_stopped = transfer->was_withheld = transfer->is_cut = transfer->is_forbidden =
        false;
    transfer->answer_retry_after[0] = transfer->answer_correlation_id[0] = transfer->answer_request_id[0] = '\0';
    transfer->error[0] = '\0';
    buf_reset(&transfer->body);
    set_headers(transfer, request);
    if (!set_url(transfer, request->url) ||
        curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) != CURLE_OK ||
        curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len) != CURLE_OK ||
        curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, request->body.data) != CURLE_OK)
        abort(); /* out of memory: see mem.h */
    transfer->started_ms = clock_mono_ms();
    if (curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
        abort();
    transfer->is_active = true;
    join_line(http, transfer);
    http->active++;
}

size_t http_active(const struct http *http)
{
    return http->active;
}

void http_pump(struct http *http)
{
    int running;

    http->pumped_ms = clock_mono_ms();
    (void)curl_multi_perform(http->multi, &running); /* an error of one transfer shows in its result */
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

/* A status means that Genesys has judged the request, even if its answer's body was cut short or is endless. */
static enum transport transport_of(const struct transfer *transfer, long status)
{
    if (transfer->was_stopped)
        return TRANSPORT_UNKNOWN;
    if (status > 0)
        return TRANSPORT_ANSWERED;
    if (transfer->has_left)
        return TRANSPORT_UNKNOWN;
    return transfer->was_withheld ? TRANSPORT_WITHHELD : TRANSPORT_NOT_SENT;
}

static void finish(struct http *http, struct transfer *transfer, CURLcode code, struct http_result *ret)
{
    long status = 0;

    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status); /* leaves 0 when there is none */
    (void)curl_multi_remove_handle(http->multi, transfer->easy);              /* it is in there */
    transfer->is_active = false;
    leave_line(http, transfer);
    http->active--;
    http->shown = transfer;
    *ret = (struct http_result){
        .context = transfer->context,
        .transport = transport_of(transfer, status),
        .status = status,
        .latency_ms = clock_mono_ms() - transfer->started_ms,
        .retry_after = or_null(transfer->answer_retry_after),
        .correlation_id = or_null(transfer->answer_correlation_id),
        .request_id = or_null(transfer->answer_request_id),
        .body = {transfer->body.data, transfer->body.len},
    };
    if (ret->transport != TRANSPORT_ANSWERED) {
        ret->is_forbidden = transfer->is_forbidden;
        ret->status = 0;
        ret->error = transfer->was_stopped ? "the connection broke after the request had left"
                     : transfer->error[0]  ? transfer->error
                                           : curl_easy_strerror(code);
    }
}

bool http_next(struct http *http, struct http_result *ret)
{
    CURLMsg *message;
    int left;

    give_shown_back(http);
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        char *private = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private); /* set for every handle */
        finish(http, (struct transfer *)(void *)private, code, ret);
        return true;
    }
    if (http->oldest && http->is_aborting) {
        http->oldest->was_withheld = true;
        finish(http, http->oldest, CURLE_ABORTED_BY_CALLBACK, ret);
        return true;
    }
    if (!http->oldest || next_deadline_ms(http) > http->pumped_ms)
        return false;
    finish(http, http->oldest, CURLE_OPERATION_TIMEDOUT, ret);
    return true;
}

void http_abort_all(struct http *http)
{
    http->is_aborting = true;
}

void http_wait(struct http *http, const struct http_watch *watches, size_t count, int64_t timeout_ms)
{
    struct curl_waitfd extra[HTTP_WATCH_MAX];
    unsigned used = 0;
    int64_t left_ms = next_deadline_ms(http) - clock_mono_ms();

    for (size_t i = 0; i < count && used < HTTP_WATCH_MAX; i++) {
        if (watches[i].fd < 0)
            continue;
        extra[used++] = (struct curl_waitfd){
            .fd = watches[i].fd,
            .events = (short)(CURL_WAIT_POLLIN | (watches[i].wants_write ? CURL_WAIT_POLLOUT : 0)),
        };
    }
    if (timeout_ms > left_ms)
        timeout_ms = left_ms;
    if (timeout_ms < 0)
        timeout_ms = 0;
    (void)curl_multi_poll(http->multi, extra, used, timeout_ms > 60000 ? 60000 : (int)timeout_ms, NULL);
}

void http_wake(struct http *http)
{
    (void)curl_multi_wakeup(http->multi); /* fails only if it is full of wake-ups already */
}
