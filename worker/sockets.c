#include "worker/sockets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/reason.h"

#define FIRST_COUNT 64

struct socket_state {
    uint8_t wanted, watched; /* EPOLLIN, EPOLLOUT: by its user, by the set */
    bool is_kept;
};

int sockets_init(struct sockets *sockets)
{
    *sockets = (struct sockets){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    return sockets->epoll_fd < 0 ? ERR_LIMIT : 0;
}

void sockets_clear(struct sockets *sockets)
{
    if (sockets->epoll_fd >= 0)
        (void)close(sockets->epoll_fd); /* nothing is written to it */
    free(sockets->states);
    *sockets = (struct sockets){.epoll_fd = -1};
}

static struct socket_state *state_of(struct sockets *sockets, int fd)
{
    size_t count = sockets->count ? sockets->count : FIRST_COUNT;

    while (count <= (size_t)fd)
        count *= 2;
    if (count > sockets->count) {
        sockets->states = mem_resize(sockets->states, count, sizeof(*sockets->states));
        memset(sockets->states + sockets->count, 0, (count - sockets->count) * sizeof(*sockets->states));
        sockets->count = count;
    }
    return &sockets->states[fd];
}

/* What was closed without a word is not in the set any more; nobody waits for it then. */
static void watch(struct sockets *sockets, int fd, struct socket_state *state, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    int change = state->watched == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    int rc;

    if (events == state->watched)
        return;
    rc = epoll_ctl(sockets->epoll_fd, change, fd, &event);
    if (rc != 0 && change == EPOLL_CTL_MOD && errno == ENOENT) /* another one has its number */
        rc = epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    if (rc != 0 && (errno == ENOMEM || errno == ENOSPC))
        abort(); /* see mem.h */
    state->watched = rc == 0 ? (uint8_t)events : 0;
}

/* Whoever had its number before is gone, perhaps without a word; what is wanted of the number stands. */
void sockets_keep(struct sockets *sockets, int fd)
{
    struct socket_state *state = state_of(sockets, fd);

    state->is_kept = true;
    state->watched = 0;
    watch(sockets, fd, state, state->wanted);
}

void sockets_forget(struct sockets *sockets, int fd)
{
    struct socket_state *state = state_of(sockets, fd);

    watch(sockets, fd, state, 0);
    *state = (struct socket_state){.wanted = 0};
}

void sockets_want(struct sockets *sockets, int fd, uint32_t events)
{
    struct socket_state *state = state_of(sockets, fd);

    bool is_made = state->is_kept && state->watched == EPOLLIN; /* while it is being made it waits to be writable */

    state->wanted = (uint8_t)events;
    if (events != 0 || !is_made)
        watch(sockets, fd, state, events);
}

size_t sockets_ready(struct sockets *sockets, struct epoll_event *ret, size_t most, bool *ret_is_all)
{
    int found = epoll_wait(sockets->epoll_fd, ret, (int)most, 0);
    size_t count = 0;

    for (int i = 0; i < found; i++) {
        struct socket_state *state = state_of(sockets, ret[i].data.fd);

        if (state->wanted != 0)
            ret[count++] = ret[i];
        else
            watch(sockets, ret[i].data.fd, state, 0);
    }
    *ret_is_all = found < (int)most;
    return count;
}
