/* A lane: one thread that serves connections and speaks with Redis, never waiting for either alone. It has its own
 * libmicrohttpd daemon on the shared port and its own store, so lanes share nothing but struct gateway. */
#ifndef HERALD_PRODUCER_GATEWAY_LANE_H
#define HERALD_PRODUCER_GATEWAY_LANE_H

#include "common/reason.h"
#include "common/store.h"
#include "producer/gateway/gateway.h"

struct exchange;
struct lane;
struct metrics_block;

struct lane_config {
    struct gateway *gateway;
    int listen_fd; /* borrowed; each lane makes its own copy */
    unsigned connections_max;
};

/* Waits until Redis answers. ERR_IO when the system gives no thread or descriptor, ERR_INVALID for the settings of the
 * store, ERR_UNREACHABLE or ERR_DENIED when Redis does not answer. */
int lane_start(struct lane **ret, const struct lane_config *config, struct reason *why);
void lane_wake(struct lane *lane);                           /* any thread */
bool lane_is_alive(const struct lane *lane, int64_t now_ms); /* any thread: its loop turns */
/* After is_stopping was set: waits until its thread has ended. What is posted after that is run by lane_destroy. */
void lane_join(struct lane *lane);
void lane_destroy(struct lane *lane);

/* --- for the lane's own thread --- */

struct store *lane_store(struct lane *lane);
struct gather *lane_gather(struct lane *lane);
struct metrics_block *lane_metrics(struct lane *lane);
struct gateway *lane_gateway(struct lane *lane);
struct composer *lane_composer(struct lane *lane);

/* Something to be run in a lane's thread; the caller's memory until `run` is called. */
struct lane_post {
    struct lane_post *next;
    void (*run)(void *context);
    void *context;
};
void lane_post(struct lane *lane, struct lane_post *post); /* any thread, until lane_destroy */

#endif
