#include "common/store_poll.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/store_request.h"

#define POLL_HEAD        5  /* numbers in front of the questions */
#define CONVERSATION_MAX 63 /* bytes */

static bool is_conversation(const char *text, size_t len)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    return text && len > 0 && len <= CONVERSATION_MAX && strspn(text, plain) == len;
}

static bool are_ids(struct span ids)
{
    for (size_t i = 0; i < ids.len; i++) {
        if (ids.data[i] < ' ' || ids.data[i] > '~' || ids.data[i] == '"' || ids.data[i] == '\\')
            return false;
    }
    return ids.len > 1 && ids.data[ids.len - 1] == ' ';
}

/* What is no question goes unanswered, until it is too old: somebody else has written there. */
static void read_questions(struct store_polled *polled, const struct redis_reply *reply, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct store_polled_question *question = &polled->questions[i];
        size_t len = 0;

        question->conversation = redis_reply_text(redis_reply_at(reply, POLL_HEAD + 2 * i), &len);
        question->ids.data = redis_reply_text(redis_reply_at(reply, POLL_HEAD + 2 * i + 1), &question->ids.len);
        if (!is_conversation(question->conversation, len) || !are_ids(question->ids))
            question->conversation = NULL;
    }
    polled->count = count;
}

static void on_polled(struct request *request, const struct redis_reply *reply)
{
    size_t count = redis_reply_count(reply);
    struct store_polled polled = {.first = request->first, .wanted = request->wanted, .due_in_ms = -1};
    int64_t due;

    if (!reply) {
        polled.rc = ERR_UNREACHABLE;
    } else if (count < POLL_HEAD || (count - POLL_HEAD) / 2 > STORE_POLL_MAX) {
        polled.rc = ERR_STATE;
    } else {
        polled.now_ms = redis_reply_integer(redis_reply_at(reply, 0));
        polled.hold_ms = redis_reply_integer(redis_reply_at(reply, 1));
        polled.has_no_lease = polled.hold_ms < 0;
        polled.window_ms = redis_reply_integer(redis_reply_at(reply, 2));
        due = redis_reply_integer(redis_reply_at(reply, 3));
        if (due > 0)
            polled.due_in_ms = due > polled.now_ms ? due - polled.now_ms : 0;
        polled.is_own_hold = redis_reply_integer(redis_reply_at(reply, 4)) == 1;
        read_questions(&polled, reply, (count - POLL_HEAD) / 2);
    }
    request->call.polled(request->context, &polled);
}

void store_poll(struct store *store, const struct store_poll *ask, store_polled_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_POLL, false, on_polled);

    request->call.polled = done;
    request->context = context;
    request->first = ask->first;
    request->wanted = ask->wanted;
    request_text(request, ask->worker);
    request_text(request, ask->prefix);
    request_number(request, ask->first);
    request_number(request, ask->wanted);
    request_number(request, ask->rate.limit);
    request_number(request, ask->rate.window_ms);
    request_number(request, ask->margin_ms);
    request_number(request, ask->lease_ms);
    request_number(request, store_poll_times(store)->age_ms);
    request_number(request, STORE_POLL_IDS_MAX);
    request_submit(request);
}

static void on_ended(struct request *request, const struct redis_reply *reply)
{
    (void)request;
    (void)reply; /* one that was refused is asked for again; the log says why */
}

void store_poll_ends(struct store *store, const char *worker, const struct store_poll_end *ends, size_t count)
{
    static const char *const agains[] = {
        [STORE_POLL_LATER] = "later",
        [STORE_POLL_SOON] = "soon",
        [STORE_POLL_UNUSED] = "unused",
    };
    struct request *request = request_script(store, SCRIPT_POLLED, true, on_ended);

    request_text(request, worker);
    request_number(request, store_poll_times(store)->first_ms);
    request_number(request, store_poll_times(store)->age_ms);
    for (size_t i = 0; i < count; i++) {
        request_text(request, ends[i].ticket);
        request_text(request, agains[ends[i].again]);
        request_text(request, ends[i].conversation);
        request_bytes(request, ends[i].asked.data, ends[i].asked.len);
        request_bytes(request, ends[i].ended.data, ends[i].ended.len);
    }
    request_submit(request);
}

static void on_grant(struct request *request, const struct redis_reply *reply)
{
    *(int64_t *)request->context = !reply ? 1 : redis_reply_error(reply) ? -1 : redis_reply_integer(reply);
}

#define GRANT_PATIENCE_MS 10000 /* Redis may be away for so long */
#define GRANT_LOOK_MS     1000  /* the longest wait between two looks: a pause may end early */

int store_take_grant(struct store *store, const struct rate *rate, int64_t margin_ms, int64_t patience_ms,
                     struct reason *why)
{
    const int64_t until_ms = clock_mono_ms() + patience_ms;

    for (int64_t wait_ms = rate->limit > 0 ? 1 : 0; wait_ms != 0;) {
        /* Never sent again by itself: a grant that was taken twice is lost for a window. */
        struct request *request = request_script(store, SCRIPT_GRANT, false, on_grant);
        char name[40];
        int rc;

        (void)snprintf(name, sizeof(name), "command/%016" PRIx64, random_u64());
        request->context = &wait_ms;
        request_text(request, name);
        request_number(request, rate->limit);
        request_number(request, rate->window_ms);
        request_number(request, margin_ms);
        request_submit(request);
        rc = store_finish(store, 0, GRANT_PATIENCE_MS, why);
        if (rc != 0)
            return rc;
        if (wait_ms < 0)
            return request_refused(why);
        if (wait_ms > 0 && clock_mono_ms() + wait_ms > until_ms) {
            reason_set(why, "the org's window is full, or sending is paused, for longer than %lld s: herald status",
                       (long long)(patience_ms / 1000));
            return ERR_LIMIT;
        }
        if (wait_ms > 0)
            (void)poll(NULL, 0, (int)(wait_ms < GRANT_LOOK_MS ? wait_ms : GRANT_LOOK_MS)); /* a signal ends it early */
    }
    return 0;
}
