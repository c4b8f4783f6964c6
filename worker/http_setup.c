/* What libcurl is told once: its options, and what it is to call. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "worker/http_parts.h"

/* A connection that has been idle for longer is not used again: load balancers close theirs after 60 s or so, and a
 * request that meets such a closing has an unknown outcome. */
#define IDLE_CONNECTION_SECONDS 30L

/* libcurl reads so much at once, and answers are a few hundred bytes. Each transfer holds one; 16 KiB by default. */
#define READ_BYTES  2048L
#define WRITE_BYTES 16384L /* over TLS it copies the request to be sent into one of so many; 64 KiB by default */

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

/* --- descriptors --- */

/* In place of libcurl's own socket(). A transfer that finds a connection made before does without. */
static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = user;
    struct http *http = transfer->http;
    int fd;

    (void)purpose;
    if (http->config.may_connect && !http->config.may_connect(transfer->context, &address->addr)) {
        transfer->was_denied = true;
        return CURL_SOCKET_BAD; /* libcurl goes on to the next address */
    }
    transfer->was_allowed = true;
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    sockets_keep(&http->sockets, fd);
    return fd;
}

static int on_close(void *user, curl_socket_t fd)
{
    struct http *http = user;

    sockets_forget(&http->sockets, fd);
    return close(fd);
}

static int on_interest(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    static const uint32_t events[] = {
        [CURL_POLL_NONE] = 0,       [CURL_POLL_IN] = EPOLLIN,
        [CURL_POLL_OUT] = EPOLLOUT, [CURL_POLL_INOUT] = EPOLLIN | EPOLLOUT,
        [CURL_POLL_REMOVE] = 0,
    };
    struct http *http = user;

    (void)easy;
    (void)socket_user;
    sockets_want(&http->sockets, fd, events[what]);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
    struct http *http = user;

    (void)multi;
    if (timeout_ms < 0)
        http->timer_at_ms = INT64_MAX;
    else /* never too early, or libcurl would find nothing due and not ask again */
        http->timer_at_ms = clock_mono_ms() + timeout_ms + (timeout_ms > 0);
    return 0;
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

bool http_set_up_easy(struct http *http, struct transfer *transfer)
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
           curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, WRITE_BYTES) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http) == CURLE_OK &&
           (http->has_proxy || curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK) &&
           (!http->ca_file || curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file) == CURLE_OK);
}

/* libcurl looks through the environment for each request; without any proxy there it need not. */
static bool environment_has_proxy(void)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (getenv(names[i]))
            return true;
    }
    return false;
}

static bool set_up_multi(struct http *http)
{
    http->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    http->multi = curl_multi_init();
    return sockets_init(&http->sockets) == 0 && http->wake_fd >= 0 && http->multi &&
           curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->config.max_requests) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_interest) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) == CURLM_OK;
}

int http_open(struct http **ret, const struct http_config *config, struct reason *why)
{
    struct http *http = mem_zalloc(1, sizeof(*http));

    http->config = *config;
    http->has_proxy = !config->may_connect && environment_has_proxy();
    http->timer_at_ms = INT64_MAX;
    http->ca_file = mem_text(config->ca_file);
    http->transfers = mem_zalloc(config->max_requests, sizeof(*http->transfers));
    if (!set_up_multi(http)) {
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
        shared_line_drop(transfer->authorization);
        shared_line_drop(transfer->content_type);
    }
    (void)curl_multi_cleanup(http->multi); /* takes NULL */
    shared_line_drop(http->authorization);
    shared_line_drop(http->content_type);
    sockets_clear(&http->sockets);
    if (http->wake_fd >= 0)
        (void)close(http->wake_fd); /* nobody waits for it any more */
    free(http->transfers);
    free(http->ca_file);
    free(http);
}
