#include "common/admin_http.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <microhttpd.h>

#include "common/clock.h"
#include "common/mem.h"

#define GUESTS_MAX       32   /* connections; the oldest makes room */
#define GUEST_MS         5000 /* that one may be open */
#define PATIENCE_MS      1000 /* that an answer may wait for the store */
#define TICK_MS          1000
#define CONNECTION_BYTES ((size_t)4096) /* of memory for one connection: its headers */
#define BODY_MAX         ((size_t)4 << 20)
#define FINAL_TURNS      16 /* to write the last answers before the connections are closed */

/* A request; libmicrohttpd's from its headers to the last byte of its answer. */
struct visit {
    struct visit *next; /* of those that wait */
    struct MHD_Connection *connection;
    const struct admin_page *page;
    struct buf body;
    int status; /* 0 while it waits */
    int64_t due_ms;
};

struct guest {
    int fd; /* -1: nobody */
    int64_t since_ms;
};

/* All but `is_stopping` is of its own thread once that runs. */
struct admin_http {
    struct admin_http_config config;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    bool is_running;
    int wake_fd;
    int epoll_fd; /* borrowed from the daemon */
    struct guest guests[GUESTS_MAX];
    struct visit *waiting;
    bool must_go_on; /* the daemon has to run once more before anything is waited for */
    atomic_bool is_stopping;
};

/* --- connections --- */

static void hang_up(const struct guest *guest)
{
    (void)shutdown(guest->fd, SHUT_RDWR); /* libmicrohttpd finds it closed and ends it */
}

static void note_guest(struct admin_http *http, int fd)
{
    struct guest *oldest = NULL, *place = NULL;
    int taken = 0;

    for (size_t i = 0; i < GUESTS_MAX; i++) {
        struct guest *guest = &http->guests[i];

        if (guest->fd < 0) {
            place = guest;
            continue;
        }
        taken++;
        if (!oldest || guest->since_ms < oldest->since_ms)
            oldest = guest;
    }
    if (!place) /* libmicrohttpd takes no more than there are places */
        return;
    *place = (struct guest){fd, clock_mono_ms()};
    if (taken + 1 == GUESTS_MAX && oldest)
        hang_up(oldest);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **place,
                          enum MHD_ConnectionNotificationCode code)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct admin_http *http = context;
    int fd = info ? info->connect_fd : -1;

    (void)place;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        note_guest(http, fd);
        return;
    }
    for (size_t i = 0; i < GUESTS_MAX; i++) {
        if (http->guests[i].fd == fd)
            http->guests[i].fd = -1;
    }
    http->must_go_on = true; /* when it was full, it looks for newcomers at its next turn only */
}

static void close_old(struct admin_http *http)
{
    int64_t latest_ms = clock_mono_ms() - GUEST_MS;

    for (size_t i = 0; i < GUESTS_MAX; i++) {
        if (http->guests[i].fd >= 0 && http->guests[i].since_ms <= latest_ms)
            hang_up(&http->guests[i]);
    }
}

/* --- requests --- */

/* The body goes over to libmicrohttpd, which frees it. */
static enum MHD_Result put_answer(struct MHD_Connection *connection, int status, const char *content_type,
                                  struct buf *body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    buf_init(body, BODY_MAX);
    /* Adding a header fails only without memory; the answer still says it all. */
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (status == 405)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    result = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse_request(struct MHD_Connection *connection, int status, const char *words)
{
    struct buf body;
    enum MHD_Result result;

    buf_init(&body, BODY_MAX);
    buf_text(&body, words);
    result = put_answer(connection, status, "text/plain; charset=utf-8", &body);
    buf_clear(&body);
    return result;
}

static const struct admin_page *find_page(const struct admin_http *http, const char *path)
{
    for (size_t i = 0; i < http->config.page_count; i++) {
        if (strcmp(http->config.pages[i].path, path) == 0)
            return &http->config.pages[i];
    }
    return NULL;
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return (length && strcmp(length, "0") != 0) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

static void ask(struct admin_http *http, struct visit *visit, bool is_last)
{
    buf_reset(&visit->body);
    visit->status = visit->page->answer(http->config.context, is_last, &visit->body);
}

static void wait_for_store(struct admin_http *http, struct visit *visit)
{
    visit->due_ms = clock_mono_ms() + PATIENCE_MS;
    visit->next = http->waiting;
    http->waiting = visit;
    MHD_suspend_connection(visit->connection);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data, size_t *size, void **state)
{
    struct admin_http *http = context;
    struct visit *visit = *state;

    (void)version;
    (void)data;
    (void)size; /* bodies are refused before they come */
    if (!visit) {
        const struct admin_page *page = find_page(http, path);

        if (!page)
            return refuse_request(connection, 404, "there is nothing at this path\n");
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
            return refuse_request(connection, 405, "this path takes GET and HEAD\n");
        if (has_body(connection))
            return refuse_request(connection, 413, "this path takes no body\n");
        visit = mem_zalloc(1, sizeof(*visit));
        visit->connection = connection;
        visit->page = page;
        buf_init(&visit->body, BODY_MAX);
        *state = visit;
        return MHD_YES;
    }
    if (visit->status == 0)
        ask(http, visit, atomic_load(&http->is_stopping)); /* nothing may wait while it stops */
    if (visit->status == 0) {
        wait_for_store(http, visit);
        return MHD_YES;
    }
    return put_answer(connection, visit->status, visit->page->content_type, &visit->body);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct admin_http *http = context;
    struct visit *visit = *state;

    (void)connection;
    (void)code;
    if (!visit)
        return;
    for (struct visit **at = &http->waiting; *at; at = &(*at)->next) {
        if (*at == visit) {
            *at = visit->next;
            break;
        }
    }
    buf_clear(&visit->body);
    free(visit);
    *state = NULL;
}

/* Those that wait are asked again. */
static void ask_waiting(struct admin_http *http, bool is_last)
{
    int64_t now_ms = clock_mono_ms();
    struct visit **at = &http->waiting;

    while (*at) {
        struct visit *visit = *at;

        ask(http, visit, is_last || now_ms >= visit->due_ms);
        if (visit->status == 0) {
            at = &visit->next;
            continue;
        }
        *at = visit->next;
        MHD_resume_connection(visit->connection);
        http->must_go_on = true;
    }
}

/* --- the loop: the waiting is done here and not by libmicrohttpd, whose own thread can stall (architecture.md) --- */

static int wait_ms(const struct admin_http *http, bool needs_store)
{
    MHD_UNSIGNED_LONG_LONG daemon_ms = 0;
    int64_t ms = TICK_MS, store_ms = needs_store ? store_wait_ms(http->config.store) : -1, now_ms = clock_mono_ms();

    if (store_ms >= 0 && store_ms < ms)
        ms = store_ms;
    for (const struct visit *visit = http->waiting; visit; visit = visit->next) {
        if (visit->due_ms - now_ms < ms)
            ms = visit->due_ms > now_ms ? visit->due_ms - now_ms : 0;
    }
    if (MHD_get_timeout(http->daemon, &daemon_ms) == MHD_YES && daemon_ms < (MHD_UNSIGNED_LONG_LONG)ms)
        ms = (int64_t)daemon_ms;
    return (int)ms;
}

static void turn(struct admin_http *http)
{
    bool needs_store = http->config.needs_store(http->config.context);
    struct store *store = http->config.store;
    struct pollfd polled[] = {
        {.fd = http->epoll_fd, .events = POLLIN},
        {.fd = http->wake_fd, .events = POLLIN},
        {.fd = needs_store ? store_fd(store) : -1, .events = POLLIN},
    };

    if (needs_store && store_wants_write(store))
        polled[2].events |= POLLOUT;
    (void)poll(polled, 3, wait_ms(http, needs_store)); /* if it fails, everything only runs sooner than it has to */
    do {
        http->must_go_on = false;
        (void)MHD_run(http->daemon); /* refuses only daemons that have a thread or were stopped */
        if (http->config.needs_store(http->config.context)) {
            (void)store_pump(store, NULL); /* its log says what is wrong, and those who ask are told */
            ask_waiting(http, false);
        }
    } while (http->must_go_on);
    close_old(http);
}

static void *run(void *argument)
{
    struct admin_http *http = argument;

    while (!atomic_load(&http->is_stopping))
        turn(http);
    ask_waiting(http, true);
    for (int i = 0; i < FINAL_TURNS; i++)
        (void)MHD_run(http->daemon);
    return NULL;
}

/* --- start and end --- */

static int start_daemon(struct admin_http *http, struct reason *why)
{
    const union MHD_DaemonInfo *info;

    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET,
        http->config.listen_fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, http, MHD_OPTION_CONNECTION_LIMIT, (unsigned)GUESTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(GUEST_MS / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    if (http->daemon)
        http->config.listen_fd = -1; /* the daemon closes it */
    info = http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        reason_set(why, "cannot start the HTTP server of --admin: %s", strerror(errno));
        return ERR_IO;
    }
    http->epoll_fd = info->epoll_fd;
    return 0;
}

int admin_http_start(struct admin_http **ret, const struct admin_http_config *config, struct reason *why)
{
    struct admin_http *http = mem_zalloc(1, sizeof(*http));
    int rc;

    http->config = *config;
    for (size_t i = 0; i < GUESTS_MAX; i++)
        http->guests[i].fd = -1;
    http->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = start_daemon(http, why);
    if (rc == 0 && (http->wake_fd < 0 || pthread_create(&http->thread, NULL, run, http) != 0)) {
        reason_set(why, "the system gives no more threads or descriptors");
        rc = ERR_LIMIT;
    }
    if (rc != 0) {
        admin_http_stop(http);
        return rc;
    }
    http->is_running = true;
    *ret = http;
    return 0;
}

void admin_http_stop(struct admin_http *http)
{
    if (!http)
        return;
    if (http->is_running) {
        atomic_store(&http->is_stopping, true);
        (void)eventfd_write(http->wake_fd, 1); /* fails only when 2^64 wakes are waiting */
        (void)pthread_join(http->thread, NULL);
    }
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    if (http->config.listen_fd >= 0)
        (void)close(http->config.listen_fd);
    if (http->wake_fd >= 0)
        (void)close(http->wake_fd);
    free(http);
}
