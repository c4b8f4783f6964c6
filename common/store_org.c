/* What concerns the org as a whole: its pause, its workers, and waiting for work. */
#include <stdio.h>

#include "common/clock.h"
#include "common/store_request.h"

#define TOUCH_ARGUMENTS_MAX 1024 /* five for each late request; Lua cannot pass on many thousands */

static void ignore(struct request *request, const struct redis_reply *reply)
{
    (void)request;
    (void)reply; /* what must arrive is sent again without us; a worker that could not say that it leaves loses its
                    lease */
}

static void hold(struct store *store, int64_t ms, const char *reason, const char *key, const char *counted_as)
{
    struct request *request = request_script(store, SCRIPT_HOLD, true, ignore);

    request_number(request, ms);
    request_text(request, reason);
    request_text(request, key);
    request_text(request, counted_as);
    request_submit(request);
}

void store_hold(struct store *store, int64_t ms, const char *reason)
{
    hold(store, ms, reason, "hold", "holds");
}

void store_hold_polls(struct store *store, int64_t ms, const char *reason)
{
    hold(store, ms, reason, "poll:hold", "poll_holds");
}

/* Those of one turn of a sender's loop go together: at load nearly every request leaves late. */
static void touch(struct store *store, const char *worker, const char *ticket, struct span sender, int64_t ago_ms,
                  bool is_poll)
{
    struct request *request = request_unsent(store, SCRIPT_TOUCH);
    bool is_another = request && request->argc < TOUCH_ARGUMENTS_MAX;

    if (!is_another)
        request = request_script(store, SCRIPT_TOUCH, true, ignore);
    request_text(request, worker);
    request_text(request, ticket);
    request_bytes(request, sender.data, sender.len);
    request_text(request, is_poll ? "1" : "0");
    request_number(request, ago_ms);
    if (!is_another)
        request_submit(request);
}

void store_touch(struct store *store, const char *worker, const char *ticket, struct span sender, int64_t ago_ms)
{
    touch(store, worker, ticket, sender, ago_ms, false);
}

void store_touch_poll(struct store *store, const char *worker, const char *ticket)
{
    touch(store, worker, ticket, (struct span){NULL, 0}, 0, true);
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

static void on_campaign_changed(struct request *request, const struct redis_reply *reply)
{
    *(int64_t *)request->context = redis_reply_integer(reply);
}

int store_set_campaign(struct store *store, const char *campaign, enum store_campaign_state state,
                       const struct audit_by *by, int64_t *ret_moved, int64_t patience_ms, struct reason *why)
{
    static const char *const names[] = {
        [STORE_RUNNING] = "running",
        [STORE_PAUSED] = "paused",
        [STORE_CANCELLED_FOR_GOOD] = "cancelled",
    };
    static const char *const whats[] = {
        [STORE_RUNNING] = "resume",
        [STORE_PAUSED] = "pause",
        [STORE_CANCELLED_FOR_GOOD] = "cancel",
    };
    const struct audit_action action = {
        .what = whats[state], .by = by, .at_ms = clock_wall_ms(), .campaign = campaign, .count = -1};
    struct buf audit;
    int64_t answer;
    int rc = 0;

    *ret_moved = 0;
    buf_init(&audit, AUDIT_ACTION_MAX);
    audit_action_write(&action, &audit);
    do {
        struct request *request = request_script(store, SCRIPT_CAMPAIGN_STATE, true, on_campaign_changed);

        answer = -1;
        request->context = &answer;
        request_text(request, campaign);
        request_text(request, names[state]);
        request_number(request, STORE_BATCH_MAX);
        request_number(request, store_limits(store)->keep_ms);
        request_audit_max(request);
        request_bytes(request, audit.data, audit.len);
        request_submit(request);
        rc = store_finish(store, 0, patience_ms, why);
        if (rc == 0 && answer < 0) {
            reason_set(why,
                       answer == -2 ? "campaign `%.64s` is cancelled, which is for good"
                                    : "there is no campaign `%.64s` in this organisation",
                       campaign);
            rc = answer == -2 ? ERR_STATE : ERR_INVALID;
        }
        *ret_moved += rc == 0 ? answer : 0;
    } while (rc == 0 && answer == STORE_BATCH_MAX);
    buf_clear(&audit);
    return rc;
}
