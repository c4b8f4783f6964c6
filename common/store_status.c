/* Looking: what is where, at one instant. */
#include <stdio.h>
#include <string.h>

#include "common/store_request.h"

/* Answers of status.lua, in order. */
enum {
    AT_NOW,
    AT_HIGH,
    AT_NORMAL,
    AT_LOW,
    AT_DELAYED,
    AT_DEAD,
    AT_WINDOW,
    AT_DUE,
    AT_HOLD,
    AT_AUDIT,
    AT_AUDIT_CUT,
    AT_COUNTERS,
    AT_WORKERS,
    AT_PARKED,
    AT_POLL,
    AT_POLL_HOLD,
    AT_CALLBACKS,
    AT_AUDIT_OLDEST,
    AT_AUDIT_EXPORTED_AGO,
    AT_AUDIT_EXPORTED,
    AT_AUDIT_LEASE,
    AT_AUDIT_PLACE,
    AT_COUNT
};

#define WORKER_FIELDS 7

static size_t read_counters(const struct redis_reply *reply, struct store_counter *ret)
{
    size_t count = redis_reply_count(reply) / 2;

    if (count > STORE_COUNTERS_MAX)
        count = STORE_COUNTERS_MAX;
    for (size_t i = 0; i < count; i++) {
        request_copy_text(ret[i].name, sizeof(ret[i].name), redis_reply_at(reply, 2 * i));
        ret[i].value = redis_reply_integer(redis_reply_at(reply, 2 * i + 1));
    }
    return count;
}

static void read_workers(const struct redis_reply *reply, int64_t now_ms, struct store_status *ret)
{
    ret->worker_total = redis_reply_count(reply) / WORKER_FIELDS;
    for (size_t i = 0; i < ret->worker_total; i++) {
        const size_t at = i * WORKER_FIELDS;
        int64_t in_flight = redis_reply_integer(redis_reply_at(reply, at + 2)), beat_at, since;
        struct store_worker_info *worker;

        ret->in_flight += in_flight;
        if (i >= STORE_WORKERS_MAX)
            continue;
        worker = &ret->workers[ret->worker_count++];
        request_copy_text(worker->id, sizeof(worker->id), redis_reply_at(reply, at));
        worker->lease_left_ms = redis_reply_integer(redis_reply_at(reply, at + 1)) - now_ms;
        worker->in_flight = in_flight;
        beat_at = redis_reply_integer(redis_reply_at(reply, at + 3));
        worker->beat_age_ms = beat_at > 0 ? now_ms - beat_at : -1;
        request_copy_text(worker->breaker, sizeof(worker->breaker), redis_reply_at(reply, at + 5));
        since = redis_reply_integer(redis_reply_at(reply, at + 6));
        worker->age_ms = since > 0 ? now_ms - since : -1;
        request_copy_text(worker->note, sizeof(worker->note), redis_reply_at(reply, at + 4));
    }
}

/* ret_ms stays 0 when there is no pause. */
static void read_hold(const struct redis_reply *reply, int64_t now_ms, int64_t *ret_ms, char ret_reason[200])
{
    char text[240];
    int64_t until_ms = redis_reply_integer(reply);
    const char *space;

    request_copy_text(text, sizeof(text), reply);
    space = strchr(text, ' ');
    if (until_ms <= now_ms)
        return;
    *ret_ms = until_ms - now_ms;
    (void)snprintf(ret_reason, 200, "%.199s", space ? space + 1 : "");
}

static void read_callbacks(const struct redis_reply *reply, struct store_status *ret)
{
    const struct redis_reply *counts = redis_reply_at(reply, 3);
    struct store_counter counters[STORE_COUNTERS_MAX];
    size_t count = read_counters(counts, counters);

    ret->callbacks.waiting = redis_reply_integer(redis_reply_at(reply, 0));
    ret->callbacks.in_flight = redis_reply_integer(redis_reply_at(reply, 1));
    ret->callbacks.dead = redis_reply_integer(redis_reply_at(reply, 2));
    ret->callbacks.delivered = store_counter(counters, count, "delivered");
    ret->callbacks.retried = store_counter(counters, count, "retried");
    ret->callbacks.dropped = store_counter(counters, count, "dropped");
    ret->callbacks.forgotten = store_counter(counters, count, "forgotten");
    ret->callbacks.unqueued = store_counter(ret->counters, ret->counter_count, "callbacks_lost");
}

static void read_audit(const struct redis_reply *reply, struct store_status *ret)
{
    ret->audit_kept = redis_reply_integer(redis_reply_at(reply, AT_AUDIT));
    ret->audit_exported = redis_reply_integer(redis_reply_at(reply, AT_AUDIT_EXPORTED));
    ret->audit_cut = redis_reply_integer(redis_reply_at(reply, AT_AUDIT_CUT));
    ret->audit_oldest_ms = redis_reply_integer(redis_reply_at(reply, AT_AUDIT_OLDEST));
    ret->audit_export_age_ms = redis_reply_integer(redis_reply_at(reply, AT_AUDIT_EXPORTED_AGO));
    ret->audit_lease_ms = redis_reply_integer(redis_reply_at(reply, AT_AUDIT_LEASE));
    request_copy_text(ret->audit_place, sizeof(ret->audit_place), redis_reply_at(reply, AT_AUDIT_PLACE));
}

/* Nothing that is shown would be true otherwise. */
static int check_answered(int rc, bool is_answered, struct reason *why)
{
    return rc == 0 && !is_answered ? request_refused(why) : rc;
}

struct status_answer {
    struct store_status *status;
    bool is_answered;
};

static void on_status(struct request *request, const struct redis_reply *reply)
{
    struct status_answer *answer = request->context;
    struct store_status *ret = answer->status;
    int64_t now, due;

    if (redis_reply_count(reply) < AT_COUNT)
        return;
    answer->is_answered = true;
    now = redis_reply_integer(redis_reply_at(reply, AT_NOW));
    ret->ready[PRIORITY_HIGH] = redis_reply_integer(redis_reply_at(reply, AT_HIGH));
    ret->ready[PRIORITY_NORMAL] = redis_reply_integer(redis_reply_at(reply, AT_NORMAL));
    ret->ready[PRIORITY_LOW] = redis_reply_integer(redis_reply_at(reply, AT_LOW));
    ret->delayed = redis_reply_integer(redis_reply_at(reply, AT_DELAYED));
    ret->dead = redis_reply_integer(redis_reply_at(reply, AT_DEAD));
    ret->window_used = redis_reply_integer(redis_reply_at(reply, AT_WINDOW));
    due = redis_reply_integer(redis_reply_at(reply, AT_DUE));
    ret->due_in_ms = due <= 0 ? -1 : due > now ? due - now : 0;
    read_hold(redis_reply_at(reply, AT_HOLD), now, &ret->hold_ms, ret->hold_reason);
    ret->polled = redis_reply_integer(redis_reply_at(reply, AT_POLL));
    read_hold(redis_reply_at(reply, AT_POLL_HOLD), now, &ret->poll_hold_ms, ret->poll_hold_reason);
    read_audit(reply, ret);
    ret->counter_count = read_counters(redis_reply_at(reply, AT_COUNTERS), ret->counters);
    read_callbacks(redis_reply_at(reply, AT_CALLBACKS), ret);
    ret->parked = redis_reply_integer(redis_reply_at(reply, AT_PARKED));
    read_workers(redis_reply_at(reply, AT_WORKERS), now, ret);
}

int store_read_status(struct store *store, struct store_status *ret, int64_t patience_ms, struct reason *why)
{
    struct request *request = request_script(store, SCRIPT_STATUS, true, on_status);
    struct status_answer answer = {ret, false};
    int rc;

    memset(ret, 0, sizeof(*ret));
    request->context = &answer;
    request_submit(request);
    rc = store_finish(store, 0, patience_ms, why);
    return check_answered(rc, answer.is_answered, why);
}

struct campaign_answer {
    struct store_counter *counters;
    size_t *ret_count;
    bool is_answered;
};

static void on_campaign(struct request *request, const struct redis_reply *reply)
{
    struct campaign_answer *answer = request->context;

    answer->is_answered = redis_reply_error(reply) == NULL;
    *answer->ret_count = read_counters(reply, answer->counters);
}

int store_read_campaign(struct store *store, const char *campaign, struct store_counter *ret, size_t *ret_count,
                        int64_t patience_ms, struct reason *why)
{
    struct campaign_answer answer = {ret, ret_count, false};
    struct request *request = request_script(store, SCRIPT_CAMPAIGN, true, on_campaign);
    int rc;

    *ret_count = 0;
    request_text(request, campaign);
    request->context = &answer;
    request_submit(request);
    rc = store_finish(store, 0, patience_ms, why);
    return check_answered(rc, answer.is_answered, why);
}

int64_t store_counter(const struct store_counter *counters, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(counters[i].name, name) == 0)
            return counters[i].value;
    }
    return 0;
}
