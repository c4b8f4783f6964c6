/* Callbacks in the store, against a real Redis: queued by the step that they tell of and by no repetition of it, handed
 * out under leases and host by host, and ended once whoever says so. */
#include "common/store_callback.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/store_receipt.h"
#include "tests/lib/store_fixture.h"

#define URL      "https://crm.example.org/a"
#define HOST     "crm.example.org"
#define LEASE_MS 60000
#define HOUR_MS  INT64_C(3600000)

/* --- short forms --- */

/* What was taken, copied out of the answer. */
struct taken_callbacks {
    int rc;
    size_t count;
    int64_t due_in_ms, dropped;
    struct {
        char id[64], host[64], document[512];
    } items[STORE_CALLBACKS_MAX];
};

static void copy(char *out, size_t size, struct span text)
{
    (void)snprintf(out, size, "%.*s", (int)text.len, text.data);
}

static void on_taken(void *context, const struct store_callbacks *callbacks)
{
    struct taken_callbacks *taken = context;

    taken->rc = callbacks->rc;
    taken->count = callbacks->count;
    taken->due_in_ms = callbacks->due_in_ms;
    taken->dropped = callbacks->dropped;
    for (size_t i = 0; i < callbacks->count; i++) {
        copy(taken->items[i].id, sizeof(taken->items[i].id), callbacks->items[i].id);
        copy(taken->items[i].host, sizeof(taken->items[i].host), callbacks->items[i].host);
        copy(taken->items[i].document, sizeof(taken->items[i].document), callbacks->items[i].document);
    }
}

static const struct taken_callbacks *take_from(struct store *store, const struct store_callback_take *ask)
{
    static struct taken_callbacks taken;

    memset(&taken, 0, sizeof(taken));
    taken.rc = 1;
    store_take_callbacks(store, ask, on_taken, &taken);
    drain(store);
    return &taken;
}

static const struct taken_callbacks *take(struct store *store, int64_t lease_ms)
{
    const struct store_callback_take ask = {
        .wanted = STORE_CALLBACKS_MAX, .most_of_host = STORE_CALLBACKS_MAX, .lease_ms = lease_ms};

    return take_from(store, &ask);
}

/* Lets time pass until there is something again. */
static const struct taken_callbacks *take_when_due(struct fixture *fixture, int64_t lease_ms)
{
    const struct taken_callbacks *taken;

    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; (void)usleep(1000)) {
        beat(fixture->store, "w1", 60000, ""); /* the org's clock stands still when nobody ticks */
        taken = take(fixture->store, lease_ms);
        if (taken->count > 0)
            return taken;
    }
    fail_msg("nothing falls due");
    return NULL;
}

static void end_as(struct store *store, const char *id, const char *host, const struct store_callback_end *as)
{
    struct store_callback_end end = *as;
    int rc = 1;

    end.id = id;
    end.host = host;
    end.document = span_of("{\"attempts\":1,\"since\":5,\"failure\":{\"reason\":\"rejected\"},\"url\":\"" URL "\"}");
    store_end_callbacks(store, &end, 1, 1000, on_settled, &rc);
    drain(store);
    assert_int_equal(rc, 0);
}

static void end_done(struct store *store, const char *id)
{
    end_as(store, id, HOST, &(struct store_callback_end){.outcome = STORE_CALLBACK_DONE, .verdict = STORE_HOST_UP});
}

static struct store_settle item_to(const char *ticket, const char *text, const char *url)
{
    struct store_settle item = item_of(ticket, text);

    item.about = (struct store_about){.channel = "sms", .callback = span_of(url)};
    item.correlation_id = "";
    item.person = span_of("sms:+13175550199");
    item.code = "";
    return item;
}

/* Enqueues, reserves and sends one message. */
static struct store_settle send_one(struct store *store, int64_t ticket, const char *text, const char *url)
{
    static char tickets[16][STORE_TICKET_SIZE];
    char *name = tickets[ticket % 16];
    struct store_settle item;

    (void)snprintf(name, STORE_TICKET_SIZE, "t%d", (int)ticket);
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, text);
    assert_string_equal(reserve(store, "w1", ticket, 1), text);
    item = item_to(name, text, url);
    assert_int_equal(settle_item(store, STORE_SENT, "w1", &item), 0);
    return item;
}

static void assert_callbacks(struct fixture *fixture, int64_t waiting, int64_t in_flight, int64_t dead)
{
    struct store_status *status = read_status(fixture);

    assert_int_equal(status->callbacks.waiting, waiting);
    assert_int_equal(status->callbacks.in_flight, in_flight);
    assert_int_equal(status->callbacks.dead, dead);
    free(status);
}

static void assert_tells(const char *document, const char *what)
{
    if (!strstr(document, what))
        fail_msg("%s is not in %s", what, document);
}

static void on_received(void *context, int rc, const enum store_received *answers, size_t count)
{
    (void)context;
    (void)answers;
    assert_int_equal(rc, 0);
    assert_int_equal(count, 1);
}

static void hear(struct store *store, const char *event, enum delivery delivery, int64_t at_ms)
{
    struct store_receipt receipt = {.provider_id = "provider-1", .delivery = delivery, .at_ms = at_ms, .code = ""};

    store_key_of(NULL, span_of(event), receipt.key);
    store_receipts(store, HOUR_MS, &receipt, 1, on_received, NULL);
    drain(store);
}

/* --- what is queued --- */

static void test_the_step_that_records_a_send_queues_one_callback_and_its_repetition_none(void **state)
{
    struct fixture *fixture = *state;
    const struct store_settle item = send_one(fixture->store, 0, "a", URL);
    const struct taken_callbacks *taken;

    assert_int_equal(settle_item(fixture->store, STORE_SENT, "w1", &item), 0);
    taken = take(fixture->store, LEASE_MS);
    assert_int_equal(taken->count, 1);
    assert_string_equal(taken->items[0].host, HOST);
    assert_tells(taken->items[0].document, "{\"attempts\":0,\"since\":");
    assert_tells(taken->items[0].document, "\"type\":\"message.sent\"");
    assert_tells(taken->items[0].document,
                 "\"data\":{\"id\":\"a\",\"sequence\":1,\"channel\":\"sms\",\"state\":\"sent\"");
    assert_tells(taken->items[0].document, "\"provider_id\":\"provider-1\"");
    assert_callbacks(fixture, 0, 1, 0);
    assert_sum(fixture, 1);
}

static void test_a_message_without_a_callback_leaves_no_trace(void **state)
{
    struct fixture *fixture = *state;

    (void)send_one(fixture->store, 0, "a", NULL);
    hear(fixture->store, "e1", DELIVERY_DELIVERED, 5);
    assert_int_equal(ask(fixture, "EVAL", "return #redis.call('KEYS', '*callback*')", "0"), 0);
    assert_int_equal(ask(fixture, "HEXISTS", KEY ":message:a", "callback"), 0);
    assert_int_equal(ask(fixture, "HEXISTS", KEY ":message:a", "told"), 0);
}

static void test_each_state_that_is_news_is_told_once_whether_it_came_before_or_after(void **state)
{
    struct fixture *fixture = *state;
    const struct taken_callbacks *taken;
    unsigned found = 0;

    hear(fixture->store, "e1", DELIVERY_DELIVERED, 1768473000000); /* before the answer to the send */
    assert_callbacks(fixture, 0, 0, 0);
    (void)send_one(fixture->store, 0, "a", URL);
    hear(fixture->store, "e1", DELIVERY_DELIVERED, 1768473000000);
    hear(fixture->store, "e2", DELIVERY_DELIVERED, 1768473000001);
    hear(fixture->store, "e3", DELIVERY_READ, 1768473000002);
    taken = take(fixture->store, LEASE_MS);
    assert_int_equal(taken->count, 3);
    for (size_t i = 0; i < 3; i++) {
        found |=
            strstr(taken->items[i].document, "\"sequence\":1,") && strstr(taken->items[i].document, "message.sent");
        found |= strstr(taken->items[i].document, "\"sequence\":2,") &&
                         strstr(taken->items[i].document, "\"type\":\"receipt.delivered\",\"at\":1768473000000,")
                     ? 2U
                     : 0U;
        found |= strstr(taken->items[i].document, "\"sequence\":3,") && strstr(taken->items[i].document, "receipt.read")
                     ? 4U
                     : 0U;
    }
    assert_int_equal(found, 7);
}

static void on_reaped(void *context, int64_t taken)
{
    (void)context;
    assert_true(taken >= 0);
}

static void test_a_burial_a_reaping_and_a_cancelled_campaign_are_told(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    static const char held[] = "{\"id\":\"b\",\"on_unknown\":\"hold\",\"callback_url\":\"" URL "\"}";
    const struct audit_by by = {"test", ""};
    struct store_settle item = item_to("t0", "a", URL);
    const struct taken_callbacks *taken;
    char all[4096] = "";
    int64_t moved;

    store_set_callbacks(store, URL "?default", 100); /* for those that name none */
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a");
    (void)reserve(store, "w1", 0, 1);
    assert_int_equal(settle_item(store, STORE_BURY, "w1", &item), 0);
    assert_int_equal(settle_item(store, STORE_BURY, "w1", &item), 0);
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, held);
    (void)reserve(store, "w2", 0, 1);
    call(fixture, "DEL", KEY ":pulse", KEY ":calm");
    call(fixture, "ZADD", KEY ":workers", "1", "w2");
    call(fixture, "HSET", KEY ":campaign:spring", "state", "paused");
    call(fixture, "LPUSH", KEY ":parked:spring", "N{\"id\":\"c\"}");
    assert_int_equal(
        store_set_campaign(store, "spring", STORE_CANCELLED_FOR_GOOD, &by, &moved, PATIENCE_MS, &(struct reason){""}),
        0);
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; (void)usleep(1000)) {
        store_reap(store, 2, on_reaped, NULL);
        drain(store);
        if (ask(fixture, "HLEN", KEY ":callbacks:jobs") == 3)
            break;
    }
    taken = take(store, LEASE_MS);
    assert_int_equal(taken->count, 3);
    for (size_t i = 0; i < taken->count; i++)
        (void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s\n", taken->items[i].document);
    assert_tells(
        all, "\"data\":{\"id\":\"a\",\"sequence\":1,\"channel\":\"sms\",\"state\":\"dead\",\"reason\":\"rejected\"");
    assert_tells(all, "\"data\":{\"id\":\"b\",\"sequence\":1,\"channel\":\"none\",\"state\":\"dead\",\"reason\":"
                      "\"outcome_unknown\"");
    assert_tells(all, "?default\",\"type\":\"message.cancelled\"");
    assert_tells(all, "\"data\":{\"id\":\"c\",\"sequence\":1,\"campaign\":\"spring\",\"state\":\"cancelled\"}");
}

static void test_more_than_may_wait_are_dropped_and_counted(void **state)
{
    struct fixture *fixture = *state;
    const struct taken_callbacks *taken;
    struct store_status *status;
    char text[16];

    store_set_callbacks(fixture->store, NULL, 3);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(text, sizeof(text), "m%d", i);
        (void)send_one(fixture->store, i, text, URL);
    }
    taken = take(fixture->store, LEASE_MS);
    assert_int_equal(taken->count, 3);
    assert_int_equal(taken->dropped, 2);
    assert_sum(fixture, 5);
    end_done(fixture->store, taken->items[0].id);
    (void)send_one(fixture->store, 5, "m5", URL); /* there is room again */
    status = read_status(fixture);
    assert_int_equal(status->callbacks.waiting, 1);
    assert_int_equal(status->callbacks.dropped, 2);
    free(status);
}

static void test_keys_of_a_wrong_type_stop_no_message(void **state)
{
    static const char *const names[] = {"callbacks:jobs",     "callbacks:hosts",  "callbacks:trouble", "callbacks:dead",
                                        "callbacks:settings", "callbacks:counts", "callbacks:of:" HOST};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char key[64];

        assert_int_equal(open_fixture_again(fixture), 0);
        (void)snprintf(key, sizeof(key), KEY ":%s", names[i]);
        call(fixture, "SET", key, "neither");
        (void)send_one(fixture->store, 0, "a", URL);
        call(fixture, "DEL", key, key);
        assert_sum(fixture, 1);
        assert_int_equal(counted(fixture, "callbacks_lost"), 1);
    }
}

/* --- taking and ending --- */

static void test_what_is_taken_comes_again_when_its_lease_is_over_and_is_ended_once(void **state)
{
    struct fixture *fixture = *state;
    const struct taken_callbacks *taken;
    struct store_status *status;
    char id[64];

    (void)send_one(fixture->store, 0, "a", URL);
    taken = take(fixture->store, 30);
    assert_int_equal(taken->count, 1);
    memcpy(id, taken->items[0].id, sizeof(id));
    assert_int_equal(take(fixture->store, LEASE_MS)->count, 0); /* somebody has it */
    taken = take_when_due(fixture, LEASE_MS);
    assert_string_equal(taken->items[0].id, id);
    end_done(fixture->store, id);
    end_done(fixture->store, id); /* the one who was too late */
    end_as(fixture->store, id, HOST, &(struct store_callback_end){.outcome = STORE_CALLBACK_LATER});
    end_as(fixture->store, id, HOST,
           &(struct store_callback_end){.outcome = STORE_CALLBACK_DEAD, .reason = "rejected"});
    assert_callbacks(fixture, 0, 0, 0);
    status = read_status(fixture);
    assert_int_equal(status->callbacks.delivered, 1);
    assert_int_equal(status->callbacks.retried, 0);
    free(status);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":callbacks:jobs"), 0);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":callbacks:hosts"), 0);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":callbacks:leased"), 0);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":callbacks:of:" HOST), 0);
}

static void test_one_that_is_put_off_comes_as_it_was_left(void **state)
{
    struct fixture *fixture = *state;
    const struct taken_callbacks *taken;

    (void)send_one(fixture->store, 0, "a", URL);
    taken = take(fixture->store, LEASE_MS);
    end_as(fixture->store, taken->items[0].id, HOST,
           &(struct store_callback_end){.outcome = STORE_CALLBACK_LATER, .delay_ms = 40});
    taken = take(fixture->store, LEASE_MS);
    assert_int_equal(taken->count, 0);
    assert_in_range(taken->due_in_ms, 0, 40);
    taken = take_when_due(fixture, LEASE_MS);
    assert_tells(taken->items[0].document, "{\"attempts\":1,\"since\":5,");
}

static void test_no_host_waits_for_another(void **state)
{
    struct fixture *fixture = *state;
    struct store_callback_busy busy = {"a.example", 3};
    struct store_callback_take ask = {.wanted = 8, .most_of_host = 4, .lease_ms = LEASE_MS};
    const struct taken_callbacks *taken;
    char text[16];
    size_t of_a = 0;

    for (int i = 0; i < 12; i++) {
        (void)snprintf(text, sizeof(text), "m%d", i);
        (void)send_one(fixture->store, i, text, i < 10 ? "https://A.example/x" : "https://b.example:1/y");
    }
    taken = take_from(fixture->store, &ask);
    assert_int_equal(taken->count, 6);
    for (size_t i = 0; i < taken->count; i++)
        of_a += strcmp(taken->items[i].host, "a.example") == 0;
    assert_int_equal(of_a, 4);
    ask.busy = &busy;
    ask.busy_count = 1;
    assert_int_equal(take_from(fixture->store, &ask)->count, 1);
    busy.count = 4;
    assert_int_equal(take_from(fixture->store, &ask)->count, 0);
}

static void test_a_host_that_fails_is_left_alone_and_then_tried_with_one(void **state)
{
    const struct store_callback_end down = {.outcome = STORE_CALLBACK_LATER, .verdict = STORE_HOST_DOWN};
    struct fixture *fixture = *state;
    const struct taken_callbacks *taken;
    struct store_callback_look look;
    char ids[8][64], text[16];

    for (int i = 0; i < 8; i++) {
        (void)snprintf(text, sizeof(text), "m%d", i);
        (void)send_one(fixture->store, i, text, URL);
    }
    taken = take(fixture->store, LEASE_MS);
    assert_int_equal(taken->count, 8);
    for (size_t i = 0; i < 8; i++)
        memcpy(ids[i], taken->items[i].id, sizeof(ids[i]));
    for (size_t i = 0; i < 8; i++) /* those after the fifth tell nothing new */
        end_as(fixture->store, ids[i], HOST, &down);
    assert_int_equal(store_look_at_callbacks(fixture->store, &(struct store_callback_page){.after = ""}, &look,
                                             PATIENCE_MS, &(struct reason){""}),
                     0);
    assert_int_equal(look.host_count, 1);
    assert_string_equal(look.hosts[0].name, HOST);
    assert_int_equal(look.hosts[0].failures, 5);
    assert_in_range(look.hosts[0].hold_ms, 500, 2000);
    taken = take(fixture->store, LEASE_MS);
    assert_int_equal(taken->count, 0);
    assert_in_range(taken->due_in_ms, 500, 2000);
    taken = take_when_due(fixture, LEASE_MS);
    assert_int_equal(taken->count, 1);
    memcpy(ids[0], taken->items[0].id, sizeof(ids[0]));
    assert_int_equal(take(fixture->store, LEASE_MS)->count, 0); /* until that one is back */
    (void)send_one(fixture->store, 8, "m8", URL);               /* what is new is no reason to try another */
    assert_int_equal(take(fixture->store, LEASE_MS)->count, 0);
    end_as(fixture->store, ids[0], HOST, &down); /* the trial counts */
    assert_int_equal(take(fixture->store, LEASE_MS)->count, 0);
    assert_int_equal(store_look_at_callbacks(fixture->store, &(struct store_callback_page){.after = ""}, &look,
                                             PATIENCE_MS, &(struct reason){""}),
                     0);
    assert_int_equal(look.hosts[0].failures, 6);
    assert_in_range(look.hosts[0].hold_ms, 1000, 4000);
    taken = take_when_due(fixture, LEASE_MS);
    assert_int_equal(taken->count, 1);
    memcpy(ids[0], taken->items[0].id, sizeof(ids[0]));
    end_done(fixture->store, ids[0]);
    assert_int_equal(take(fixture->store, LEASE_MS)->count, 8);
}

static void test_a_host_that_asks_to_be_left_alone_is(void **state)
{
    struct fixture *fixture = *state;
    const struct taken_callbacks *taken;

    (void)send_one(fixture->store, 0, "a", URL);
    taken = take(fixture->store, LEASE_MS);
    end_as(fixture->store, taken->items[0].id, HOST,
           &(struct store_callback_end){.outcome = STORE_CALLBACK_LATER, .host_wait_ms = 5000});
    (void)send_one(fixture->store, 1, "b", URL);
    taken = take(fixture->store, LEASE_MS);
    assert_int_equal(taken->count, 0);
    assert_in_range(taken->due_in_ms, 1, 5000);
}

/* --- dead ones --- */

static void test_dead_ones_are_found_replayed_and_purged_once(void **state)
{
    const struct audit_by by = {"test", "why"};
    struct fixture *fixture = *state;
    struct store_callback_look look;
    struct reason why = {""};
    const struct taken_callbacks *taken;
    char ids[2][64];
    const char *both[2] = {ids[0], ids[1]};
    struct store_settled_callbacks settled = {.taken = 0};

    (void)send_one(fixture->store, 0, "a", URL);
    (void)send_one(fixture->store, 1, "b", URL);
    taken = take(fixture->store, LEASE_MS);
    for (size_t i = 0; i < 2; i++)
        memcpy(ids[i], taken->items[i].id, sizeof(ids[i]));
    for (size_t i = 0; i < 2; i++)
        end_as(fixture->store, ids[i], HOST,
               &(struct store_callback_end){.outcome = STORE_CALLBACK_DEAD, .reason = "rejected"});
    assert_callbacks(fixture, 0, 0, 2);
    assert_sum(fixture, 2);
    assert_int_equal(store_look_at_callbacks(fixture->store, &(struct store_callback_page){.only = ids[1], .most = 9},
                                             &look, PATIENCE_MS, &why),
                     0);
    assert_int_equal(look.item_count, 1);
    assert_string_equal(look.items[0].id, ids[1]);
    assert_int_equal(store_counter(look.counters, look.counter_count, "dead:rejected"), 2);
    store_callback_look_clear(&look);
    assert_int_equal(store_settle_callbacks(fixture->store, true, both, 1, &by, &settled, PATIENCE_MS, &why), 0);
    assert_int_equal(settled.taken, 1);
    assert_int_equal(store_settle_callbacks(fixture->store, false, both, 2, &by, &settled, PATIENCE_MS, &why), 0);
    assert_int_equal(settled.taken, 1); /* the first is none any more */
    assert_callbacks(fixture, 1, 0, 0);
    taken = take(fixture->store, LEASE_MS);
    assert_string_equal(taken->items[0].id, ids[0]);
    assert_tells(taken->items[0].document, "{\"attempts\":0,\"since\":1");
    assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), 4);
}

/* The reason that each died of is counted as long as it is dead, whatever its text says. */
static void test_what_is_no_callback_is_never_replayed_and_counts_as_unreadable(void **state)
{
    static const char *const texts[] = {"junk", "[]", "{\"url\":7}",
                                        "{\"url\":\"\",\"failure\":{\"reason\":\"none\"}}"};
    const struct audit_by by = {"test", "why"};
    struct fixture *fixture = *state;
    const struct taken_callbacks *taken;
    struct store_callback_end ends[COUNT_OF(texts)];
    const char *ids[COUNT_OF(texts)];
    struct store_settled_callbacks settled;
    struct reason why = {""};
    char name[8];
    int rc = 1;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        (void)snprintf(name, sizeof(name), "m%zu", i);
        (void)send_one(fixture->store, (int64_t)i, name, URL);
    }
    taken = take(fixture->store, LEASE_MS);
    assert_int_equal(taken->count, COUNT_OF(texts));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        ids[i] = taken->items[i].id;
        ends[i] = (struct store_callback_end){
            .id = ids[i],
            .host = HOST,
            .outcome = STORE_CALLBACK_DEAD,
            .document = span_of(texts[i]),
            .reason = "unreadable",
        };
    }
    store_end_callbacks(fixture->store, ends, COUNT_OF(texts), 1000, on_settled, &rc);
    drain(fixture->store);
    assert_int_equal(rc, 0);
    assert_int_equal(
        store_settle_callbacks(fixture->store, true, ids, COUNT_OF(texts), &by, &settled, PATIENCE_MS, &why), 0);
    assert_int_equal(settled.taken, 0);
    assert_int_equal(settled.unreadable, COUNT_OF(texts));
    assert_callbacks(fixture, 0, 0, COUNT_OF(texts));
    assert_int_equal(ask(fixture, "HLEN", KEY ":callbacks:jobs"), COUNT_OF(texts));
    assert_int_equal(ask(fixture, "HEXISTS", KEY ":callbacks:counts", "dead:unreadable"), 1);
    assert_int_equal(
        store_settle_callbacks(fixture->store, false, ids, COUNT_OF(texts), &by, &settled, PATIENCE_MS, &why), 0);
    assert_int_equal(settled.taken, COUNT_OF(texts));
    assert_int_equal(settled.unreadable, 0);
    assert_int_equal(ask(fixture, "HEXISTS", KEY ":callbacks:counts", "dead:unreadable"), 0);
    assert_int_equal(ask(fixture, "HEXISTS", KEY ":callbacks:counts", "replayed"), 0);
    assert_int_equal(ask(fixture, "HLEN", KEY ":callbacks:jobs"), 0);
}

static void test_the_oldest_dead_ones_make_room(void **state)
{
    struct fixture *fixture = *state;
    const struct taken_callbacks *taken;
    struct store_callback_end ends[4];
    struct store_callback_look look;
    char text[16];
    int rc = 1;

    for (int i = 0; i < 4; i++) {
        (void)snprintf(text, sizeof(text), "m%d", i);
        (void)send_one(fixture->store, i, text, URL);
    }
    taken = take(fixture->store, LEASE_MS);
    for (size_t i = 0; i < 4; i++)
        ends[i] = (struct store_callback_end){
            .id = taken->items[i].id,
            .host = HOST,
            .outcome = STORE_CALLBACK_DEAD,
            .document = span_of("{\"failure\":{\"reason\":\"exhausted\"}}"),
            .reason = "exhausted",
        };
    store_end_callbacks(fixture->store, ends, 4, 3, on_settled, &rc);
    drain(fixture->store);
    assert_int_equal(rc, 0);
    assert_int_equal(store_look_at_callbacks(fixture->store, &(struct store_callback_page){.after = "", .most = 9},
                                             &look, PATIENCE_MS, &(struct reason){""}),
                     0);
    assert_int_equal(look.item_count, 3);
    assert_string_equal(look.items[0].id, ends[1].id);
    assert_int_equal(store_counter(look.counters, look.counter_count, "dead:exhausted"), 3);
    assert_int_equal(store_counter(look.counters, look.counter_count, "forgotten"), 1);
    assert_int_equal(ask(fixture, "HLEN", KEY ":callbacks:jobs"), 3);
    store_callback_look_clear(&look);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_the_step_that_records_a_send_queues_one_callback_and_its_repetition_none),
        TEST(test_a_message_without_a_callback_leaves_no_trace),
        TEST(test_each_state_that_is_news_is_told_once_whether_it_came_before_or_after),
        TEST(test_a_burial_a_reaping_and_a_cancelled_campaign_are_told),
        TEST(test_more_than_may_wait_are_dropped_and_counted),
        TEST(test_keys_of_a_wrong_type_stop_no_message),
        TEST(test_what_is_taken_comes_again_when_its_lease_is_over_and_is_ended_once),
        TEST(test_one_that_is_put_off_comes_as_it_was_left),
        TEST(test_no_host_waits_for_another),
        TEST(test_a_host_that_fails_is_left_alone_and_then_tried_with_one),
        TEST(test_a_host_that_asks_to_be_left_alone_is),
        TEST(test_dead_ones_are_found_replayed_and_purged_once),
        TEST(test_what_is_no_callback_is_never_replayed_and_counts_as_unreadable),
        TEST(test_the_oldest_dead_ones_make_room),
    };

    return run_store_tests("callbacks", tests, COUNT_OF(tests));
}
