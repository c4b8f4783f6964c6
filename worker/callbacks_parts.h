/* The inside of the thread that posts callbacks, for its two files: the loop that takes them (callbacks.c) and what
 * becomes of one (flight.c). */
#ifndef HERALD_WORKER_CALLBACKS_PARTS_H
#define HERALD_WORKER_CALLBACKS_PARTS_H

#include <pthread.h>

#include "common/callback.h"
#include "common/callback_url.h"
#include "common/ids.h"
#include "common/store_callback.h"
#include "worker/callback_verdict.h"
#include "worker/crew.h"

#define FLIGHT_HEADER_MAX 512
#define FLIGHT_HOST_MAX   280 /* of a host as parts/callbacks.lua names it */

/* One callback, from its taking until Redis has its end. */
struct flight {
    struct callbacks *callbacks;
    bool is_used, is_ended;
    char id[ID_SIZE], host[FLIGHT_HOST_MAX + 1];
    struct callback callback;
    struct callback_target target;
    char headers[HTTP_MORE_HEADERS][FLIGHT_HEADER_MAX];
    struct buf body, document;
    struct store_callback_end end;
};

/* Ends on their way to Redis. */
struct batch {
    struct batch *next;
    struct callbacks *callbacks;
    size_t count;
    struct flight *flights[];
};

struct callbacks {
    pthread_t thread;
    struct crew *crew;
    struct store *store;
    struct http *http;
    const struct settings *settings; /* that the next four were made of */
    struct callback_rules rules;
    struct callback_secrets secrets;
    struct callback_limits limits;
    size_t flight_count, used, ended; /* ended: and not yet on their way to Redis */
    struct flight *flights;
    struct batch *batches; /* without an answer yet */
    bool is_asking;
    int64_t next_ms, lately_ms; /* monotonic */
    int64_t offset_ms;          /* Redis' clock less the monotonic one */
    int64_t dropped, alarm_ms;
    int64_t stop_at_ms, abort_at_ms; /* 0 until it is to stop */
};

/* One that was taken: it is posted, or ended at once. There must be room. */
void flight_begin(struct callbacks *callbacks, const struct store_callback *item);
/* Its request has ended. */
void flight_finish(struct callbacks *callbacks, const struct http_result *result);
/* Ends since the last call go to Redis together. */
void flights_flush(struct callbacks *callbacks);

#endif
