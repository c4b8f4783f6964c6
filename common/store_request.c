#include "common/store_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/mem.h"
#include "common/store_parts.h"

#define SPARE_MAX       8                   /* requests that are kept to be used again, and how long they */
#define SPARE_BYTES_MAX ((size_t)128 << 10) /* may have grown */

/* A request of each batch would grow its buffer from nothing again, copying what is in it a dozen times. */
void request_free(struct request *request)
{
    struct store *store = request->store;

    if (store->spare_count == SPARE_MAX || request->bytes.cap > SPARE_BYTES_MAX) {
        buf_clear(&request->bytes);
        free(request);
        return;
    }
    request->next = store->spare;
    store->spare = request;
    store->spare_count++;
}

/* One that has nothing in it, used before or new. */
static struct request *request_blank(struct store *store)
{
    struct request *request = store->spare;
    struct buf bytes;

    if (!request) {
        request = mem_zalloc(1, sizeof(*request));
        buf_init(&request->bytes, STORE_ARGUMENT_MAX);
        return request;
    }
    store->spare = request->next;
    store->spare_count--;
    bytes = request->bytes;
    buf_reset(&bytes);
    *request = (struct request){.bytes = bytes};
    return request;
}

void request_free_spares(struct store *store)
{
    while (store->spare) {
        struct request *request = store->spare;

        store->spare = request->next;
        buf_clear(&request->bytes);
        free(request);
    }
    store->spare_count = 0;
}

struct request *request_unsent(struct store *store, enum script_name script)
{
    struct request *last = store->last;

    return last && !last->is_sent && last->script == (int)script ? last : NULL;
}

/* One argument in the form of Redis' protocol: `$5\r\nhello\r\n`. */
static void add_argument(struct buf *buf, const char *data, size_t len)
{
    char head[BUF_DIGITS + 3] = "$";
    size_t head_len = 1 + buf_digits((int64_t)len, head + 1);

    head[head_len++] = '\r';
    head[head_len++] = '\n';
    buf_add(buf, head, head_len);
    buf_add(buf, data, len);
    buf_add(buf, "\r\n", 2);
}

void request_bytes(struct request *request, const char *data, size_t len)
{
    add_argument(&request->bytes, data, len);
    request->argc++;
}

void request_text(struct request *request, const char *text)
{
    request_bytes(request, text ? text : "", text ? strlen(text) : 0);
}

void request_number(struct request *request, int64_t number)
{
    char digits[BUF_DIGITS];

    request_bytes(request, digits, buf_digits(number, digits));
}

void request_audit_max(struct request *request)
{
    const struct store_limits *limits = &request->store->limits;

    request_number(request, limits->audit_stops ? INT64_MAX : limits->audit_max);
}

void request_key(struct request *request, const char *name)
{
    char key[STORE_ORG_MAX + ID_MAX + 64]; /* the longest name is that of a message */

    request_bytes(request, key, (size_t)snprintf(key, sizeof(key), "%s:%s", request->store->org_key, name));
}

static struct request *request_new(struct store *store, int script, bool must_arrive, request_done done)
{
    struct request *request = request_blank(store);

    request->store = store;
    request->script = script;
    request->must_arrive = must_arrive;
    request->done = done;
    return request;
}

struct request *request_script(struct store *store, enum script_name script, bool must_arrive, request_done done)
{
    struct request *request = request_new(store, (int)script, must_arrive, done);

    request_text(request, "1");
    request_text(request, store->org_key);
    return request;
}

struct request *request_command(struct store *store, const char *command, request_done done)
{
    struct request *request = request_new(store, -1, false, done);

    request_text(request, command);
    return request;
}

void request_clock(struct request *request)
{
    const struct store *store = request->store;

    request->asked_ms = clock_boot_ms();
    request_number(request, store->has_clock ? request->asked_ms + store->clock_least_ms : 0);
    request_number(request, store->has_clock ? request->asked_ms + store->clock_most_ms : 0);
}

void request_note_clock(const struct request *request, int64_t now_ms)
{
    request->store->clock_least_ms = now_ms - clock_boot_ms();
    request->store->clock_most_ms = now_ms - request->asked_ms;
    request->store->has_clock = true;
}

void request_submit(struct request *request)
{
    struct store *store = request->store;

    if (store->last)
        store->last->next = request;
    else
        store->first = request;
    store->last = request;
    if (!store->unsent)
        store->unsent = request;
    store->pending++;
}

void request_copy_text(char *out, size_t size, const struct redis_reply *reply)
{
    size_t len = 0;
    const char *text = redis_reply_text(reply, &len);

    if (len >= size)
        len = size - 1;
    if (text)
        memcpy(out, text, len);
    out[len] = '\0';
}

int request_refused(struct reason *why)
{
    reason_set(why, "Redis refused it; the log above has its reason");
    return ERR_STATE;
}
