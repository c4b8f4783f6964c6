#include "common/store_audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store_request.h"

/* Answers of audit_claim.lua, in order. */
enum {
    AT_OURS,
    AT_PLACE,
    AT_LEFT,
    AT_ID,
    AT_SEQ,
    AT_SHA256,
    AT_FILE,
    AT_SIZE,
    AT_OLDEST,
    AT_NEWEST,
    AT_LENGTH,
    AT_COUNT
};

#define DIGITS_MAX 20 /* of 64 bits */

static bool read_part(const char *text, size_t len, uint64_t *ret)
{
    uint64_t number = 0;

    if (len == 0 || len > DIGITS_MAX || (len > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');

        if (text[i] < '0' || text[i] > '9' || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret = number;
    return true;
}

bool store_audit_id_parse(const char *text, size_t len, struct store_audit_id *ret)
{
    const char *dash = text ? memchr(text, '-', len) : NULL;
    struct store_audit_id id;

    if (!dash || !read_part(text, (size_t)(dash - text), &id.ms) ||
        !read_part(dash + 1, len - (size_t)(dash - text) - 1, &id.seq))
        return false;
    *ret = id;
    return true;
}

int store_audit_id_compare(const struct store_audit_id *a, const struct store_audit_id *b)
{
    if (a->ms != b->ms)
        return a->ms < b->ms ? -1 : 1;
    return a->seq == b->seq ? 0 : a->seq < b->seq ? -1 : 1;
}

static void add_id(struct request *request, const struct store_audit_id *id)
{
    char text[STORE_AUDIT_ID_SIZE];

    (void)snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu64, id->ms, id->seq);
    request_text(request, text);
}

static struct store_audit_id id_of(const struct redis_reply *reply)
{
    struct store_audit_id id = {0, 0};
    size_t len = 0;
    const char *text = redis_reply_text(reply, &len);

    (void)store_audit_id_parse(text, len, &id); /* what is none is before all others */
    return id;
}

/* Id, number, hash, file and size, in this order from `first` on. */
static struct store_audit_mark mark_of(const struct redis_reply *reply, size_t first)
{
    struct store_audit_mark mark = {.id = id_of(redis_reply_at(reply, first))};
    int64_t seq = redis_reply_integer(redis_reply_at(reply, first + 1));

    mark.seq = seq > 0 ? (uint64_t)seq : 0;
    request_copy_text(mark.sha256, sizeof(mark.sha256), redis_reply_at(reply, first + 2));
    request_copy_text(mark.file, sizeof(mark.file), redis_reply_at(reply, first + 3));
    mark.size = redis_reply_integer(redis_reply_at(reply, first + 4));
    return mark;
}

/* --- who exports --- */

static void on_claimed(struct request *request, const struct redis_reply *reply)
{
    struct store_audit_claimed claimed = {.rc = reply ? ERR_STATE : ERR_UNREACHABLE};

    if (redis_reply_count(reply) == AT_COUNT) {
        claimed.rc = 0;
        claimed.is_ours = redis_reply_integer(redis_reply_at(reply, AT_OURS)) == 1;
        if (claimed.is_ours)
            claimed.was_known = redis_reply_integer(redis_reply_at(reply, AT_PLACE)) == 1;
        else
            request_copy_text(claimed.place, sizeof(claimed.place), redis_reply_at(reply, AT_PLACE));
        claimed.left_ms = redis_reply_integer(redis_reply_at(reply, AT_LEFT));
        claimed.mark = mark_of(reply, AT_ID);
        claimed.oldest = id_of(redis_reply_at(reply, AT_OLDEST));
        claimed.newest = id_of(redis_reply_at(reply, AT_NEWEST));
        claimed.count = redis_reply_integer(redis_reply_at(reply, AT_LENGTH));
    }
    request->call.claimed(request->context, &claimed);
}

void store_audit_claim(struct store *store, const struct store_audit_exporter *exporter, store_audit_claimed_fn done,
                       void *context)
{
    struct request *request = request_script(store, SCRIPT_AUDIT_CLAIM, false, on_claimed);

    request->call.claimed = done;
    request->context = context;
    request_text(request, exporter->name);
    request_number(request, exporter->lease_ms);
    request_text(request, exporter->place);
    request_submit(request);
}

/* --- what is known --- */

struct look_answer {
    struct store_audit_mark *mark;
    bool is_answered;
};

static void on_looked(struct request *request, const struct redis_reply *reply)
{
    struct look_answer *answer = request->context;

    if (redis_reply_count(reply) == 0)
        return;
    answer->is_answered = true;
    *answer->mark = mark_of(reply, 0);
}

int store_audit_look(struct store *store, struct store_audit_mark *ret, int64_t patience_ms, struct reason *why)
{
    static const char *const fields[] = {"id", "seq", "sha256", "file", "size"};
    struct request *request = request_command(store, "HMGET", on_looked);
    struct look_answer answer = {ret, false};
    int rc;

    request->context = &answer;
    request_key(request, "audit:export");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        request_text(request, fields[i]);
    request_submit(request);
    rc = store_finish(store, 0, patience_ms, why);
    return rc == 0 && !answer.is_answered ? request_refused(why) : rc;
}

/* --- taking --- */

static void on_read(struct request *request, const struct redis_reply *reply)
{
    size_t count = redis_reply_count(reply);
    struct store_audit_batch batch = {.rc = reply ? ERR_STATE : ERR_UNREACHABLE, .reply = reply};

    if (count > 0) {
        batch.rc = 0;
        batch.is_ours = redis_reply_integer(redis_reply_at(reply, 0)) == 1;
        batch.count = (count - 1) / 2;
    }
    request->call.audit_read(request->context, &batch);
}

bool store_audit_entry(const struct store_audit_batch *batch, size_t index, struct store_audit_entry *ret)
{
    const struct redis_reply *body = redis_reply_at(batch->reply, 2 + 2 * index);
    struct store_audit_entry entry = {.size = 0};
    size_t len = 0;
    const char *id = redis_reply_text(redis_reply_at(batch->reply, 1 + 2 * index), &len);

    if (!store_audit_id_parse(id, len, &entry.id))
        return false;
    entry.text.data = redis_reply_text(body, &entry.text.len);
    if (!entry.text.data && redis_reply_count(body) > 0) {
        entry.size = redis_reply_integer(redis_reply_at(body, 0));
        entry.field_count = redis_reply_count(body) - 1;
        entry.fields = body;
    }
    *ret = entry;
    return true;
}

struct span store_audit_field(const struct store_audit_entry *entry, size_t index)
{
    struct span field = {NULL, 0};

    field.data = redis_reply_text(redis_reply_at(entry->fields, 1 + index), &field.len);
    return field;
}

void store_audit_read(struct store *store, const struct store_audit_exporter *exporter,
                      const struct store_audit_id *after, int64_t most, int64_t bytes, store_audit_read_fn done,
                      void *context)
{
    struct request *request = request_script(store, SCRIPT_AUDIT_READ, false, on_read);

    request->call.audit_read = done;
    request->context = context;
    request_text(request, exporter->name);
    request_number(request, exporter->lease_ms);
    add_id(request, after);
    request_number(request, most);
    request_number(request, bytes);
    request_submit(request);
}

/* --- letting go --- */

static void on_done(struct request *request, const struct redis_reply *reply)
{
    struct store_audit_done done = {.rc = redis_reply_count(reply) > 0 ? 0 : ERR_STATE};

    done.is_ours = done.rc == 0 && redis_reply_integer(redis_reply_at(reply, 0)) == 1;
    if (done.rc == 0 && !done.is_ours) {
        request_copy_text(done.from, sizeof(done.from), redis_reply_at(reply, 1));
        request_copy_text(done.place, sizeof(done.place), redis_reply_at(reply, 2));
    }
    request->call.audit_done(request->context, &done);
}

void store_audit_acknowledge(struct store *store, const struct store_audit_exporter *exporter,
                             const struct store_audit_mark *mark, int64_t base, store_audit_done_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_AUDIT_DONE, true, on_done);
    struct store_audit_id keep = {mark->id.ms + (mark->id.seq == UINT64_MAX), mark->id.seq + 1}; /* wraps to 0 */

    request->call.audit_done = done;
    request->context = context;
    request_text(request, exporter->name);
    request_number(request, exporter->lease_ms);
    if (mark->seq > 0)
        add_id(request, &mark->id);
    else
        request_text(request, ""); /* nothing is to go */
    add_id(request, &keep);
    request_number(request, (int64_t)mark->seq);
    request_text(request, mark->sha256);
    request_text(request, mark->file);
    request_number(request, mark->size);
    if (base >= 0)
        request_number(request, base);
    else
        request_text(request, "");
    request_submit(request);
}

/* --- waiting --- */

static void on_stirred(struct request *request, const struct redis_reply *reply)
{
    (void)reply; /* an entry, none in time, or a lost connection: look again in each case */
    request->call.plain(request->context);
}

void store_audit_watch(struct store *store, const struct store_audit_id *after, int64_t timeout_ms,
                       void (*done)(void *context), void *context)
{
    struct request *request = request_command(store, "XREAD", on_stirred);

    request->call.plain = done;
    request->context = context;
    request_text(request, "COUNT");
    request_text(request, "1");
    request_text(request, "BLOCK");
    request_number(request, timeout_ms);
    request_text(request, "STREAMS");
    request_key(request, "audit");
    add_id(request, after);
    request_submit(request);
}
