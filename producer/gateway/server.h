/* The listening socket and the lanes behind it. */
#ifndef HERALD_PRODUCER_GATEWAY_SERVER_H
#define HERALD_PRODUCER_GATEWAY_SERVER_H

#include "common/reason.h"
#include "producer/gateway/gateway.h"

struct server;

/* Listens on the settings' address. ERR_INVALID: it is none; ERR_IO: it cannot be listened on, or no more threads. */
int server_start(struct server **ret, struct gateway *gateway, struct reason *why);
int server_port(const struct server *server);
/* After is_stopping (or is_hurried) was set; server_stop waits for the lanes' end. Takes NULL. */
void server_wake(struct server *server);
void server_stop(struct server *server);

#endif
