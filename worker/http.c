#include "worker/http.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "worker/http_parts.h"

#define EXPECT_FROM 65536 /* bytes of a body: libcurl expects a 100 only from 1 MiB on, but no promise says so */
#define READY_MAX   256   /* descriptors that are looked at in one go */

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
    static char agent[] = "User-Agent: herald/" HERALD_VERSION, accept_json[] = "Accept: application/json";
    static char no_expect[] = "Expect:";
    struct http *http = transfer->http;
    size_t count = 0;

    transfer->content_type = shared_line_take(&http->content_type, "Content-Type: ", request->content_type);
    add_header(transfer, &count, transfer->content_type->text);
    add_header(transfer, &count, agent); /* CURLOPT_USERAGENT is printed twice for each request */
    add_header(transfer, &count, accept_json);
    if (request->body.len >= EXPECT_FROM)
        add_header(transfer, &count, no_expect); /* libcurl must not wait for a 100 before it sends a large body */
    if (request->authorization) {
        transfer->authorization = shared_line_take(&http->authorization, "Authorization: ", request->authorization);
        add_header(transfer, &count, transfer->authorization->text);
    }
    if (request->request_id) {
        (void)span_join(transfer->request_id, sizeof(transfer->request_id), span_of("X-Genesys-Request-Id: "),
                        span_of(request->request_id));
        add_header(transfer, &count, transfer->request_id);
    }
    if (request->traceparent) {
        (void)span_join(transfer->traceparent, sizeof(transfer->traceparent), span_of("traceparent: "),
                        span_of(request->traceparent));
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
    if (!transfer || (!transfer->easy && !http_set_up_easy(http, transfer)))
        abort(); /* more than max_requests is our own mistake; the rest is out of memory: see mem.h */
    http->free = transfer->next_free;
    transfer->context = request->context;
    transfer->has_left = transfer->was_stopped = transfer->was_withheld = transfer->is_cut = false;
    transfer->was_denied = transfer->was_allowed = false;
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

/* What is not writable is readable, or broken, which reading tells. An error of one transfer shows in its result. */
static void act_on(struct http *http, const struct epoll_event *event)
{
    int running, what = (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                        (event->events & ~(uint32_t)EPOLLOUT ? CURL_CSELECT_IN : 0);

    (void)curl_multi_socket_action(http->multi, event->data.fd, what, &running);
}

void http_pump(struct http *http)
{
    struct epoll_event ready[READY_MAX];
    size_t rounds = http->config.max_requests / READY_MAX + 1;
    bool is_all = false;
    int running;

    http->pumped_ms = clock_mono_ms();
    /* All of it once: whose answer lies there unread would be taken for late. */
    for (size_t round = 0; !is_all && round < rounds; round++) {
        size_t count = sockets_ready(&http->sockets, ready, READY_MAX, &is_all);

        for (size_t i = 0; i < count; i++)
            act_on(http, &ready[i]);
    }
    if (http->timer_at_ms <= clock_mono_ms()) { /* also what has just been started */
        http->timer_at_ms = INT64_MAX;
        (void)curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
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
    shared_line_drop(transfer->authorization);
    shared_line_drop(transfer->content_type);
    transfer->authorization = transfer->content_type = NULL;
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
        ret->is_forbidden = transfer->was_denied && !transfer->was_allowed;
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
    struct pollfd polled[2 + HTTP_WATCH_MAX] = {
        {.fd = http->sockets.epoll_fd, .events = POLLIN},
        {.fd = http->wake_fd, .events = POLLIN},
    };
    nfds_t used = 2;
    int64_t until_ms = next_deadline_ms(http), left_ms;
    eventfd_t wakes;

    for (size_t i = 0; i < count && i < HTTP_WATCH_MAX; i++) {
        if (watches[i].fd >= 0)
            polled[used++] = (struct pollfd){
                .fd = watches[i].fd,
                .events = (short)(POLLIN | (watches[i].wants_write ? POLLOUT : 0)),
            };
    }
    if (until_ms > http->timer_at_ms)
        until_ms = http->timer_at_ms;
    left_ms = until_ms - clock_mono_ms();
    if (timeout_ms > left_ms)
        timeout_ms = left_ms;
    if (timeout_ms < 0)
        timeout_ms = 0;
    (void)poll(polled, used, timeout_ms > 60000 ? 60000 : (int)timeout_ms); /* the caller looks again anyway */
    if (polled[1].revents)
        (void)eventfd_read(http->wake_fd, &wakes); /* before the turn, so that a wake during it counts again */
}

void http_wake(struct http *http)
{
    (void)eventfd_write(http->wake_fd, 1); /* fails only when 2^64 wakes are waiting */
}
