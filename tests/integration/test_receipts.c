/* Receipts against a real Redis: in every order, before and after the send's own answer, repeated, cut off and refused,
 * and each time the same end. And what is known of one message on its way. */
#include "common/store_receipt.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/lib/fixture.h"

#define HOUR_MS  INT64_C(3600000)
#define LOOK_MAX 4096
#define EVENTS   6
#define AUDIT    "{\"at\":1,\"what\":\"receipt\"}"

static void set_field(struct fixture *fixture, const char *key, const char *field, const char *value)
{
    call(fixture, "HSET", key, field, value);
}

/* Everything but times of now and the order of the audit, as lines. Each key must end by itself but those that are
 * bounded otherwise. */
static void look(struct fixture *fixture, char out[LOOK_MAX])
{
    static const char script[] =
        "local lines, names = {}, redis.call('KEYS', '*') table.sort(names)\n"
        "local own = {counts = 1, audit = 1, suppressed = 1, ['inflight:w1'] = 1, spare = 1, workers = 1, parked = 1}\n"
        "for _, name in ipairs(names) do\n"
        "  local short, kind, items = string.sub(name, 12), redis.call('TYPE', name).ok, {}\n"
        "  if not own[short] and redis.call('PTTL', name) < 0 then lines[#lines + 1] = name .. ' stays for ever' end\n"
        "  local is_report = string.match(short, '^report:') or string.match(short, '^ends:')\n" /* test_report.c */
        "  if kind == 'set' then items = redis.call('SMEMBERS', name) table.sort(items)\n"
        "  elseif kind == 'stream' then\n"
        "    for _, entry in ipairs(redis.call('XRANGE', name, '-', '+')) do items[#items + 1] = entry[2][2] end\n"
        "    table.sort(items)\n"
        "  elseif kind == 'hash' then local flat = redis.call('HGETALL', name)\n"
        "    for i = 1, #flat, 2 do if flat[i] ~= 'at' then items[#items + 1] = flat[i] .. '=' .. flat[i + 1] end end\n"
        "    table.sort(items)\n"
        "  elseif kind == 'string' then items = {redis.call('GET', name)} end\n"
        "  if string.sub(short, 1, 5) == 'seen:' then short = 'seen' items = {tostring(#items)} end\n"
        "  if not is_report then lines[#lines + 1] = short .. ' ' .. table.concat(items, ' ') end\n"
        "end\n"
        "return table.concat(lines, '\\n')";
    struct redis_reply *reply = redis_server_call(fixture->server, "EVAL", script, "0", NULL);
    const char *text = redis_reply_text(reply, NULL);

    if (!text)
        fail_msg("look: %s", redis_reply_error(reply));
    assert_true(snprintf(out, LOOK_MAX, "%s", text) < LOOK_MAX);
    redis_reply_free(reply);
}

/* --- short forms --- */

struct received {
    int rc, calls;
    char answers[2048];
};

static void on_received(void *context, int rc, const enum store_received *answers, size_t count)
{
    static const char letters[] = {[STORE_APPLIED] = '1', [STORE_REPEATED] = '0', [STORE_EARLY] = 'e'};
    struct received *result = context;
    size_t used = strlen(result->answers);

    result->rc = rc;
    result->calls++;
    for (size_t i = 0; rc == 0 && i < count; i++)
        result->answers[used++] = letters[answers[i]];
    result->answers[used] = '\0';
}

static struct store_receipt receipt_of(const char *event, enum delivery delivery, int64_t at_ms)
{
    struct store_receipt receipt = {
        .provider_id = "p1", .delivery = delivery, .at_ms = at_ms, .code = "", .audit = span_of(AUDIT)};

    store_key_of(NULL, span_of(event), receipt.key);
    return receipt;
}

static struct store_receipt opt_out_of(const char *event, const char *person)
{
    struct store_receipt receipt = receipt_of(event, DELIVERY_FAILED, 50);

    receipt.code = "RecipientOptedOut";
    receipt.opts_out = true;
    receipt.person = span_of(person);
    return receipt;
}

static const char *record(struct store *store, const struct store_receipt *receipts, size_t count)
{
    static struct received result;

    result = (struct received){.rc = 1};
    store_receipts(store, HOUR_MS, receipts, count, on_received, &result);
    drain(store);
    assert_int_equal(result.calls, 1);
    return result.rc == 0 ? result.answers : result.rc == ERR_STATE ? "refused" : "lost";
}

static const char *record_one(struct store *store, struct store_receipt receipt)
{
    return record(store, &receipt, 1);
}

static void on_settled(void *context, int rc)
{
    *(int *)context = rc;
}

static struct store_settle sent_of(const char *provider_id)
{
    return (struct store_settle){
        .ticket = "t0",
        .id = "m1",
        .campaign = "spring",
        .attempts = 2,
        .provider_id = provider_id,
        .conversation_id = "c1",
        .correlation_id = "r1",
        .person = span_of("sms:+13175550199"),
        .counted_as = "retries",
        .delay_ms = 60000,
        .document = span_of("{}"),
        .reason = "rejected",
        .audit = span_of("{\"what\":\"attempt\"}"),
    };
}

static void settle(struct store *store, enum store_move move, struct store_settle item)
{
    int rc = 1;

    store_settle(store, move, "w1", &item, 1, on_settled, &rc);
    drain(store);
    assert_int_equal(rc, 0);
}

static void take(struct fixture *fixture)
{
    set_field(fixture, KEY ":inflight:w1", "t0", "N{\"id\":\"m1\"}");
}

struct known {
    int rc, calls;
    struct store_message_info info;
};

static void on_message(void *context, int rc, const struct store_message_info *info)
{
    struct known *known = context;

    known->rc = rc;
    known->calls++;
    known->info = *info;
}

static const struct store_message_info *read_message(struct store *store, const char *id)
{
    static struct known known;

    known = (struct known){.rc = 1};
    store_read_message(store, id, on_message, &known);
    drain(store);
    assert_int_equal(known.calls, 1);
    assert_int_equal(known.rc, 0);
    return &known.info;
}

/* --- every order --- */

static void write_events(struct store_receipt events[EVENTS])
{
    events[0] = receipt_of("queued", DELIVERY_QUEUED, 10);
    events[1] = receipt_of("sent", DELIVERY_SENT, 20);
    events[2] = receipt_of("delivered", DELIVERY_DELIVERED, 30);
    events[3] = receipt_of("delivered before", DELIVERY_DELIVERED, 25);
    events[4] = receipt_of("read", DELIVERY_READ, 40);
    events[5] = opt_out_of("failed", NULL);
}

static bool next_permutation(int order[EVENTS])
{
    int i = EVENTS - 2, j = EVENTS - 1, kept;

    while (i >= 0 && order[i] > order[i + 1])
        i--;
    if (i < 0)
        return false;
    while (order[j] < order[i])
        j--;
    kept = order[i];
    order[i] = order[j];
    order[j] = kept;
    for (i++, j = EVENTS - 1; i < j; i++, j--) {
        kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    return true;
}

/* The receipts in this order, the send's answer before the one at `answer_at`; one by one or in batches. */
static void run_order(struct fixture *fixture, const int order[EVENTS], int answer_at, bool in_batches)
{
    struct store_receipt events[EVENTS], sorted[EVENTS];
    const struct store_settle sent = sent_of("p1");
    struct received result = {.rc = 1};
    int rc = 1;

    clean(fixture);
    take(fixture);
    write_events(events);
    for (int i = 0; i < EVENTS; i++)
        sorted[i] = events[order[i]];
    if (in_batches && answer_at > 0)
        store_receipts(fixture->store, HOUR_MS, sorted, (size_t)answer_at, on_received, &result);
    for (int i = 0; i <= EVENTS; i++) {
        if (i == answer_at)
            store_settle(fixture->store, STORE_SENT, "w1", &sent, 1, on_settled, &rc);
        if (!in_batches && i < EVENTS)
            store_receipts(fixture->store, HOUR_MS, &sorted[i], 1, on_received, &result);
    }
    if (in_batches && answer_at < EVENTS)
        store_receipts(fixture->store, HOUR_MS, &sorted[answer_at], (size_t)(EVENTS - answer_at), on_received, &result);
    drain(fixture->store);
    assert_int_equal(rc, 0);
    assert_int_equal(result.rc, 0);
    assert_int_equal(strlen(result.answers), EVENTS);
    for (int i = 0; i < EVENTS; i++)
        assert_int_equal(result.answers[i], i < answer_at ? 'e' : '1');
}

/* The audit tells which came early: those have no id, and an opt-out among them suppresses when the answer comes, which
 * is an entry of its own. So it is compared apart. */
static void look_without_audit(struct fixture *fixture, bool has_early_opt_out, char out[LOOK_MAX])
{
    assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), EVENTS + 1 + has_early_opt_out);
    call(fixture, "DEL", KEY ":audit");
    look(fixture, out);
}

static bool is_early(const int order[EVENTS], int event, int answer_at)
{
    for (int i = 0; i < answer_at; i++) {
        if (order[i] == event)
            return true;
    }
    return false;
}

static void test_receipts_in_every_order_before_and_after_the_answer_come_to_the_same_end(void **state)
{
    static const char expected[] =
        "campaign:spring receipt:delivered=1 receipt:failed=1 receipt:queued=1 receipt:read=1 receipt:sent=1 sent=1\n"
        "counts receipt:delivered=1 receipt:failed=1 receipt:queued=1 receipt:read=1 receipt:sent=1 sent=1\n"
        "link:p1 m1\nspring\nsms:+13175550199\n"
        "message:m1 attempts=2 campaign=spring channel= conversation_id=c1 correlation_id=r1 delivered_at=25 "
        "delivery=failed "
        "failed_at=50 failure=RecipientOptedOut provider_id=p1 queued_at=10 read_at=40 sent_at=20 since=0 "
        "state=sent template=\n"
        "seen 6\n"
        "suppressed sms:+13175550199";
    struct fixture *fixture = *state;
    int order[EVENTS] = {0, 1, 2, 3, 4, 5}, sequences = 0;
    char found[LOOK_MAX];

    do {
        for (int answer_at = 0; answer_at <= EVENTS; answer_at++) {
            for (int in_batches = 0; in_batches < 2; in_batches++, sequences++) {
                run_order(fixture, order, answer_at, in_batches);
                look_without_audit(fixture, is_early(order, 5, answer_at), found);
                if (strcmp(found, expected) != 0)
                    fail_msg("order %d%d%d%d%d%d, answer at %d, batches %d:\n%s\n---\n%s", order[0], order[1], order[2],
                             order[3], order[4], order[5], answer_at, in_batches, found, expected);
            }
        }
    } while (next_permutation(order));
    assert_int_equal(sequences, 720 * 7 * 2);
}

static void test_of_two_failures_the_earlier_one_gives_the_code_whatever_the_order(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 8; i++) {
        struct store_receipt one = receipt_of("one", DELIVERY_FAILED, 70), two = receipt_of("two", DELIVERY_FAILED, 80);

        one.code = "ServerError";
        two.code = "GeneralError";
        if (i & 1)
            two.at_ms = 70; /* at the same time: the greater text */
        clean(fixture);
        if (i & 2)
            settle(fixture->store, STORE_SENT, sent_of("p1"));
        (void)record_one(fixture->store, i & 4 ? one : two);
        (void)record_one(fixture->store, i & 4 ? two : one);
        if (!(i & 2))
            settle(fixture->store, STORE_SENT, sent_of("p1"));
        assert_string_equal(read_message(fixture->store, "m1")->failure_code, "ServerError");
        assert_int_equal(read_message(fixture->store, "m1")->reached_at_ms[DELIVERY_FAILED], 70);
    }
}

/* --- once --- */

static void test_a_thousand_duplicates_over_many_connections_are_applied_once(void **state)
{
    struct fixture *fixture = *state;
    struct store *stores[20];
    struct received results[20];
    const struct store_receipt receipt = receipt_of("again", DELIVERY_DELIVERED, 30);
    struct store_receipt many[25];
    int applied = 0, repeated = 0;

    settle(fixture->store, STORE_SENT, sent_of("p1"));
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = receipt;
    for (size_t i = 0; i < COUNT_OF(stores); i++) {
        stores[i] = open_store(redis_server_url(fixture->server));
        results[i] = (struct received){.rc = 1};
        store_receipts(stores[i], HOUR_MS, many, COUNT_OF(many), on_received, &results[i]);
        for (size_t n = 0; n < COUNT_OF(many); n++)
            store_receipts(stores[i], HOUR_MS, &receipt, 1, on_received, &results[i]);
    }
    for (bool is_busy = true; is_busy;) {
        is_busy = false;
        for (size_t i = 0; i < COUNT_OF(stores); i++) {
            (void)store_pump(stores[i], NULL);
            is_busy = is_busy || store_pending(stores[i]) > 0;
        }
    }
    for (size_t i = 0; i < COUNT_OF(stores); i++) {
        for (const char *at = results[i].answers; *at; at++) {
            applied += *at == '1';
            repeated += *at == '0';
        }
        store_close(stores[i]);
    }
    assert_int_equal(applied, 1);
    assert_int_equal(repeated, 999);
    assert_int_equal(ask(fixture, "HGET", KEY ":counts", "receipt:delivered"), 1);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "receipt:delivered"), 1);
    assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), 2); /* the attempt's and one */
}

static void test_the_same_state_in_another_event_is_recorded_and_not_counted_again(void **state)
{
    struct fixture *fixture = *state;

    settle(fixture->store, STORE_SENT, sent_of("p1"));
    assert_string_equal(record_one(fixture->store, receipt_of("a", DELIVERY_READ, 40)), "1");
    assert_string_equal(record_one(fixture->store, receipt_of("b", DELIVERY_READ, 60)), "1");
    assert_int_equal(ask(fixture, "HGET", KEY ":counts", "receipt:read"), 1);
    assert_int_equal(read_message(fixture->store, "m1")->reached_at_ms[DELIVERY_READ], 40);
    assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), 3);
}

static void test_a_message_that_was_sent_twice_is_counted_once_in_each_state(void **state)
{
    struct fixture *fixture = *state;
    struct store_receipt first = receipt_of("first", DELIVERY_DELIVERED, 30),
                         second = receipt_of("second", DELIVERY_DELIVERED, 35);

    second.provider_id = "p2";
    assert_string_equal(record_one(fixture->store, second), "e");
    settle(fixture->store, STORE_SENT, sent_of("p1")); /* a late answer: the ticket is not there */
    take(fixture);
    settle(fixture->store, STORE_SENT, sent_of("p2"));
    assert_string_equal(record_one(fixture->store, first), "1");
    assert_int_equal(ask(fixture, "HGET", KEY ":counts", "receipt:delivered"), 1);
    assert_int_equal(read_message(fixture->store, "m1")->reached_at_ms[DELIVERY_DELIVERED], 30);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":early:p2"), 0);
}

static void test_a_receipt_whose_answer_was_lost_can_be_brought_again(void **state)
{
    struct fixture *fixture = *state;
    struct redis_proxy *proxy = redis_proxy_start(fixture->server);
    struct store *store = open_store(redis_proxy_url(proxy));
    char before[LOOK_MAX], after[LOOK_MAX];

    settle(fixture->store, STORE_SENT, sent_of("p1"));
    drain(store);
    redis_proxy_lose_request(proxy);
    assert_string_equal(record_one(store, receipt_of("a", DELIVERY_READ, 40)), "lost");
    assert_int_equal(ask(fixture, "HEXISTS", KEY ":counts", "receipt:read"), 0);
    redis_proxy_lose_reply(proxy);
    assert_string_equal(record_one(store, receipt_of("a", DELIVERY_READ, 40)), "lost");
    look(fixture, before);
    assert_int_equal(ask(fixture, "HGET", KEY ":counts", "receipt:read"), 1);
    assert_string_equal(record_one(store, receipt_of("a", DELIVERY_READ, 40)), "0");
    look(fixture, after);
    assert_string_equal(before, after);
    store_close(store);
    redis_proxy_stop(proxy);
}

static void test_the_answer_of_a_send_that_is_recorded_again_applies_nothing_twice(void **state)
{
    struct fixture *fixture = *state;
    char before[LOOK_MAX], after[LOOK_MAX];

    (void)record_one(fixture->store, receipt_of("a", DELIVERY_READ, 40));
    take(fixture);
    settle(fixture->store, STORE_SENT, sent_of("p1"));
    look(fixture, before);
    for (int i = 0; i < 3; i++)
        settle(fixture->store, STORE_SENT, sent_of("p1"));
    look(fixture, after);
    assert_string_equal(before, after);
}

/* --- how long things are remembered --- */

static void test_an_event_is_remembered_for_its_time_and_not_for_ever(void **state)
{
    struct fixture *fixture = *state;
    const struct store_receipt receipt = receipt_of("a", DELIVERY_READ, 40);
    int64_t start_ms = clock_mono_ms(), until_ms;
    struct received result;

    for (;;) {
        result = (struct received){.rc = 1};
        store_receipts(fixture->store, 900, &receipt, 1, on_received, &result);
        drain(fixture->store);
        until_ms = clock_mono_ms() - start_ms;
        if (until_ms > 0 && result.answers[0] == 'e' && until_ms >= 300)
            break;
        assert_true(until_ms < 10000);
        (void)usleep(5000);
    }
    assert_true(until_ms >= 900);
}

static void test_nothing_of_a_receipt_stays_for_ever(void **state)
{
    struct fixture *fixture = *state;
    char found[LOOK_MAX];

    store_set_limits(fixture->store, &(struct store_limits){1000, 60000, 60000, 1000, false, HOUR_MS});
    assert_string_equal(record_one(fixture->store, receipt_of("a", DELIVERY_READ, 0)), "e");
    look(fixture, found);
    assert_null(strstr(found, "for ever"));
    /* As long as the event would not be taken again, though messages are kept for a second only. */
    assert_in_range(ask(fixture, "PTTL", KEY ":early:p1"), HOUR_MS - 60000, HOUR_MS);
    settle(fixture->store, STORE_SENT, sent_of("p1"));
    look(fixture, found);
    assert_null(strstr(found, "for ever"));
    assert_in_range(ask(fixture, "PTTL", KEY ":link:p1"), 1, 1000);
    assert_in_range(ask(fixture, "PTTL", KEY ":message:m1"), 1, 1000);
    assert_in_range(read_message(fixture->store, "m1")->reached_at_ms[DELIVERY_READ], clock_wall_ms() - 60000,
                    clock_wall_ms() + 60000); /* no time given: now */
}

/* --- who has opted out --- */

static void test_an_opt_out_suppresses_the_person_of_the_event_or_of_the_message(void **state)
{
    static const struct {
        const char *of_event, *of_message, *expected; /* NULL: nobody */
    } table[] = {
        {NULL, "sms:+13175550199", "sms:+13175550199"},
        {"open:ann", "sms:+13175550199", "open:ann"},
        {"open:ann", "", "open:ann"},
        {NULL, "", NULL},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        for (int is_early = 0; is_early < 2; is_early++) {
            struct store_settle sent = sent_of("p1");

            clean(fixture);
            sent.person = span_of(table[i].of_message);
            if (!is_early)
                settle(fixture->store, STORE_SENT, sent);
            (void)record_one(fixture->store, opt_out_of("a", table[i].of_event));
            if (is_early && table[i].of_event)
                assert_int_equal(ask(fixture, "SISMEMBER", KEY ":suppressed", table[i].of_event), 1);
            if (is_early)
                settle(fixture->store, STORE_SENT, sent);
            assert_int_equal(ask(fixture, "SCARD", KEY ":suppressed"), table[i].expected ? 1 : 0);
            if (table[i].expected)
                assert_int_equal(ask(fixture, "SISMEMBER", KEY ":suppressed", table[i].expected), 1);
        }
    }
}

static void test_any_other_failure_suppresses_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct store_receipt failed = receipt_of("a", DELIVERY_FAILED, 50);

    failed.code = "GeneralError";
    failed.person = span_of("open:ann");
    (void)record_one(fixture->store, failed);
    settle(fixture->store, STORE_SENT, sent_of("p1"));
    assert_int_equal(ask(fixture, "EXISTS", KEY ":suppressed"), 0);
}

/* --- early ones --- */

static void test_a_receipt_that_overtook_the_answer_counts_when_the_answer_comes(void **state)
{
    struct fixture *fixture = *state;
    const struct store_message_info *info;

    assert_string_equal(record_one(fixture->store, receipt_of("a", DELIVERY_DELIVERED, 30)), "e");
    assert_int_equal(ask(fixture, "EXISTS", KEY ":counts"), 0);
    assert_false(read_message(fixture->store, "m1")->is_known);
    take(fixture);
    settle(fixture->store, STORE_SENT, sent_of("p1"));
    info = read_message(fixture->store, "m1");
    assert_true(info->is_known);
    assert_string_equal(info->state, "sent");
    assert_int_equal(info->delivery, DELIVERY_DELIVERED);
    assert_int_equal(info->reached_at_ms[DELIVERY_DELIVERED], 30);
    assert_int_equal(info->reached_at_ms[DELIVERY_SENT], 0);
    assert_int_equal(ask(fixture, "HGET", KEY ":counts", "receipt:delivered"), 1);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":early:p1"), 0);
    assert_string_equal(record_one(fixture->store, receipt_of("a", DELIVERY_DELIVERED, 30)), "0");
}

static void test_an_answer_without_an_id_is_nobodys(void **state)
{
    struct fixture *fixture = *state;
    struct store_receipt receipt = receipt_of("a", DELIVERY_DELIVERED, 30);
    char found[LOOK_MAX];

    settle(fixture->store, STORE_SENT, sent_of(""));
    look(fixture, found);
    assert_null(strstr(found, "link:"));
    receipt.provider_id = "p9";
    assert_string_equal(record_one(fixture->store, receipt), "e");
    assert_int_equal(read_message(fixture->store, "m1")->delivery, DELIVERY_PENDING);
}

/* --- keys that somebody else has put something into --- */

static void put_wrong(struct fixture *fixture, const char *name, bool is_wrong)
{
    char key[64];

    (void)snprintf(key, sizeof(key), KEY ":%s", name);
    redis_reply_free(is_wrong ? redis_server_call(fixture->server, "SET", key, "not what you think", NULL)
                              : redis_server_call(fixture->server, "DEL", key, NULL));
}

static void test_a_shared_key_of_a_wrong_type_refuses_the_batch_whole_and_it_can_be_brought_again(void **state)
{
    static const char *const names[] = {"counts", "audit", "suppressed"};
    struct fixture *fixture = *state;
    const struct store_receipt receipts[] = {receipt_of("a", DELIVERY_READ, 40), opt_out_of("b", "open:ann")};
    char before[LOOK_MAX], after[LOOK_MAX];

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        clean(fixture);
        put_wrong(fixture, names[i], true);
        look(fixture, before);
        assert_string_equal(record(fixture->store, receipts, 2), "refused");
        look(fixture, after);
        assert_string_equal(before, after);
        put_wrong(fixture, names[i], false);
        assert_string_equal(record(fixture->store, receipts, 2), "ee");
    }
}

static void test_a_bucket_of_a_wrong_type_refuses_the_batch_whole(void **state)
{
    struct fixture *fixture = *state;
    int64_t width = HOUR_MS / 3;

    for (int back = 0; back < 3; back++) {
        for (int64_t ahead = -1; ahead < 2; ahead++) { /* the bucket may change while we look at the clock */
            char name[64];

            (void)snprintf(name, sizeof(name), "seen:webhook:%lld",
                           (long long)(clock_wall_ms() / width + ahead - back));
            put_wrong(fixture, name, true);
        }
        assert_string_equal(record_one(fixture->store, receipt_of("a", DELIVERY_READ, 40)), "refused");
        assert_int_equal(ask(fixture, "EXISTS", KEY ":early:p1"), 0);
        clean(fixture);
    }
}

static void test_a_key_of_one_message_of_a_wrong_type_holds_up_no_other(void **state)
{
    static const char *const names[] = {"message:m1", "link:p1", "early:p1", "campaign:spring"};
    struct fixture *fixture = *state;
    struct store_receipt receipts[] = {receipt_of("a", DELIVERY_READ, 40), receipt_of("b", DELIVERY_READ, 40)};
    struct store_settle other = sent_of("p2");

    other.id = "m2";
    other.campaign = "autumn";
    receipts[1].provider_id = "p2";
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        for (int is_early = 0; is_early < 2; is_early++) {
            char key[64];

            clean(fixture);
            if (!is_early)
                settle(fixture->store, STORE_SENT, sent_of("p1"));
            settle(fixture->store, STORE_SENT, other);
            put_wrong(fixture, names[i], false);
            (void)snprintf(key, sizeof(key), KEY ":%s", names[i]);
            call(fixture, "RPUSH", key, "not what you think");
            assert_int_equal(record(fixture->store, receipts, 2)[1], '1');
            if (is_early)
                settle(fixture->store, STORE_SENT, sent_of("p1"));
            assert_int_equal(read_message(fixture->store, "m2")->reached_at_ms[DELIVERY_READ], 40);
            assert_int_equal(ask(fixture, "HGET", KEY ":campaign:autumn", "receipt:read"), 1);
            assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), 4); /* both attempts', both receipts' */
        }
    }
}

/* --- what is known of a message --- */

static void test_the_audit_entry_of_a_receipt_names_the_message_when_it_is_known(void **state)
{
    struct fixture *fixture = *state;
    char found[LOOK_MAX];

    settle(fixture->store, STORE_SENT, sent_of("p1"));
    call(fixture, "DEL", KEY ":audit");
    (void)record_one(fixture->store, receipt_of("a", DELIVERY_READ, 40));
    look(fixture, found);
    assert_non_null(strstr(found, "audit {\"at\":1,\"what\":\"receipt\",\"id\":\"m1\",\"campaign\":\"spring\"}\n"));
    call(fixture, "DEL", KEY ":link:p1");
    call(fixture, "DEL", KEY ":audit");
    (void)record_one(fixture->store, receipt_of("b", DELIVERY_READ, 40));
    look(fixture, found);
    assert_non_null(strstr(found, "audit " AUDIT "\n"));
}

/* As accept.lua leaves a message that came with a state to ask for. */
static void accept_message(struct fixture *fixture)
{
    clean(fixture);
    set_field(fixture, KEY ":message:m1", "state", "accepted");
    set_field(fixture, KEY ":message:m1", "accepted_at", "5");
    set_field(fixture, KEY ":message:m1", "campaign", "spring");
    call(fixture, "PEXPIRE", KEY ":message:m1", "60000");
    take(fixture);
}

static void test_a_message_is_followed_from_its_acceptance_to_each_end(void **state)
{
    struct fixture *fixture = *state;
    const struct store_message_info *info;

    accept_message(fixture);
    info = read_message(fixture->store, "m1");
    assert_string_equal(info->state, "accepted");
    assert_int_equal(info->accepted_at_ms, 5);
    assert_int_equal(info->attempts, 0);
    settle(fixture->store, STORE_DEFER, sent_of(NULL));
    info = read_message(fixture->store, "m1");
    assert_string_equal(info->state, "accepted");
    assert_int_equal(info->attempts, 2);
    take(fixture);
    settle(fixture->store, STORE_BURY, sent_of(NULL));
    info = read_message(fixture->store, "m1");
    assert_string_equal(info->state, "dead");
    assert_string_equal(info->reason, "rejected");
    assert_string_equal(info->campaign, "spring");
    assert_int_equal(info->attempts, 2);
    assert_true(info->at_ms > 0);
    settle(fixture->store, STORE_SENT, sent_of("p1")); /* a late answer */
    info = read_message(fixture->store, "m1");
    assert_string_equal(info->state, "sent");
    assert_string_equal(info->reason, "");
    assert_string_equal(info->provider_id, "p1");
    assert_string_equal(info->conversation_id, "c1");
    assert_string_equal(info->correlation_id, "r1");
    assert_int_equal(info->accepted_at_ms, 5);
}

static void test_a_retry_makes_no_state_for_a_message_that_came_without_one(void **state)
{
    struct fixture *fixture = *state;

    take(fixture);
    settle(fixture->store, STORE_DEFER, sent_of(NULL));
    assert_false(read_message(fixture->store, "m1")->is_known);
    put_wrong(fixture, "message:m1", true);
    take(fixture);
    settle(fixture->store, STORE_DEFER, sent_of(NULL));
}

static void on_checked(void *context, int rc, const struct store_checked *answers, size_t count)
{
    *(int *)context = rc == 0 && count == 1 ? (int)answers[0].answer : -1;
}

static int check(struct fixture *fixture)
{
    const struct store_look about = {.worker = "w1"};
    const struct store_check item = {.ticket = "t0", .id = "m1", .campaign = "spring"};
    int answer = -1;

    call(fixture, "ZADD", KEY ":workers", "99999999999999", "w1");
    store_check(fixture->store, &about, &item, 1, on_checked, &answer);
    drain(fixture->store);
    return answer;
}

static void test_a_cancelled_message_says_so_wherever_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct reason why = {""};
    int64_t moved;

    accept_message(fixture);
    set_field(fixture, KEY ":campaign:spring", "state", "cancelled");
    assert_int_equal(check(fixture), STORE_CANCELLED);
    assert_string_equal(read_message(fixture->store, "m1")->state, "cancelled");

    accept_message(fixture);
    set_field(fixture, KEY ":campaign:spring", "state", "paused");
    assert_int_equal(check(fixture), STORE_PARKED);
    assert_string_equal(read_message(fixture->store, "m1")->state, "accepted");
    assert_int_equal(store_set_campaign(fixture->store, "spring", STORE_CANCELLED_FOR_GOOD,
                                        &(struct audit_by){.actor = "cli:test"}, &moved, PATIENCE_MS, &why),
                     0);
    assert_int_equal(moved, 1);
    assert_string_equal(read_message(fixture->store, "m1")->state, "cancelled");
    assert_in_range(ask(fixture, "PTTL", KEY ":message:m1"), 1, INT64_C(7) * 24 * HOUR_MS);

    accept_message(fixture);
    call(fixture, "DEL", KEY ":message:m1"); /* it came without a state: nobody asks for it */
    set_field(fixture, KEY ":campaign:spring", "state", "cancelled");
    assert_int_equal(check(fixture), STORE_CANCELLED);
    assert_false(read_message(fixture->store, "m1")->is_known);

    accept_message(fixture);
    set_field(fixture, KEY ":message:m1", "state", "sent"); /* a late answer said so */
    set_field(fixture, KEY ":campaign:spring", "state", "cancelled");
    assert_int_equal(check(fixture), STORE_CANCELLED);
    assert_string_equal(read_message(fixture->store, "m1")->state, "sent");
}

static void test_the_longest_id_can_be_asked_for_and_a_key_of_a_wrong_type_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct known known = {.rc = 1};
    char id[ID_SIZE], key[ID_SIZE + 32];

    memset(id, 'x', ID_MAX);
    id[ID_MAX] = '\0';
    (void)snprintf(key, sizeof(key), KEY ":message:%s", id);
    set_field(fixture, key, "state", "accepted");
    assert_string_equal(read_message(fixture->store, id)->state, "accepted");
    put_wrong(fixture, "message:m1", true);
    store_read_message(fixture->store, "m1", on_message, &known);
    drain(fixture->store);
    assert_int_equal(known.rc, ERR_STATE);
    assert_false(known.info.is_known);
}

static void test_fields_that_nobody_of_ours_wrote_are_cut_to_their_size(void **state)
{
    struct fixture *fixture = *state;
    char text[1001];
    const struct store_message_info *info;

    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    set_field(fixture, KEY ":message:m1", "state", text);
    set_field(fixture, KEY ":message:m1", "delivery", text);
    set_field(fixture, KEY ":message:m1", "at", text);
    set_field(fixture, KEY ":message:m1", text, text);
    info = read_message(fixture->store, "m1");
    assert_int_equal(strlen(info->state), sizeof(info->state) - 1);
    assert_int_equal(info->delivery, DELIVERY_PENDING);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST_ON_EMPTY(test_receipts_in_every_order_before_and_after_the_answer_come_to_the_same_end),
        TEST_ON_EMPTY(test_of_two_failures_the_earlier_one_gives_the_code_whatever_the_order),
        TEST_ON_EMPTY(test_a_thousand_duplicates_over_many_connections_are_applied_once),
        TEST_ON_EMPTY(test_the_same_state_in_another_event_is_recorded_and_not_counted_again),
        TEST_ON_EMPTY(test_a_message_that_was_sent_twice_is_counted_once_in_each_state),
        TEST_ON_EMPTY(test_a_receipt_whose_answer_was_lost_can_be_brought_again),
        TEST_ON_EMPTY(test_the_answer_of_a_send_that_is_recorded_again_applies_nothing_twice),
        TEST_ON_EMPTY(test_an_event_is_remembered_for_its_time_and_not_for_ever),
        TEST_ON_EMPTY(test_nothing_of_a_receipt_stays_for_ever),
        TEST_ON_EMPTY(test_an_opt_out_suppresses_the_person_of_the_event_or_of_the_message),
        TEST_ON_EMPTY(test_any_other_failure_suppresses_nobody),
        TEST_ON_EMPTY(test_a_receipt_that_overtook_the_answer_counts_when_the_answer_comes),
        TEST_ON_EMPTY(test_an_answer_without_an_id_is_nobodys),
        TEST_ON_EMPTY(test_a_shared_key_of_a_wrong_type_refuses_the_batch_whole_and_it_can_be_brought_again),
        TEST_ON_EMPTY(test_a_bucket_of_a_wrong_type_refuses_the_batch_whole),
        TEST_ON_EMPTY(test_a_key_of_one_message_of_a_wrong_type_holds_up_no_other),
        TEST_ON_EMPTY(test_the_audit_entry_of_a_receipt_names_the_message_when_it_is_known),
        TEST_ON_EMPTY(test_a_message_is_followed_from_its_acceptance_to_each_end),
        TEST_ON_EMPTY(test_a_retry_makes_no_state_for_a_message_that_came_without_one),
        TEST_ON_EMPTY(test_a_cancelled_message_says_so_wherever_it_was),
        TEST_ON_EMPTY(test_the_longest_id_can_be_asked_for_and_a_key_of_a_wrong_type_is_an_error),
        TEST_ON_EMPTY(test_fields_that_nobody_of_ours_wrote_are_cut_to_their_size),
    };

    return run_store_tests("receipts", tests, COUNT_OF(tests));
}
