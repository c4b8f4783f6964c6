/* A listening socket for `host:port`, `[v6]:port`, or `:port` for every address of the machine. */
#ifndef HERALD_COMMON_LISTENER_H
#define HERALD_COMMON_LISTENER_H

#include "common/reason.h"

/* ERR_INVALID when the address is none, ERR_IO when it cannot be listened on; the reason names `flag`, whose value it
 * is. Port 0 takes any that is free; `ret_port` is the one that it became. The caller closes the descriptor, which does
 * not block. */
int listener_open(const char *flag, const char *address, int *ret_fd, int *ret_port, struct reason *why);

#endif
