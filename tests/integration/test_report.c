/* What is counted for reports, against a model: repeats, answers that come late, receipts in any order, replays. */
#include "common/store_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/store_dead.h"
#include "common/store_poll.h"
#include "common/store_receipt.h"
#include "producer/report_groups.h"
#include "tests/lib/store_fixture.h"

#define MESSAGES 90
#define ROUNDS   30
#define WAITED   5000 /* ms from enqueued to sent */

static const char *const campaigns[] = {"spring", "autumn", ""};
static const char *const channels[] = {"sms", "whatsapp", "open"};
static const char *const templates[] = {"appointment", "", "survey"};

/* --- reading --- */

static struct report *read_by(struct fixture *fixture, enum store_report_span span, enum report_by by)
{
    struct report *report = mem_zalloc(1, sizeof(*report));
    const int64_t unit_ms = span == STORE_REPORT_HOUR ? STORE_HOUR_MS : STORE_DAY_MS, now = clock_wall_ms() / unit_ms;
    struct reason why = {""};

    report_init(report, by, NULL);
    if (store_report_read(fixture->store, span, now - 1, now, report_pick, report, PATIENCE_MS, &why) != 0)
        fail_msg("%s", why.text);
    report_finish(report);
    return report;
}

static void free_report(struct report *report)
{
    report_clear(report);
    free(report);
}

static struct report_counts total(struct fixture *fixture)
{
    struct report *report = read_by(fixture, STORE_REPORT_DAY, REPORT_BY_NOTHING);
    struct report_counts counts = report->total;

    free_report(report);
    return counts;
}

/* --- one message --- */

struct message {
    int number;
    char id[16], provider[2][24], text[TEXT_MAX];
    int sent, dead, delivered, read, failed, segments; /* the model */
    int is_answered[2], has_died, is_replayed;
};

static struct store_about about_of(const struct message *message)
{
    return (struct store_about){
        .channel = channels[message->number % 3],
        .template_name = span_of(templates[message->number / 3 % 3]),
        .segments = message->number % 3 == 0 ? 1 + message->number % 2 : 0,
        .since_ms = clock_wall_ms() - WAITED,
    };
}

static struct store_settle settle_of(const struct message *message, const char *ticket, int provider)
{
    struct store_settle item = item_of(ticket, message->id);

    item.campaign = campaigns[message->number / 9 % 3];
    item.about = about_of(message);
    item.provider_id = message->provider[provider];
    item.conversation_id = "";
    item.correlation_id = "";
    return item;
}

/* Puts it into the hands of a worker, as it came back from the dead or came in. */
static void hand_out(struct fixture *fixture, const struct message *message, char ticket[32])
{
    static int64_t next = 1000;
    struct taken taken;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, message->text);
    start_reserve(fixture->store, workers[0], next, 1, UNLIMITED, 10, &taken);
    drain(fixture->store);
    assert_int_equal(taken.seen.count, 1);
    (void)snprintf(ticket, 32, "t%lld", (long long)next++);
}

static void answer(struct fixture *fixture, struct message *message, const char *ticket, int provider)
{
    const struct store_settle item = settle_of(message, ticket, provider);

    assert_int_equal(settle_item(fixture->store, STORE_SENT, workers[0], &item), 0);
    if (!message->is_answered[provider])
        message->segments += (int)item.about.segments;
    message->is_answered[provider] = 1;
    message->sent = 1;
}

static void die(struct fixture *fixture, struct message *message, const char *ticket)
{
    struct store_settle item = settle_of(message, ticket, 0);

    item.reason = message->number % 2 ? "rejected" : "expired";
    assert_int_equal(settle_item(fixture->store, STORE_BURY, workers[0], &item), 0);
    assert_int_equal(settle_item(fixture->store, STORE_BURY, workers[0], &item), 0); /* its answer was lost */
    message->dead++;
}

static void ignore_taken(void *context, int rc, const enum store_taken *answers, size_t count)
{
    (void)context;
    assert_int_equal(rc, 0);
    assert_int_equal(count, 1);
    assert_int_equal(answers[0], STORE_LETTER_TAKEN);
}

static void replay(struct fixture *fixture, const struct message *message)
{
    struct store_letter letter;
    struct store_take_run run;
    struct reason why = {""};
    const struct audit_by by = {.actor = "cli:test", .reason = "again"};
    struct store_take take = {&letter, message->id, PRIORITY_NORMAL, span_of(message->text)};

    assert_int_equal(store_dead_find(fixture->store, message->id, &letter, PATIENCE_MS, &why), 0);
    store_take_begin(&run, &by);
    store_dead_take(fixture->store, &run, &take, 1, ignore_taken, NULL);
    drain(fixture->store);
}

static void on_received(void *context, int rc, const enum store_received *answers, size_t count)
{
    (void)context;
    (void)answers;
    (void)count;
    assert_int_equal(rc, 0);
}

static void hear(struct fixture *fixture, struct message *message, int provider, enum delivery delivery)
{
    struct store_receipt receipt = {.provider_id = message->provider[provider],
                                    .delivery = delivery,
                                    .at_ms = clock_wall_ms() + 700,
                                    .code = "",
                                    .audit = {"{}", 2}};
    char event[64];

    (void)snprintf(event, sizeof(event), "%s-%d", receipt.provider_id, (int)delivery);
    store_key_of(NULL, span_of(event), receipt.key);
    store_receipts(fixture->store, STORE_HOUR_MS, &receipt, 1, on_received, NULL);
    drain(fixture->store);
    message->delivered |= delivery == DELIVERY_DELIVERED || delivery == DELIVERY_READ;
    message->read |= delivery == DELIVERY_READ;
    message->failed |= delivery == DELIVERY_FAILED;
}

/* --- many messages, by chance --- */

static unsigned chance_state;

static unsigned chance(unsigned below)
{
    chance_state = chance_state * 1103515245u + 12345u;
    return chance_state / 65536u % below;
}

static void some_receipts(struct fixture *fixture, struct message *message, int provider)
{
    static const enum delivery states[] = {DELIVERY_QUEUED, DELIVERY_SENT, DELIVERY_DELIVERED, DELIVERY_READ,
                                           DELIVERY_FAILED};

    for (unsigned i = chance(5); i > 0; i--) {
        enum delivery state = states[chance(COUNT_OF(states))];

        hear(fixture, message, provider, state);
        if (chance(3) == 0)
            hear(fixture, message, provider, state);
    }
}

static void live(struct fixture *fixture, struct message *message)
{
    char ticket[32];
    bool is_early = chance(3) == 0;

    hand_out(fixture, message, ticket);
    if (chance(4) == 0) { /* it dies, and somebody gives it another life */
        die(fixture, message, ticket);
        if (chance(2) == 0)
            return;
        replay(fixture, message);
        hand_out(fixture, message, ticket);
    }
    if (is_early)
        some_receipts(fixture, message, 0);
    if (chance(4) == 0) /* it was taken from whoever sent it, and that answer came first */
        answer(fixture, message, "nobody's", 1);
    answer(fixture, message, ticket, 0);
    if (chance(3) == 0)
        answer(fixture, message, ticket, 0); /* this answer was lost, and the step came again */
    if (chance(4) == 0 && !message->is_answered[1])
        answer(fixture, message, "nobody's", 1); /* a late one behind it */
    some_receipts(fixture, message, 0);
    if (message->is_answered[1])
        some_receipts(fixture, message, 1);
}

static int sum_of(const struct message *messages, size_t offset, int campaign, int channel)
{
    int sum = 0;

    for (int i = 0; i < MESSAGES; i++) {
        if ((campaign < 0 || i / 9 % 3 == campaign) && (channel < 0 || i % 3 == channel))
            sum += *(const int *)(const void *)((const char *)&messages[i] + offset);
    }
    return sum;
}

static void assert_counts(const struct report_counts *counts, const struct message *messages, int campaign, int channel)
{
    assert_int_equal(counts->sent, sum_of(messages, offsetof(struct message, sent), campaign, channel));
    assert_int_equal(counts->dead, sum_of(messages, offsetof(struct message, dead), campaign, channel));
    assert_int_equal(counts->delivered, sum_of(messages, offsetof(struct message, delivered), campaign, channel));
    assert_int_equal(counts->read, sum_of(messages, offsetof(struct message, read), campaign, channel));
    assert_int_equal(counts->failed, sum_of(messages, offsetof(struct message, failed), campaign, channel));
    assert_int_equal(counts->segments, sum_of(messages, offsetof(struct message, segments), campaign, channel));
    assert_int_equal(counts->waited.count, counts->sent);
}

static void assert_groups(const struct report *report, const struct message *messages)
{
    assert_counts(&report->total, messages, -1, -1);
    for (size_t g = 0; g < report->count; g++) {
        for (int i = 0; i < 3; i++) {
            const char *name = report->by == REPORT_BY_CAMPAIGN ? campaigns[i] : channels[i];

            if (strcmp(report->groups[g]->name, name) == 0)
                assert_counts(&report->groups[g]->counts, messages, report->by == REPORT_BY_CAMPAIGN ? i : -1,
                              report->by == REPORT_BY_CHANNEL ? i : -1);
        }
    }
    if (report->by != REPORT_BY_NOTHING)
        assert_int_equal(report->count, 3);
}

static void test_counts_are_the_models_whatever_comes_twice_late_or_out_of_order(void **state)
{
    static const enum report_by bys[] = {REPORT_BY_NOTHING, REPORT_BY_CAMPAIGN, REPORT_BY_CHANNEL};
    struct fixture *fixture = *state;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct message messages[MESSAGES] = {{0}};

        chance_state = round + 1;
        assert_int_equal(open_fixture_again(fixture), 0);
        for (int i = 0; i < MESSAGES; i++) {
            messages[i].number = i;
            (void)snprintf(messages[i].id, sizeof(messages[i].id), "m%d", i);
            (void)snprintf(messages[i].provider[0], sizeof(messages[i].provider[0]), "p%d", i);
            (void)snprintf(messages[i].provider[1], sizeof(messages[i].provider[1]), "q%d", i);
            (void)snprintf(messages[i].text, sizeof(messages[i].text), "m%d", i);
            live(fixture, &messages[i]);
        }
        for (size_t b = 0; b < COUNT_OF(bys); b++) {
            for (int span = STORE_REPORT_HOUR; span <= STORE_REPORT_DAY; span++) {
                struct report *report = read_by(fixture, (enum store_report_span)span, bys[b]);

                assert_groups(report, messages);
                free_report(report);
            }
        }
        assert_int_equal(counted(fixture, "unreported"), 0);
    }
}

/* --- single things --- */

static struct message message_of(int number)
{
    struct message message = {.number = number, .provider = {"p", "q"}};

    (void)snprintf(message.id, sizeof(message.id), "m%d", number);
    (void)snprintf(message.text, sizeof(message.text), "m%d", number);
    return message;
}

static void test_latencies_are_measured_from_enqueued_to_sent_to_delivered(void **state)
{
    struct fixture *fixture = *state;
    struct message message = message_of(0);
    struct report_counts counts;
    char ticket[32];

    hand_out(fixture, &message, ticket);
    answer(fixture, &message, ticket, 0);
    hear(fixture, &message, 0, DELIVERY_DELIVERED);
    counts = total(fixture);
    assert_int_equal(counts.waited.count, 1);
    assert_in_range(counts.waited.sum_ms, WAITED, WAITED + 2000);
    assert_in_range(latency_quantile_ms(&counts.waited, 0.5), WAITED * 95 / 100, (WAITED + 2000) * 105 / 100);
    assert_int_equal(counts.travelled.count, 1);
    assert_in_range(counts.travelled.sum_ms, 690, 700 + 2000);
}

static void on_reaped_into(void *context, int64_t taken)
{
    *(int64_t *)context = taken;
}

static void test_a_message_that_the_reaper_buries_is_reported_with_channel_and_template(void **state)
{
    static const char text[] =
        "{\"id\":\"m1\",\"on_unknown\":\"hold\",\"campaign\":\"spring\",\"labels\":{\"template\":\"x\"}}";
    struct fixture *fixture = *state;
    struct report *report;
    struct taken taken;
    int64_t reaped = 0;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, text);
    start_reserve(fixture->store, workers[0], 1, 1, UNLIMITED, 10, &taken);
    drain(fixture->store);
    call(fixture, "DEL", KEY ":calm");
    call(fixture, "ZADD", KEY ":workers", "1", workers[0]);
    for (int64_t expected = 1; expected >= 0; expected--) { /* there is nothing left for the second */
        store_reap(fixture->store, 60000, on_reaped_into, &reaped);
        drain(fixture->store);
        assert_int_equal(reaped, expected);
    }
    report = read_by(fixture, STORE_REPORT_HOUR, REPORT_BY_TEMPLATE);
    assert_int_equal(report->count, 1);
    assert_string_equal(report->groups[0]->name, "x");
    assert_int_equal(report->total.dead, 1);
    assert_string_equal(report->total.reasons[0].name, "outcome_unknown");
    free_report(report);
}

static void test_rows_beyond_the_bound_of_an_hour_share_one_and_nothing_is_lost(void **state)
{
    struct fixture *fixture = *state;
    struct report *hours, *days;
    int64_t others = 0;

    for (int i = 0; i < 230; i++) {
        char campaign[16], ticket[32];
        struct message message = message_of(0);
        struct store_settle item;

        (void)snprintf(message.id, sizeof(message.id), "m%d", i);
        (void)snprintf(message.text, sizeof(message.text), "m%d", i);
        (void)snprintf(message.provider[0], sizeof(message.provider[0]), "p%d", i);
        (void)snprintf(campaign, sizeof(campaign), "c%d", i);
        hand_out(fixture, &message, ticket);
        item = settle_of(&message, ticket, 0);
        item.campaign = campaign;
        assert_int_equal(settle_item(fixture->store, STORE_SENT, workers[0], &item), 0);
    }
    hours = read_by(fixture, STORE_REPORT_HOUR, REPORT_BY_CAMPAIGN);
    days = read_by(fixture, STORE_REPORT_DAY, REPORT_BY_CAMPAIGN);
    for (size_t g = 0; g < hours->count; g++)
        others += strcmp(hours->groups[g]->name, STORE_REPORT_OTHER) == 0 ? hours->groups[g]->counts.sent : 0;
    assert_int_equal(hours->total.sent, 230);
    assert_int_equal(others, 30);
    assert_int_equal(days->count, 230); /* a day has room for more */
    assert_int_equal(days->total.sent, 230);
    free_report(hours);
    free_report(days);
}

static void test_a_template_that_cannot_be_a_name_is_one_of_the_others(void **state)
{
    static const char *const names[] = {"a|b", "a\nb",
                                        "0123456789012345678901234567890123456789012345678901234567890123456789"};
    struct fixture *fixture = *state;
    struct report *report;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct message message = message_of((int)i);
        struct store_settle item;
        char ticket[32];

        hand_out(fixture, &message, ticket);
        item = settle_of(&message, ticket, 0);
        item.about.template_name = span_of(names[i]);
        assert_int_equal(settle_item(fixture->store, STORE_SENT, workers[0], &item), 0);
    }
    report = read_by(fixture, STORE_REPORT_HOUR, REPORT_BY_TEMPLATE);
    assert_int_equal(report->count, 1);
    assert_string_equal(report->groups[0]->name, STORE_REPORT_OTHER);
    free_report(report);
}

/* Counting must never be what stops sending. */
static void test_keys_of_a_wrong_type_cost_the_counts_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    struct message message = message_of(0);
    char key[64], ticket[32];

    for (int i = -1; i <= 1; i++) {
        const char *const names[] = {"report:hour:", "ends:"};

        for (size_t n = 0; n < COUNT_OF(names); n++) {
            (void)snprintf(key, sizeof(key), KEY ":%s%lld", names[n], (long long)(clock_wall_ms() / STORE_HOUR_MS + i));
            call(fixture, "SET", key, "not a hash");
        }
    }
    hand_out(fixture, &message, ticket);
    answer(fixture, &message, ticket, 0);
    hear(fixture, &message, 0, DELIVERY_DELIVERED);
    assert_int_equal(counted(fixture, "sent"), 1);
    assert_int_equal(counted(fixture, "receipt:delivered"), 1);
    assert_true(counted(fixture, "unreported") > 0);
    assert_int_equal(total(fixture).sent, 1); /* the day is fine */
}

static void test_every_key_ends_by_itself(void **state)
{
    struct fixture *fixture = *state;
    struct message message = message_of(0);
    char ticket[32];

    hand_out(fixture, &message, ticket);
    answer(fixture, &message, ticket, 0);
    hear(fixture, &message, 0, DELIVERY_READ);
    assert_int_equal(
        ask(fixture, "EVAL",
            "local left = 0 for _, kind in ipairs({'report:*', 'ends:*'}) do\n"
            "for _, name in ipairs(redis.call('KEYS', '" KEY ":' .. kind)) do\n"
            "local ms = redis.call('PTTL', name) if ms < 3600000 or ms > 401 * 24 * 3600000 then return -1 end\n"
            "left = left + 1 end end return left",
            "0"),
        3);
}

/* --- settling --- */

static enum store_letter_settled settle_letter(struct fixture *fixture, const struct store_letter *letter,
                                               const char *provider)
{
    const struct audit_by by = {.actor = "cli:test", .reason = "Genesys has it"};
    const struct store_settled_letter item = {
        .letter = letter,
        .template_name = "appointment",
        .person = "sms:+13175550199",
        .provider_id = provider,
        .conversation_id = "c1",
        .sent_at_ms = clock_wall_ms() - 100,
        .delivery = "",
    };
    enum store_letter_settled settled = STORE_LETTER_TAKEN_AWAY;
    struct reason why = {""};

    if (store_dead_settle(fixture->store, &item, &by, &settled, PATIENCE_MS, &why) != 0)
        fail_msg("%s", why.text);
    return settled;
}

static struct store_letter letter_of(struct fixture *fixture, const char *id)
{
    struct store_letter letter;
    struct reason why = {""};

    assert_int_equal(store_dead_find(fixture->store, id, &letter, PATIENCE_MS, &why), 0);
    return letter;
}

static void test_a_settled_letter_is_sent_once_and_the_sum_stays(void **state)
{
    struct fixture *fixture = *state;
    struct message message = message_of(0);
    struct store_letter letter;
    struct report_counts counts;
    char ticket[32];

    hand_out(fixture, &message, ticket);
    hear(fixture, &message, 0, DELIVERY_DELIVERED); /* before anybody knows whose it is */
    die(fixture, &message, ticket);
    assert_sum(fixture, 1);
    letter = letter_of(fixture, message.id);
    for (int i = 0; i < 3; i++) { /* the answers to the first two were lost */
        assert_int_equal(settle_letter(fixture, &letter, "p"), STORE_LETTER_SETTLED);
        assert_sum(fixture, 1);
        assert_int_equal(counted(fixture, "sent"), 1);
        assert_int_equal(counted(fixture, "dead"), 0);
        assert_int_equal(counted(fixture, "settled"), 1);
    }
    assert_int_equal(counted(fixture, "receipt:delivered"), 1);
    hear(fixture, &message, 0, DELIVERY_READ); /* and what comes later finds it */
    counts = total(fixture);
    assert_int_equal(counts.sent, 1);
    assert_int_equal(counts.dead, 1);
    assert_int_equal(counts.delivered, 1);
    assert_int_equal(counts.read, 1);
    assert_int_equal(ask(fixture, "HLEN", KEY ":dead:letters"), 0);
    assert_int_equal(ask(fixture, "XLEN", KEY ":dead:index"), 0);
}

static void test_a_letter_that_is_gone_or_whose_message_is_another_ones_is_not_settled(void **state)
{
    struct fixture *fixture = *state;
    struct message one = message_of(0), other = message_of(1);
    struct store_letter letter;
    char ticket[32], before[64], after[64];

    hand_out(fixture, &other, ticket);
    answer(fixture, &other, ticket, 0); /* "p" is its message */
    hand_out(fixture, &one, ticket);
    die(fixture, &one, ticket);
    letter = letter_of(fixture, one.id);
    snapshot(fixture, before);
    assert_int_equal(settle_letter(fixture, &letter, "p"), STORE_LETTER_CLAIMED);
    snapshot(fixture, after);
    assert_string_equal(before, after);
    replay(fixture, &one);
    snapshot(fixture, before);
    assert_int_equal(settle_letter(fixture, &letter, "another"), STORE_LETTER_TAKEN_AWAY);
    snapshot(fixture, after);
    assert_string_equal(before, after);
}

static void test_whoever_was_told_of_a_death_is_told_that_it_was_none(void **state)
{
    static const char document[] = "{\"envelope\":{\"callback_url\":\"https://crm.example.com/done\"}}";
    struct fixture *fixture = *state;
    struct message message = message_of(0);
    struct store_settle item;
    struct store_letter letter;
    char ticket[32];

    hand_out(fixture, &message, ticket);
    item = settle_of(&message, ticket, 0);
    item.document = span_of(document);
    assert_int_equal(settle_item(fixture->store, STORE_BURY, workers[0], &item), 0);
    letter = letter_of(fixture, message.id);
    for (int i = 0; i < 2; i++)
        assert_int_equal(settle_letter(fixture, &letter, "p"), STORE_LETTER_SETTLED);
    assert_int_equal(ask(fixture, "HLEN", KEY ":callbacks:jobs"), 1);
    hear(fixture, &message, 0, DELIVERY_READ);
    assert_int_equal(ask(fixture, "HLEN", KEY ":callbacks:jobs"), 2); /* and of receipts */
}

static void test_a_command_gets_grants_of_the_window_and_waits_when_it_is_full(void **state)
{
    struct fixture *fixture = *state;
    const struct rate rate = {20, 60000}, quick = {20, 400};
    struct reason why = {""};

    for (int i = 0; i < 18; i++) /* a tenth is left for messages that come */
        assert_int_equal(store_take_grant(fixture->store, &rate, 10, PATIENCE_MS, &why), 0);
    assert_int_equal(ask(fixture, "ZCARD", KEY ":window"), 18);
    assert_int_equal(store_take_grant(fixture->store, &rate, 10, 500, &why), ERR_LIMIT);
    assert_int_equal(store_take_grant(fixture->store, &quick, 10, PATIENCE_MS, &why), 0); /* when they are too old */
    assert_int_equal(store_take_grant(fixture->store, &UNLIMITED, 10, PATIENCE_MS, &why), 0);
    store_hold(fixture->store, 60000, "paused");
    drain(fixture->store); /* nobody promises an order of requests */
    assert_int_equal(store_take_grant(fixture->store, &rate, 10, 500, &why), ERR_LIMIT);
    assert_non_null(strstr(why.text, "herald status"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counts_are_the_models_whatever_comes_twice_late_or_out_of_order),
        TEST(test_latencies_are_measured_from_enqueued_to_sent_to_delivered),
        TEST(test_a_message_that_the_reaper_buries_is_reported_with_channel_and_template),
        TEST(test_rows_beyond_the_bound_of_an_hour_share_one_and_nothing_is_lost),
        TEST(test_a_template_that_cannot_be_a_name_is_one_of_the_others),
        TEST(test_keys_of_a_wrong_type_cost_the_counts_and_nothing_else),
        TEST(test_every_key_ends_by_itself),
        TEST(test_a_settled_letter_is_sent_once_and_the_sum_stays),
        TEST(test_a_letter_that_is_gone_or_whose_message_is_another_ones_is_not_settled),
        TEST(test_whoever_was_told_of_a_death_is_told_that_it_was_none),
        TEST(test_a_command_gets_grants_of_the_window_and_waits_when_it_is_full),
    };

    return run_store_tests("report", tests, COUNT_OF(tests));
}
