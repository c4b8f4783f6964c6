/* Names, leases, and what becomes of the messages of a worker that has lost its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store_request.h"

struct join_answer {
    char text[160];
};

static void on_joined(struct request *request, const struct redis_reply *reply)
{
    struct join_answer *answer = request->context;
    size_t len = 0;
    const char *text = redis_reply_text(reply, &len);

    (void)snprintf(answer->text, sizeof(answer->text), "%.*s", text ? (int)len : 0, text ? text : "");
}

int store_join(struct store *store, const struct store_identity *who, bool adopt, struct store_join *ret,
               int64_t patience_ms, struct reason *why)
{
    struct request *request = request_script(store, SCRIPT_JOIN, true, on_joined);
    struct join_answer answer = {""};
    int rc;

    request->context = &answer;
    request_text(request, who->worker);
    request_text(request, who->instance);
    request_number(request, who->lease_ms);
    request_number(request, store_limits(store)->keep_ms);
    request_text(request, who->environment);
    request_text(request, adopt ? "1" : "0");
    request_submit(request);
    rc = store_finish(store, 0, patience_ms, why);
    if (rc != 0)
        return rc;
    if (strcmp(answer.text, "ok") == 0) {
        ret->joined = STORE_JOINED;
    } else if (strncmp(answer.text, "home ", 5) == 0) {
        ret->joined = STORE_NOT_HOME;
        (void)snprintf(ret->home, sizeof(ret->home), "%.127s", answer.text + 5);
    } else if (strncmp(answer.text, "name ", 5) == 0) {
        ret->joined = STORE_NAME_TAKEN;
        ret->left_ms = strtoll(answer.text + 5, NULL, 10);
    } else {
        reason_set(why, "Redis refused to let the worker join; the log above says why");
        return ERR_STATE;
    }
    return 0;
}

static void on_beaten(struct request *request, const struct redis_reply *reply)
{
    int64_t answer = redis_reply_integer(reply);

    if (answer > 0)
        request_note_clock(request, answer);
    request->call.beaten(request->context, answer > 0    ? STORE_LEASE_OURS
                                           : answer == 0 ? STORE_LEASE_NOT_OURS
                                                         : STORE_BEAT_LOST);
}

void store_beat(struct store *store, const struct store_identity *who, const char *note, const char *breaker,
                void (*done)(void *context, enum store_beaten beaten), void *context)
{
    struct request *request = request_script(store, SCRIPT_BEAT, false, on_beaten);

    request->call.beaten = done;
    request->context = context;
    request_text(request, who->worker);
    request_text(request, who->instance);
    request_number(request, who->lease_ms);
    request_text(request, note);
    request_number(request, store_limits(store)->keep_ms);
    request_text(request, breaker);
    request_clock(request);
    request_submit(request);
}

static void on_reaped(struct request *request, const struct redis_reply *reply)
{
    request->call.reaped(request->context, redis_reply_integer(reply));
}

void store_reap(struct store *store, int64_t lease_ms, void (*done)(void *context, int64_t taken), void *context)
{
    struct request *request = request_script(store, SCRIPT_REAP, false, on_reaped);

    request->call.reaped = done;
    request->context = context;
    request_number(request, STORE_BATCH_MAX);
    request_number(request, store_limits(store)->keep_ms);
    request_audit_max(request);
    request_number(request, lease_ms);
    request_clock(request);
    request_number(request, store_limits(store)->report_ms);
    request_text(request, store_actor(store));
    request_submit(request);
}
