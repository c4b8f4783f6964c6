/* The listening socket and the lanes behind it. */
#ifndef HERALD_PRODUCER_GATEWAY_SERVER_H
#define HERALD_PRODUCER_GATEWAY_SERVER_H

#include "common/reason.h"
#include "producer/gateway/gateway.h"

struct server;

/* Listens on the settings' address. ERR_INVALID: it is none; ERR_IO: it cannot be listened on, or no more threads. */
int server_start(struct server **ret, struct gateway *gateway, struct reason *why);
int server_port(const struct server *server);
bool server_is_alive(const struct server *server, int64_t now_ms); /* any thread: its loops turn */
void server_wake(struct server *server); /* any thread, until server_destroy: is_stopping or is_hurried was set */
void server_join(struct server *server); /* after is_stopping was set: waits for the end of the lanes and the clerks */
void server_destroy(struct server *server);

#endif
