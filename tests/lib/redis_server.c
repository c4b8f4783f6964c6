#include "tests/lib/redis_server.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

#define PATH_SIZE     100 /* of a unix socket: 108 at most */
#define PATIENCE_MS   30000
#define ARGUMENTS_MAX 32
#define PROXY_CLIENTS 16

struct redis_server {
    pid_t pid;
    char folder[PATH_SIZE - 16], socket[PATH_SIZE], log[PATH_SIZE], url[PATH_SIZE + 8];
    struct redis *redis;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "redis_server: %s\n", what);
    exit(99);
}

static void exec_server(const struct redis_server *server)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test program that crashes leaves no server behind */
    (void)execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", server->socket, "--dir", server->folder,
                 "--save", "", "--appendonly", "no", "--logfile", server->log, (char *)NULL);
    _exit(127);
}

static bool answers(struct redis_server *server)
{
    struct reason why;

    if (redis_open(&server->redis, server->url, &why) != 0)
        return false;
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end && redis_pump(server->redis, &why) == 0;) {
        if (redis_is_ready(server->redis))
            return true;
        redis_wait(server->redis, 100);
    }
    redis_close(server->redis);
    server->redis = NULL;
    return false;
}

struct redis_server *redis_server_start(void)
{
    struct redis_server *server = mem_zalloc(1, sizeof(*server));
    const char *temp = getenv("TMPDIR");

    if (snprintf(server->folder, sizeof(server->folder), "%s/redis-XXXXXX", temp && *temp ? temp : "/tmp") >=
            (int)sizeof(server->folder) ||
        !mkdtemp(server->folder))
        die("no temp folder, or the name of $TMPDIR is too long for a unix socket in it");
    (void)snprintf(server->socket, sizeof(server->socket), "%s/socket", server->folder);
    (void)snprintf(server->log, sizeof(server->log), "%s/log", server->folder);
    (void)snprintf(server->url, sizeof(server->url), "unix://%s", server->socket);
    server->pid = fork();
    if (server->pid == 0)
        exec_server(server);
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; !answers(server);) {
        if (clock_mono_ms() > end || waitpid(server->pid, NULL, WNOHANG) != 0)
            die("redis-server does not start");
        (void)usleep(2000);
    }
    return server;
}

void redis_server_stop(struct redis_server *server)
{
    if (!server)
        return;
    redis_close(server->redis);
    (void)kill(server->pid, SIGKILL); /* our own child: its number cannot be anybody else's before waitpid */
    (void)waitpid(server->pid, NULL, 0);
    (void)unlink(server->socket);
    (void)unlink(server->log);
    (void)rmdir(server->folder);
    free(server);
}

const char *redis_server_url(const struct redis_server *server)
{
    return server->url;
}

struct redis_reply *redis_server_call(struct redis_server *server, const char *command, ...)
{
    const char *argv[ARGUMENTS_MAX] = {command};
    size_t lens[ARGUMENTS_MAX] = {strlen(command)}, argc = 1;
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    struct redis_reply *reply;
    struct reason why;
    va_list list;

    va_start(list, command);
    while (argc < ARGUMENTS_MAX && (argv[argc] = va_arg(list, const char *)) != NULL) {
        lens[argc] = strlen(argv[argc]);
        argc++;
    }
    va_end(list);
    redis_append(server->redis, argc, argv, lens);
    for (;;) {
        if (redis_pump(server->redis, &why) != 0)
            die(why.text);
        reply = redis_next(server->redis);
        if (reply)
            return reply;
        if (clock_mono_ms() > end)
            die("redis-server does not answer");
        redis_wait(server->redis, 1000);
    }
}

/* --- the proxy --- */

enum loss { LOSE_NOTHING, LOSE_REPLY, LOSE_REQUEST, LOSS_DONE, LOSS_STOP };

struct pair {
    int client, server; /* -1: free */
};

struct redis_proxy {
    pthread_t thread;
    char path[PATH_SIZE], url[PATH_SIZE + 8], server[PATH_SIZE];
    int listener;
    atomic_int loss; /* an enum loss */
    struct pair pairs[PROXY_CLIENTS];
};

static int open_socket(const char *path, bool listens)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || (listens ? bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 64) != 0
                           : connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0))
        die("a unix socket for the proxy cannot be opened");
    return fd;
}

static void accept_client(struct redis_proxy *proxy)
{
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);

    for (int i = 0; client >= 0 && i < PROXY_CLIENTS; i++) {
        if (proxy->pairs[i].client < 0) {
            proxy->pairs[i] = (struct pair){client, open_socket(proxy->server, false)};
            return;
        }
    }
    die("the proxy has too many clients");
}

static void cut(struct pair *pair)
{
    (void)close(pair->client);
    (void)close(pair->server);
    *pair = (struct pair){-1, -1};
}

/* Passes what is there from one to the other; false: the connection has ended, or is to end here. */
static bool pass(struct redis_proxy *proxy, int from, int to, enum loss loses)
{
    char bytes[65536];
    ssize_t len = recv(from, bytes, sizeof(bytes), 0);
    int expected = (int)loses;

    if (len <= 0 || atomic_compare_exchange_strong(&proxy->loss, &expected, LOSS_DONE))
        return false;
    for (ssize_t done = 0, part; done < len; done += part) {
        part = send(to, bytes + done, (size_t)(len - done), MSG_NOSIGNAL);
        if (part <= 0)
            return false;
    }
    return true;
}

static void *run_proxy(void *argument)
{
    struct redis_proxy *proxy = argument;

    while (atomic_load(&proxy->loss) != LOSS_STOP) {
        struct pollfd polled[1 + 2 * PROXY_CLIENTS] = {{.fd = proxy->listener, .events = POLLIN}};

        for (int i = 0; i < PROXY_CLIENTS; i++) {
            polled[1 + 2 * i] = (struct pollfd){.fd = proxy->pairs[i].client, .events = POLLIN};
            polled[2 + 2 * i] = (struct pollfd){.fd = proxy->pairs[i].server, .events = POLLIN};
        }
        (void)poll(polled, 1 + 2 * PROXY_CLIENTS, 20);
        for (int i = 0; i < PROXY_CLIENTS; i++) {
            struct pair *pair = &proxy->pairs[i];

            if ((polled[1 + 2 * i].revents && !pass(proxy, pair->client, pair->server, LOSE_REQUEST)) ||
                (polled[2 + 2 * i].revents && !pass(proxy, pair->server, pair->client, LOSE_REPLY)))
                cut(pair);
        }
        if (polled[0].revents)
            accept_client(proxy);
    }
    return NULL;
}

struct redis_proxy *redis_proxy_start(struct redis_server *server)
{
    struct redis_proxy *proxy = mem_zalloc(1, sizeof(*proxy));

    (void)snprintf(proxy->path, sizeof(proxy->path), "%s/proxy", server->folder);
    (void)snprintf(proxy->url, sizeof(proxy->url), "unix://%s", proxy->path);
    (void)snprintf(proxy->server, sizeof(proxy->server), "%s", server->socket);
    proxy->listener = open_socket(proxy->path, true);
    for (int i = 0; i < PROXY_CLIENTS; i++)
        proxy->pairs[i] = (struct pair){-1, -1};
    if (pthread_create(&proxy->thread, NULL, run_proxy, proxy) != 0)
        die("no thread for the proxy");
    return proxy;
}

void redis_proxy_stop(struct redis_proxy *proxy)
{
    if (!proxy)
        return;
    atomic_store(&proxy->loss, LOSS_STOP);
    (void)pthread_join(proxy->thread, NULL);
    for (int i = 0; i < PROXY_CLIENTS; i++) {
        if (proxy->pairs[i].client >= 0)
            cut(&proxy->pairs[i]);
    }
    (void)close(proxy->listener);
    (void)unlink(proxy->path);
    free(proxy);
}

const char *redis_proxy_url(const struct redis_proxy *proxy)
{
    return proxy->url;
}

void redis_proxy_lose_reply(struct redis_proxy *proxy)
{
    atomic_store(&proxy->loss, LOSE_REPLY);
}

void redis_proxy_lose_request(struct redis_proxy *proxy)
{
    atomic_store(&proxy->loss, LOSE_REQUEST);
}

bool redis_proxy_has_lost(struct redis_proxy *proxy)
{
    return atomic_load(&proxy->loss) == LOSS_DONE;
}
