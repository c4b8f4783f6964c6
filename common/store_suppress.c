#include "common/store_suppress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/store_request.h"

#define SCAN_COUNT "1000" /* about so many in one answer */

static void on_suppressed(struct request *request, const struct redis_reply *reply)
{
    size_t len = 0, count = (size_t)request->count;
    const char *letters = redis_reply_text(reply, &len);
    int rc = letters && !redis_reply_error(reply) && len == count ? 0 : ERR_STATE;
    bool *changed = mem_zalloc(count, sizeof(*changed));

    for (size_t i = 0; rc == 0 && i < count; i++)
        changed[i] = letters[i] == '1';
    request->call.suppressed(request->context, rc, changed, count);
    free(changed);
}

void store_suppress(struct store *store, bool is_added, const struct store_suppression *items, size_t count,
                    store_suppressed_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_SUPPRESS, true, on_suppressed);

    request->call.suppressed = done;
    request->context = context;
    request->count = (int64_t)count;
    request_text(request, is_added ? "add" : "remove");
    request_audit_max(request);
    for (size_t i = 0; i < count; i++) {
        request_bytes(request, items[i].person.data, items[i].person.len);
        request_bytes(request, items[i].audit.data, items[i].audit.len);
    }
    request_submit(request);
}

/* --- looking at all --- */

struct scan {
    char cursor[24]; /* "0" at the end */
    bool (*visit)(void *context, struct span person);
    void *context;
    bool is_answered, is_stopped;
};

static void on_scanned(struct request *request, const struct redis_reply *reply)
{
    struct scan *scan = request->context;
    const struct redis_reply *people = redis_reply_at(reply, 1);
    const char *cursor = redis_reply_text(redis_reply_at(reply, 0), NULL);

    if (!cursor)
        return;
    scan->is_answered = true;
    (void)snprintf(scan->cursor, sizeof(scan->cursor), "%s", cursor); /* a number of 64 bits */
    for (size_t i = 0; i < redis_reply_count(people) && !scan->is_stopped; i++) {
        struct span person = {NULL, 0};

        person.data = redis_reply_text(redis_reply_at(people, i), &person.len);
        scan->is_stopped = !scan->visit(scan->context, person);
    }
}

int store_list_suppressed(struct store *store, bool (*visit)(void *context, struct span person), void *context,
                          int64_t patience_ms, struct reason *why)
{
    struct scan scan = {.cursor = "0", .visit = visit, .context = context};

    do {
        struct request *request = request_command(store, "SSCAN", on_scanned);
        int rc;

        scan.is_answered = false;
        request->context = &scan;
        request->must_arrive = true;
        request_key(request, "suppressed");
        request_text(request, scan.cursor);
        request_text(request, "COUNT");
        request_text(request, SCAN_COUNT);
        request_submit(request);
        rc = store_finish(store, 0, patience_ms, why);
        if (rc == 0 && !scan.is_answered) {
            reason_set(why, "Redis refused to say; the log above has its reason");
            rc = ERR_STATE;
        }
        if (rc != 0)
            return rc;
    } while (!scan.is_stopped && strcmp(scan.cursor, "0") != 0);
    return 0;
}
