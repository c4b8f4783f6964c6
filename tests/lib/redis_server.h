/* A private redis-server for one test program: on a unix socket in a temp folder of its own, ended by its process id
 * when the test says so, or with the test program should that die first. And a proxy in front of it that loses exactly
 * the bytes a test wants lost. */
#ifndef HERALD_TESTS_REDIS_SERVER_H
#define HERALD_TESTS_REDIS_SERVER_H

#include <stdbool.h>

#include "common/redis.h"

struct redis_server;

/* Waits until it answers; ends the program with a message if it does not. */
struct redis_server *redis_server_start(void);
void redis_server_stop(struct redis_server *server); /* takes NULL; removes the folder as well */
const char *redis_server_url(const struct redis_server *server);

/* One command of texts that ends with NULL; waits for its reply, which is freed with redis_reply_free. An error reply
 * is returned as one. */
struct redis_reply *redis_server_call(struct redis_server *server, const char *command, ...) __attribute__((sentinel));

/* The proxy: a thread that passes bytes between clients and the server. */
struct redis_proxy;

struct redis_proxy *redis_proxy_start(struct redis_server *server);
void redis_proxy_stop(struct redis_proxy *proxy); /* takes NULL */
const char *redis_proxy_url(const struct redis_proxy *proxy);

/* The next request goes through and its reply is lost with the connection: the client cannot know what happened. */
void redis_proxy_lose_reply(struct redis_proxy *proxy);
/* The next request is lost with the connection: it never happens, and the client cannot know that either. */
void redis_proxy_lose_request(struct redis_proxy *proxy);
bool redis_proxy_has_lost(struct redis_proxy *proxy); /* what it was asked to lose */

#endif
