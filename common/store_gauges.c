#include "common/store_gauges.h"

#include "common/store_request.h"

/* Answers of gauges.lua, in order. */
enum {
    AT_WALL,
    AT_HIGH,
    AT_NORMAL,
    AT_LOW,
    AT_DELAYED,
    AT_DUE,
    AT_IN_FLIGHT,
    AT_PARKED,
    AT_DEAD,
    AT_WINDOW,
    AT_HOLD,
    AT_WORKERS,
    AT_AUDIT,
    AT_AUDIT_OLDEST,
    AT_AUDIT_CUT,
    AT_CALLBACKS,
    AT_CALLBACKS_DEAD,
    AT_CALLBACKS_DROPPED,
    AT_OLDEST, /* two for each list */
    AT_COUNT = AT_OLDEST + 2 * PRIORITY_COUNT
};

static void read_gauges(const struct redis_reply *reply, struct store_gauges *ret)
{
    const struct {
        int at;
        int64_t *into;
    } rows[] = {
        {AT_WALL, &ret->wall_ms},
        {AT_HIGH, &ret->ready[PRIORITY_HIGH]},
        {AT_NORMAL, &ret->ready[PRIORITY_NORMAL]},
        {AT_LOW, &ret->ready[PRIORITY_LOW]},
        {AT_DELAYED, &ret->delayed},
        {AT_DUE, &ret->due},
        {AT_IN_FLIGHT, &ret->in_flight},
        {AT_PARKED, &ret->parked},
        {AT_DEAD, &ret->dead},
        {AT_WINDOW, &ret->window_used},
        {AT_HOLD, &ret->hold_ms},
        {AT_WORKERS, &ret->workers},
        {AT_AUDIT, &ret->audit},
        {AT_AUDIT_OLDEST, &ret->audit_oldest_ms},
        {AT_AUDIT_CUT, &ret->audit_cut},
        {AT_CALLBACKS, &ret->callbacks},
        {AT_CALLBACKS_DEAD, &ret->callbacks_dead},
        {AT_CALLBACKS_DROPPED, &ret->callbacks_dropped},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        *rows[i].into = redis_reply_integer(redis_reply_at(reply, (size_t)rows[i].at));
    for (size_t i = 0; i < PRIORITY_COUNT; i++) {
        ret->oldest_at_ms[i] = redis_reply_integer(redis_reply_at(reply, AT_OLDEST + 2 * i));
        request_copy_text(ret->oldest_print[i], STORE_OLDEST_SIZE, redis_reply_at(reply, AT_OLDEST + 2 * i + 1));
    }
}

static void on_gauged(struct request *request, const struct redis_reply *reply)
{
    struct store_gauges gauges = {0};

    if (!reply) {
        request->call.gauged(request->context, STORE_GAUGE_LOST, &gauges);
    } else if (redis_reply_count(reply) < AT_COUNT) {
        request->call.gauged(request->context, STORE_GAUGE_REFUSED, &gauges);
    } else {
        read_gauges(reply, &gauges);
        request->call.gauged(request->context, STORE_GAUGED, &gauges);
    }
}

void store_ask_gauges(struct store *store, int64_t window_ms, store_gauged_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_GAUGES, false, on_gauged);

    request->call.gauged = done;
    request->context = context;
    request->is_fleeting = true;
    request_number(request, window_ms);
    request_submit(request);
}
