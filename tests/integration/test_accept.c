/* Messages put in for a client that asks twice, against a real Redis: the first answer again, full, cut off, refused,
 * and nothing half done. */
#include "common/store_accept.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "tests/lib/fixture.h"

#define MOST 16

static int64_t on_list(struct fixture *fixture)
{
    return ask(fixture, "LLEN", KEY ":ready");
}

static int64_t counted(struct fixture *fixture, const char *name)
{
    struct redis_reply *reply = redis_server_call(fixture->server, "HGET", KEY ":counts", name, NULL);
    int64_t number = redis_reply_text(reply, NULL) ? redis_reply_integer(reply) : 0;

    redis_reply_free(reply);
    return number;
}

/* --- short forms --- */

static struct store_offer offer_of(const char *id, const char *key, const char *print)
{
    struct store_offer offer = {.id = id, .campaign = "", .has_key = key != NULL};

    offer.message = (struct store_message){.priority = PRIORITY_NORMAL, .envelope = span_of(id)};
    if (key)
        store_key_of(NULL, span_of(key), offer.message.key);
    memcpy(offer.print, print, STORE_PRINT_SIZE);
    return offer;
}

static struct store_offer of_campaign(const char *id, const char *campaign)
{
    struct store_offer offer = offer_of(id, id, "print--1");

    offer.campaign = campaign;
    store_key_of(campaign, span_of(id), offer.message.key);
    return offer;
}

struct heard {
    int rc, calls;
    char text[1024];
};

/* `taken`, `once m1`, `reused` or `full` for each, with blanks between. */
static void on_accepted(void *context, int rc, const struct store_acceptance *answers, size_t count)
{
    static const char *const words[] = {[STORE_TAKEN] = "taken",
                                        [STORE_TAKEN_ONCE] = "once",
                                        [STORE_KEY_REUSED] = "reused",
                                        [STORE_OFFER_OPTED_OUT] = "out",
                                        [STORE_FULL] = "full"};
    struct heard *heard = context;
    size_t used = 0;

    heard->rc = rc;
    heard->calls++;
    for (size_t i = 0; rc == 0 && i < count; i++)
        used += (size_t)snprintf(heard->text + used, sizeof(heard->text) - used, "%s%s%s%s", i ? " " : "",
                                 words[answers[i].answer], answers[i].id[0] ? ":" : "", answers[i].id);
}

static const char *offer_to(struct store *store, int64_t most, const struct store_offer *offers, size_t count)
{
    static struct heard heard;

    heard = (struct heard){.rc = 1};
    store_accept(store, most, offers, count, on_accepted, &heard);
    drain(store);
    assert_int_equal(heard.calls, 1);
    return heard.rc == 0 ? heard.text : heard.rc == ERR_STATE ? "refused" : "lost";
}

static const char *offer_one(struct fixture *fixture, struct store_offer offer)
{
    return offer_to(fixture->store, 0, &offer, 1);
}

/* --- keys --- */

static void test_a_key_is_taken_once_and_answered_with_the_first_id(void **state)
{
    struct fixture *fixture = *state;
    const struct store_offer batch[] = {offer_of("m3", "k2", "print--1"), offer_of("m4", "k2", "print--1"),
                                        offer_of("m5", "k2", "print--2")};

    assert_string_equal(offer_one(fixture, offer_of("m1", "k1", "print--1")), "taken");
    assert_string_equal(offer_one(fixture, offer_of("m2", "k1", "print--1")), "once:m1");
    assert_string_equal(offer_one(fixture, offer_of("m2", "k1", "print--2")), "reused");
    assert_string_equal(offer_to(fixture->store, 0, batch, 3), "taken once:m3 reused");
    assert_int_equal(on_list(fixture), 2);
    assert_int_equal(counted(fixture, "accepted"), 2);
    assert_int_equal(counted(fixture, "duplicates"), 4);
}

static void test_prints_of_any_bytes_are_told_apart(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(offer_one(fixture, offer_of("m1", "k", "\0\0\0\0\0\0\0\1")), "taken");
    assert_string_equal(offer_one(fixture, offer_of("m2", "k", "\0\0\0\0\0\0\0\2")), "reused");
    assert_string_equal(offer_one(fixture, offer_of("m2", "k", "\0\0\0\0\0\0\0\1")), "once:m1");
}

static void test_without_a_key_nothing_is_remembered(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(offer_one(fixture, offer_of("m1", NULL, "print--1")), "taken");
    assert_string_equal(offer_one(fixture, offer_of("m1", NULL, "print--1")), "taken");
    assert_int_equal(on_list(fixture), 2);
}

static void on_enqueued(void *context, int rc, const enum store_enqueued *answers, size_t count)
{
    assert_int_equal(rc, 0);
    assert_int_equal(count, 1);
    *(int *)context = answers[0] == STORE_ENQUEUED;
}

static int enqueue(struct fixture *fixture, const char *campaign, struct store_offer offer)
{
    int accepted = -1;

    store_enqueue(fixture->store, campaign, &offer.message, 1, on_enqueued, &accepted);
    drain(fixture->store);
    return accepted;
}

static void test_keys_are_shared_with_the_other_way_in(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(enqueue(fixture, NULL, offer_of("m1", "k1", "print--1")), 1);
    assert_string_equal(offer_one(fixture, offer_of("m1", "k1", "print--1")), "once");
    assert_string_equal(offer_one(fixture, offer_of("m2", "k2", "print--1")), "taken");
    assert_int_equal(enqueue(fixture, NULL, offer_of("m2", "k2", "print--1")), 0);
    assert_int_equal(enqueue(fixture, "spring", of_campaign("m3", "spring")), 1);
    assert_string_equal(offer_one(fixture, of_campaign("m3", "spring")), "once");
    assert_int_equal(on_list(fixture), 3);
}

static void test_a_campaign_remembers_for_as_long_as_it_is_told(void **state)
{
    struct fixture *fixture = *state;
    const struct store_limits limits = {
        .keep_ms = 60000, .dedup_ms = 1000, .campaign_memory_ms = INT64_C(900000000), .audit_max = 1000};

    store_set_limits(fixture->store, &limits);
    assert_string_equal(offer_one(fixture, of_campaign("m1", "spring")), "taken");
    assert_string_equal(offer_one(fixture, of_campaign("m1", "autumn")), "taken");
    assert_string_equal(offer_one(fixture, of_campaign("m1", "spring")), "once:m1");
    assert_true(ask(fixture, "PTTL", KEY ":seen:campaign:spring") > 800000000);
    assert_true(ask(fixture, "PTTL", KEY ":answers:campaign:spring") > 800000000);
    assert_true(ask(fixture, "PTTL", KEY ":message:m1") <= 60000);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "accepted"), 1);
}

/* A name may have a colon in it, so what is kept of one campaign must not be named as another one's. */
static void test_no_name_of_a_campaign_meets_what_is_kept_of_another(void **state)
{
    struct fixture *fixture = *state;
    const struct store_offer both[] = {of_campaign("m2", "autumn"), of_campaign("m3", "spring:answers")};
    struct store_offer other = of_campaign("m1", "winter");

    assert_string_equal(offer_one(fixture, of_campaign("m1", "spring")), "taken");
    assert_string_equal(offer_to(fixture->store, 0, both, 2), "taken taken");
    assert_string_equal(offer_one(fixture, of_campaign("m4", "winter:answers")), "taken");
    assert_string_equal(offer_one(fixture, other), "taken");
    memcpy(other.print, "print--2", STORE_PRINT_SIZE);
    assert_string_equal(offer_one(fixture, other), "reused");
}

/* A file that goes into the campaign prolongs its keys: what was answered for them must not be forgotten before. */
static void test_the_first_answers_of_a_campaign_live_as_long_as_its_keys(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(offer_one(fixture, of_campaign("m1", "spring")), "taken");
    call(fixture, "PEXPIRE", KEY ":answers:campaign:spring", "1000");
    call(fixture, "PEXPIRE", KEY ":seen:campaign:spring", "1000");
    assert_int_equal(enqueue(fixture, "spring", of_campaign("m2", "spring")), 1);
    assert_true(ask(fixture, "PTTL", KEY ":seen:campaign:spring") > 1000);
    assert_true(ask(fixture, "PTTL", KEY ":answers:campaign:spring") > 1000);
}

/* --- full --- */

static void test_what_has_no_room_is_not_taken_and_not_remembered(void **state)
{
    struct fixture *fixture = *state;
    struct store_offer batch[4] = {offer_of("m1", "k1", "print--1"), offer_of("m2", "k2", "print--1"),
                                   offer_of("m3", "k3", "print--1"), offer_of("m4", NULL, "print--1")};

    assert_string_equal(offer_to(fixture->store, 2, batch, 4), "taken taken full full");
    assert_string_equal(offer_to(fixture->store, 2, batch, 4), "once:m1 once:m2 full full");
    assert_string_equal(offer_to(fixture->store, 1, &batch[1], 1), "once:m2");
    memcpy(batch[1].print, "print--2", STORE_PRINT_SIZE);
    assert_string_equal(offer_to(fixture->store, 1, &batch[1], 1), "reused");
    assert_int_equal(on_list(fixture), 2);
    call(fixture, "RPOP", KEY ":ready");
    assert_string_equal(offer_to(fixture->store, 2, &batch[2], 2), "taken full");
    assert_int_equal(counted(fixture, "accepted"), 3);
}

static void test_all_that_waits_counts_as_backlog(void **state)
{
    struct fixture *fixture = *state;
    struct store_offer later = offer_of("m1", NULL, "print--1"), high = offer_of("m2", NULL, "print--1"),
                       low = offer_of("m3", NULL, "print--1"), one = offer_of("m4", NULL, "print--1");

    later.message.due_ms = clock_wall_ms() + 3600000;
    high.message.priority = PRIORITY_HIGH;
    low.message.priority = PRIORITY_LOW;
    assert_string_equal(offer_to(fixture->store, 3, &later, 1), "taken");
    assert_string_equal(offer_to(fixture->store, 3, &high, 1), "taken");
    assert_string_equal(offer_to(fixture->store, 3, &low, 1), "taken");
    assert_string_equal(offer_to(fixture->store, 3, &one, 1), "full");
    assert_int_equal(ask(fixture, "ZCARD", KEY ":delayed"), 1);
    assert_int_equal(ask(fixture, "LLEN", KEY ":ready:high"), 1);
    assert_int_equal(ask(fixture, "LLEN", KEY ":ready:low"), 1);
}

/* --- accidents --- */

static void test_a_lost_answer_is_heard_when_it_is_asked_for_again(void **state)
{
    struct fixture *fixture = *state;
    struct redis_proxy *proxy = redis_proxy_start(fixture->server);
    struct store *store = open_store(redis_proxy_url(proxy));
    const struct store_offer batch[] = {offer_of("m1", "k1", "print--1"), offer_of("m2", "k2", "print--1")};
    const struct store_offer warm_up = offer_of("m0", NULL, "print--1");

    assert_string_equal(offer_to(store, 0, &warm_up, 1), "taken"); /* Redis knows the script from now on */
    redis_proxy_lose_reply(proxy);
    assert_string_equal(offer_to(store, 0, batch, 2), "lost");
    assert_true(redis_proxy_has_lost(proxy));
    assert_string_equal(offer_to(store, 0, batch, 2), "once:m1 once:m2");
    redis_proxy_lose_request(proxy);
    assert_string_equal(offer_to(store, 0, batch, 2), "lost");
    assert_string_equal(offer_to(store, 0, batch, 2), "once:m1 once:m2");
    assert_int_equal(on_list(fixture), 3);
    store_close(store);
    redis_proxy_stop(proxy);
}

static const char *const shared_keys[] = {":ready",  ":ready:high", ":ready:low",       ":delayed",
                                          ":counts", ":audit",      ":campaign:spring", ":seen:campaign:spring"};

/* The first of the batch must not be remembered when the second makes the step fail: it would be on no list for ever.
 */
static void test_a_key_of_a_wrong_type_refuses_the_batch_whole(void **state)
{
    struct fixture *fixture = *state;
    struct store_offer batch[] = {offer_of("m1", "k1", "print--1"), offer_of("m2", "k2", "print--1"),
                                  of_campaign("m3", "spring")};
    static const char *const all = "taken taken taken";

    batch[1].message.due_ms = clock_wall_ms() + 3600000;
    for (size_t i = 0; i < COUNT_OF(shared_keys); i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), KEY "%s", shared_keys[i]);
        clean(fixture);
        call(fixture, "SET", name, "x");
        if (strcmp(offer_to(fixture->store, 0, batch, 3), "refused") != 0)
            fail_msg("%s is a text, and the batch was not refused", name);
        if (ask(fixture, "DBSIZE") != 1)
            fail_msg("%s is a text, and something was written", name);
        call(fixture, "DEL", name);
        if (strcmp(offer_to(fixture->store, 0, batch, 3), all) != 0)
            fail_msg("%s: not taken when it was gone", name);
    }
}

/* What is kept for one message alone holds up no other. */
static void test_a_broken_record_of_one_message_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    const struct store_offer batch[] = {of_campaign("m1", "spring"), of_campaign("m2", "spring")};

    call(fixture, "SET", KEY ":message:m1", "x");
    call(fixture, "SET", KEY ":answers:campaign:spring", "x");
    assert_string_equal(offer_to(fixture->store, 0, batch, 2), "taken taken");
    assert_string_equal(offer_to(fixture->store, 0, batch, 2), "once once");
    assert_int_equal(on_list(fixture), 2);
}

static void test_what_was_known_of_a_message_stays_known(void **state)
{
    struct fixture *fixture = *state;
    struct redis_reply *reply;

    call(fixture, "HSET", KEY ":message:m1", "state", "sent");
    assert_string_equal(offer_one(fixture, offer_of("m1", "k1", "print--1")), "taken");
    reply = redis_server_call(fixture->server, "HGET", KEY ":message:m1", "state", NULL);
    assert_string_equal(redis_reply_text(reply, NULL), "sent");
    redis_reply_free(reply);
}

static void test_nothing_of_it_stays_for_ever_but_what_waits(void **state)
{
    static const char script[] =
        "local own, found = {counts = 1, ready = 1, delayed = 1, audit = 1}, {}\n"
        "for _, name in ipairs(redis.call('KEYS', '*')) do\n"
        "  if not own[string.sub(name, 12)] and redis.call('PTTL', name) < 0 then found[#found + 1] = name end\n"
        "end return table.concat(found, ' ')";
    struct fixture *fixture = *state;
    struct store_offer batch[MOST];
    struct redis_reply *reply;

    for (size_t i = 0; i < MOST; i++) {
        static char ids[MOST][8];

        (void)snprintf(ids[i], sizeof(ids[i]), "m%zu", i);
        batch[i] = i % 2 ? of_campaign(ids[i], "spring") : offer_of(ids[i], i % 4 ? ids[i] : NULL, "print--1");
        batch[i].actor = span_of("gateway:crm");
    }
    (void)offer_to(fixture->store, 0, batch, MOST);
    assert_int_equal(on_list(fixture), MOST);
    assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), 1); /* who handed in what, once a batch */
    reply = redis_server_call(fixture->server, "EVAL", script, "0", NULL);
    assert_string_equal(redis_reply_text(reply, NULL), "");
    redis_reply_free(reply);
}

static void test_a_store_that_dropped_its_requests_is_as_good_as_new(void **state)
{
    struct fixture *fixture = *state;
    struct heard heard = {.rc = 1};
    struct store_offer one = offer_of("m1", "k1", "print--1");

    store_accept(fixture->store, 0, &one, 1, on_accepted, &heard);
    store_drop(fixture->store);
    assert_int_equal(store_pending(fixture->store), 0);
    assert_int_equal(heard.calls, 0);
    assert_string_equal(offer_one(fixture, one), "taken");
    store_drop(fixture->store);
    assert_string_equal(offer_one(fixture, one), "once:m1");
    assert_int_equal(heard.calls, 0);
}

static void test_who_gives_up_waits_for_nothing(void **state)
{
    struct store *store = open_store("redis://127.0.0.1:1/0"); /* nobody is there */
    int64_t begun_ms = clock_mono_ms();
    struct reason why = {""};

    (void)state;
    store_give_up(store);
    assert_int_equal(store_finish(store, 0, PATIENCE_MS, &why), ERR_UNREACHABLE);
    assert_string_not_equal(why.text, "");
    assert_true(clock_mono_ms() - begun_ms < PATIENCE_MS / 2);
    store_close(store);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST_ON_EMPTY(test_a_key_is_taken_once_and_answered_with_the_first_id),
        TEST_ON_EMPTY(test_prints_of_any_bytes_are_told_apart),
        TEST_ON_EMPTY(test_without_a_key_nothing_is_remembered),
        TEST_ON_EMPTY(test_keys_are_shared_with_the_other_way_in),
        TEST_ON_EMPTY(test_a_campaign_remembers_for_as_long_as_it_is_told),
        TEST_ON_EMPTY(test_no_name_of_a_campaign_meets_what_is_kept_of_another),
        TEST_ON_EMPTY(test_the_first_answers_of_a_campaign_live_as_long_as_its_keys),
        TEST_ON_EMPTY(test_what_has_no_room_is_not_taken_and_not_remembered),
        TEST_ON_EMPTY(test_all_that_waits_counts_as_backlog),
        TEST_ON_EMPTY(test_a_lost_answer_is_heard_when_it_is_asked_for_again),
        TEST_ON_EMPTY(test_a_key_of_a_wrong_type_refuses_the_batch_whole),
        TEST_ON_EMPTY(test_a_broken_record_of_one_message_loses_nothing),
        TEST_ON_EMPTY(test_what_was_known_of_a_message_stays_known),
        TEST_ON_EMPTY(test_nothing_of_it_stays_for_ever_but_what_waits),
        TEST_ON_EMPTY(test_a_store_that_dropped_its_requests_is_as_good_as_new),
        TEST_ON_EMPTY(test_who_gives_up_waits_for_nothing),
    };

    return run_store_tests("accept", tests, COUNT_OF(tests));
}
