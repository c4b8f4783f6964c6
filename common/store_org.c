/* What concerns the org as a whole: its pause, its workers, and waiting for work. */
#include <stdio.h>

#include "common/store_request.h"

static void ignore(struct request *request, const struct redis_reply *reply)
{
    (void)request;
    (void)reply; /* a beat or a pause that did not arrive is followed by another */
}

void store_hold(struct store *store, int64_t ms, const char *reason)
{
    struct request *request = request_script(store, SCRIPT_HOLD, false, ignore);

    request_number(request, ms);
    request_text(request, reason);
    request_submit(request);
}

void store_beat(struct store *store, const char *worker, int64_t lease_ms, const char *note)
{
    struct request *request = request_script(store, SCRIPT_BEAT, false, ignore);

    request_text(request, worker);
    request_number(request, lease_ms);
    request_text(request, note);
    request_number(request, store_limits(store)->keep_ms);
    request_submit(request);
}

void store_leave(struct store *store, const char *worker)
{
    struct request *request = request_script(store, SCRIPT_LEAVE, false, ignore);

    request_text(request, worker);
    request_submit(request);
}

static void on_watched(struct request *request, const struct redis_reply *reply)
{
    (void)reply; /* a message, nothing in time, or a lost connection: look again in each case */
    request->call.plain(request->context);
}

/* A list moved on to itself, right end to right end, is the same list: BLMOVE is Redis' blocking look at the end that
 * workers take from, and it works for messages that any client pushes. */
void store_watch(struct store *store, enum priority priority, int64_t timeout_ms, void (*done)(void *context),
                 void *context)
{
    struct request *request = request_command(store, "BLMOVE", on_watched);
    char seconds[24];

    request->call.plain = done;
    request->context = context;
    request_key(request, store_list_name(priority));
    request_key(request, store_list_name(priority));
    request_text(request, "RIGHT");
    request_text(request, "RIGHT");
    (void)snprintf(seconds, sizeof(seconds), "%lld.%03lld", (long long)(timeout_ms / 1000),
                   (long long)(timeout_ms % 1000));
    request_text(request, seconds);
    request_submit(request);
}
