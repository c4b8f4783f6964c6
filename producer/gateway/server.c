#include "producer/gateway/server.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/listener.h"
#include "common/mem.h"
#include "producer/gateway/clerks.h"
#include "producer/gateway/lane.h"

#define SPARE_FDS 64 /* files, clerks, spooled uploads */
#define LANE_FDS  8  /* Redis, epoll, wake-up, the listening socket */

struct server {
    int port;
    size_t lane_count;
    struct lane **lanes;
    struct clerks *clerks;
};

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
    config.connections_max = connections_each(gateway->settings->max_connections, count);
    rc = listener_open("--listen", gateway->settings->listen, &config.listen_fd, &server->port, why);
    if (rc == 0) /* asks Redis, which takes its time when it is away */
        rc = clerks_start(&server->clerks, gateway, why);
    gateway->clerks = server->clerks;
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

bool server_is_alive(const struct server *server, int64_t now_ms)
{
    for (size_t i = 0; i < server->lane_count; i++) {
        if (!lane_is_alive(server->lanes[i], now_ms))
            return false;
    }
    return true;
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
