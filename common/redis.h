/* One connection to Redis that never blocks unless asked to, over hiredis, whose types stay in redis.c.
 *
 * Commands are queued and replies come back in order; the handshake (AUTH, SELECT, PING) goes first and is not seen by
 * the caller. After any error the connection is finished: close it and open another. One thread at a time. Works with
 * hiredis 0.14 (Debian 12) and 1.x. */
#ifndef HERALD_COMMON_REDIS_H
#define HERALD_COMMON_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"
#include "common/span.h"

struct redis;
struct redis_reply;

/* ERR_INVALID with a reason if the URL is not `redis://[user:pass@]host[:port][/db]` or `unix:///path[?db=N]`. */
int redis_check_url(const char *url, struct reason *why);

/* Starts to connect. ERR_INVALID (the URL) or ERR_UNREACHABLE at once; everything else shows in redis_pump. */
int redis_open(struct redis **ret, const char *url, struct reason *why);
void redis_close(struct redis *redis); /* takes NULL */

bool redis_is_ready(const struct redis *redis); /* the handshake is done */
int redis_fd(const struct redis *redis);
bool redis_wants_write(const struct redis *redis); /* poll for POLLOUT as well */

/* Queues a command; the bytes are copied. Nothing is written before redis_pump. */
void redis_append(struct redis *redis, size_t argc, const char *const *argv, const size_t *argv_len);
/* The same of bytes that are in the protocol's form already; a command may come in several parts. */
void redis_append_formed(struct redis *redis, struct span part);

/* Writes and reads what is possible without waiting. 0, or ERR_UNREACHABLE / ERR_DENIED: the connection is finished. */
int redis_pump(struct redis *redis, struct reason *why);
struct redis_reply *redis_next(
    struct redis *redis); /* the next whole reply, freed with redis_reply_free; NULL: none yet */

/* Waits until the connection can be read (or written, if it wants to) or the time is over. */
void redis_wait(const struct redis *redis, int64_t timeout_ms);

/* Replies. Wrong questions find nothing: NULL, 0, -1. All borrowed from the outermost reply. */
void redis_reply_free(struct redis_reply *reply);
const char *redis_reply_error(const struct redis_reply *reply); /* NULL unless Redis answered with an error */
const char *redis_reply_text(const struct redis_reply *reply, size_t *ret_len);
int64_t redis_reply_integer(const struct redis_reply *reply); /* of an integer, or of a text that is one */
size_t redis_reply_count(const struct redis_reply *reply);
const struct redis_reply *redis_reply_at(const struct redis_reply *reply, size_t index);

#endif
