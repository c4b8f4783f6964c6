#ifndef SANDBOX_SERVER_H
#define SANDBOX_SERVER_H

#include "tests/sandbox/app.h"

struct server;

/* server_start: listens and serves; NULL after saying why on stderr. `app` is borrowed; app->delay is set by it. */
struct server *server_start(struct app *app, const struct settings *settings);
int server_port(const struct server *server);

/* server_stop: drops what is still waiting, ends all threads, takes `server`. */
void server_stop(struct server *server);

#endif
