/* The thread that serves: waits for an MHD daemon's connections and lets it run when there is something to do.
 *
 * MHD has such a thread of its own, but in libmicrohttpd 0.9.75 it can sleep on work: MHD_epoll() takes 128 events at a
 * time and, when it has got exactly so many, calls epoll_wait() again with the same timeout. It then waits for
 * something new while 128 connections are queued as ready, whose edges will not come again. Here the waiting is done
 * outside and MHD_run() has no timeout: its loop only drains what is there, and what it leaves queued makes
 * MHD_get_timeout() 0. */
#include "tests/sandbox/loop.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <microhttpd.h>

/* Only `stopping` changes while the thread runs; `daemon` is used by nobody else until it has ended. */
struct loop {
    struct MHD_Daemon *daemon;
    pthread_t thread;
    bool running;
    int wake_fd;
    int epoll_fd; /* borrowed from the daemon */
    atomic_bool stopping;
};

/* wait_ms: how long the daemon may be left alone; -1 for as long as nothing happens. */
static int wait_ms(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (MHD_get_timeout(daemon, &timeout_ms) != MHD_YES) {
        return -1;
    }
    return timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
}

static void *run(void *argument)
{
    struct loop *loop = argument;
    struct pollfd polled[] = {{.fd = loop->epoll_fd, .events = POLLIN}, {.fd = loop->wake_fd, .events = POLLIN}};
    while (!atomic_load(&loop->stopping)) {
        /* If it fails, the daemon only runs sooner than it has to. */
        if (poll(polled, 2, wait_ms(loop->daemon)) > 0 && polled[1].revents != 0) {
            eventfd_t wakes = 0;
            (void)eventfd_read(loop->wake_fd, &wakes); /* before the run, so that a wake during it counts again */
        }
        (void)MHD_run(loop->daemon); /* refuses only daemons that have a thread or were stopped */
    }
    return NULL;
}

struct loop *loop_create(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return NULL;
    }
    loop->epoll_fd = -1;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        free(loop);
        return NULL;
    }
    return loop;
}

int loop_start(struct loop *loop, struct MHD_Daemon *daemon)
{
    loop->daemon = daemon;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL) {
        return -1;
    }
    loop->epoll_fd = info->epoll_fd;
    loop->running = pthread_create(&loop->thread, NULL, run, loop) == 0;
    return loop->running ? 0 : -1;
}

void loop_wake(struct loop *loop)
{
    (void)eventfd_write(loop->wake_fd, 1); /* fails only when 2^64 wakes are waiting */
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    if (loop->running) {
        atomic_store(&loop->stopping, true);
        loop_wake(loop);
        (void)pthread_join(loop->thread, NULL);
    }
    if (loop->daemon != NULL) {
        MHD_stop_daemon(loop->daemon);
    }
    (void)close(loop->wake_fd);
    free(loop);
}
