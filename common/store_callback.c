#include "common/store_callback.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/store_request.h"

#define TAKE_HEAD 4 /* numbers in front of the callbacks */
#define LOOK_HEAD 5

static void ignore(struct request *request, const struct redis_reply *reply)
{
    (void)request;
    (void)reply; /* it must arrive; when Redis refuses it the log says why */
}

void store_set_callbacks(struct store *store, const char *url, int64_t most)
{
    struct request *request = request_script(store, SCRIPT_CALLBACK_SETTINGS, true, ignore);

    request_text(request, url);
    request_number(request, most);
    request_submit(request);
}

/* --- a worker's steps --- */

static struct span text_at(const struct redis_reply *reply, size_t index)
{
    struct span text = {NULL, 0};

    text.data = redis_reply_text(redis_reply_at(reply, index), &text.len);
    return text;
}

static void on_taken(struct request *request, const struct redis_reply *reply)
{
    size_t count = redis_reply_count(reply);
    struct store_callbacks *taken = mem_zalloc(1, sizeof(*taken));
    int64_t now, due;

    taken->due_in_ms = -1;
    if (!reply) {
        taken->rc = ERR_UNREACHABLE;
    } else if (count < TAKE_HEAD || (count - TAKE_HEAD) / 3 > STORE_CALLBACKS_MAX) {
        taken->rc = ERR_STATE;
    } else {
        now = redis_reply_integer(redis_reply_at(reply, 0));
        taken->wall_ms = redis_reply_integer(redis_reply_at(reply, 1));
        due = redis_reply_integer(redis_reply_at(reply, 2));
        if (due > 0)
            taken->due_in_ms = due > now ? due - now : 0;
        taken->dropped = redis_reply_integer(redis_reply_at(reply, 3));
        taken->count = (count - TAKE_HEAD) / 3;
        for (size_t i = 0; i < taken->count; i++) {
            taken->items[i] = (struct store_callback){
                .id = text_at(reply, TAKE_HEAD + 3 * i),
                .host = text_at(reply, TAKE_HEAD + 3 * i + 1),
                .document = text_at(reply, TAKE_HEAD + 3 * i + 2),
            };
        }
    }
    request->call.callbacks(request->context, taken);
    free(taken);
}

void store_take_callbacks(struct store *store, const struct store_callback_take *ask, store_callbacks_fn done,
                          void *context)
{
    struct request *request = request_script(store, SCRIPT_CALLBACK_TAKE, false, on_taken);

    request->call.callbacks = done;
    request->context = context;
    request_number(request, ask->wanted);
    request_number(request, ask->most_of_host);
    request_number(request, ask->lease_ms);
    for (size_t i = 0; i < ask->busy_count; i++) {
        request_text(request, ask->busy[i].host);
        request_number(request, ask->busy[i].count);
    }
    request_submit(request);
}

static void on_ended(struct request *request, const struct redis_reply *reply)
{
    request->call.settled(request->context, redis_reply_error(reply) ? ERR_STATE : 0);
}

void store_end_callbacks(struct store *store, const struct store_callback_end *ends, size_t count, int64_t most_dead,
                         store_settled_fn done, void *context)
{
    static const char *const outcomes[] = {
        [STORE_CALLBACK_DONE] = "done",
        [STORE_CALLBACK_LATER] = "later",
        [STORE_CALLBACK_DEAD] = "dead",
    };
    static const char *const verdicts[] = {
        [STORE_HOST_UNJUDGED] = "",
        [STORE_HOST_UP] = "up",
        [STORE_HOST_DOWN] = "down",
    };
    struct request *request = request_script(store, SCRIPT_CALLBACK_END, true, on_ended);

    request->call.settled = done;
    request->context = context;
    request_number(request, most_dead);
    for (size_t i = 0; i < count; i++) {
        request_text(request, ends[i].id);
        request_text(request, ends[i].host);
        request_text(request, outcomes[ends[i].outcome]);
        request_number(request, ends[i].delay_ms);
        request_bytes(request, ends[i].document.data, ends[i].document.len);
        request_text(request, ends[i].reason);
        request_text(request, verdicts[ends[i].verdict]);
        request_number(request, ends[i].host_wait_ms);
        request_number(request, (int64_t)(random_u64() & UINT16_MAX));
    }
    request_submit(request);
}

/* --- for people --- */

struct look_answer {
    struct store_callback_look *look;
    bool is_answered;
};

static void read_hosts(const struct redis_reply *reply, struct store_callback_look *look)
{
    for (size_t i = 0; i + 2 < redis_reply_count(reply) && look->host_count < STORE_CALLBACK_HOSTS; i += 3) {
        struct store_callback_host *host = &look->hosts[look->host_count++];

        request_copy_text(host->name, sizeof(host->name), redis_reply_at(reply, i));
        host->failures = redis_reply_integer(redis_reply_at(reply, i + 1));
        host->hold_ms = redis_reply_integer(redis_reply_at(reply, i + 2));
    }
}

static void on_looked(struct request *request, const struct redis_reply *reply)
{
    struct look_answer *answer = request->context;
    struct store_callback_look *look = answer->look;
    const struct redis_reply *counts = redis_reply_at(reply, 3);
    size_t count = redis_reply_count(reply);

    if (count < LOOK_HEAD)
        return;
    answer->is_answered = true;
    look->waiting = redis_reply_integer(redis_reply_at(reply, 0));
    look->under_way = redis_reply_integer(redis_reply_at(reply, 1));
    look->dead = redis_reply_integer(redis_reply_at(reply, 2));
    for (size_t i = 0; i + 1 < redis_reply_count(counts) && look->counter_count < STORE_CALLBACK_COUNTERS; i += 2) {
        struct store_counter *counter = &look->counters[look->counter_count++];

        request_copy_text(counter->name, sizeof(counter->name), redis_reply_at(counts, i));
        counter->value = redis_reply_integer(redis_reply_at(counts, i + 1));
    }
    read_hosts(redis_reply_at(reply, 4), look);
    for (size_t i = LOOK_HEAD; i + 1 < count && look->item_count < STORE_CALLBACK_PAGE; i += 2) {
        struct store_dead_callback *item = &look->items[look->item_count++];
        struct span document = text_at(reply, i + 1);

        request_copy_text(item->id, sizeof(item->id), redis_reply_at(reply, i));
        item->document = mem_copy(document.data ? document.data : "", document.len);
        item->len = document.len;
    }
}

static void add_bound(struct request *request, char kind, const char *id)
{
    char bound[ID_SIZE + 1];

    (void)snprintf(bound, sizeof(bound), "%c%.*s", kind, ID_MAX, id);
    request_text(request, bound);
}

int store_look_at_callbacks(struct store *store, const struct store_callback_page *page,
                            struct store_callback_look *ret, int64_t patience_ms, struct reason *why)
{
    struct request *request = request_script(store, SCRIPT_CALLBACK_LOOK, true, on_looked);
    struct look_answer answer = {ret, false};
    int rc;

    memset(ret, 0, sizeof(*ret));
    request->context = &answer;
    if (page->only) {
        add_bound(request, '[', page->only);
        add_bound(request, '[', page->only);
    } else {
        add_bound(request, '(', page->after);
        request_text(request, "+");
    }
    request_number(request, (int64_t)(page->most < STORE_CALLBACK_PAGE ? page->most : STORE_CALLBACK_PAGE));
    request_submit(request);
    rc = store_finish(store, 0, patience_ms, why);
    if (rc == 0 && !answer.is_answered)
        rc = request_refused(why);
    return rc;
}

void store_callback_look_clear(struct store_callback_look *look)
{
    for (size_t i = 0; i < look->item_count; i++)
        free(look->items[i].document);
    look->item_count = 0;
}

struct settle_answer {
    struct store_settled_callbacks settled;
    bool is_answered;
};

static void on_settled(struct request *request, const struct redis_reply *reply)
{
    struct settle_answer *answer = request->context;

    answer->is_answered = redis_reply_count(reply) == 2;
    answer->settled.taken = redis_reply_integer(redis_reply_at(reply, 0));
    answer->settled.unreadable = redis_reply_integer(redis_reply_at(reply, 1));
}

int store_settle_callbacks(struct store *store, bool is_replay, const char *const *ids, size_t count,
                           const struct audit_by *by, struct store_settled_callbacks *ret, int64_t patience_ms,
                           struct reason *why)
{
    const struct audit_action action = {
        .what = is_replay ? "callback_replay" : "callback_purge",
        .by = by,
        .at_ms = clock_wall_ms(),
        .count = -1,
    };
    struct request *request = request_script(store, SCRIPT_CALLBACK_SETTLE, true, on_settled);
    struct settle_answer answer = {.is_answered = false};
    struct buf entry;
    int rc;

    buf_init(&entry, AUDIT_ACTION_MAX);
    audit_action_write(&action, &entry);
    request->context = &answer;
    request_text(request, is_replay ? "replay" : "purge");
    request_audit_max(request);
    request_bytes(request, entry.data, entry.len - 1); /* the script adds how many, and the brace */
    for (size_t i = 0; i < count; i++)
        request_text(request, ids[i]);
    request_submit(request);
    buf_clear(&entry);
    rc = store_finish(store, 0, patience_ms, why);
    if (rc == 0 && !answer.is_answered)
        rc = request_refused(why);
    if (rc == 0)
        *ret = answer.settled;
    return rc;
}
