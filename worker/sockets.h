/* The descriptors that one thread's HTTP connections wait for, in an epoll set: what a turn costs does not grow with
 * how many wait.
 *
 * A kept connection stays in the set when its request is done, because the next one waits for the same: taking it out
 * and putting it in again would be two system calls a message. One that stirs while nobody uses it (its other side has
 * closed it) is taken out then. Other descriptors go at once: libcurl closes them, and connections that are still being
 * made, without a word, and the kernel takes what is closed out of the set by itself.
 */
#ifndef HERALD_WORKER_SOCKETS_H
#define HERALD_WORKER_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/epoll.h>

struct sockets {
    int epoll_fd;                /* readable when sockets_ready has something to tell */
    struct socket_state *states; /* by descriptor */
    size_t count;
};

int sockets_init(struct sockets *sockets); /* ERR_LIMIT: the system gives no more descriptors */
void sockets_clear(struct sockets *sockets);

void sockets_keep(struct sockets *sockets, int fd);                  /* a new one: a connection */
void sockets_forget(struct sockets *sockets, int fd);                /* right before one is closed that has been made */
void sockets_want(struct sockets *sockets, int fd, uint32_t events); /* EPOLLIN, EPOLLOUT, both, or 0: nothing now */

/* What is ready and wanted, without waiting. Returns how many; *ret_is_all is false when there may be more. */
size_t sockets_ready(struct sockets *sockets, struct epoll_event *ret, size_t most, bool *ret_is_all);

#endif
