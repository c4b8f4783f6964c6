#include "producer/gateway/server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "producer/gateway/clerks.h"
#include "producer/gateway/lane.h"

#define SPARE_FDS 64 /* files, clerks, spooled uploads */
#define LANE_FDS  8  /* Redis, epoll, wake-up, the listening socket */
#define PORT_MAX  65535

struct server {
    int port;
    size_t lane_count;
    struct lane **lanes;
    struct clerks *clerks;
};

/* getaddrinfo takes any number and cuts off its upper bits. */
static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && digits <= 5 && !text[digits] && strtoul(text, NULL, 10) <= PORT_MAX;
}

/* `host:port`, `[v6]:port`, or `:port` for every address of the machine. */
static int split_address(const char *address, char host[256], const char **ret_port, struct reason *why)
{
    const char *colon = strrchr(address, ':'), *begin = address;
    size_t len = colon ? (size_t)(colon - address) : 0;

    if (!colon || !is_port(colon + 1) || len > 250) {
        reason_set(why, "--listen must be an address such as 127.0.0.1:8080, not `%.60s`", address);
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

static int listen_on(const char *address, int *ret_fd, int *ret_port, struct reason *why)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const char *port = NULL;
    char host[256];
    int rc;

    if (split_address(address, host, &port, why) != 0)
        return ERR_INVALID;
    rc = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (rc != 0) {
        reason_set(why, "--listen %.100s: %s", address, gai_strerror(rc));
        return ERR_INVALID;
    }
    *ret_fd = open_socket(found, ret_port);
    freeaddrinfo(found);
    if (*ret_fd >= 0)
        return 0;
    reason_set(why, "cannot listen on %.100s: %s", address, strerror(errno));
    return ERR_IO;
}

/* As many descriptors as the system lets us have; how many connections one of `lanes` may hold then. */
static unsigned connections_each(int64_t wanted, size_t lanes)
{
    struct rlimit files;
    int64_t there = 1024, spare;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* else the limit that there was counts */
        there = files.rlim_cur > INT32_MAX ? INT32_MAX : (int64_t)files.rlim_cur;
    }
    spare = SPARE_FDS + (int64_t)lanes * LANE_FDS;
    there = there > 2 * spare ? there - spare : spare;
    return (unsigned)((wanted < there ? wanted : there) / (int64_t)lanes + 1);
}

int server_start(struct server **ret, struct gateway *gateway, struct reason *why)
{
    struct server *server = mem_zalloc(1, sizeof(*server));
    size_t count = (size_t)gateway->settings->threads;
    struct lane_config config = {.gateway = gateway, .listen_fd = -1};
    int rc;

    server->lanes = mem_zalloc(count, sizeof(struct lane *));
    rc = clerks_start(&server->clerks, gateway, why);
    gateway->clerks = server->clerks;
    config.connections_max = connections_each(gateway->settings->max_connections, count);
    if (rc == 0)
        rc = listen_on(gateway->settings->listen, &config.listen_fd, &server->port, why);
    for (; rc == 0 && server->lane_count < count; server->lane_count += rc == 0)
        rc = lane_start(&server->lanes[server->lane_count], &config, why);
    if (config.listen_fd >= 0)
        (void)close(config.listen_fd); /* each lane has its own copy */
    if (rc != 0) {
        atomic_store(&gateway->is_stopping, true);
        server_join(server);
        server_destroy(server);
        return rc;
    }
    *ret = server;
    return 0;
}

int server_port(const struct server *server)
{
    return server->port;
}

void server_wake(struct server *server)
{
    for (size_t i = 0; i < server->lane_count; i++)
        lane_wake(server->lanes[i]);
}

void server_join(struct server *server)
{
    for (size_t i = 0; i < server->lane_count; i++)
        lane_join(server->lanes[i]);
    clerks_stop(server->clerks); /* what they finish is posted to lanes that no longer run, and dropped there */
}

void server_destroy(struct server *server)
{
    for (size_t i = 0; i < server->lane_count; i++)
        lane_destroy(server->lanes[i]);
    free(server->lanes);
    free(server);
}
