/* The store against a real Redis: every state change, each one repeated, cut off, refused and interleaved, and after
 * every step each message is in exactly one place. */
#include "common/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "tests/lib/redis_server.h"
#include "tests/unit/unit.h"

#define PATIENCE_MS 20000
#define KEY         "herald:{t}"
#define TEXT_MAX    64
#define UNLIMITED                                                                                                      \
    (struct rate)                                                                                                      \
    {                                                                                                                  \
        0, 0                                                                                                           \
    }

static const char *const workers[] = {"w1", "w2", "w3"};

struct fixture {
    struct redis_server *server;
    struct store *store;
};

/* --- one server for all tests, and a store for each --- */

static int start_server(void **state)
{
    struct fixture *fixture = mem_zalloc(1, sizeof(*fixture));

    fixture->server = redis_server_start();
    *state = fixture;
    return 0;
}

static int stop_server(void **state)
{
    struct fixture *fixture = *state;

    redis_server_stop(fixture->server);
    free(fixture);
    return 0;
}

static struct store *open_store(const char *url)
{
    struct store *store = NULL;
    struct reason why = {""};

    assert_int_equal(store_open(&store, url, "t", &why), 0);
    return store;
}

static void finish(struct store *store)
{
    struct reason why = {""};

    if (store_finish(store, 0, PATIENCE_MS, &why) != 0)
        fail_msg("%s", why.text);
}

static void ignore_beat(void *context, enum store_beaten beaten)
{
    (void)context;
    (void)beaten;
}

static void beat(struct store *store, const char *worker, int64_t lease_ms, const char *note)
{
    const struct store_identity who = {worker, "instance", "test", lease_ms};

    store_beat(store, &who, note, "closed", ignore_beat, NULL);
}

static int open_fixture(void **state)
{
    struct fixture *fixture = *state;

    redis_reply_free(redis_server_call(fixture->server, "FLUSHALL", NULL));
    fixture->store = open_store(redis_server_url(fixture->server));
    for (size_t i = 0; i < COUNT_OF(workers); i++)
        beat(fixture->store, workers[i], 60000, "");
    finish(fixture->store);
    return 0;
}

static int open_fixture_again(struct fixture *fixture)
{
    void *state = fixture;

    store_close(fixture->store);
    return open_fixture(&state);
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;

    store_close(fixture->store);
    fixture->store = NULL;
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

/* --- looking into Redis --- */

static void configure(struct fixture *fixture, const char *name, const char *value)
{
    struct redis_reply *reply = redis_server_call(fixture->server, "CONFIG", "SET", name, value, NULL);

    assert_null(redis_reply_error(reply));
    redis_reply_free(reply);
}

static void command(struct fixture *fixture, const char *a, const char *b, const char *c)
{
    struct redis_reply *reply = redis_server_call(fixture->server, a, b, c, NULL);

    if (redis_reply_error(reply))
        fail_msg("%s: %s", a, redis_reply_error(reply));
    redis_reply_free(reply);
}

static int64_t ask(struct fixture *fixture, const char *a, const char *b, const char *c)
{
    struct redis_reply *reply = redis_server_call(fixture->server, a, b, c, NULL);
    int64_t number = redis_reply_integer(reply);

    redis_reply_free(reply);
    return number;
}

/* All that Redis holds, as one text that is the same exactly when nothing has changed. */
static void snapshot(struct fixture *fixture, char out[64])
{
    static const char script[] =
        "local all = {} local names = redis.call('KEYS', '*') table.sort(names)\n"
        "for _, name in ipairs(names) do\n"
        "  local kind, items = redis.call('TYPE', name).ok, nil\n"
        "  if kind == 'list' then items = redis.call('LRANGE', name, 0, -1)\n"
        "  elseif kind == 'zset' then items = redis.call('ZRANGE', name, 0, -1, 'WITHSCORES')\n"
        "  elseif kind == 'set' then items = redis.call('SMEMBERS', name) table.sort(items)\n"
        "  elseif kind == 'stream' then items = {tostring(redis.call('XLEN', name))}\n"
        "  elseif kind == 'string' then items = {redis.call('GET', name)}\n"
        "  else local flat = redis.call('HGETALL', name) items = {}\n"
        "    for i = 1, #flat, 2 do items[#items + 1] = flat[i] .. '=' .. flat[i + 1] end table.sort(items) end\n"
        "  all[#all + 1] = name .. '\\n' .. table.concat(items, '\\n')\n"
        "end\n"
        "return redis.sha1hex(table.concat(all, '\\n\\n'))";
    struct redis_reply *reply = redis_server_call(fixture->server, "EVAL", script, "0", NULL);
    size_t len = 0;
    const char *text = redis_reply_text(reply, &len);

    if (!text)
        fail_msg("snapshot: %s", redis_reply_error(reply));
    (void)snprintf(out, 64, "%s", text);
    redis_reply_free(reply);
}

static struct store_status *read_status(struct fixture *fixture)
{
    struct store_status *status = mem_zalloc(1, sizeof(*status));
    struct reason why = {""};

    assert_int_equal(store_read_status(fixture->store, status, PATIENCE_MS, &why), 0);
    return status;
}

static int64_t counter(const struct store_status *status, const char *name)
{
    return store_counter(status->counters, status->counter_count, name);
}

/* accepted = the sum of all places, and `expected` of them in all. */
static void assert_sum(struct fixture *fixture, int64_t expected)
{
    struct store_status *status = read_status(fixture);
    int64_t ready = status->ready[0] + status->ready[1] + status->ready[2];

    assert_int_equal(counter(status, "accepted"), expected);
    assert_int_equal(ready + status->delayed + status->in_flight + status->dead + counter(status, "sent"), expected);
    assert_int_equal(counter(status, "dead"), status->dead);
    free(status);
}

static int64_t counted(struct fixture *fixture, const char *name)
{
    struct store_status *status = read_status(fixture);
    int64_t value = counter(status, name);

    free(status);
    return value;
}

/* How many messages there are, wherever; sent ones by their state. */
static int64_t places_in_all(struct fixture *fixture)
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

static void command_number(struct fixture *fixture, const char *key, const char *field, int64_t by)
{
    char number[24];
    struct redis_reply *reply;

    (void)snprintf(number, sizeof(number), "%lld", (long long)by);
    reply = redis_server_call(fixture->server, "HINCRBY", key, field, number, NULL);
    assert_null(redis_reply_error(reply));
    redis_reply_free(reply);
}

/* --- short forms of the store's requests --- */

struct enqueued {
    int rc, calls;
    char answers[STORE_BATCH_MAX + 1];
};

static void on_enqueued(void *context, int rc, const enum store_enqueued *answers, size_t count)
{
    struct enqueued *result = context;

    result->rc = rc;
    result->calls++;
    for (size_t i = 0; i < count; i++)
        result->answers[i] = answers[i] == STORE_ENQUEUED ? '1' : answers[i] == STORE_SEEN ? '0' : 's';
    result->answers[count] = '\0';
}

/* Enqueues texts, each under itself as its idempotency key; `texts` are separated by blanks. */
static void start_enqueue(struct store *store, const char *campaign, enum priority priority, int64_t due_ms,
                          const char *texts, struct enqueued *result)
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

static const char *enqueue(struct store *store, const char *campaign, enum priority priority, int64_t due_ms,
                           const char *texts)
{
    static struct enqueued result;

    start_enqueue(store, campaign, priority, due_ms, texts, &result);
    finish(store);
    assert_int_equal(result.calls, 1);
    return result.rc == 0 ? result.answers : "refused";
}

struct taken {
    int rc, calls;
    struct store_reserved seen;
    char texts[STORE_BATCH_MAX * TEXT_MAX]; /* separated by blanks */
    char each[STORE_BATCH_MAX][TEXT_MAX];
};

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

static void start_reserve(struct store *store, const char *worker, int64_t first, int64_t wanted, struct rate rate,
                          int64_t margin_ms, struct taken *taken)
{
    const struct store_reserve ask = {
        .worker = worker, .prefix = "t", .first = first, .wanted = wanted, .rate = rate, .margin_ms = margin_ms};

    memset(taken, 0, sizeof(*taken));
    taken->rc = 1;
    store_reserve(store, &ask, on_reserved, taken);
}

static struct taken *reserve_within(struct store *store, const char *worker, int64_t first, int64_t wanted,
                                    struct rate rate)
{
    static struct taken taken;

    start_reserve(store, worker, first, wanted, rate, 10, &taken);
    finish(store);
    assert_int_equal(taken.calls, 1);
    return &taken;
}

static const char *reserve(struct store *store, const char *worker, int64_t first, int64_t wanted)
{
    struct taken *taken = reserve_within(store, worker, first, wanted, UNLIMITED);

    assert_int_equal(taken->rc, 0);
    return taken->texts;
}

static void on_settled(void *context, int rc)
{
    int *result = context;

    *result = rc;
}

static struct store_settle item_of(const char *ticket, const char *text)
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

static int settle_item(struct store *store, enum store_move move, const char *worker, const struct store_settle *item)
{
    int rc = 1;

    store_settle(store, move, worker, item, 1, on_settled, &rc);
    finish(store);
    return rc;
}

static int settle(struct store *store, enum store_move move, const char *worker, const char *ticket, const char *text)
{
    const struct store_settle item = item_of(ticket, text);

    return settle_item(store, move, worker, &item);
}

/* --- putting messages in --- */

static void test_a_key_is_accepted_once_within_a_campaign_and_once_outside(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;

    assert_string_equal(enqueue(store, "spring", PRIORITY_NORMAL, 0, "a b a c"), "1101");
    assert_string_equal(enqueue(store, "spring", PRIORITY_NORMAL, 0, "c d"), "01");
    assert_string_equal(enqueue(store, "summer", PRIORITY_NORMAL, 0, "a"), "1");
    assert_string_equal(enqueue(store, NULL, PRIORITY_NORMAL, 0, "a a"), "10");
    assert_int_equal(counted(*state, "duplicates"), 3);
    assert_sum(*state, 6);
}

static void test_a_campaign_counts_for_itself(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct store_counter counters[STORE_COUNTERS_MAX];
    struct reason why;
    size_t count = 0;

    (void)enqueue(store, "spring", PRIORITY_NORMAL, 0, "a b c");
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "d");
    assert_int_equal(store_read_campaign(store, "spring", counters, &count, PATIENCE_MS, &why), 0);
    assert_int_equal(store_counter(counters, count, "accepted"), 3);
    assert_int_equal(store_read_campaign(store, "autumn", counters, &count, PATIENCE_MS, &why), 0);
    assert_int_equal(count, 0);
}

static void test_a_key_outside_campaigns_is_remembered_for_its_time_and_not_for_ever(void **state)
{
    struct fixture *fixture = *state;
    int64_t start_ms = clock_mono_ms(), until_ms;

    store_set_limits(fixture->store, &(struct store_limits){60000, 900, 60000, 1000});
    assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a"), "1");
    for (;;) { /* seen again for as long as was promised */
        const char *answers = enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a");

        until_ms = clock_mono_ms() - start_ms;
        if (answers[0] == '1')
            break;
        assert_true(until_ms < 10000);
        (void)usleep(5000);
    }
    assert_true(until_ms >= 900);
    assert_true(ask(fixture, "EVAL",
                    "for _, name in ipairs(redis.call('KEYS', '*seen*')) do if redis.call('PTTL', name) < 0 then "
                    "return 0 end end return 1",
                    "0") == 1);
}

static void test_the_batch_goes_to_the_list_of_its_priority_or_waits_until_it_is_due(void **state)
{
    struct fixture *fixture = *state;
    struct store_status *status;

    (void)enqueue(fixture->store, NULL, PRIORITY_HIGH, 0, "h1 h2");
    (void)enqueue(fixture->store, NULL, PRIORITY_LOW, 1, "l1"); /* due long ago */
    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, clock_wall_ms() + 100000, "d1");
    status = read_status(fixture);
    assert_int_equal(status->ready[PRIORITY_HIGH], 2);
    assert_int_equal(status->ready[PRIORITY_LOW], 1);
    assert_int_equal(status->delayed, 1);
    assert_in_range(status->due_in_ms, 90000, 100000);
    free(status);
    assert_sum(fixture, 4);
}

static void test_whoever_has_opted_out_is_not_enqueued_and_his_key_is_not_remembered(void **state)
{
    struct fixture *fixture = *state;
    struct store_message messages[] = {
        {.priority = PRIORITY_NORMAL, .envelope = span_of("a"), .person = span_of("open:ann")},
        {.priority = PRIORITY_NORMAL, .envelope = span_of("b"), .person = span_of("open:bob")},
        {.priority = PRIORITY_NORMAL, .envelope = span_of("c")},
    };
    struct enqueued result = {.rc = 1};

    for (size_t i = 0; i < COUNT_OF(messages); i++)
        store_key_of("spring", messages[i].envelope, messages[i].key);
    command(fixture, "SADD", KEY ":suppressed", "open:ann");
    store_enqueue(fixture->store, "spring", messages, COUNT_OF(messages), on_enqueued, &result);
    finish(fixture->store);
    assert_string_equal(result.answers, "s11");
    assert_sum(fixture, 2);
    assert_int_equal(counted(fixture, "duplicates"), 0);
    command(fixture, "SREM", KEY ":suppressed", "open:ann");
    store_enqueue(fixture->store, "spring", messages, COUNT_OF(messages), on_enqueued, &result);
    finish(fixture->store);
    assert_string_equal(result.answers, "100");
    assert_sum(fixture, 3);
    assert_int_equal(counted(fixture, "duplicates"), 2);
}

/* --- taking --- */

static void add_delayed(struct fixture *fixture, int64_t due_ms, const char *text)
{
    char score[32];
    struct redis_reply *reply;

    (void)snprintf(score, sizeof(score), "%lld", (long long)due_ms);
    reply = redis_server_call(fixture->server, "ZADD", KEY ":delayed", score, text, NULL);
    assert_null(redis_reply_error(reply));
    redis_reply_free(reply);
}

static void test_due_ones_come_first_then_high_normal_and_low_each_in_order(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;

    (void)enqueue(store, NULL, PRIORITY_LOW, 0, "l1 l2");
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "n1 n2");
    (void)enqueue(store, NULL, PRIORITY_HIGH, 0, "h1 h2");
    add_delayed(*state, 2000, "d2");
    add_delayed(*state, 1000, "d1");
    add_delayed(*state, clock_wall_ms() + 60000, "d3");
    assert_string_equal(reserve(store, "w1", 0, 3), "d1 d2 h1");
    assert_string_equal(reserve(store, "w2", 0, 4), "h2 n1 n2 l1");
    assert_string_equal(reserve(store, "w1", 3, 9), "l2");
    assert_string_equal(reserve(store, "w1", 12, 9), "");
}

static void test_a_plain_LPUSH_by_any_client_is_taken_and_counted_as_accepted_when_it_is_settled(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle item = item_of("t1", "b");

    command(fixture, "LPUSH", KEY ":ready", "a");
    command(fixture, "LPUSH", KEY ":ready", "b");
    assert_string_equal(reserve(fixture->store, "w1", 0, 2), "a b");
    item.is_new = true;
    item.campaign = "spring";
    assert_int_equal(settle_item(fixture->store, STORE_SENT, "w1", &item), 0);
    assert_int_equal(counted(fixture, "accepted"), 1);
    item = item_of("t0", "a");
    item.is_new = true;
    assert_int_equal(settle_item(fixture->store, STORE_BURY, "w1", &item), 0);
    assert_sum(fixture, 2);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "accepted"), 1);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "sent"), 1);
}

static void test_the_window_grants_its_limit_and_says_when_there_is_more(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    const struct rate rate = {3, 400};
    struct taken *taken;
    int64_t start_ms = clock_mono_ms();

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a b c d e");
    taken = reserve_within(store, "w1", 0, 2, rate);
    assert_string_equal(taken->texts, "a b");
    taken = reserve_within(store, "w2", 0, 2, rate);
    assert_string_equal(taken->texts, "c");
    taken = reserve_within(store, "w1", 2, 2, rate);
    assert_int_equal(taken->seen.count, 0);
    assert_in_range(taken->seen.window_ms, 1, 412);
    /* Grants may be used for 10 ms and count from then on, so the window is full for 410 ms and not a moment less. */
    for (int64_t first = 4;; first += 2) {
        taken = reserve_within(store, "w1", first, 2, rate);
        if (taken->seen.count > 0)
            break;
        (void)usleep(1000);
    }
    assert_true(clock_mono_ms() - start_ms >= 409);
    assert_string_equal(taken->texts, "d e");
}

static void test_a_grant_that_was_not_used_can_be_given_back(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    const struct rate rate = {2, 60000};
    struct store_settle item = item_of("t0", "a");

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a b c");
    assert_string_equal(reserve_within(store, "w1", 0, 5, rate)->texts, "a b");
    item.give_back = true;
    assert_int_equal(settle_item(store, STORE_RELEASE, "w1", &item), 0);
    assert_string_equal(reserve_within(store, "w1", 5, 5, rate)->texts, "a");
    item = item_of("t1", "b");
    assert_int_equal(settle_item(store, STORE_RELEASE, "w1", &item), 0); /* this one was used */
    assert_int_equal(reserve_within(store, "w1", 10, 5, rate)->seen.count, 0);
    item = item_of("t5", "a");
    item.give_back = true;
    item.delay_ms = 100000;
    assert_int_equal(settle_item(store, STORE_DEFER, "w1", &item), 0);
    assert_string_equal(reserve_within(store, "w1", 15, 5, rate)->texts, "b");
    item = item_of("t15", "b");
    item.give_back = true;
    assert_int_equal(settle_item(store, STORE_BURY, "w1", &item), 0);
    assert_string_equal(reserve_within(store, "w1", 20, 5, rate)->texts, "c");
    assert_sum(*state, 3);
}

static void test_a_paused_org_hands_out_nothing_and_the_longer_pause_counts(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct store_status *status;
    struct taken *taken;

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a");
    store_hold(store, 60000, "a long one");
    store_hold(store, 10, "a short one");
    finish(store);
    taken = reserve_within(store, "w1", 0, 1, UNLIMITED);
    assert_int_equal(taken->seen.count, 0);
    assert_in_range(taken->seen.hold_ms, 50000, 60000);
    status = read_status(*state);
    assert_string_equal(status->hold_reason, "a long one");
    free(status);
    command(*state, "DEL", KEY ":hold", NULL);
    assert_string_equal(reserve(store, "w1", 1, 1), "a");
}

static void test_a_pause_ends_by_itself(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    int64_t start_ms = clock_mono_ms();

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a");
    store_hold(store, 100, "short");
    for (int64_t first = 0; reserve_within(store, "w1", first, 1, UNLIMITED)->seen.count == 0; first++)
        (void)usleep(2000);
    assert_true(clock_mono_ms() - start_ms >= 99);
}

/* --- giving each message an end, once --- */

static void test_each_settling_happens_once_however_often_it_is_asked_for(void **state)
{
    static const char *const ends[] = {
        [STORE_SENT] = "sent", [STORE_DEFER] = "retries", [STORE_BURY] = "dead", [STORE_RELEASE] = "returned"};
    struct fixture *fixture = *state;
    char before[64], after[64];

    for (int move = 0; move < STORE_MOVE_COUNT; move++) {
        struct store_settle item = item_of("t0", "a");

        (void)open_fixture_again(fixture);
        (void)enqueue(fixture->store, "spring", PRIORITY_NORMAL, 0, "a b");
        assert_string_equal(reserve_within(fixture->store, "w1", 0, 2, (struct rate){100, 60000})->texts, "a b");
        item.campaign = "spring";
        item.delay_ms = 50000;
        item.give_back = true;
        assert_int_equal(settle_item(fixture->store, (enum store_move)move, "w1", &item), 0);
        assert_int_equal(counted(fixture, ends[move]), 1);
        assert_sum(fixture, 2);
        snapshot(fixture, before);
        for (int again = 0; again < 3; again++)
            assert_int_equal(settle_item(fixture->store, (enum store_move)move, "w1", &item), 0);
        snapshot(fixture, after);
        assert_string_equal(before, after);
    }
}

static void test_settling_a_ticket_that_is_gone_moves_nothing(void **state)
{
    struct fixture *fixture = *state;
    char before[64], after[64];

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a");
    (void)reserve(fixture->store, "w1", 0, 1);
    snapshot(fixture, before);
    assert_int_equal(settle(fixture->store, STORE_DEFER, "w1", "t7", "a"), 0);
    assert_int_equal(settle(fixture->store, STORE_BURY, "w2", "t0", "a"), 0);
    assert_int_equal(settle(fixture->store, STORE_RELEASE, "w1", "t8", "a"), 0);
    snapshot(fixture, after);
    assert_string_equal(before, after);
}

static void test_a_late_answer_to_a_message_that_was_taken_away_is_recorded_and_counted_as_late_once(void **state)
{
    struct fixture *fixture = *state;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a");
    (void)reserve(fixture->store, "w1", 0, 1);
    assert_int_equal(settle(fixture->store, STORE_RELEASE, "w1", "t0", "a"), 0);
    for (int again = 0; again < 3; again++)
        assert_int_equal(settle(fixture->store, STORE_SENT, "w1", "t0", "a"), 0);
    assert_int_equal(counted(fixture, "late"), 1);
    assert_int_equal(counted(fixture, "sent"), 0);
    assert_int_equal(ask(fixture, "HEXISTS", KEY ":message:a", "provider_id"), 1);
    assert_sum(fixture, 1);
}

static void test_messages_given_back_stand_at_the_front_of_their_lists_in_the_order_they_were_taken(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct store_settle items[4];
    static const char *const tickets[] = {"t0", "t1", "t2", "t3"};
    int rc = 1;

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "n1 n2 n3");
    (void)enqueue(store, NULL, PRIORITY_HIGH, 0, "h1");
    (void)enqueue(store, NULL, PRIORITY_LOW, 0, "l1");
    assert_string_equal(reserve(store, "w1", 0, 4), "h1 n1 n2 n3");
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "n4");
    for (size_t i = 0; i < COUNT_OF(items); i++)
        items[i] = item_of(tickets[i], "");
    store_settle(store, STORE_RELEASE, "w1", items, COUNT_OF(items), on_settled, &rc);
    finish(store);
    assert_int_equal(rc, 0);
    assert_string_equal(reserve(store, "w2", 0, 9), "h1 n1 n2 n3 l1 n4"); /* each its share, then what is left */
    assert_sum(*state, 6);
}

static void test_two_like_messages_are_both_kept_when_each_is_put_off_under_its_own_ticket(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle one = item_of("t0", "same t0"), two = item_of("t1", "same t1");

    command(fixture, "LPUSH", KEY ":ready", "same");
    command(fixture, "LPUSH", KEY ":ready", "same");
    assert_string_equal(reserve(fixture->store, "w1", 0, 2), "same same");
    one.is_new = two.is_new = true;
    one.delay_ms = two.delay_ms = 1000;
    assert_int_equal(settle_item(fixture->store, STORE_DEFER, "w1", &one), 0);
    assert_int_equal(settle_item(fixture->store, STORE_DEFER, "w1", &two), 0);
    assert_int_equal(ask(fixture, "ZCARD", KEY ":delayed", NULL), 2);
    assert_sum(fixture, 2);
}

/* --- Redis away, in every way --- */

static void test_a_flushed_script_is_sent_again_with_its_text(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 3; i++) {
        char text[8];

        (void)snprintf(text, sizeof(text), "m%d", i);
        command(fixture, "SCRIPT", "FLUSH", NULL);
        assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, text), "1");
        command(fixture, "SCRIPT", "FLUSH", NULL);
        assert_string_equal(reserve(fixture->store, "w1", i, 1), text);
        command(fixture, "SCRIPT", "FLUSH", NULL);
        assert_int_equal(settle(fixture->store, STORE_BURY, "w1", i == 0 ? "t0" : i == 1 ? "t1" : "t2", text), 0);
    }
    assert_sum(fixture, 3);
}

static void test_a_killed_connection_loses_nothing_that_must_arrive(void **state)
{
    struct fixture *fixture = *state;
    struct enqueued results[50];

    for (size_t i = 0; i < COUNT_OF(results); i++) {
        char text[8];

        (void)snprintf(text, sizeof(text), "m%zu", i);
        start_enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, text, &results[i]);
        if (i % 5 == 0)
            (void)store_pump(fixture->store, NULL);
        if (i % 7 == 0)
            redis_reply_free(
                redis_server_call(fixture->server, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL));
    }
    finish(fixture->store);
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        assert_int_equal(results[i].calls, 1);
        assert_int_equal(results[i].rc, 0);
    }
    assert_sum(fixture, COUNT_OF(results));
}

/* A store behind the proxy that is up, so that only what follows can be lost. */
static struct store *open_behind(struct redis_proxy *proxy)
{
    struct store *store = open_store(redis_proxy_url(proxy));

    finish(store);
    return store;
}

typedef void (*lose_fn)(struct redis_proxy *proxy);

static void lose_each_step(struct fixture *fixture, lose_fn lose, bool reply_is_lost)
{
    struct redis_proxy *proxy = redis_proxy_start(fixture->server);
    struct store *store = open_behind(proxy);
    static struct taken taken;
    const char *const tickets[] = {"t0", "t1", "t2", "t3"};

    /* Redis gets to know the scripts first, else the answer that is lost is the one that says it does not. */
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "");
    (void)reserve(store, "w3", 0, 1);
    for (int move = 0; move < STORE_MOVE_COUNT; move++)
        assert_int_equal(settle(store, (enum store_move)move, "w3", "t9", "nothing"), 0);
    command(fixture, "DEL", KEY ":counts", KEY ":message:nothing");

    lose(proxy);
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a b c d");
    assert_true(redis_proxy_has_lost(proxy));
    assert_sum(fixture, 4);

    lose(proxy);
    start_reserve(store, "w1", 0, 4, UNLIMITED, 0, &taken);
    finish(store);
    assert_int_equal(taken.calls, 1);
    assert_int_equal(taken.rc, ERR_UNREACHABLE);
    assert_int_equal(ask(fixture, "HLEN", KEY ":inflight:w1", NULL), reply_is_lost ? 4 : 0);
    for (size_t i = 0; i < COUNT_OF(tickets); i++)
        assert_int_equal(settle(store, STORE_RELEASE, "w1", tickets[i], ""), 0);
    assert_int_equal(ask(fixture, "HLEN", KEY ":inflight:w1", NULL), 0);
    assert_sum(fixture, 4);

    (void)reserve(store, "w1", 0, 4);
    for (int move = 0; move < STORE_MOVE_COUNT; move++) {
        lose(proxy);
        assert_int_equal(settle(store, (enum store_move)move, "w1", tickets[move], tickets[move]), 0);
        assert_true(redis_proxy_has_lost(proxy));
        assert_sum(fixture, 4);
        assert_int_equal(ask(fixture, "HLEN", KEY ":inflight:w1", NULL), 3 - move);
    }
    assert_int_equal(counted(fixture, "sent"), 1);
    assert_int_equal(counted(fixture, "retries"), 1);
    assert_int_equal(counted(fixture, "dead"), 1);
    assert_int_equal(counted(fixture, "late"), 0);
    store_close(store);
    redis_proxy_stop(proxy);
}

static void test_every_step_whose_reply_is_lost_happens_once_and_a_lost_reserve_is_said(void **state)
{
    lose_each_step(*state, redis_proxy_lose_reply, true);
}

static void test_every_step_whose_request_is_lost_happens_once_and_a_lost_reserve_is_said(void **state)
{
    lose_each_step(*state, redis_proxy_lose_request, false);
}

static void test_without_a_server_the_reason_is_said_after_the_patience(void **state)
{
    struct store *store = open_store("unix:///nowhere/at/all");
    struct enqueued result;
    struct reason why = {""};
    int64_t start_ms = clock_mono_ms();

    (void)state;
    start_enqueue(store, NULL, PRIORITY_NORMAL, 0, "a", &result);
    assert_int_equal(store_finish(store, 0, 200, &why), ERR_UNREACHABLE);
    assert_true(clock_mono_ms() - start_ms >= 200);
    assert_true(strlen(why.text) > 0);
    assert_int_equal(result.calls, 0);
    assert_int_equal(store_pending(store), 1);
    store_close(store);
}

static void test_a_missing_password_is_said_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = open_store(redis_server_url(fixture->server));
    struct reason why = {""};
    int rc;

    configure(fixture, "requirepass", "sesame");
    rc = store_finish(store, 0, PATIENCE_MS, &why);
    configure(fixture, "requirepass", "");
    assert_int_equal(rc, ERR_DENIED);
    assert_non_null(strstr(why.text, "password"));
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; store_pump(store, &why) != 0 && clock_mono_ms() < end;)
        (void)usleep(1000);
    finish(store); /* it goes on once there is none */
    store_close(store);
}

/* What Redis cannot do now waits, says why, and happens once it can; and nobody knocks all the time meanwhile. */
static void wait_out(struct fixture *fixture, const char *expected, void (*trouble)(struct fixture *fixture),
                     void (*cure)(struct fixture *fixture))
{
    struct enqueued result;
    struct reason why = {""};
    int64_t connections, end_ms;
    int rc;

    assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "before"), "1");
    assert_string_equal(reserve(fixture->store, "w1", 0, 1), "before");
    trouble(fixture);
    start_enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "meanwhile", &result);
    rc = store_finish(fixture->store, 0, 300, &why);
    connections = -ask(fixture, "EVAL",
                       "return tonumber(string.match(redis.call('INFO', 'stats'), "
                       "'total_connections_received:(%d+)'))",
                       "0");
    for (end_ms = clock_mono_ms() + 1500; clock_mono_ms() < end_ms;) {
        (void)store_pump(fixture->store, NULL);
        (void)usleep(1000);
    }
    connections += ask(fixture, "EVAL",
                       "return tonumber(string.match(redis.call('INFO', 'stats'), "
                       "'total_connections_received:(%d+)'))",
                       "0");
    cure(fixture);
    assert_int_equal(rc, ERR_UNREACHABLE);
    assert_non_null(strstr(why.text, expected));
    assert_int_equal(result.calls, 0);
    assert_true(connections <= 8); /* backoff doubles from 200 ms on; without it there are 40 */
    finish(fixture->store);
    assert_int_equal(result.calls, 1);
    assert_string_equal(result.answers, "1");
    assert_int_equal(settle(fixture->store, STORE_SENT, "w1", "t0", "before"), 0);
    assert_sum(fixture, 2);
}

static void fill_memory(struct fixture *fixture)
{
    configure(fixture, "maxmemory-policy", "noeviction");
    configure(fixture, "maxmemory", "1");
}

static void free_memory(struct fixture *fixture)
{
    configure(fixture, "maxmemory", "0");
}

static void make_replica(struct fixture *fixture)
{
    command(fixture, "REPLICAOF", "127.0.0.1", "1");
}

static void make_master(struct fixture *fixture)
{
    command(fixture, "REPLICAOF", "NO", "ONE");
}

static void test_without_memory_a_step_waits_and_happens_when_there_is_memory_again(void **state)
{
    wait_out(*state, "OOM", fill_memory, free_memory);
}

static void test_on_a_read_only_replica_a_step_waits_and_happens_when_it_is_the_master(void **state)
{
    wait_out(*state, "READONLY", make_replica, make_master);
}

static void test_outcomes_reported_while_there_is_no_memory_are_recorded_once(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle items[] = {item_of("t0", "a"), item_of("t1", "b"), item_of("t2", "c"), item_of("t3", "d")};
    int rcs[STORE_MOVE_COUNT] = {1, 1, 1, 1};

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a b c d");
    (void)reserve(fixture->store, "w1", 0, 4);
    fill_memory(fixture);
    for (int move = 0; move < STORE_MOVE_COUNT; move++)
        store_settle(fixture->store, (enum store_move)move, "w1", &items[move], 1, on_settled, &rcs[move]);
    (void)store_finish(fixture->store, 0, 100, &(struct reason){""});
    free_memory(fixture);
    finish(fixture->store);
    for (int move = 0; move < STORE_MOVE_COUNT; move++)
        assert_int_equal(rcs[move], 0);
    assert_int_equal(ask(fixture, "HLEN", KEY ":inflight:w1", NULL), 0);
    assert_sum(fixture, 4);
}

/* --- keys that somebody else has put something into --- */

static void test_a_key_of_a_wrong_type_loses_no_message_whichever_step_meets_it(void **state)
{
    static const char *const names[] = {"ready:high",      "ready",      "ready:low",   "delayed",       "dead:letters",
                                        "counts",          "audit",      "window",      "inflight:w1",   "message:a",
                                        "campaign:spring", "dead:index", "dead:counts", "dead:campaigns"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        for (int step = 0; step < STORE_MOVE_COUNT + 2; step++) {
            char key[64], saved[64], before[64], after[64], after_all[64];
            struct store_settle item = item_of("t0", "a");
            bool is_there;
            int rc = 0;

            (void)open_fixture_again(fixture);
            (void)enqueue(fixture->store, "spring", PRIORITY_NORMAL, 0, "a b");
            (void)enqueue(fixture->store, "spring", PRIORITY_HIGH, 0, "h1");
            (void)enqueue(fixture->store, "spring", PRIORITY_LOW, 0, "l1");
            add_delayed(fixture, 1000, "d1");
            command_number(fixture, KEY ":counts", "accepted", 1);
            if (step < STORE_MOVE_COUNT)
                assert_string_equal(reserve_within(fixture->store, "w1", 0, 3, (struct rate){100, 60000})->texts,
                                    "d1 h1 a");
            (void)snprintf(key, sizeof(key), KEY ":%s", names[i]);
            (void)snprintf(saved, sizeof(saved), KEY ":saved");
            is_there = ask(fixture, "EXISTS", key, NULL) == 1;
            if (is_there)
                command(fixture, "RENAME", key, saved);
            command(fixture, "SET", key, "not what you think");
            snapshot(fixture, before);
            if (step < STORE_MOVE_COUNT) {
                item.ticket = "t2";
                item.campaign = "spring";
                item.give_back = true;
                item.delay_ms = 100000;
                rc = settle_item(fixture->store, (enum store_move)step, "w1", &item);
            } else if (step == STORE_MOVE_COUNT) {
                rc = reserve_within(fixture->store, "w1", 10, 9, (struct rate){100, 60000})->rc;
            } else {
                rc = strcmp(enqueue(fixture->store, "spring", PRIORITY_NORMAL, 0, "c"), "refused") == 0 ? -1 : 0;
            }
            snapshot(fixture, after);
            if (rc != 0)
                assert_string_equal(before, after); /* refused means: nothing has happened */
            command(fixture, "DEL", key, NULL);
            if (is_there)
                command(fixture, "RENAME", saved, key);
            snapshot(fixture, after_all);
            assert_int_equal(places_in_all(fixture), step == STORE_MOVE_COUNT + 1 && rc == 0 ? 6 : 5);
        }
    }
}

static void test_a_list_that_is_none_does_not_keep_the_others_from_being_sent(void **state)
{
    struct fixture *fixture = *state;
    struct taken *taken;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "n1");
    add_delayed(fixture, 1000, "d1");
    command(fixture, "SET", KEY ":ready:high", "not a list");
    assert_string_equal(reserve(fixture->store, "w1", 0, 9), "d1 n1");
    taken = reserve_within(fixture->store, "w1", 9, 9, UNLIMITED);
    assert_int_equal(taken->rc, ERR_STATE); /* and it is said once there is nothing else to do */
}

static void test_names_of_orgs_that_could_lead_elsewhere_are_refused(void **state)
{
    static const char *const bad[] = {
        "",    "a b",      "a}b", "{a", "a:b",
        "a/b", "\xc3\xa9", "a\n", "a*", "0123456789012345678901234567890123456789012345678901234567890123456789"};
    struct store *store = NULL;
    struct reason why;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(store_open(&store, "redis://127.0.0.1", bad[i], &why), ERR_INVALID);
        assert_non_null(strstr(why.text, "--org"));
    }
    assert_null(store);
    assert_int_equal(store_open(&store, "redis://127.0.0.1", "a.b_c-D9", &why), 0);
    store_close(store);
}

static void test_two_orgs_share_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = NULL;
    struct reason why;

    assert_int_equal(store_open(&other, redis_server_url(fixture->server), "other", &why), 0);
    assert_string_equal(enqueue(fixture->store, "spring", PRIORITY_NORMAL, 0, "a"), "1");
    assert_string_equal(enqueue(other, "spring", PRIORITY_NORMAL, 0, "a"), "1");
    store_hold(other, 60000, "theirs");
    finish(other);
    assert_string_equal(reserve(fixture->store, "w1", 0, 9), "a");
    assert_sum(fixture, 1);
    store_close(other);
}

/* --- workers and waiting --- */

static void test_a_worker_that_holds_messages_does_not_leave_and_an_empty_one_does(void **state)
{
    struct fixture *fixture = *state;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a");
    (void)reserve(fixture->store, "w1", 0, 1);
    store_leave(fixture->store, "w1");
    store_leave(fixture->store, "w2");
    finish(fixture->store);
    assert_true(ask(fixture, "ZSCORE", KEY ":workers", "w1") > 0);
    assert_int_equal(ask(fixture, "ZSCORE", KEY ":workers", "w2"), -1);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":worker:w2", NULL), 0);
    assert_sum(fixture, 1);
}

/* What Redis would hold if its clock had been set back by an hour. */
static void test_a_clock_that_was_set_back_blocks_neither_the_window_nor_the_reaping(void **state)
{
    struct fixture *fixture = *state;
    struct rate rate = {1, 1000};
    struct redis_reply *reply = redis_server_call(fixture->server, "TIME", NULL);
    long long later = (redis_reply_integer(redis_reply_at(reply, 0)) + 3600) * 1000;
    char ahead[32];

    redis_reply_free(reply);
    (void)snprintf(ahead, sizeof(ahead), "%lld", later);
    redis_reply_free(redis_server_call(fixture->server, "ZADD", KEY ":window", ahead, "w9/t1", NULL));
    redis_reply_free(redis_server_call(fixture->server, "ZADD", KEY ":workers", ahead, "w9", NULL));
    redis_reply_free(redis_server_call(fixture->server, "SET", KEY ":pulse", ahead, NULL));
    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a");
    assert_int_equal(reserve_within(fixture->store, "w1", 0, 1, rate)->seen.count, 1);
    beat(fixture->store, "w2", 60000, "");
    finish(fixture->store);
    assert_true(ask(fixture, "ZSCORE", KEY ":workers", "w9") <= later - 3600000 + 61000);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":calm", NULL), 1);
}

static void test_the_status_shows_a_workers_lease_beat_and_note(void **state)
{
    struct fixture *fixture = *state;
    struct store_status *status;

    beat(fixture->store, "w2", 5000, "circuit breaker open");
    finish(fixture->store);
    status = read_status(fixture);
    assert_int_equal(status->worker_total, 3);
    assert_string_equal(status->workers[0].id, "w2"); /* by the end of the lease */
    assert_string_equal(status->workers[0].note, "circuit breaker open");
    assert_in_range(status->workers[0].lease_left_ms, 1, 5000);
    assert_in_range(status->workers[0].beat_age_ms, 0, 5000);
    free(status);
}

static void note_call(void *context)
{
    int *calls = context;

    ++*calls;
}

static void pump_until(struct store *store, const int *calls, int64_t patience_ms)
{
    for (int64_t end = clock_mono_ms() + patience_ms; *calls == 0 && clock_mono_ms() < end;) {
        assert_int_equal(store_pump(store, NULL), 0);
        (void)usleep(200);
    }
}

static void test_a_watch_wakes_on_a_plain_LPUSH_to_its_list_and_leaves_the_message_there(void **state)
{
    static const char *const lists[] = {KEY ":ready:high", KEY ":ready", KEY ":ready:low"};
    struct fixture *fixture = *state;

    for (int i = 0; i < PRIORITY_COUNT; i++) {
        int calls = 0;

        store_watch(fixture->store, (enum priority)i, 30000, note_call, &calls);
        pump_until(fixture->store, &calls, 50);
        assert_int_equal(calls, 0);
        command(fixture, "LPUSH", lists[i], "a");
        command(fixture, "LPUSH", lists[i], "b");
        pump_until(fixture->store, &calls, 10000);
        assert_int_equal(calls, 1);
        assert_int_equal(ask(fixture, "LLEN", lists[i], NULL), 2);
        assert_string_equal(reserve(fixture->store, "w1", 10 * i, 9), "a b");
    }
}

static void test_a_watch_ends_when_its_time_is_over_or_the_connection_breaks(void **state)
{
    struct fixture *fixture = *state;
    int calls = 0;

    store_watch(fixture->store, PRIORITY_NORMAL, 50, note_call, &calls);
    pump_until(fixture->store, &calls, 10000);
    assert_int_equal(calls, 1);
    calls = 0;
    store_watch(fixture->store, PRIORITY_NORMAL, 60000, note_call, &calls);
    pump_until(fixture->store, &calls, 50);
    redis_reply_free(redis_server_call(fixture->server, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL));
    for (int64_t end = clock_mono_ms() + 10000; calls == 0 && clock_mono_ms() < end;)
        (void)store_pump(fixture->store, NULL);
    assert_int_equal(calls, 1);
    finish(fixture->store);
}

/* --- a model, and thousands of steps at random beside it --- */

#define MODEL_MESSAGES 4000
#define MODEL_LIVE     60 /* at most so many not yet ended, so that looking at all of them stays cheap */
#define MODEL_STEPS    4000

enum place { NOWHERE, READY_HIGH, READY, READY_LOW, DUE, LATER, FLIGHT, DEAD, SENT };
static const char *const place_names[] = {"nowhere", "high", "normal", "low", "due", "later", "flight", "dead", "sent"};

struct model_message {
    enum place place;
    int worker; /* FLIGHT */
    char ticket[24];
    char letter; /* of the list it would go back to */
    bool is_new;
};

struct model {
    struct fixture *fixture;
    uint64_t random;
    struct model_message messages[MODEL_MESSAGES];
    int count, live;
    int lists[3][MODEL_MESSAGES + 1], lengths[3]; /* left to right; taken from the right */
    int64_t accepted, sent, dead, next_ticket[COUNT_OF(workers)];
    struct { /* the last settling, to be asked for again */
        enum store_move move;
        int worker, message;
        char ticket[24];
        bool is_there;
    } last;
};

static uint64_t roll(struct model *model, uint64_t sides)
{
    model->random = model->random * 6364136223846793005U + 1442695040888963407U;
    return (model->random >> 33) % sides;
}

static void model_push(struct model *model, int list, int message, bool to_the_right)
{
    int *items = model->lists[list];

    if (!to_the_right)
        memmove(items + 1, items, (size_t)model->lengths[list] * sizeof(*items));
    items[to_the_right ? model->lengths[list] : 0] = message;
    model->lengths[list]++;
    model->messages[message].place = (enum place)(READY_HIGH + list);
}

static int list_of_letter(char letter)
{
    return letter == 'H' ? 0 : letter == 'N' ? 1 : 2;
}

static void step_enqueue(struct model *model)
{
    static const char *const names[] = {KEY ":ready:high", KEY ":ready", KEY ":ready:low"};
    int list = (int)roll(model, 3), message = model->count;
    char text[24];

    if (model->live >= MODEL_LIVE || model->count == MODEL_MESSAGES)
        return;
    model->count++;
    model->live++;
    (void)snprintf(text, sizeof(text), "m%d", message);
    model->messages[message].is_new = roll(model, 3) == 0;
    if (model->messages[message].is_new) {
        command(model->fixture, "LPUSH", names[list], text);
    } else {
        assert_string_equal(enqueue(model->fixture->store, NULL, (enum priority)list, 0, text), "1");
        assert_string_equal(enqueue(model->fixture->store, NULL, (enum priority)list, 0, text), "0");
        model->accepted++;
    }
    model_push(model, list, message, false);
}

static int in_place(const struct model *model, enum place place)
{
    int count = 0;

    for (int i = 0; i < model->count; i++)
        count += model->messages[i].place == place;
    return count;
}

static void step_reserve(struct model *model)
{
    int worker = (int)roll(model, COUNT_OF(workers)), wanted = 1 + (int)roll(model, 5);
    int due = in_place(model, DUE), from_due = due < wanted ? due : wanted, list = 0;
    struct taken *taken =
        reserve_within(model->fixture->store, workers[worker], model->next_ticket[worker], wanted, UNLIMITED);

    assert_int_equal(taken->rc, 0);
    for (size_t i = 0; i < taken->seen.count; i++) {
        int message = (int)strtol(taken->each[i] + 1, NULL, 10);
        struct model_message *of = &model->messages[message];

        if ((int)i < from_due) {
            assert_int_equal(of->place, DUE);
            of->letter = 'N';
        } else {
            list = (int)of->place - READY_HIGH; /* whichever list's turn it is, it is that list's next */
            assert_in_range(list, 0, 2);
            assert_int_equal(message, model->lists[list][--model->lengths[list]]);
            of->letter = "HNL"[list];
        }
        of->place = FLIGHT;
        of->worker = worker;
        (void)snprintf(of->ticket, sizeof(of->ticket), "t%lld", (long long)model->next_ticket[worker] + (long long)i);
    }
    if ((int)taken->seen.count < wanted)
        assert_int_equal(model->lengths[0] + model->lengths[1] + model->lengths[2] + in_place(model, DUE), 0);
    model->next_ticket[worker] += wanted;
}

static void ask_to_settle(struct model *model, enum store_move move, int worker, int message, const char *ticket,
                          bool is_new, int64_t delay_ms)
{
    char id[24], document[48];
    struct store_settle item;

    (void)snprintf(id, sizeof(id), "m%d", message);
    (void)snprintf(document, sizeof(document), "m%d %s %s", message, workers[worker], ticket);
    item = item_of(ticket, id);
    item.document = (struct span){document, strlen(document)};
    item.is_new = is_new;
    item.delay_ms = delay_ms;
    assert_int_equal(settle_item(model->fixture->store, move, workers[worker], &item), 0);
}

static int any_in_flight(struct model *model)
{
    int start = model->count ? (int)roll(model, (uint64_t)model->count) : 0;

    for (int i = 0; i < model->count; i++) {
        int message = (start + i) % model->count;

        if (model->messages[message].place == FLIGHT)
            return message;
    }
    return -1;
}

static void note_settled(struct model *model, enum store_move move, int message, bool is_later)
{
    struct model_message *of = &model->messages[message];

    if (move != STORE_RELEASE && of->is_new) {
        model->accepted++;
        of->is_new = false;
    }
    switch (move) {
    case STORE_SENT:
        of->place = SENT;
        model->sent++;
        model->live--;
        break;
    case STORE_BURY:
        of->place = DEAD;
        model->dead++;
        model->live--;
        break;
    case STORE_DEFER:
        of->place = is_later ? LATER : DUE;
        break;
    case STORE_RELEASE:
        model_push(model, list_of_letter(of->letter), message, true);
        break;
    case STORE_MOVE_COUNT:
        break;
    }
}

static void step_settle(struct model *model)
{
    enum store_move move = (enum store_move)roll(model, STORE_MOVE_COUNT);
    int message = any_in_flight(model);
    bool is_later = roll(model, 8) == 0;
    struct model_message *of;

    if (message < 0)
        return;
    of = &model->messages[message];
    model->last.move = move;
    model->last.worker = of->worker;
    model->last.message = message;
    model->last.is_there = true;
    memcpy(model->last.ticket, of->ticket, sizeof(of->ticket));
    ask_to_settle(model, move, of->worker, message, of->ticket, of->is_new, is_later ? 3600000 : 0);
    note_settled(model, move, message, is_later);
}

/* The last settling once more, as after a lost answer; or one with the ticket in another worker's name. */
static void step_settle_in_vain(struct model *model)
{
    if (!model->last.is_there)
        return;
    if (roll(model, 2) == 0)
        ask_to_settle(model, model->last.move, model->last.worker, model->last.message, model->last.ticket, false, 0);
    else
        ask_to_settle(model, (enum store_move)(STORE_DEFER + roll(model, 3)), model->last.worker, model->last.message,
                      "t999999999", false, 0);
}

/* Reads where every message is and holds it against the model. */
static void compare(struct model *model)
{
    static const char script[] =
        "local k, out = '" KEY ":', {}\n"
        "local function add(place, items, cut) for _, item in ipairs(items) do\n"
        "  out[#out + 1] = place out[#out + 1] = string.match(string.sub(item, cut), '^m(%d+)') end end\n"
        "add('high', redis.call('LRANGE', k .. 'ready:high', 0, -1), 1)\n"
        "add('normal', redis.call('LRANGE', k .. 'ready', 0, -1), 1)\n"
        "add('low', redis.call('LRANGE', k .. 'ready:low', 0, -1), 1)\n"
        "local now = redis.call('TIME')[1] * 1000 + 1000\n"
        "add('due', redis.call('ZRANGEBYSCORE', k .. 'delayed', '-inf', now), 1)\n"
        "add('later', redis.call('ZRANGEBYSCORE', k .. 'delayed', '(' .. now, '+inf'), 1)\n"
        "for _, w in ipairs({'w1', 'w2', 'w3'}) do add('flight', redis.call('HVALS', k .. 'inflight:' .. w), 2) end\n"
        "return out";
    struct redis_reply *reply = redis_server_call(model->fixture->server, "EVAL", script, "0", NULL);
    int seen[DEAD] = {0}, found = 0, live = 0;

    assert_null(redis_reply_error(reply));
    for (size_t i = 0; i < redis_reply_count(reply); i += 2, found++) {
        const char *place = redis_reply_text(redis_reply_at(reply, i), NULL);
        const struct model_message *of = &model->messages[redis_reply_integer(redis_reply_at(reply, i + 1))];

        assert_string_equal(place, place_names[of->place]);
        seen[of->place]++;
    }
    redis_reply_free(reply);
    for (int place = READY_HIGH; place < DEAD; place++) {
        assert_int_equal(seen[place], in_place(model, (enum place)place));
        live += seen[place];
    }
    assert_int_equal(found, live);
    assert_int_equal(live, model->live);
    assert_int_equal(ask(model->fixture, "HLEN", KEY ":dead:letters", NULL), model->dead);
    if (model->sent > 0)
        assert_int_equal(ask(model->fixture, "HGET", KEY ":counts", "sent"), model->sent);
    if (model->accepted > 0)
        assert_int_equal(ask(model->fixture, "HGET", KEY ":counts", "accepted"), model->accepted);
}

static void test_after_each_of_thousands_of_random_steps_every_message_is_in_exactly_one_place(void **state)
{
    static void (*const steps[])(struct model * model) = {
        step_enqueue, step_enqueue, step_reserve, step_reserve,        step_settle,
        step_settle,  step_settle,  step_settle,  step_settle_in_vain,
    };
    const char *seed = getenv("HERALD_TEST_SEED");
    struct model *model = mem_zalloc(1, sizeof(*model));

    model->fixture = *state;
    model->random = seed ? strtoull(seed, NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)model->random);
    for (int i = 0; i < MODEL_STEPS; i++) {
        steps[roll(model, COUNT_OF(steps))](model);
        compare(model);
    }
    assert_true(model->sent > 100 && model->dead > 100);
    free(model);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_key_is_accepted_once_within_a_campaign_and_once_outside),
        TEST(test_a_campaign_counts_for_itself),
        TEST(test_a_key_outside_campaigns_is_remembered_for_its_time_and_not_for_ever),
        TEST(test_the_batch_goes_to_the_list_of_its_priority_or_waits_until_it_is_due),
        TEST(test_whoever_has_opted_out_is_not_enqueued_and_his_key_is_not_remembered),
        TEST(test_due_ones_come_first_then_high_normal_and_low_each_in_order),
        TEST(test_a_plain_LPUSH_by_any_client_is_taken_and_counted_as_accepted_when_it_is_settled),
        TEST(test_the_window_grants_its_limit_and_says_when_there_is_more),
        TEST(test_a_grant_that_was_not_used_can_be_given_back),
        TEST(test_a_paused_org_hands_out_nothing_and_the_longer_pause_counts),
        TEST(test_a_pause_ends_by_itself),
        TEST(test_each_settling_happens_once_however_often_it_is_asked_for),
        TEST(test_settling_a_ticket_that_is_gone_moves_nothing),
        TEST(test_a_late_answer_to_a_message_that_was_taken_away_is_recorded_and_counted_as_late_once),
        TEST(test_messages_given_back_stand_at_the_front_of_their_lists_in_the_order_they_were_taken),
        TEST(test_two_like_messages_are_both_kept_when_each_is_put_off_under_its_own_ticket),
        TEST(test_a_flushed_script_is_sent_again_with_its_text),
        TEST(test_a_killed_connection_loses_nothing_that_must_arrive),
        TEST(test_every_step_whose_reply_is_lost_happens_once_and_a_lost_reserve_is_said),
        TEST(test_every_step_whose_request_is_lost_happens_once_and_a_lost_reserve_is_said),
        TEST(test_without_a_server_the_reason_is_said_after_the_patience),
        TEST(test_a_missing_password_is_said_at_once),
        TEST(test_without_memory_a_step_waits_and_happens_when_there_is_memory_again),
        TEST(test_on_a_read_only_replica_a_step_waits_and_happens_when_it_is_the_master),
        TEST(test_outcomes_reported_while_there_is_no_memory_are_recorded_once),
        TEST(test_a_key_of_a_wrong_type_loses_no_message_whichever_step_meets_it),
        TEST(test_a_list_that_is_none_does_not_keep_the_others_from_being_sent),
        TEST(test_names_of_orgs_that_could_lead_elsewhere_are_refused),
        TEST(test_two_orgs_share_nothing),
        TEST(test_a_worker_that_holds_messages_does_not_leave_and_an_empty_one_does),
        TEST(test_a_clock_that_was_set_back_blocks_neither_the_window_nor_the_reaping),
        TEST(test_the_status_shows_a_workers_lease_beat_and_note),
        TEST(test_a_watch_wakes_on_a_plain_LPUSH_to_its_list_and_leaves_the_message_there),
        TEST(test_a_watch_ends_when_its_time_is_over_or_the_connection_breaks),
        TEST(test_after_each_of_thousands_of_random_steps_every_message_is_in_exactly_one_place),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests_name("store", tests, start_server, stop_server);
}
