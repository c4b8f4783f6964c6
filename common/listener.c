#include "common/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_MAX 65535

/* getaddrinfo takes any number and cuts off its upper bits. */
static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && digits <= 5 && !text[digits] && strtoul(text, NULL, 10) <= PORT_MAX;
}

static int split_address(const char *flag, const char *address, char host[256], const char **ret_port,
                         struct reason *why)
{
    const char *colon = strrchr(address, ':'), *begin = address;
    size_t len = colon ? (size_t)(colon - address) : 0;

    if (!colon || !is_port(colon + 1) || len > 250) {
        reason_set(why, "%s must be an address such as 127.0.0.1:8080, not `%.60s`", flag, address);
        return ERR_INVALID;
    }
    if (len >= 2 && begin[0] == '[' && begin[len - 1] == ']') {
        begin++;
        len -= 2;
    }
    memcpy(host, begin, len);
    host[len] = '\0';
    *ret_port = colon + 1;
    return 0;
}

static int open_socket(const struct addrinfo *found, int *ret_port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } bound = {.in6 = {0}};
    socklen_t len = sizeof(bound);
    int on = 1, fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, &bound.any, &len) != 0) {
        int failure = errno;

        (void)close(fd);
        errno = failure;
        return -1;
    }
    *ret_port = ntohs(bound.any.sa_family == AF_INET6 ? bound.in6.sin6_port : bound.in.sin_port);
    return fd;
}

int listener_open(const char *flag, const char *address, int *ret_fd, int *ret_port, struct reason *why)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const char *port = NULL;
    char host[256];
    int rc;

    if (split_address(flag, address, host, &port, why) != 0)
        return ERR_INVALID;
    rc = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (rc != 0) {
        reason_set(why, "%s %.100s: %s", flag, address, gai_strerror(rc));
        return ERR_INVALID;
    }
    *ret_fd = open_socket(found, ret_port);
    freeaddrinfo(found);
    if (*ret_fd >= 0)
        return 0;
    reason_set(why, "cannot listen on %.100s: %s (%s names another address)", address, strerror(errno), flag);
    return ERR_IO;
}
