#include "tests/lib/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

const char *const workers[] = {"w1", "w2", "w3"};

static void ignore_beat(void *context, enum store_beaten beaten)
{
    (void)context;
    (void)beaten;
}

void beat(struct store *store, const char *worker, int64_t lease_ms, const char *note)
{
    const struct store_identity who = {worker, "instance", "test", lease_ms};

    store_beat(store, &who, note, "closed", ignore_beat, NULL);
}

int open_fixture(void **state)
{
    struct fixture *fixture = *state;

    (void)open_empty(state);
    for (size_t i = 0; i < COUNT_OF(workers); i++)
        beat(fixture->store, workers[i], 60000, "");
    drain(fixture->store);
    return 0;
}

int open_fixture_again(struct fixture *fixture)
{
    void *state = fixture;

    store_close(fixture->store);
    return open_fixture(&state);
}

/* --- looking into Redis --- */

void configure(struct fixture *fixture, const char *name, const char *value)
{
    struct redis_reply *reply = redis_server_call(fixture->server, "CONFIG", "SET", name, value, NULL);

    assert_null(redis_reply_error(reply));
    redis_reply_free(reply);
}

/* All that Redis holds but for the time, as one text that is the same exactly when nothing has changed. */
void snapshot(struct fixture *fixture, char out[64])
{
    static const char script[] =
        "local all = {} local names = redis.call('KEYS', '*') table.sort(names)\n"
        "for _, name in ipairs(names) do if name ~= '" KEY ":clock' then\n"
        "  local kind, items = redis.call('TYPE', name).ok, nil\n"
        "  if kind == 'list' then items = redis.call('LRANGE', name, 0, -1)\n"
        "  elseif kind == 'zset' then items = redis.call('ZRANGE', name, 0, -1, 'WITHSCORES')\n"
        "  elseif kind == 'set' then items = redis.call('SMEMBERS', name) table.sort(items)\n"
        "  elseif kind == 'stream' then items = {tostring(redis.call('XLEN', name))}\n"
        "  elseif kind == 'string' then items = {redis.call('GET', name)}\n"
        "  else local flat = redis.call('HGETALL', name) items = {}\n"
        "    for i = 1, #flat, 2 do items[#items + 1] = flat[i] .. '=' .. flat[i + 1] end table.sort(items) end\n"
        "  all[#all + 1] = name .. '\\n' .. table.concat(items, '\\n')\n"
        "end end\n"
        "return redis.sha1hex(table.concat(all, '\\n\\n'))";
    struct redis_reply *reply = redis_server_call(fixture->server, "EVAL", script, "0", NULL);
    size_t len = 0;
    const char *text = redis_reply_text(reply, &len);

    if (!text)
        fail_msg("snapshot: %s", redis_reply_error(reply));
    (void)snprintf(out, 64, "%s", text);
    redis_reply_free(reply);
}

struct store_status *read_status(struct fixture *fixture)
{
    struct store_status *status = mem_zalloc(1, sizeof(*status));
    struct reason why = {""};

    assert_int_equal(store_read_status(fixture->store, status, PATIENCE_MS, &why), 0);
    return status;
}

int64_t counter(const struct store_status *status, const char *name)
{
    return store_counter(status->counters, status->counter_count, name);
}

/* accepted = the sum of all places, and `expected` of them in all. */
void assert_sum(struct fixture *fixture, int64_t expected)
{
    struct store_status *status = read_status(fixture);
    int64_t ready = status->ready[0] + status->ready[1] + status->ready[2];

    assert_int_equal(counter(status, "accepted"), expected);
    assert_int_equal(ready + status->delayed + status->in_flight + status->dead + counter(status, "sent"), expected);
    assert_int_equal(counter(status, "dead"), status->dead);
    free(status);
}

int64_t counted(struct fixture *fixture, const char *name)
{
    struct store_status *status = read_status(fixture);
    int64_t value = counter(status, name);

    free(status);
    return value;
}

/* How many messages there are, wherever; sent ones by their state. */
int64_t places_in_all(struct fixture *fixture)
{
    return ask(
        fixture, "EVAL",
        "local sum, k = 0, '" KEY ":'\n"
        "for _, list in ipairs({'ready:high', 'ready', 'ready:low'}) do\n"
        "  sum = sum + redis.call('LLEN', k .. list) end\n"
        "for _, name in ipairs(redis.call('KEYS', k .. 'inflight:*')) do sum = sum + redis.call('HLEN', name) end\n"
        "return sum + redis.call('ZCARD', k .. 'delayed') + redis.call('HLEN', k .. 'dead:letters') +\n"
        "  tonumber(redis.call('HGET', k .. 'counts', 'sent') or 0)",
        "0");
}

void command_number(struct fixture *fixture, const char *key, const char *field, int64_t by)
{
    char number[24];
    struct redis_reply *reply;

    (void)snprintf(number, sizeof(number), "%lld", (long long)by);
    reply = redis_server_call(fixture->server, "HINCRBY", key, field, number, NULL);
    assert_null(redis_reply_error(reply));
    redis_reply_free(reply);
}

void add_delayed(struct fixture *fixture, int64_t due_ms, const char *text)
{
    char score[32];
    struct redis_reply *reply;

    (void)snprintf(score, sizeof(score), "%lld", (long long)due_ms);
    reply = redis_server_call(fixture->server, "ZADD", KEY ":delayed", score, text, NULL);
    assert_null(redis_reply_error(reply));
    redis_reply_free(reply);
}

/* --- short forms of the store's requests --- */

void on_enqueued(void *context, int rc, const enum store_enqueued *answers, size_t count)
{
    struct enqueued *result = context;

    result->rc = rc;
    result->calls++;
    for (size_t i = 0; i < count; i++)
        result->answers[i] = answers[i] == STORE_ENQUEUED ? '1' : answers[i] == STORE_SEEN ? '0' : 's';
    result->answers[count] = '\0';
}

/* Enqueues texts, each under itself as its idempotency key; `texts` are separated by blanks. */
void start_enqueue(struct store *store, const char *campaign, enum priority priority, int64_t due_ms, const char *texts,
                   struct enqueued *result)
{
    struct store_message messages[STORE_BATCH_MAX];
    size_t count = 0;

    *result = (struct enqueued){.rc = 1};
    for (const char *at = texts; *at; count++) {
        size_t len = strcspn(at, " ");

        messages[count] = (struct store_message){.priority = priority, .due_ms = due_ms, .envelope = {at, len}};
        store_key_of(campaign, messages[count].envelope, messages[count].key);
        at += len + (at[len] == ' ');
    }
    store_enqueue(store, campaign, messages, count, on_enqueued, result);
}

const char *enqueue(struct store *store, const char *campaign, enum priority priority, int64_t due_ms,
                    const char *texts)
{
    static struct enqueued result;

    start_enqueue(store, campaign, priority, due_ms, texts, &result);
    drain(store);
    assert_int_equal(result.calls, 1);
    return result.rc == 0 ? result.answers : "refused";
}

static void on_reserved(void *context, const struct store_reserved *reserved)
{
    struct taken *taken = context;
    size_t used = 0;

    taken->rc = reserved->rc;
    taken->calls++;
    taken->seen = *reserved;
    for (size_t i = 0; i < reserved->count; i++) {
        struct span text = store_reserved_envelope(reserved, i);

        (void)snprintf(taken->each[i], TEXT_MAX, "%.*s", (int)text.len, text.data);
        used +=
            (size_t)snprintf(taken->texts + used, sizeof(taken->texts) - used, "%s%s", i ? " " : "", taken->each[i]);
    }
}

void start_reserve(struct store *store, const char *worker, int64_t first, int64_t wanted, struct rate rate,
                   int64_t margin_ms, struct taken *taken)
{
    const struct store_reserve ask = {
        .worker = worker, .prefix = "t", .first = first, .wanted = wanted, .rate = rate, .margin_ms = margin_ms};

    memset(taken, 0, sizeof(*taken));
    taken->rc = 1;
    store_reserve(store, &ask, on_reserved, taken);
}

struct taken *reserve_within(struct store *store, const char *worker, int64_t first, int64_t wanted, struct rate rate)
{
    static struct taken taken;

    start_reserve(store, worker, first, wanted, rate, 10, &taken);
    drain(store);
    assert_int_equal(taken.calls, 1);
    return &taken;
}

const char *reserve(struct store *store, const char *worker, int64_t first, int64_t wanted)
{
    struct taken *taken = reserve_within(store, worker, first, wanted, UNLIMITED);

    assert_int_equal(taken->rc, 0);
    return taken->texts;
}

void on_settled(void *context, int rc)
{
    int *result = context;

    *result = rc;
}

struct store_settle item_of(const char *ticket, const char *text)
{
    return (struct store_settle){
        .ticket = ticket,
        .id = text,
        .campaign = "",
        .provider_id = "provider-1",
        .conversation_id = "",
        .counted_as = "retries",
        .document = {text, strlen(text)},
        .reason = "rejected",
        .audit = {"{}", 2},
    };
}

int settle_item(struct store *store, enum store_move move, const char *worker, const struct store_settle *item)
{
    int rc = 1;

    store_settle(store, move, worker, item, 1, on_settled, &rc);
    drain(store);
    return rc;
}

int settle(struct store *store, enum store_move move, const char *worker, const char *ticket, const char *text)
{
    const struct store_settle item = item_of(ticket, text);

    return settle_item(store, move, worker, &item);
}
