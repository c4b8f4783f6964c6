#include "common/redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/mem.h"

#define URL_PART 256

struct address {
    char socket_path[URL_PART]; /* "" for TCP */
    char host[URL_PART];
    int port;
    char user[URL_PART], password[URL_PART];
    char database[8];
};

struct redis {
    redisContext *context;
    size_t handshake; /* replies of the handshake still to come */
    bool is_connected;
    bool wants_write;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return -1;
}

/* Copies with %XX undone; false if it does not fit or the encoding is wrong. */
static bool copy_part(char out[URL_PART], const char *from, size_t len)
{
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        char c = from[i];

        if (c == '%') {
            if (i + 2 >= len || hex_digit(from[i + 1]) < 0 || hex_digit(from[i + 2]) < 0)
                return false;
            c = (char)(hex_digit(from[i + 1]) * 16 + hex_digit(from[i + 2]));
            i += 2;
        }
        if (c == '\0' || used == URL_PART - 1)
            return false;
        out[used++] = c;
    }
    out[used] = '\0';
    return true;
}

static bool read_database(struct address *address, const char *text)
{
    size_t len = strlen(text);

    if (len == 0)
        return true;
    if (len > 5 || strspn(text, "0123456789") != len)
        return false;
    memcpy(address->database, text, len + 1);
    return true;
}

static bool read_unix(struct address *address, const char *rest)
{
    const char *query = strchr(rest, '?');
    size_t len = query ? (size_t)(query - rest) : strlen(rest);

    if (rest[0] != '/' || !copy_part(address->socket_path, rest, len))
        return false;
    return !query || (strncmp(query, "?db=", 4) == 0 && read_database(address, query + 4));
}

static bool read_credentials(struct address *address, const char *from, size_t len)
{
    const char *colon = memchr(from, ':', len);

    if (!colon)
        return copy_part(address->password, from, len);
    return copy_part(address->user, from, (size_t)(colon - from)) &&
           copy_part(address->password, colon + 1, len - (size_t)(colon - from) - 1);
}

static bool read_host(struct address *address, const char *from, size_t len)
{
    const char *port;
    size_t host_len;

    if (len > 0 && from[0] == '[') { /* an IPv6 address */
        const char *close = memchr(from, ']', len);

        if (!close)
            return false;
        host_len = (size_t)(close - from) - 1;
        port = close + 1 < from + len ? close + 1 : NULL;
        if (port && *port != ':')
            return false;
        from++;
    } else {
        port = memchr(from, ':', len);
        host_len = port ? (size_t)(port - from) : len;
    }
    if (port) {
        char *end;
        long number = strtol(port + 1, &end, 10);

        if (port[1] < '0' || port[1] > '9' || number < 1 || number > 65535 || (*end != '\0' && *end != '/'))
            return false;
        address->port = (int)number;
    }
    return host_len > 0 && copy_part(address->host, from, host_len);
}

static bool read_tcp(struct address *address, const char *rest)
{
    const char *slash = strchr(rest, '/'), *at;
    size_t len = slash ? (size_t)(slash - rest) : strlen(rest);

    address->port = 6379;
    at = memrchr(rest, '@', len);
    if (at) {
        if (!read_credentials(address, rest, (size_t)(at - rest)))
            return false;
        len -= (size_t)(at + 1 - rest);
        rest = at + 1;
    }
    return read_host(address, rest, len) && (!slash || read_database(address, slash + 1));
}

static int read_url(struct address *address, const char *url, struct reason *why)
{
    *address = (struct address){.port = 0};
    if (strncmp(url, "redis://", 8) == 0 && read_tcp(address, url + 8))
        return 0;
    if (strncmp(url, "unix://", 7) == 0 && read_unix(address, url + 7))
        return 0;
    reason_set(why, "--redis must be redis://[user:pass@]host[:port][/db] or unix:///path[?db=N]");
    return ERR_INVALID;
}

int redis_check_url(const char *url, struct reason *why)
{
    struct address address;
    int rc = read_url(&address, url, why);

    explicit_bzero(&address, sizeof(address));
    return rc;
}

void redis_append(struct redis *redis, size_t argc, const char *const *argv, const size_t *argv_len)
{
    /* hiredis wants non-const pointers and writes to none of them. */
    if (redisAppendCommandArgv(redis->context, (int)argc, (const char **)(uintptr_t)argv, argv_len) != REDIS_OK)
        abort(); /* out of memory: see mem.h */
    redis->wants_write = true;
}

void redis_append_formed(struct redis *redis, struct span part)
{
    if (redisAppendFormattedCommand(redis->context, part.data, part.len) != REDIS_OK)
        abort(); /* out of memory: see mem.h */
    redis->wants_write = true;
}

static void append_handshake(struct redis *redis, size_t argc, const char *const *argv)
{
    size_t lens[3];

    for (size_t i = 0; i < argc; i++)
        lens[i] = strlen(argv[i]);
    redis_append(redis, argc, argv, lens);
    redis->handshake++;
}

static void begin_handshake(struct redis *redis, const struct address *address)
{
    if (address->user[0])
        append_handshake(redis, 3, (const char *const[]){"AUTH", address->user, address->password});
    else if (address->password[0])
        append_handshake(redis, 2, (const char *const[]){"AUTH", address->password});
    if (address->database[0] && strcmp(address->database, "0") != 0)
        append_handshake(redis, 2, (const char *const[]){"SELECT", address->database});
    append_handshake(redis, 1, (const char *const[]){"PING"});
}

/* A reply waits for its request, so the kernel must never hold a small one back. And a machine that is gone without a
 * word (power, a failover to another address) sends no reset: what it has not acknowledged for some seconds ends the
 * connection, where the kernel would try for a quarter of an hour. Redis being slow or stopped is not that; its kernel
 * acknowledges. An option that is not there is no reason not to connect. */
static void set_socket_options(int fd)
{
    const int on = 1, probe_after_s = 5, probe_each_s = 2, probes = 3, unacknowledged_ms = 10000;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &probe_after_s, sizeof(probe_after_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe_each_s, sizeof(probe_each_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof(unacknowledged_ms));
}

int redis_open(struct redis **ret, const char *url, struct reason *why)
{
    struct redis *redis = NULL;
    struct address address;
    const char *path = NULL;
    int rc = read_url(&address, url, why);

    if (rc != 0)
        goto out;
    path = address.socket_path[0] ? address.socket_path : NULL;
    redis = mem_zalloc(1, sizeof(*redis));
    redis->context = path ? redisConnectUnixNonBlock(path) : redisConnectNonBlock(address.host, address.port);
    if (!redis->context || redis->context->err) {
        reason_set(why, "cannot reach Redis: %s", redis->context ? redis->context->errstr : "out of memory");
        redis_close(redis);
        rc = ERR_UNREACHABLE;
        goto out;
    }
    if (!path)
        set_socket_options(redis->context->fd);
    begin_handshake(redis, &address);
    *ret = redis;
out:
    explicit_bzero(&address, sizeof(address));
    return rc;
}

void redis_close(struct redis *redis)
{
    if (!redis)
        return;
    if (redis->context)
        redisFree(redis->context);
    free(redis);
}

bool redis_is_ready(const struct redis *redis)
{
    return redis->is_connected && redis->handshake == 0;
}

int redis_fd(const struct redis *redis)
{
    return redis->context->fd;
}

bool redis_wants_write(const struct redis *redis)
{
    return redis->wants_write || !redis->is_connected;
}

static bool is_readable(int fd, short events, short *ret)
{
    struct pollfd poller = {.fd = fd, .events = events};

    if (poll(&poller, 1, 0) <= 0)
        return false;
    *ret = poller.revents;
    return true;
}

static int fail(const struct redis *redis, struct reason *why)
{
    reason_set(why, "the connection to Redis broke: %s",
               redis->context->errstr[0] ? redis->context->errstr : strerror(errno));
    return ERR_UNREACHABLE;
}

/* A connection that is still being made becomes writable, with the result in SO_ERROR. */
static int finish_connecting(struct redis *redis, struct reason *why)
{
    int error = 0;
    socklen_t len = sizeof(error);
    short events;

    if (redis->is_connected || !is_readable(redis->context->fd, POLLOUT, &events))
        return 0;
    if (getsockopt(redis->context->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        reason_set(why, "cannot reach Redis: %s", strerror(error ? error : errno));
        return ERR_UNREACHABLE;
    }
    redis->is_connected = true;
    return 0;
}

/* An error during the handshake: what Redis said, and what to do about it. */
static int refuse_handshake(const char *error, struct reason *why)
{
    if (strncmp(error, "NOAUTH", 6) == 0)
        reason_set(why, "Redis wants a password: put it in the URL, redis://:PASSWORD@host:port");
    else if (strncmp(error, "WRONGPASS", 9) == 0 || strstr(error, "invalid password") ||
             strncmp(error, "ERR AUTH", 8) == 0)
        reason_set(why, "Redis refuses the user or password of the URL");
    else if (strncmp(error, "LOADING", 7) == 0)
        reason_set(why, "Redis is still loading its data");
    else
        reason_set(why, "Redis refuses us: %.200s", error);
    return strncmp(error, "LOADING", 7) == 0 || strncmp(error, "MASTERDOWN", 10) == 0 ? ERR_UNREACHABLE : ERR_DENIED;
}

static int finish_handshake(struct redis *redis, struct reason *why)
{
    while (redis->handshake > 0) {
        struct redis_reply *reply = redis_next(redis);
        const char *error = redis_reply_error(reply);
        int rc = error ? refuse_handshake(error, why) : 0;

        if (!reply)
            return 0;
        redis_reply_free(reply);
        if (rc != 0)
            return rc;
        redis->handshake--;
    }
    return 0;
}

int redis_pump(struct redis *redis, struct reason *why)
{
    short events;
    int done = 0, rc = finish_connecting(redis, why);

    if (rc != 0 || !redis->is_connected)
        return rc;
    if (redis->wants_write) {
        if (redisBufferWrite(redis->context, &done) != REDIS_OK)
            return fail(redis, why);
        redis->wants_write = !done;
    }
    if (is_readable(redis->context->fd, POLLIN, &events) && redisBufferRead(redis->context) != REDIS_OK)
        return fail(redis, why);
    return finish_handshake(redis, why);
}

struct redis_reply *redis_next(struct redis *redis)
{
    void *reply = NULL;

    if (redis->context->err == 0 && redisGetReplyFromReader(redis->context, &reply) != REDIS_OK)
        return NULL; /* not RESP: context->err is set, and the next pump says so */
    return reply;
}

void redis_wait(const struct redis *redis, int64_t timeout_ms)
{
    struct pollfd poller = {.fd = redis->context->fd, .events = POLLIN};

    if (redis_wants_write(redis))
        poller.events |= POLLOUT;
    (void)poll(&poller, 1, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms); /* the caller looks again anyway */
}

static const redisReply *raw(const struct redis_reply *reply)
{
    return (const redisReply *)reply;
}

void redis_reply_free(struct redis_reply *reply)
{
    if (reply)
        freeReplyObject(reply);
}

const char *redis_reply_error(const struct redis_reply *reply)
{
    return reply && raw(reply)->type == REDIS_REPLY_ERROR ? raw(reply)->str : NULL;
}

const char *redis_reply_text(const struct redis_reply *reply, size_t *ret_len)
{
    if (!reply || (raw(reply)->type != REDIS_REPLY_STRING && raw(reply)->type != REDIS_REPLY_STATUS))
        return NULL;
    if (ret_len)
        *ret_len = (size_t)raw(reply)->len;
    return raw(reply)->str;
}

int64_t redis_reply_integer(const struct redis_reply *reply)
{
    const char *text = redis_reply_text(reply, NULL);

    if (text)
        return strtoll(text, NULL, 10);
    return reply && raw(reply)->type == REDIS_REPLY_INTEGER ? raw(reply)->integer : -1;
}

size_t redis_reply_count(const struct redis_reply *reply)
{
    return reply && raw(reply)->type == REDIS_REPLY_ARRAY ? raw(reply)->elements : 0;
}

const struct redis_reply *redis_reply_at(const struct redis_reply *reply, size_t index)
{
    return index < redis_reply_count(reply) ? (const struct redis_reply *)raw(reply)->element[index] : NULL;
}
