/* The store against a real Redis. After every one of thousands of steps at random, each message is in exactly one
 * place. */
#include "tests/lib/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

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
        call(model->fixture, "LPUSH", names[list], text);
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
    assert_int_equal(ask(model->fixture, "HLEN", KEY ":dead:letters"), model->dead);
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
        TEST(test_after_each_of_thousands_of_random_steps_every_message_is_in_exactly_one_place),
    };

    return run_store_tests("store_places", tests, COUNT_OF(tests));
}
