/* What is known of a sent message, packed (parts/track.lua): the same as in a hash of its own, wherever it is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/store_receipt.h"
#include "common/store_report.h"
#include "tests/lib/store_fixture.h"

#define WEEK_MS      (INT64_C(7) * 24 * STORE_HOUR_MS)
#define ID           "01980f6e-7c00-7abc-8def-000000000001"
#define PROVIDER     "5f0c0e0a-1b2c-4d3e-8f40-a1b2c3d4e5f6"
#define OTHER        "6f0c0e0a-1b2c-4d3e-8f40-a1b2c3d4e5f6"
#define CONVERSATION "7f0c0e0a-1b2c-4d3e-8f40-a1b2c3d4e5f6"
#define CORRELATION  "8f0c0e0a-1b2c-4d3e-8f40-a1b2c3d4e5f6"
#define PERSON       "sms:+13175550199"
#define LIMITS(keep) (&(struct store_limits){keep, 60000, 60000, 100000, false, WEEK_MS})

/* --- short forms --- */

static void hold(struct fixture *fixture, const char *ticket)
{
    char key[64];

    (void)snprintf(key, sizeof(key), KEY ":inflight:%s", workers[0]);
    call(fixture, "HSET", key, ticket, "N{}");
}

static struct store_settle sent_of(const char *id, const char *provider)
{
    struct store_settle item = item_of("t1", id);

    item.campaign = "spring";
    item.attempts = 2;
    item.provider_id = provider;
    item.conversation_id = CONVERSATION;
    item.correlation_id = CORRELATION;
    item.person = span_of(PERSON);
    item.about = (struct store_about){
        .channel = "sms", .template_name = span_of("survey"), .segments = 1, .since_ms = clock_wall_ms() - 5000};
    return item;
}

static void send_item(struct fixture *fixture, const struct store_settle *item)
{
    hold(fixture, item->ticket);
    assert_int_equal(settle_item(fixture->store, STORE_SENT, workers[0], item), 0);
}

static void send_one(struct fixture *fixture, const char *id, const char *provider)
{
    const struct store_settle item = sent_of(id, provider);

    send_item(fixture, &item);
}

static void on_info(void *context, int rc, const struct store_message_info *info)
{
    assert_int_equal(rc, 0);
    *(struct store_message_info *)context = *info;
}

static struct store_message_info read_info(struct fixture *fixture, const char *id)
{
    struct store_message_info info;

    memset(&info, 0xff, sizeof(info));
    store_read_message(fixture->store, id, on_info, &info);
    drain(fixture->store);
    return info;
}

static void on_received(void *context, int rc, const enum store_received *answers, size_t count)
{
    assert_int_equal(rc, 0);
    assert_int_equal(count, 1);
    *(enum store_received *)context = answers[0];
}

static enum store_received hear(struct fixture *fixture, const char *provider, enum delivery delivery, int64_t at_ms,
                                const char *code)
{
    enum store_received answer = STORE_REPEATED;
    struct store_receipt receipt = {
        .provider_id = provider, .delivery = delivery, .at_ms = at_ms, .code = code, .audit = span_of("{\"at\":1}")};
    char event[128];

    (void)snprintf(event, sizeof(event), "%s/%d/%lld/%s", provider, (int)delivery, (long long)at_ms, code);
    store_key_of(NULL, span_of(event), receipt.key);
    receipt.opts_out = strcmp(code, "RecipientOptedOut") == 0;
    store_receipts(fixture->store, STORE_HOUR_MS, &receipt, 1, on_received, &answer);
    drain(fixture->store);
    return answer;
}

static void text_of(struct fixture *fixture, const char *script, const char *argument, char out[256])
{
    struct redis_reply *reply = redis_server_call(fixture->server, "EVAL", script, "1", KEY, argument, NULL);
    const char *text = redis_reply_text(reply, NULL);

    if (!text)
        fail_msg("%s", redis_reply_error(reply) ? redis_reply_error(reply) : "no text");
    (void)snprintf(out, 256, "%s", text);
    redis_reply_free(reply);
}

/* How many keys there are, and how many fields in all shards: pointers (`m`), records (`p`) and what is left of such.
 */
static void assert_kept(struct fixture *fixture, const char *expected)
{
    static const char script[] =
        "local n = {message = 0, link = 0, early = 0, m = 0, p = 0, left = 0}\n"
        "for _, name in ipairs(redis.call('KEYS', KEYS[1] .. ':*')) do\n"
        "  local kind = string.match(name, '^' .. KEYS[1] .. ':(%a+):') if n[kind] then n[kind] = n[kind] + 1 end\n"
        "  if string.find(name, ':track:%d+:%d+$') and redis.call('TYPE', name).ok == 'hash' then\n"
        "    local all = redis.call('HGETALL', name) for i = 1, #all, 2 do local k = string.sub(all[i], 1, 1)\n"
        "      if k == 'p' and #all[i + 1] == 16 then k = 'left' end n[k] = n[k] + 1 end end end\n"
        "return string.format('m%d p%d left%d message%d link%d early%d', n.m, n.p, n.left, n.message, n.link, n.early)";
    char found[256];

    text_of(fixture, script, "", found);
    assert_string_equal(found, expected);
}

static void assert_same_info(const struct store_message_info *one, const struct store_message_info *other)
{
    assert_int_equal(one->is_known, other->is_known);
    assert_string_equal(one->state, other->state);
    assert_string_equal(one->reason, other->reason);
    assert_string_equal(one->campaign, other->campaign);
    assert_string_equal(one->channel, other->channel);
    assert_string_equal(one->template_name, other->template_name);
    assert_int_equal(one->accepted_at_ms, other->accepted_at_ms);
    assert_int_equal(one->attempts, other->attempts);
    assert_string_equal(one->conversation_id, other->conversation_id);
    assert_string_equal(one->correlation_id, other->correlation_id);
    assert_int_equal(one->delivery, other->delivery);
    assert_memory_equal(one->reached_at_ms, other->reached_at_ms, sizeof(one->reached_at_ms));
    assert_string_equal(one->failure_code, other->failure_code);
}

/* --- one message --- */

static void test_a_sent_message_is_packed_and_tells_all_that_a_hash_does(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle item = sent_of(ID, PROVIDER);
    int64_t before_ms = clock_wall_ms() - 1000;
    struct store_message_info info;

    send_item(fixture, &item);
    assert_kept(fixture, "m1 p1 left0 message0 link0 early0");
    info = read_info(fixture, ID);
    assert_true(info.is_known);
    assert_string_equal(info.state, "sent");
    assert_string_equal(info.campaign, "spring");
    assert_string_equal(info.channel, "sms");
    assert_string_equal(info.template_name, "survey");
    assert_string_equal(info.provider_id, PROVIDER);
    assert_string_equal(info.conversation_id, CONVERSATION);
    assert_string_equal(info.correlation_id, CORRELATION);
    assert_int_equal(info.attempts, 2);
    assert_int_equal(info.accepted_at_ms, 0);
    assert_int_equal(info.since_ms, item.about.since_ms);
    assert_in_range(info.at_ms, before_ms, before_ms + 60000);
    assert_int_equal(info.delivery, DELIVERY_PENDING);
    assert_false(read_info(fixture, OTHER).is_known);
}

/* Ids that differ in one bit, and such as are made one after the other: none is taken for another. */
static void test_many_messages_are_told_apart(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 300; i++) {
        char id[ID_SIZE], provider[ID_SIZE];
        struct store_settle item;

        (void)snprintf(id, sizeof(id), "01980f6e-7c00-7abc-8def-%012x", 2 * i);
        (void)snprintf(provider, sizeof(provider), "5f0c0e0a-1b2c-4d3e-8f40-%012x", i);
        item = sent_of(id, provider);
        item.attempts = i % 256;
        send_item(fixture, &item);
    }
    assert_kept(fixture, "m300 p300 left0 message0 link0 early0");
    for (int i = 0; i < 300; i++) {
        char id[ID_SIZE], provider[ID_SIZE];

        (void)snprintf(provider, sizeof(provider), "5f0c0e0a-1b2c-4d3e-8f40-%012x", i);
        (void)snprintf(id, sizeof(id), "01980f6e-7c00-7abc-8def-%012x", 2 * i);
        assert_int_equal(read_info(fixture, id).attempts, i % 256);
        assert_string_equal(read_info(fixture, id).provider_id, provider);
        (void)snprintf(id, sizeof(id), "01980f6e-7c00-7abc-8def-%012x", 2 * i + 1);
        assert_false(read_info(fixture, id).is_known);
    }
}

static void test_what_does_not_fit_is_kept_in_keys_of_its_own(void **state)
{
    char longest[ID_SIZE], person[200];
    struct fixture *fixture = *state;
    struct {
        const char *why;
        struct store_settle item;
    } table[] = {
        {"an id that is no UUID", sent_of("order-1", PROVIDER)},
        {"the longest id", sent_of(longest, PROVIDER)},
        {"capitals", sent_of("01980F6E-7C00-7ABC-8DEF-000000000001", PROVIDER)},
        {"the nil UUID", sent_of("00000000-0000-0000-0000-000000000000", PROVIDER)},
        {"hyphens elsewhere", sent_of("01980f6e7-c00-7abc-8def-000000000001", PROVIDER)},
        {"a UUID and more", sent_of("01980f6e-7c00-7abc-8def-0000000000011", PROVIDER)},
        {"a provider's id that is no UUID", sent_of(ID, "p1")},
        {"a conversation that is no UUID", sent_of(ID, PROVIDER)},
        {"a correlation id that is no UUID", sent_of(ID, PROVIDER)},
        {"a long person", sent_of(ID, PROVIDER)},
        {"many attempts", sent_of(ID, PROVIDER)},
        {"ready long ago", sent_of(ID, PROVIDER)},
        {"told to somebody", sent_of(ID, PROVIDER)},
    };

    memset(longest, 'x', ID_MAX);
    longest[ID_MAX] = '\0';
    memset(person, 'y', sizeof(person));
    table[7].item.conversation_id = "c1";
    table[8].item.correlation_id = "r1";
    table[9].item.person = (struct span){person, sizeof(person)};
    table[10].item.attempts = 256;
    table[11].item.about.since_ms = clock_wall_ms() - INT64_C(30) * 24 * STORE_HOUR_MS;
    table[12].item.about.callback = span_of("https://crm.example.org/herald");
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct store_settle *item = &table[i].item;
        struct store_message_info info;

        (void)open_fixture_again(fixture);
        send_item(fixture, item);
        info = read_info(fixture, item->id);
        if (strcmp(info.state, "sent") != 0 || strcmp(info.provider_id, item->provider_id) != 0 ||
            strcmp(info.conversation_id, item->conversation_id) != 0 || info.attempts != item->attempts ||
            strcmp(info.correlation_id, item->correlation_id) != 0 || info.since_ms != item->about.since_ms)
            fail_msg("%s", table[i].why);
        assert_int_equal(hear(fixture, item->provider_id, DELIVERY_DELIVERED, info.at_ms + 100, ""), STORE_APPLIED);
        assert_int_equal(read_info(fixture, item->id).reached_at_ms[DELIVERY_DELIVERED], info.at_ms + 100);
        assert_int_equal(counted(fixture, "receipt:delivered"), 1);
        assert_int_equal(ask(fixture, "EXISTS", KEY ":message:"), 0);
    }
}

/* --- receipts: the same as in a hash, in any order --- */

#define EVENTS 5

static void run_order(struct fixture *fixture, const int order[EVENTS], int answer_at, const char *id,
                      const char *provider, int64_t base_ms)
{
    static const struct {
        enum delivery delivery;
        int after;
        const char *code;
    } events[EVENTS] = {{DELIVERY_SENT, 20, ""},
                        {DELIVERY_DELIVERED, 30, ""},
                        {DELIVERY_DELIVERED, 25, ""},
                        {DELIVERY_READ, -40, ""},
                        {DELIVERY_FAILED, 50, "RecipientOptedOut"}};

    (void)open_fixture_again(fixture);
    for (int i = 0; i <= EVENTS; i++) {
        if (i == answer_at)
            send_one(fixture, id, provider);
        if (i < EVENTS)
            assert_int_equal(hear(fixture, provider, events[order[i]].delivery, base_ms + events[order[i]].after,
                                  events[order[i]].code),
                             i < answer_at ? STORE_EARLY : STORE_APPLIED);
    }
    assert_int_equal(counted(fixture, "receipt:sent"), 1);
    assert_int_equal(counted(fixture, "receipt:delivered"), 1);
    assert_int_equal(counted(fixture, "receipt:read"), 1);
    assert_int_equal(counted(fixture, "receipt:failed"), 1);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "receipt:read"), 1);
    assert_int_equal(ask(fixture, "SISMEMBER", KEY ":suppressed", PERSON), 1);
    assert_int_equal(counted(fixture, "sent"), 1);
    assert_int_equal(counted(fixture, "late"), 0);
}

static void test_receipts_in_every_order_come_to_the_end_that_a_hash_comes_to(void **state)
{
    struct fixture *fixture = *state;
    int64_t base_ms = clock_wall_ms();

    for (int number = 0; number < 120; number++) { /* all orders of five */
        int left[EVENTS] = {0, 1, 2, 3, 4}, order[EVENTS], rest = number;

        for (int i = 0; i < EVENTS; i++) {
            int at = rest % (EVENTS - i);

            rest /= EVENTS - i;
            order[i] = left[at];
            left[at] = left[EVENTS - 1 - i];
        }
        for (int answer_at = 0; answer_at <= EVENTS; answer_at += answer_at == 0 || number % 6 == 0 ? 1 : EVENTS) {
            struct store_message_info packed, plain;

            run_order(fixture, order, answer_at, ID, PROVIDER, base_ms);
            packed = read_info(fixture, ID);
            run_order(fixture, order, answer_at, "m1", "p1", base_ms);
            plain = read_info(fixture, "m1");
            assert_same_info(&packed, &plain);
            assert_int_equal(packed.delivery, DELIVERY_FAILED);
            assert_int_equal(packed.reached_at_ms[DELIVERY_DELIVERED], base_ms + 25);
        }
    }
}

static void test_four_states_stay_packed_and_a_failure_moves_the_message_into_a_hash(void **state)
{
    struct fixture *fixture = *state;
    int64_t at;

    send_one(fixture, ID, PROVIDER);
    at = read_info(fixture, ID).at_ms;
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_READ, at + 4000, ""), STORE_APPLIED);
    assert_int_equal(read_info(fixture, ID).delivery, DELIVERY_READ);
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_SENT, at - 7, ""), STORE_APPLIED);
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_DELIVERED, at + 3000, ""), STORE_APPLIED);
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_DELIVERED, at + 3001, ""), STORE_APPLIED); /* another event */
    assert_kept(fixture, "m1 p1 left0 message0 link0 early0");
    assert_int_equal(read_info(fixture, ID).delivery, DELIVERY_READ);
    assert_int_equal(read_info(fixture, ID).reached_at_ms[DELIVERY_SENT], at - 7);
    assert_int_equal(read_info(fixture, ID).reached_at_ms[DELIVERY_DELIVERED], at + 3000);
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_FAILED, at + 5000, "ServerError"), STORE_APPLIED);
    assert_kept(fixture, "m1 p0 left1 message1 link0 early0");
    assert_string_equal(read_info(fixture, ID).failure_code, "ServerError");
    assert_int_equal(read_info(fixture, ID).reached_at_ms[DELIVERY_READ], at + 4000);
    assert_string_equal(read_info(fixture, ID).correlation_id, CORRELATION);
    assert_string_equal(read_info(fixture, ID).campaign, "spring");
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_QUEUED, at + 1, ""), STORE_APPLIED);
    assert_int_equal(read_info(fixture, ID).reached_at_ms[DELIVERY_QUEUED], at + 1);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "receipt:queued"), 1);
    assert_int_equal(counted(fixture, "receipt:delivered"), 1);
}

static void test_an_instant_that_is_far_away_is_kept_as_it_is(void **state)
{
    struct fixture *fixture = *state;

    send_one(fixture, ID, PROVIDER);
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_DELIVERED, 25, ""), STORE_APPLIED);
    assert_int_equal(read_info(fixture, ID).reached_at_ms[DELIVERY_DELIVERED], 25);
    assert_int_equal(counted(fixture, "receipt:delivered"), 1);
    assert_kept(fixture, "m1 p0 left1 message1 link0 early0");
}

static void test_the_audit_and_the_suppression_know_whose_a_receipt_is(void **state)
{
    static const char script[] =
        "local e = redis.call('XREVRANGE', KEYS[1] .. ':audit', '+', '-', 'COUNT', 1) return e[1][2][2]";
    struct fixture *fixture = *state;
    char found[256];

    send_one(fixture, ID, PROVIDER);
    (void)hear(fixture, PROVIDER, DELIVERY_FAILED, clock_wall_ms(), "RecipientOptedOut");
    assert_int_equal(ask(fixture, "SISMEMBER", KEY ":suppressed", PERSON), 1);
    text_of(fixture, script, "", found);
    assert_string_equal(found, "{\"at\":1,\"suppressed\":true,\"id\":\"" ID "\",\"campaign\":\"spring\"}");
}

/* --- what comes late or twice --- */

static void test_a_late_answer_moves_the_message_into_a_hash_and_receipts_of_both_ids_count_once(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle late = sent_of(ID, OTHER);
    int64_t at;

    send_one(fixture, ID, PROVIDER);
    at = read_info(fixture, ID).at_ms;
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_DELIVERED, at + 100, ""), STORE_APPLIED);
    late.ticket = "t0";
    for (int again = 0; again < 2; again++) {
        assert_int_equal(settle_item(fixture->store, STORE_SENT, workers[1], &late), 0);
        assert_kept(fixture, "m1 p0 left1 message1 link1 early0");
        assert_int_equal(counted(fixture, "late"), 1);
        assert_int_equal(counted(fixture, "sent"), 1);
        assert_string_equal(read_info(fixture, ID).provider_id, OTHER);
        assert_int_equal(read_info(fixture, ID).reached_at_ms[DELIVERY_DELIVERED], at + 100);
    }
    assert_int_equal(hear(fixture, OTHER, DELIVERY_DELIVERED, at + 90, ""), STORE_APPLIED);
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_DELIVERED, at + 80, ""), STORE_APPLIED);
    assert_int_equal(read_info(fixture, ID).reached_at_ms[DELIVERY_DELIVERED], at + 80);
    assert_int_equal(counted(fixture, "receipt:delivered"), 1);
}

static void test_the_same_step_again_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    const struct store_settle item = sent_of(ID, PROVIDER);
    char before[64], after[64];

    send_item(fixture, &item);
    (void)hear(fixture, PROVIDER, DELIVERY_READ, clock_wall_ms(), "");
    snapshot(fixture, before);
    for (int again = 0; again < 3; again++)
        assert_int_equal(settle_item(fixture->store, STORE_SENT, workers[0], &item), 0);
    snapshot(fixture, after);
    assert_string_equal(before, after);
}

/* The same worker had it, lost it and had it again; both answers come in one step, in either order. */
static void test_a_late_answer_and_the_own_one_in_one_step_are_one_message(void **state)
{
    for (int late_first = 0; late_first < 2; late_first++) {
        struct fixture *fixture = *state;
        struct store_settle items[2] = {sent_of(ID, PROVIDER), sent_of(ID, PROVIDER)};
        int rc = 1;

        (void)open_fixture_again(fixture);
        items[late_first ? 0 : 1].ticket = "t0";
        items[late_first ? 0 : 1].provider_id = OTHER;
        hold(fixture, "t1");
        store_settle(fixture->store, STORE_SENT, workers[0], items, 2, on_settled, &rc);
        drain(fixture->store);
        assert_int_equal(rc, 0);
        assert_kept(fixture, late_first ? "m0 p0 left0 message1 link2 early0" : "m1 p0 left1 message1 link1 early0");
        assert_int_equal(counted(fixture, "sent"), 1);
        assert_int_equal(counted(fixture, "late"), 1);
        assert_int_equal(hear(fixture, OTHER, DELIVERY_READ, clock_wall_ms(), ""), STORE_APPLIED);
        assert_int_equal(hear(fixture, PROVIDER, DELIVERY_READ, clock_wall_ms(), ""), STORE_APPLIED);
        assert_int_equal(counted(fixture, "receipt:read"), 1);
    }
}

static void test_one_that_the_gateway_took_says_when_that_was_and_leaves_its_hash(void **state)
{
    struct fixture *fixture = *state;
    char accepted_at[32];
    int64_t at = clock_wall_ms() - 60000;

    (void)snprintf(accepted_at, sizeof(accepted_at), "%lld", (long long)at);
    call(fixture, "HSET", KEY ":message:" ID, "state", "accepted", "accepted_at", accepted_at, "campaign", "spring",
         "attempts", "1");
    send_one(fixture, ID, PROVIDER);
    assert_kept(fixture, "m1 p1 left0 message0 link0 early0");
    assert_int_equal(read_info(fixture, ID).accepted_at_ms, at);
    assert_string_equal(read_info(fixture, ID).state, "sent");
    (void)hear(fixture, PROVIDER, DELIVERY_FAILED, at + 90000, "ServerError");
    assert_int_equal(read_info(fixture, ID).accepted_at_ms, at);
}

/* A hash that says more than that a message was accepted is added to, as it always was. */
static void test_one_that_was_dead_before_keeps_its_hash(void **state)
{
    struct fixture *fixture = *state;

    call(fixture, "HSET", KEY ":message:" ID, "state", "accepted", "reason", "", "letter", "");
    send_one(fixture, ID, PROVIDER);
    assert_kept(fixture, "m0 p0 left0 message1 link1 early0");
    assert_string_equal(read_info(fixture, ID).state, "sent");
}

/* --- generations --- */

static void set_track(struct fixture *fixture, const char *script, int64_t argument)
{
    char text[32], answer[256];

    (void)snprintf(text, sizeof(text), "%lld", (long long)argument);
    text_of(fixture, script, text, answer);
}

/* As if all had begun so much earlier; their keys go along. Not by as much as before: no name may be taken yet. */
static void age(struct fixture *fixture, int64_t by_ms)
{
    set_track(
        fixture,
        "local kept = redis.call('HGET', KEYS[1] .. ':track', 'kept')\n"
        "kept = string.gsub(kept, '(%d+) (%d+);', function(began, shards)\n"
        "  local to = string.format('%d', began - ARGV[1])\n"
        "  for _, name in ipairs(redis.call('KEYS', KEYS[1] .. ':track:*')) do\n"
        "    local new = string.gsub(name, began, to) if new ~= name then redis.call('RENAME', name, new) end end\n"
        "  return to .. ' ' .. shards .. ';' end)\n"
        "redis.call('HSET', KEYS[1] .. ':track', 'kept', kept) return kept",
        by_ms);
}

static void assert_generations(struct fixture *fixture, const char *shards)
{
    char found[256];

    text_of(fixture,
            "return (string.gsub(redis.call('HGET', KEYS[1] .. ':track', 'kept'), '%d+ (%d+);', '%1 ')) .. "
            "'/' .. redis.call('HGET', KEYS[1] .. ':track', 'count')",
            "", found);
    assert_string_equal(found, shards);
}

static void test_a_generation_ends_by_its_age_and_the_older_ones_are_still_found(void **state)
{
    struct fixture *fixture = *state;
    int64_t at;

    store_set_limits(fixture->store, LIMITS(WEEK_MS));
    send_one(fixture, ID, PROVIDER);
    at = read_info(fixture, ID).at_ms;
    age(fixture, WEEK_MS / 8 - 600000);
    send_one(fixture, CONVERSATION, OTHER); /* ten minutes are left */
    assert_generations(fixture, "64 /2");
    age(fixture, 700000);
    send_one(fixture, CORRELATION, CONVERSATION);
    assert_generations(fixture, "64 64 /1");
    assert_kept(fixture, "m3 p3 left0 message0 link0 early0");
    assert_string_equal(read_info(fixture, ID).provider_id, PROVIDER);
    assert_string_equal(read_info(fixture, ID).campaign, "spring");
    assert_string_equal(read_info(fixture, CORRELATION).provider_id, CONVERSATION);
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_READ, at + 5, ""), STORE_APPLIED);
    assert_int_equal(hear(fixture, CONVERSATION, DELIVERY_READ, at + 6, ""), STORE_APPLIED);
    assert_int_equal(read_info(fixture, ID).reached_at_ms[DELIVERY_READ], at + 5);
    assert_int_equal(read_info(fixture, CORRELATION).reached_at_ms[DELIVERY_READ], at + 6);
    assert_kept(fixture, "m3 p3 left0 message0 link0 early0");
}

static void test_a_full_generation_is_followed_by_one_of_twice_the_room_and_a_quiet_one_by_less(void **state)
{
    struct fixture *fixture = *state;

    store_set_limits(fixture->store, LIMITS(WEEK_MS));
    send_one(fixture, ID, PROVIDER);
    set_track(fixture, "redis.call('HSET', KEYS[1] .. ':track', 'count', ARGV[1]) return ''", INT64_C(64) * 32);
    age(fixture, 1000);
    send_one(fixture, CONVERSATION, OTHER);
    assert_generations(fixture, "128 64 /1");
    set_track(fixture, "redis.call('HSET', KEYS[1] .. ':track', 'count', ARGV[1]) return ''", INT64_C(128) * 32 - 1);
    send_one(fixture, OTHER, CORRELATION);
    assert_generations(fixture, "128 64 /4096");
    age(fixture, 2500);
    send_one(fixture, PROVIDER, CONVERSATION);
    assert_generations(fixture, "256 128 64 /1");
    age(fixture, WEEK_MS / 4);
    send_one(fixture, CORRELATION, ID);
    assert_generations(fixture, "64 256 128 64 /1");
    assert_string_equal(read_info(fixture, ID).provider_id, PROVIDER);
    assert_string_equal(read_info(fixture, CONVERSATION).provider_id, OTHER);
}

static void test_generations_whose_messages_have_expired_are_forgotten(void **state)
{
    struct fixture *fixture = *state;

    store_set_limits(fixture->store, LIMITS(WEEK_MS));
    send_one(fixture, ID, PROVIDER);
    age(fixture, WEEK_MS / 2);
    send_one(fixture, CONVERSATION, OTHER);
    age(fixture, WEEK_MS - 600000);
    send_one(fixture, CORRELATION,
             CONVERSATION); /* into the first, ten minutes were still written when the second began */
    assert_generations(fixture, "64 64 64 /1");
    age(fixture, 700000 + WEEK_MS / 8);
    send_one(fixture, PROVIDER, CORRELATION);
    assert_generations(fixture, "64 64 64 /1");
    assert_false(read_info(fixture, ID).is_known);
    assert_true(read_info(fixture, CONVERSATION).is_known);
}

/* Whatever was set in between, a clock that goes back makes one new generation and not one a step. */
static void test_a_clock_that_was_set_back_makes_one_generation(void **state)
{
    struct fixture *fixture = *state;

    store_set_limits(fixture->store, LIMITS(WEEK_MS));
    send_one(fixture, ID, PROVIDER);
    age(fixture, -2 * WEEK_MS);
    send_one(fixture, CONVERSATION, OTHER);
    send_one(fixture, CORRELATION, CONVERSATION);
    assert_generations(fixture, "64 64 /2");
    assert_true(read_info(fixture, ID).is_known);
}

static void test_all_of_it_expires(void **state)
{
    static const char script[] =
        "local least, most = math.huge, 0 for _, name in ipairs(redis.call('KEYS', KEYS[1] .. ':track*')) do\n"
        "  local left = redis.call('PTTL', name) least = math.min(least, left)\n"
        "  if string.find(name, ':%d+:%d+$') then most = math.max(most, left) end end\n"
        "return (least > 0 and most <= tonumber(ARGV[1])) and 'fine' or least .. ' ' .. most";
    struct fixture *fixture = *state;
    const int64_t start_ms = clock_mono_ms();
    char found[256];

    store_set_limits(fixture->store, LIMITS(WEEK_MS));
    send_one(fixture, ID, PROVIDER);
    text_of(fixture, script, "604800000", found);
    assert_string_equal(found, "fine");
    clean(fixture);
    store_set_limits(fixture->store, LIMITS(300));
    send_one(fixture, ID, PROVIDER);
    assert_string_equal(read_info(fixture, ID).state, "sent");
    for (;;) {
        text_of(fixture, "return tostring(#redis.call('KEYS', KEYS[1] .. ':track*'))", "", found);
        if (strcmp(found, "0") == 0)
            break;
        assert_true(clock_mono_ms() - start_ms < 20000);
    }
    assert_false(read_info(fixture, ID).is_known);
    send_one(fixture, ID, PROVIDER);
    assert_string_equal(read_info(fixture, ID).state, "sent");
}

static void test_names_that_are_too_many_for_a_generation_go_into_hashes(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle item = sent_of(OTHER, OTHER);

    send_one(fixture, ID, PROVIDER);
    set_track(fixture,
              "local name = redis.call('KEYS', KEYS[1] .. ':track:names:*')[1]\n"
              "for i = 1, 4095 do redis.call('HSET', name, i, 'c|sms|t', '=' .. i, i) end return ''",
              0);
    send_item(fixture, &item); /* the same names */
    assert_kept(fixture, "m2 p2 left0 message0 link0 early0");
    item = sent_of(CONVERSATION, CONVERSATION);
    item.campaign = "autumn";
    send_item(fixture, &item);
    assert_kept(fixture, "m2 p2 left0 message1 link1 early0");
    assert_string_equal(read_info(fixture, CONVERSATION).campaign, "autumn");
}

/* --- what others wrote --- */

/* As a Herald wrote it that packed nothing; it goes on as it was. */
static void test_messages_of_an_older_herald_go_on(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle late = sent_of(ID, OTHER);

    call(fixture, "HSET", KEY ":message:" ID, "state", "sent", "at", "1700000000000", "campaign", "spring", "attempts",
         "1", "provider_id", PROVIDER, "channel", "sms", "template", "survey", "since", "0");
    redis_reply_free(
        redis_server_call(fixture->server, "SET", KEY ":link:" PROVIDER, ID "\nspring\n" PERSON, "PX", "60000", NULL));
    send_one(fixture, CONVERSATION, CORRELATION);
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_FAILED, INT64_C(1700000001000), "RecipientOptedOut"),
                     STORE_APPLIED);
    assert_string_equal(read_info(fixture, ID).failure_code, "RecipientOptedOut");
    assert_string_equal(read_info(fixture, ID).provider_id, PROVIDER);
    assert_int_equal(ask(fixture, "SISMEMBER", KEY ":suppressed", PERSON), 1);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "receipt:failed"), 1);
    late.ticket = "t0";
    assert_int_equal(settle_item(fixture->store, STORE_SENT, workers[0], &late), 0);
    assert_string_equal(read_info(fixture, ID).provider_id, OTHER);
    assert_int_equal(counted(fixture, "late"), 1);
    assert_kept(fixture, "m1 p1 left0 message1 link2 early0");
}

static void test_a_key_of_a_wrong_type_refuses_the_step_or_is_gone_around(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle item = sent_of(ID, PROVIDER);

    call(fixture, "SET", KEY ":track", "x");
    hold(fixture, "t1");
    assert_int_equal(settle_item(fixture->store, STORE_SENT, workers[0], &item), ERR_STATE);
    assert_int_equal(counted(fixture, "sent"), 0);
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_READ, 0, ""), STORE_EARLY);
    call(fixture, "DEL", KEY ":track");
    send_item(fixture, &item);
    assert_int_equal(read_info(fixture, ID).delivery, DELIVERY_READ);
    assert_kept(fixture, "m1 p1 left0 message0 link0 early0");
    set_track(fixture,
              "local began, shards = string.match(redis.call('HGET', KEYS[1] .. ':track', 'kept'), '(%d+) (%d+)')\n"
              "for i = 0, shards - 1 do local name = KEYS[1] .. ':track:' .. began .. ':' .. i\n"
              "  redis.call('DEL', name) redis.call('SET', name, 'x') end return ''",
              0);
    assert_false(read_info(fixture, ID).is_known);
    assert_int_equal(hear(fixture, PROVIDER, DELIVERY_DELIVERED, 0, ""), STORE_EARLY);
    send_item(fixture, &item);
    assert_kept(fixture, "m0 p0 left0 message1 link1 early0");
    assert_int_equal(read_info(fixture, ID).delivery, DELIVERY_DELIVERED);
}

static bool on_ended(void *context, const char *id, const struct store_message_info *info)
{
    char *found = context;
    size_t used = strlen(found);

    (void)snprintf(found + used, 512 - used, "%s %s %s;", id, info->state, info->provider_id);
    return true;
}

static void test_reports_find_packed_messages_and_others_by_their_end(void **state)
{
    struct fixture *fixture = *state;
    struct reason why = {""};
    char found[512] = "";
    int64_t hour;

    send_one(fixture, ID, PROVIDER);
    send_one(fixture, "m1", "p1");
    send_one(fixture, ID, OTHER); /* another one with the same id: what is known is of that one */
    hour = read_info(fixture, ID).at_ms / STORE_HOUR_MS;
    assert_int_equal(read_info(fixture, "m1").at_ms / STORE_HOUR_MS, hour);
    assert_int_equal(store_report_ended(fixture->store, hour, on_ended, found, PATIENCE_MS, &why), 0);
    assert_non_null(strstr(found, ID " sent " OTHER ";"));
    assert_non_null(strstr(found, "m1 sent p1;"));
    assert_null(strstr(found, PROVIDER));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_sent_message_is_packed_and_tells_all_that_a_hash_does),
        TEST(test_many_messages_are_told_apart),
        TEST(test_what_does_not_fit_is_kept_in_keys_of_its_own),
        TEST(test_receipts_in_every_order_come_to_the_end_that_a_hash_comes_to),
        TEST(test_four_states_stay_packed_and_a_failure_moves_the_message_into_a_hash),
        TEST(test_an_instant_that_is_far_away_is_kept_as_it_is),
        TEST(test_the_audit_and_the_suppression_know_whose_a_receipt_is),
        TEST(test_a_late_answer_moves_the_message_into_a_hash_and_receipts_of_both_ids_count_once),
        TEST(test_the_same_step_again_changes_nothing),
        TEST(test_a_late_answer_and_the_own_one_in_one_step_are_one_message),
        TEST(test_one_that_the_gateway_took_says_when_that_was_and_leaves_its_hash),
        TEST(test_one_that_was_dead_before_keeps_its_hash),
        TEST(test_a_generation_ends_by_its_age_and_the_older_ones_are_still_found),
        TEST(test_a_full_generation_is_followed_by_one_of_twice_the_room_and_a_quiet_one_by_less),
        TEST(test_generations_whose_messages_have_expired_are_forgotten),
        TEST(test_a_clock_that_was_set_back_makes_one_generation),
        TEST(test_all_of_it_expires),
        TEST(test_names_that_are_too_many_for_a_generation_go_into_hashes),
        TEST(test_messages_of_an_older_herald_go_on),
        TEST(test_a_key_of_a_wrong_type_refuses_the_step_or_is_gone_around),
        TEST(test_reports_find_packed_messages_and_others_by_their_end),
    };

    return run_store_tests("tracking", tests, COUNT_OF(tests));
}
