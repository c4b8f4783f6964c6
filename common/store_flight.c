/* A worker's steps: taking messages into its hands and giving each of them an end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/store_request.h"

/* The public view with the reply behind it; made on the stack of the callback, so a cast finds it again. */
struct reserved_view {
    struct store_reserved shown;
    const struct redis_reply *reply;
};

#define RESERVE_HEAD 5 /* numbers in front of the envelopes */
/* In place of how long the org is paused. */
#define NO_LEASE   (-1)
#define AUDIT_FULL (-2)

struct span store_reserved_envelope(const struct store_reserved *reserved, size_t index)
{
    const struct reserved_view *view = (const struct reserved_view *)reserved;
    struct span envelope = {NULL, 0};

    envelope.data = redis_reply_text(redis_reply_at(view->reply, RESERVE_HEAD + index), &envelope.len);
    return envelope;
}

static void on_reserved(struct request *request, const struct redis_reply *reply)
{
    size_t count = redis_reply_count(reply);
    struct reserved_view view = {
        .shown = {.rc = 0, .first = request->first, .wanted = request->wanted, .due_in_ms = -1},
        .reply = reply,
    };
    int64_t now, due;

    if (!reply) {
        view.shown.rc = ERR_UNREACHABLE;
    } else if (count < RESERVE_HEAD) {
        view.shown.rc = ERR_STATE;
    } else {
        view.shown.now_ms = now = redis_reply_integer(redis_reply_at(reply, 0));
        view.shown.hold_ms = redis_reply_integer(redis_reply_at(reply, 1));
        view.shown.has_no_lease = view.shown.hold_ms == NO_LEASE;
        view.shown.is_audit_full = view.shown.hold_ms == AUDIT_FULL;
        view.shown.window_ms = redis_reply_integer(redis_reply_at(reply, 2));
        due = redis_reply_integer(redis_reply_at(reply, 3));
        if (due > 0)
            view.shown.due_in_ms = due > now ? due - now : 0;
        view.shown.count = count - RESERVE_HEAD;
        request_note_clock(request, redis_reply_integer(redis_reply_at(reply, 4)));
    }
    request->call.reserved(request->context, &view.shown);
}

void store_reserve(struct store *store, const struct store_reserve *ask, store_reserved_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_RESERVE, false, on_reserved);

    request->call.reserved = done;
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
    request_clock(request);
    request_number(request, store_limits(store)->audit_stops ? store_limits(store)->audit_max : 0);
    request_submit(request);
}

static void on_fenced(struct request *request, const struct redis_reply *reply)
{
    (void)request;
    (void)reply; /* it must arrive, and there is nothing to do when it has */
}

void store_fence(struct store *store, const char *worker, const char *prefix, int64_t first)
{
    struct request *request = request_script(store, SCRIPT_FENCE, true, on_fenced);

    request_text(request, worker);
    request_text(request, prefix);
    request_number(request, first);
    request_submit(request);
}

static void on_settled(struct request *request, const struct redis_reply *reply)
{
    request->call.settled(request->context, redis_reply_error(reply) ? ERR_STATE : 0);
}

/* A name that can stand in a row of a report; reap.lua knows the same rule. */
static struct span template_or_other(struct span name)
{
    static const char other[] = "(other)";
    bool is_fine = name.len <= STORE_TEMPLATE_MAX;

    for (size_t i = 0; is_fine && i < name.len; i++)
        is_fine = (unsigned char)name.data[i] >= ' ' && name.data[i] != 0x7f && name.data[i] != '|';
    return is_fine ? name : (struct span){other, sizeof(other) - 1};
}

/* Whom to tell: the URL, and in a line of its own the trace, which goes along with it from here on. */
static void add_whom(struct request *request, const struct store_about *about)
{
    char parent[TRACE_PARENT_SIZE];
    struct buf whom;

    buf_init(&whom, JSON_MAX_BYTES);
    buf_add(&whom, about->callback.data, about->callback.len);
    if (about->callback.len > 0 && about->trace && about->trace->id[0]) {
        trace_write(about->trace, random_u64(), parent);
        buf_char(&whom, '\n');
        buf_text(&whom, parent);
    }
    request_bytes(request, whom.data, whom.len);
    buf_clear(&whom);
}

static void add_about(struct request *request, const struct store_about *about)
{
    const struct span template_name = template_or_other(about->template_name);

    request_text(request, about->channel);
    request_bytes(request, template_name.data, template_name.len);
    request_number(request, about->segments);
    request_number(request, about->since_ms);
    add_whom(request, about);
}

/* Whether sent.lua is told the same of both, so that it is told once. */
static bool is_same_kind(const struct store_settle *one, const struct store_settle *other)
{
    return one->is_new == other->is_new && one->attempts == other->attempts && one->is_polled == other->is_polled &&
           one->about.segments == other->about.segments && strcmp(one->campaign, other->campaign) == 0 &&
           span_is_same(span_of(one->about.channel), span_of(other->about.channel)) &&
           span_is_same(one->about.template_name, other->about.template_name);
}

static void add_kind(struct request *request, const struct store_settle *item)
{
    const struct span template_name = template_or_other(item->about.template_name);

    request_text(request, item->campaign);
    request_text(request, item->is_new ? "1" : "0");
    request_number(request, item->attempts);
    request_text(request, item->about.channel);
    request_bytes(request, template_name.data, template_name.len);
    request_number(request, item->about.segments);
    request_text(request, item->is_polled && store_poll_times(request->store)->age_ms > 0 ? "1" : "0");
}

#define POINTER_MAX 64 /* what stays small in Redis: hash-max-listpack-value */

/* Bytes of an id that may be absent: NULs then. False when it is there and no UUID. */
static bool pack_optional(const char *id, uint8_t out[ID_BYTES])
{
    memset(out, 0, ID_BYTES);
    return !id || !id[0] || id_pack(id, out);
}

/* What is put into Redis of a message, packed (parts/track.lua); false when it does not fit. */
static bool add_packed(struct request *request, const struct store_settle *item)
{
    uint8_t own[1 + ID_BYTES] = {'m'}, provider[1 + ID_BYTES] = {'p'}, ids[2 * ID_BYTES], pointer[POINTER_MAX];
    const size_t pointer_len = 2 * ID_BYTES + item->person.len;

    if (pointer_len > sizeof(pointer) || !id_pack(item->id, own + 1) || !item->provider_id ||
        !id_pack(item->provider_id, provider + 1) || !pack_optional(item->conversation_id, ids + ID_BYTES) ||
        !pack_optional(item->correlation_id, pointer + ID_BYTES))
        return false;
    memcpy(ids, own + 1, ID_BYTES);
    memcpy(pointer, provider + 1, ID_BYTES);
    if (item->person.len > 0)
        memcpy(pointer + 2 * ID_BYTES, item->person.data, item->person.len);
    request_bytes(request, (const char *)own, sizeof(own));
    request_bytes(request, (const char *)pointer, pointer_len);
    request_bytes(request, (const char *)provider, sizeof(provider));
    request_bytes(request, (const char *)ids, sizeof(ids));
    return true;
}

static void add_sent(struct request *request, const struct store_settle *item, size_t kind)
{
    request_number(request, (int64_t)kind);
    request_text(request, item->ticket);
    request_text(request, item->id);
    request_text(request, item->provider_id);
    request_number(request, item->about.since_ms);
    request_bytes(request, item->audit.data, item->audit.len);
    add_whom(request, &item->about);
    if (add_packed(request, item))
        return;
    request_text(request, "");
    request_text(request, item->conversation_id);
    request_text(request, item->correlation_id);
    request_bytes(request, item->person.data, item->person.len);
}

/* The kinds of a batch and then its messages: those of a campaign are mostly of one kind. */
static void add_all_sent(struct request *request, const struct store_settle *items, size_t count)
{
    size_t *kinds = mem_zalloc(count, sizeof(*kinds)); /* the first item of each */
    size_t *kind_of = mem_zalloc(count, sizeof(*kind_of)), kind_count = 0;

    for (size_t i = 0; i < count; i++) {
        size_t kind = 0;

        while (kind < kind_count && !is_same_kind(&items[kinds[kind]], &items[i]))
            kind++;
        if (kind == kind_count)
            kinds[kind_count++] = i;
        kind_of[i] = kind + 1;
    }
    request_number(request, (int64_t)kind_count);
    for (size_t i = 0; i < kind_count; i++)
        add_kind(request, &items[kinds[i]]);
    for (size_t i = 0; i < count; i++)
        add_sent(request, &items[i], kind_of[i]);
    free(kind_of);
    free(kinds);
}

static void add_deferred(struct request *request, const struct store_settle *item)
{
    request_text(request, item->ticket);
    request_text(request, item->campaign);
    request_text(request, item->is_new ? "1" : "0");
    request_number(request, item->delay_ms);
    request_bytes(request, item->document.data, item->document.len);
    request_text(request, item->counted_as);
    request_bytes(request, item->audit.data, item->audit.len);
    request_text(request, item->give_back ? "1" : "0");
    request_text(request, item->id);
    request_number(request, item->attempts);
}

/* Genesys' own word for what was wrong: any bytes. In the index of the dead letters it stands between blanks. */
static void add_code(struct request *request, const char *code)
{
    char clean[STORE_CODE_MAX + 1];
    size_t len = code ? strnlen(code, STORE_CODE_MAX) : 0;

    for (size_t i = 0; i < len; i++)
        clean[i] = code[i] > ' ' && code[i] < 0x7f && code[i] != ',' ? code[i] : '_';
    request_bytes(request, clean, len);
}

static void add_buried(struct request *request, const struct store_settle *item)
{
    request_text(request, item->ticket);
    request_text(request, item->id);
    request_text(request, item->campaign);
    request_text(request, item->is_new ? "1" : "0");
    request_text(request, item->reason);
    request_bytes(request, item->document.data, item->document.len);
    request_bytes(request, item->audit.data, item->audit.len);
    request_text(request, item->give_back ? "1" : "0");
    request_number(request, item->attempts);
    add_code(request, item->code);
    add_about(request, &item->about);
}

static void add_released(struct request *request, const struct store_settle *item)
{
    request_text(request, item->ticket);
    request_text(request, item->give_back ? "1" : "0");
    request_bytes(request, item->audit.data, item->audit.len);
}

static const struct {
    enum script_name script;
    void (*add)(struct request *request, const struct store_settle *item);
} moves[] = {
    [STORE_SENT] = {SCRIPT_SENT, NULL}, /* add_all_sent */
    [STORE_DEFER] = {SCRIPT_DEFER, add_deferred},
    [STORE_BURY] = {SCRIPT_BURY, add_buried},
    [STORE_RELEASE] = {SCRIPT_RELEASE, add_released},
};
_Static_assert(sizeof(moves) / sizeof(moves[0]) == STORE_MOVE_COUNT, "each move has its script");

void store_settle(struct store *store, enum store_move move, const char *worker, const struct store_settle *items,
                  size_t count, store_settled_fn done, void *context)
{
    struct request *request = request_script(store, moves[move].script, true, on_settled);

    request->call.settled = done;
    request->context = context;
    request_text(request, worker);
    if (move != STORE_RELEASE)
        request_number(request, store_limits(store)->keep_ms);
    request_audit_max(request);
    if (move == STORE_SENT) {
        request_number(request, store_poll_times(store)->first_ms);
        request_number(request, store_poll_times(store)->age_ms);
    }
    if (move == STORE_SENT || move == STORE_BURY)
        request_number(request, store_limits(store)->report_ms);
    if (move == STORE_SENT)
        add_all_sent(request, items, count);
    for (size_t i = 0; move != STORE_SENT && i < count; i++)
        moves[move].add(request, &items[i]);
    request_submit(request);
}
