#include "producer/gateway/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/pulse.h"
#include "producer/command.h"
#include "producer/gateway/compose.h"
#include "producer/gateway/exchange_mhd.h"
#include "producer/gateway/gather.h"

#define TICK_MS  1000
#define SILENT_S 30 /* nothing at all in the middle of a request for so long, likewise */
/* Of memory for one connection: its headers, what is read of a body at a time, and room for the headers of its answer,
 * without which libmicrohttpd would close it after the request has been done. */
#define CONNECTION_BYTES (EXCHANGE_HEADERS_MAX + 1024)
#define BODIES_MAX       (INT64_C(128) << 20) /* bytes in memory at once */
#define RUNS_MAX         8                    /* of libmicrohttpd before anything else is looked at */
#define LINGER_MS        1                    /* between visits to those that linger, when nothing else stirs */
#define FINAL_TURNS      16                   /* to write the last answers before the connections are closed */

struct lane {
    struct gateway *gateway;
    struct MHD_Daemon *daemon;
    struct store *store;
    struct metrics_block *metrics;
    struct gather *gather;
    struct composer *composer;
    int epoll_fd; /* borrowed from the daemon */
    int wake_fd;
    struct pulse pulse;
    pthread_t thread;
    bool is_running;

    /* Of the lane's own thread. */
    struct waiting waiting, orphans;
    struct visitors visitors;
    int under_way, incoming, lingering;
    int64_t held_bytes; /* of bodies that are coming in or being answered */
    bool has_stirred, is_stopping, is_over;
    int64_t stop_due_ms;

    pthread_mutex_t lock; /* guards the posts */
    struct lane_post *first_post, *last_post;
};

/* --- what an exchange asks of its lane --- */

struct store *lane_store(struct lane *lane)
{
    return lane->store;
}

struct gather *lane_gather(struct lane *lane)
{
    return lane->gather;
}

struct gateway *lane_gateway(struct lane *lane)
{
    return lane->gateway;
}

struct metrics_block *lane_metrics(struct lane *lane)
{
    return lane->metrics;
}

struct composer *lane_composer(struct lane *lane)
{
    return lane->composer;
}

struct waiting *lane_waiting(struct lane *lane)
{
    return &lane->waiting;
}

struct waiting *lane_orphans(struct lane *lane)
{
    return &lane->orphans;
}

void lane_count(struct lane *lane, int by)
{
    lane->under_way += by;
}

bool lane_is_stopping(const struct lane *lane)
{
    return lane->is_stopping;
}

bool lane_is_over(const struct lane *lane)
{
    return lane->is_over;
}

bool lane_hold_bytes(struct lane *lane, int64_t bytes)
{
    if (bytes > 0 && lane->held_bytes + bytes > BODIES_MAX)
        return false;
    lane->held_bytes += bytes;
    return true;
}

void lane_count_incoming(struct lane *lane, int by)
{
    lane->incoming += by;
}

void lane_count_lingering(struct lane *lane, int by)
{
    lane->lingering += by;
}

void lane_note_stirred(struct lane *lane)
{
    lane->has_stirred = true;
}

struct visitors *lane_visitors(struct lane *lane)
{
    return &lane->visitors;
}

/* --- its loop --- */

void lane_wake(struct lane *lane)
{
    (void)eventfd_write(lane->wake_fd, 1); /* fails only when 2^64 wakes are waiting */
}

bool lane_is_alive(const struct lane *lane, int64_t now_ms)
{
    return !pulse_is_still(&lane->pulse, now_ms);
}

void lane_post(struct lane *lane, struct lane_post *post)
{
    post->next = NULL;
    (void)pthread_mutex_lock(&lane->lock);
    if (lane->last_post)
        lane->last_post->next = post;
    else
        lane->first_post = post;
    lane->last_post = post;
    (void)pthread_mutex_unlock(&lane->lock);
    lane_wake(lane);
}

static void run_posts(struct lane *lane)
{
    struct lane_post *post, *next;

    (void)pthread_mutex_lock(&lane->lock);
    post = lane->first_post;
    lane->first_post = lane->last_post = NULL;
    (void)pthread_mutex_unlock(&lane->lock);
    for (; post; post = next) {
        next = post->next; /* running it may free it */
        post->run(post->context);
    }
}

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return b_ms >= 0 && b_ms < a_ms ? b_ms : a_ms;
}

/* libmicrohttpd would visit those that linger again at once. There is no need to, unless others may have more to do. */
static int64_t daemon_wait_ms(const struct lane *lane)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;

    if (MHD_get_timeout(lane->daemon, &ms) != MHD_YES)
        return -1;
    if (ms == 0 && lane->lingering > 0 && lane->incoming == 0 && !lane->has_stirred)
        return LINGER_MS;
    return ms > INT_MAX ? INT_MAX : (int64_t)ms;
}

static int64_t wait_ms(const struct lane *lane)
{
    return sooner(sooner(TICK_MS, store_wait_ms(lane->store)), daemon_wait_ms(lane));
}

static void wait_for_something(struct lane *lane)
{
    struct pollfd polled[] = {
        {.fd = lane->epoll_fd, .events = POLLIN},
        {.fd = lane->wake_fd, .events = POLLIN},
        {.fd = store_fd(lane->store), .events = POLLIN},
    };

    if (store_wants_write(lane->store))
        polled[2].events |= POLLOUT;
    /* If it fails, everything only runs sooner than it has to. */
    if (poll(polled, 3, (int)wait_ms(lane)) > 0 && polled[1].revents != 0) {
        eventfd_t wakes = 0;

        (void)eventfd_read(lane->wake_fd, &wakes); /* before the turn, so that a wake during it counts again */
    }
}

static void begin_to_stop(struct lane *lane, int64_t now_ms)
{
    MHD_socket listening = MHD_quiesce_daemon(lane->daemon);

    if (listening != MHD_INVALID_SOCKET)
        (void)close(listening); /* the lane's own copy */
    lane->is_stopping = true;
    lane->stop_due_ms = now_ms + lane->gateway->settings->drain_ms;
}

static void look_at_clock(struct lane *lane)
{
    int64_t now_ms = clock_mono_ms();

    if (!lane->is_stopping && atomic_load(&lane->gateway->is_stopping))
        begin_to_stop(lane, now_ms);
    (void)log_flush(); /* this thread holds no lines */
    visitors_close(&lane->visitors, lane->is_stopping ? 0 : lane->gateway->settings->idle_timeout_ms, now_ms);
    (void)exchange_sweep(&lane->waiting, now_ms, false); /* looked at once a tick, which is close enough */
}

static void turn(struct lane *lane)
{
    struct reason why = {""};

    lane->has_stirred = true;
    for (int i = 0; i < RUNS_MAX && lane->has_stirred; i++) {
        lane->has_stirred = false;
        (void)MHD_run(lane->daemon); /* refuses only daemons that have a thread or were stopped */
        gather_flush(lane->gather);
        (void)store_pump(lane->store, &why); /* its log says what is wrong, and those who ask are told */
    }
    gather_flush(lane->gather); /* after the connections, so that more goes along */
}

static bool has_ended(const struct lane *lane)
{
    if (!lane->is_stopping)
        return false;
    return lane->under_way == 0 || clock_mono_ms() >= lane->stop_due_ms || atomic_load(&lane->gateway->is_hurried);
}

static void *run(void *argument)
{
    struct lane *lane = argument;
    int64_t looked_ms = 0;

    while (!has_ended(lane)) {
        pulse_beat(&lane->pulse, clock_mono_ms());
        wait_for_something(lane);
        run_posts(lane);
        turn(lane);
        if (clock_mono_ms() - looked_ms >= TICK_MS || atomic_load(&lane->gateway->is_stopping)) {
            look_at_clock(lane);
            looked_ms = clock_mono_ms();
        }
    }
    pulse_end(&lane->pulse);
    lane->is_over = true;
    (void)exchange_sweep(&lane->waiting, 0, true);
    for (int i = 0; i < FINAL_TURNS; i++)
        (void)MHD_run(lane->daemon);
    return NULL;
}

/* --- start and end --- */

static int start_daemon(struct lane *lane, const struct lane_config *config, struct reason *why)
{
    const union MHD_DaemonInfo *info;
    int fd = fcntl(config->listen_fd, F_DUPFD_CLOEXEC, 0); /* MHD closes it */

    if (fd >= 0)
        lane->daemon =
            MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, exchange_on_request, lane,
                             MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, exchange_on_completed, lane,
                             MHD_OPTION_NOTIFY_CONNECTION, exchange_on_connection, lane, MHD_OPTION_CONNECTION_LIMIT,
                             config->connections_max, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENT_S,
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_UNESCAPE_CALLBACK,
                             exchange_unescape, lane, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                             MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    info = lane->daemon ? MHD_get_daemon_info(lane->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        reason_set(why, "cannot start the HTTP server: %s", strerror(errno));
        return ERR_IO;
    }
    lane->epoll_fd = info->epoll_fd;
    return 0;
}

void lane_destroy(struct lane *lane)
{
    run_posts(lane);
    if (lane->daemon)
        MHD_stop_daemon(lane->daemon);
    gather_destroy(lane->gather); /* tells those who wait, so that nothing is left */
    store_close(lane->store);
    exchange_end_orphans(&lane->orphans);
    composer_destroy(lane->composer);
    if (lane->wake_fd >= 0)
        (void)close(lane->wake_fd);
    (void)pthread_mutex_destroy(&lane->lock);
    free(lane);
}

int lane_start(struct lane **ret, const struct lane_config *config, struct reason *why)
{
    struct lane *lane = mem_zalloc(1, sizeof(*lane));
    int rc;

    lane->gateway = config->gateway;
    lane->composer = composer_create(config->gateway->templates, config->gateway->settings->origins);
    (void)pthread_mutex_init(&lane->lock, NULL); /* never fails with default attributes on Linux */
    lane->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = command_open_store(config->gateway->settings, &lane->store, why); /* whoever comes first is served */
    if (rc == 0) {
        lane->metrics = metrics_join(config->gateway->metrics);
        store_set_metrics(lane->store, lane->metrics);
        lane->gather = gather_create(lane->store);
        rc = start_daemon(lane, config, why);
    }
    if (rc == 0 && (lane->wake_fd < 0 || pthread_create(&lane->thread, NULL, run, lane) != 0)) {
        reason_set(why, "the system gives no more threads or descriptors");
        rc = ERR_LIMIT;
    }
    if (rc != 0) {
        lane_destroy(lane);
        return rc;
    }
    *ret = lane;
    return 0;
}

void lane_join(struct lane *lane)
{
    lane_wake(lane);
    (void)pthread_join(lane->thread, NULL);
}
