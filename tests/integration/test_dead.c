/* Dead letters against a real Redis: found, counted, replayed and purged, each at most once, whatever is lost on the
 * way and whoever else is at it; and after every step the counters are what counting would give. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/store_receipt.h"
#include "producer/dead_replay.h"
#include "tests/lib/fixture.h"

#define TEXT_MAX 4096

static const struct audit_by by = {"cli:test", "because"};

/* --- looking into Redis --- */

static void text_of(struct fixture *fixture, const char *script, char out[TEXT_MAX])
{
    struct redis_reply *reply = redis_server_call(fixture->server, "EVAL", script, "0", NULL);

    if (redis_reply_error(reply))
        fail_msg("%s", redis_reply_error(reply));
    (void)snprintf(out, TEXT_MAX, "%s", redis_reply_text(reply, NULL) ? redis_reply_text(reply, NULL) : "");
    redis_reply_free(reply);
}

static void on_state(void *context, int rc, const struct store_message_info *info)
{
    assert_int_equal(rc, 0);
    (void)snprintf(context, TEXT_MAX, "%s %" PRId64, info->state, info->at_ms);
}

/* And since when, as a client of the gateway is told it. */
static void state_of(struct fixture *fixture, const char *id, char out[TEXT_MAX])
{
    store_read_message(fixture->store, id, on_state, out);
    drain(fixture->store);
}

/* What counting would give, against the counters; and that every letter is in both places. */
static void assert_counted(struct fixture *fixture)
{
    static const char script[] =
        "local k, sums, campaigns, n = '" KEY ":', {}, {}, 0\n"
        "local function add(t, name, by) t[name] = (t[name] or 0) + by end\n"
        "for _, entry in ipairs(redis.call('XRANGE', k .. 'dead:index', '-', '+')) do\n"
        "  local document = redis.call('HGET', k .. 'dead:letters', entry[1])\n"
        "  if not document then return 'no document under ' .. entry[1] end\n"
        "  local r, c, ch, code, id, at, size = string.match(entry[2][2], '^(%S*) (%S*) (%S*) (%S*) (%S*) (%d+) "
        "(%d+)$')\n"
        "  if tonumber(size) ~= #document then return 'size of ' .. entry[1] end\n"
        "  add(sums, 'reason:' .. r, 1) add(sums, 'channel:' .. ch, 1) add(campaigns, c, 1)\n"
        "  add(sums, 'hour:' .. math.floor(at / 3600000), 1) n = n + 1 end\n"
        "if redis.call('HLEN', k .. 'dead:letters') ~= n then return 'documents without an entry' end\n"
        "local counts = redis.call('HGETALL', k .. 'dead:counts')\n"
        "for i = 1, #counts, 2 do add(sums, counts[i], -counts[i + 1]) end\n"
        "local zset = redis.call('ZRANGE', k .. 'dead:campaigns', 0, -1, 'WITHSCORES')\n"
        "for i = 1, #zset, 2 do add(campaigns, zset[i], -zset[i + 1]) end\n"
        "for name, off in pairs(sums) do if off ~= 0 then return name .. ' is off by ' .. off end end\n"
        "for name, off in pairs(campaigns) do if off ~= 0 then return 'campaign ' .. name .. ' by ' .. off end end\n"
        "local dead = tonumber(redis.call('HGET', k .. 'counts', 'dead') or 0)\n"
        "if dead ~= n then return 'counts say ' .. dead .. ' of ' .. n end\n"
        "return ''";
    char text[TEXT_MAX];

    text_of(fixture, script, text);
    assert_string_equal(text, "");
}

static int64_t letters(struct fixture *fixture)
{
    return ask(fixture, "HLEN", KEY ":dead:letters");
}

static int64_t purged(struct fixture *fixture)
{
    int64_t number = ask(fixture, "HGET", KEY ":counts", "purged");

    return number > 0 ? number : 0; /* no field yet */
}

/* How many messages are on the lists, and that no id is there twice. */
static int64_t ready(struct fixture *fixture)
{
    char text[TEXT_MAX];

    text_of(
        fixture,
        "local seen, n = {}, 0 for _, list in ipairs({'ready:high', 'ready', 'ready:low'}) do\n"
        "for _, item in ipairs(redis.call('LRANGE', '" KEY ":' .. list, 0, -1)) do\n"
        "local id = cjson.decode(item).id if seen[id] then return 'twice: ' .. id end seen[id] = 1 n = n + 1 end end\n"
        "return tostring(n)",
        text);
    assert_null(strstr(text, "twice"));
    return strtoll(text, NULL, 10);
}

/* --- making letters --- */

static void ignore_settled(void *context, int rc)
{
    assert_int_equal(rc, 0);
    (void)context;
}

struct death {
    const char *id, *campaign, *reason, *channel, *code;
    const char *more;   /* members of the envelope, with a comma in front */
    const char *herald; /* its member, or NULL */
};

static const char sms[] =
    "\"payload\":{\"fromAddress\":\"+13175550100\",\"toAddress\":\"+13175550199\","
    "\"toAddressMessengerType\":\"sms\",\"textBody\":\"Hi\"},\"metadata\":{\"consentVerified\":true}";

static void write_envelope(const struct death *death, char out[TEXT_MAX])
{
    (void)snprintf(out, TEXT_MAX, "{\"v\":1,\"id\":\"%s\"%s%s%s,%s%s,\"herald\":%s}", death->id,
                   death->campaign[0] ? ",\"campaign\":\"" : "", death->campaign, death->campaign[0] ? "\"" : "", sms,
                   death->more ? death->more : "",
                   death->herald ? death->herald
                                 : "{\"accepted_at\":1700000000000,\"attempts\":8,\"forbidden\":1,\"deferrals\":7,"
                                   "\"unknowns\":2,\"deaths\":1,\"history\":[{\"at\":1,\"outcome\":\"dead\","
                                   "\"latency_ms\":3}]}");
}

static void bury_document(struct fixture *fixture, const struct death *death, const char *document, size_t len)
{
    char ticket[32];
    const struct store_settle item = {
        .ticket = ticket,
        .id = death->id,
        .campaign = death->campaign,
        .is_new = true,
        .reason = death->reason,
        .about.channel = death->channel,
        .code = death->code,
        .document = {document, len},
        .audit = {"{}", 2},
    };

    (void)snprintf(ticket, sizeof(ticket), "t%lld", (long long)fixture->tickets++);
    call(fixture, "HSET", KEY ":inflight:w", ticket, "N{}");
    store_settle(fixture->store, STORE_BURY, "w", &item, 1, ignore_settled, NULL);
    drain(fixture->store);
}

static void bury(struct fixture *fixture, const struct death *death)
{
    char envelope[TEXT_MAX], document[2 * TEXT_MAX];

    write_envelope(death, envelope);
    (void)snprintf(document, sizeof(document),
                   "{\"id\":\"%s\",\"dead_at\":1,\"reason\":\"%s\",\"attempts\":8,\"deaths\":1,\"envelope\":%s}",
                   death->id, death->reason, envelope);
    bury_document(fixture, death, document, strlen(document));
}

static const char *const reasons[] = {"rejected", "attempts_exhausted", "outcome_unknown"};
static const char *const campaigns[] = {"", "spring", "autumn"};
static const char *const channels[] = {"sms", "whatsapp", "none"};

static void bury_many(struct fixture *fixture, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        char id[16];
        const struct death death = {.id = id,
                                    .campaign = campaigns[i % 3],
                                    .reason = reasons[i / 3 % 3],
                                    .channel = channels[i / 9 % 3],
                                    .code = i % 2 ? "bad request, you" : ""};

        (void)snprintf(id, sizeof(id), "m%d", i);
        bury(fixture, &death);
    }
}

/* Many at once, by the way that letters of an older Herald come in. */
static void leave_old_letters(struct fixture *fixture, int count)
{
    char script[1024];

    (void)snprintf(
        script, sizeof(script),
        "for i = 1, %d do redis.call('LPUSH', '" KEY ":dead', '{\"id\":\"m' .. i .. '\",\"campaign\":\"c' .. i %% 3 .."
        "'\",\"dead_at\":1700000000000,\"reason\":\"rejected\",\"attempts\":1,\"envelope\":{\"id\":\"m' .. i .."
        "'\",\"campaign\":\"c' .. i %% 3 .. "
        "'\",\"payload\":{\"fromAddress\":\"+13175550100\",\"toAddress\":\"+13175550199\","
        "\"toAddressMessengerType\":\"sms\",\"textBody\":\"Hi\"},\"metadata\":{\"consentVerified\":true}}}') end\n"
        "redis.call('HINCRBY', '" KEY ":counts', 'dead', %d)",
        count, count);
    call(fixture, "EVAL", script, "0");
}

/* --- running jobs --- */

struct watching {
    int64_t stop_after; /* calls of go_on; 0: never */
    int64_t calls;
    struct redis_proxy *proxy;
    int64_t lose_reply_at, lose_request_at;
    struct fixture *fixture;
    int64_t bury_at; /* letters that die meanwhile */
    char left[TEXT_MAX];
};

static bool go_on(void *context, const struct dead_tally *tally)
{
    struct watching *watching = context;

    (void)tally;
    watching->calls++;
    if (watching->calls == watching->lose_reply_at)
        redis_proxy_lose_reply(watching->proxy);
    if (watching->calls == watching->lose_request_at)
        redis_proxy_lose_request(watching->proxy);
    if (watching->calls == watching->bury_at)
        leave_old_letters(watching->fixture, 5);
    return watching->stop_after == 0 || watching->calls < watching->stop_after;
}

static void note_left(void *context, const struct store_letter *letter, const char *code, const char *text)
{
    struct watching *watching = context;
    size_t len = strlen(watching->left);

    assert_true(text[0] != '\0');
    (void)snprintf(watching->left + len, TEXT_MAX - len, "%s %s;", letter->id, code);
}

static struct dead_tally run_on(struct store *store, struct dead_job job, const char *filter, struct watching *watching)
{
    struct watching nothing = {.stop_after = 0};
    struct dead_filter parsed;
    struct dead_tally tally;
    struct reason why = {""};

    if (dead_filter_parse(&parsed, filter, clock_wall_ms(), &why) != 0)
        fail_msg("%s", why.text);
    job.filter = &parsed;
    job.by = &by;
    job.origins = "genesys.cloud";
    job.patience_ms = PATIENCE_MS;
    job.go_on = go_on;
    job.left = note_left;
    job.context = watching ? watching : &nothing;
    if (dead_job_run(store, &job, &tally, &why) != 0)
        fail_msg("%s", why.text);
    dead_filter_clear(&parsed);
    return tally;
}

static int64_t replay(struct fixture *fixture, const char *filter)
{
    return run_on(fixture->store, (struct dead_job){.limit = 0}, filter, NULL).done;
}

static int64_t purge(struct fixture *fixture, const char *filter)
{
    return run_on(fixture->store, (struct dead_job){.is_purge = true}, filter, NULL).done;
}

/* --- tests --- */

static void test_a_replayed_message_has_a_new_life_and_keeps_what_happened(void **state)
{
    struct fixture *fixture = *state;
    const struct death death = {.id = "m1",
                                .campaign = "spring",
                                .reason = "attempts_exhausted",
                                .channel = "sms",
                                .code = "x",
                                .more = ",\"priority\":\"high\",\"one\":1.0,\"none\":[]"};
    char found[TEXT_MAX], expected[TEXT_MAX];
    const char *rest;

    bury(fixture, &death);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "dead"), 1);
    assert_int_equal(replay(fixture, "reason=attempts_exhausted"), 1);
    assert_int_equal(ask(fixture, "LLEN", KEY ":ready:high"), 1);
    text_of(fixture, "return redis.call('LINDEX', '" KEY ":ready:high', 0)", found);
    (void)snprintf(expected, sizeof(expected),
                   "{\"v\":1,\"id\":\"m1\",\"campaign\":\"spring\",%s,\"priority\":\"high\",\"one\":1.0,\"none\":[],"
                   "\"herald\":{\"accepted_at\":1700000000000,\"unknowns\":2,\"deaths\":1,"
                   "\"history\":[{\"at\":1,\"outcome\":\"dead\",\"latency_ms\":3}],\"replayed_at\":",
                   sms);
    assert_memory_equal(found, expected, strlen(expected));
    rest = found + strlen(expected);
    assert_int_equal(strspn(rest, "0123456789"), 13);
    assert_string_equal(rest + 13, "}}");
    state_of(fixture, "m1", found);
    assert_string_equal(found, "accepted 0");
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "dead"), 0);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "accepted"), 1);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "replayed"), 1);
    assert_int_equal(ask(fixture, "HGET", KEY ":counts", "accepted"), 1);
    text_of(fixture, "return redis.call('XREVRANGE', '" KEY ":audit', '+', '-', 'COUNT', 1)[1][2][2]", found);
    assert_non_null(strstr(found, "\"what\":\"replay\",\"actor\":\"cli:test\",\"reason\":\"because\","
                                  "\"campaign\":\"spring\",\"id\":\"m1\"}"));
    assert_int_equal(letters(fixture), 0);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":dead:counts"), 0);
    assert_counted(fixture);
}

static void test_letters_that_cannot_be_sent_stay_as_they_are_and_are_named(void **state)
{
    struct fixture *fixture = *state;
    static const struct death deaths[] = {
        {"over", "", "expired", "sms", "", ",\"expires_at\":1700000000000", NULL},
        {"fine", "", "expired", "sms", "", NULL, NULL},
        {"bad", "", "field_invalid", "sms", "", ",\"labels\":7", NULL},
        {"mad", "", "field_invalid", "sms", "", NULL, "[]"},
    };
    static const char raw[] =
        "{\"id\":\"raw\",\"dead_at\":1,\"reason\":\"json_invalid\",\"raw\":\"{\\\"envelope\\\":{}\"}";
    char before[TEXT_MAX], after[TEXT_MAX];
    struct watching watching = {.stop_after = 0};
    struct dead_tally tally;

    for (size_t i = 0; i < COUNT_OF(deaths); i++)
        bury(fixture, &deaths[i]);
    bury_document(fixture, &(struct death){.id = "raw", .campaign = "", .reason = "json_invalid", .channel = "none"},
                  raw, strlen(raw));
    assert_int_equal(replay(fixture, "reason=rejected"), 0);
    text_of(fixture,
            "local all = redis.call('HVALS', '" KEY
            ":dead:letters') table.sort(all) return redis.sha1hex(table.concat(all))",
            before);
    assert_int_equal(run_on(fixture->store, (struct dead_job){.is_dry = true}, "", &watching).done, 1);
    text_of(fixture,
            "local all = redis.call('HVALS', '" KEY
            ":dead:letters') table.sort(all) return redis.sha1hex(table.concat(all))",
            after);
    assert_string_equal(before, after);
    watching.left[0] = '\0';
    tally = run_on(fixture->store, (struct dead_job){.limit = 0}, "", &watching);
    assert_string_equal(watching.left, "over expired;bad field_invalid;mad field_invalid;raw json_invalid;");
    assert_int_equal(tally.done, 1);
    assert_int_equal(tally.refused, 4);
    assert_int_equal(letters(fixture), 4);
    assert_int_equal(ready(fixture), 1);
    assert_counted(fixture);
}

static struct json *patch_of(const char *text)
{
    struct json *patch = NULL;
    struct reason why = {""};

    assert_int_equal(json_parse(&patch, text, strlen(text), &why), 0);
    return patch;
}

static void test_an_edit_changes_the_envelope_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct json *good = patch_of("{\"payload\":{\"textBody\":\"Hello\"},\"expires_at\":null,\"labels\":{\"a\":\"b\"}}");
    struct json *bad = patch_of("{\"payload\":{\"toAddress\":null}}");
    char found[TEXT_MAX];
    struct dead_tally tally;

    bury(fixture, &(struct death){"m1", "", "expired", "sms", "", ",\"expires_at\":1700000000000", NULL});
    tally = run_on(fixture->store, (struct dead_job){.patch = bad}, "", NULL);
    assert_int_equal(tally.done, 0);
    assert_int_equal(tally.refused, 1);
    assert_int_equal(letters(fixture), 1);
    tally = run_on(fixture->store, (struct dead_job){.patch = good, .has_priority = true, .priority = PRIORITY_LOW}, "",
                   NULL);
    assert_int_equal(tally.done, 1);
    text_of(fixture, "return redis.call('LINDEX', '" KEY ":ready:low', 0)", found);
    assert_non_null(strstr(found, "\"textBody\":\"Hello\""));
    assert_non_null(strstr(found, "\"labels\":{\"a\":\"b\"}"));
    assert_null(strstr(found, "expires_at"));
    text_of(fixture, "return redis.call('XREVRANGE', '" KEY ":audit', '+', '-', 'COUNT', 1)[1][2][2]", found);
    assert_non_null(strstr(found, "\"edited\":true"));
    assert_counted(fixture);
    json_free(good);
    json_free(bad);
}

static void test_a_patch_leaves_alone_what_is_heralds_own(void **state)
{
    static const struct {
        const char *patch;
        int rc;
    } table[] = {
        {"{\"payload\":{\"id\":1}}", 0},
        {"{}", 0},
        {"{\"id\":\"x\"}", ERR_INVALID},
        {"{\"id\":null}", ERR_INVALID},
        {"{\"herald\":{}}", ERR_INVALID},
        {"{\"campaign\":\"x\"}", ERR_INVALID},
        {"{\"v\":1}", ERR_INVALID},
        {"{\"redelivered\":1}", ERR_INVALID},
        {"[]", ERR_INVALID},
        {"\"x\"", ERR_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct json *patch = patch_of(table[i].patch);
        struct reason why = {""};

        assert_int_equal(reviver_check_patch(patch, &why), table[i].rc);
        json_free(patch);
    }
}

static void test_a_letter_whose_message_was_sent_after_all_is_not_sent_again(void **state)
{
    struct fixture *fixture = *state;
    struct watching watching = {.stop_after = 0};
    struct dead_tally tally;

    bury_many(fixture, 0, 3);
    call(fixture, "HSET", KEY ":message:m1", "state", "sent");
    tally = run_on(fixture->store, (struct dead_job){.limit = 0}, "", &watching);
    assert_int_equal(tally.done, 2);
    assert_int_equal(tally.sent, 1);
    assert_string_equal(watching.left, "m1 sent;");
    assert_int_equal(letters(fixture), 1);
    assert_counted(fixture);
    assert_int_equal(purge(fixture, ""), 1);
    assert_int_equal(ask(fixture, "HGET", KEY ":counts", "purged"), 1);
    assert_counted(fixture);
}

/* What a late answer said of a letter's message is known for as long as the letter is there, not only for --keep. */
static void test_a_letter_known_as_sent_is_not_sent_again_when_its_message_is_forgotten(void **state)
{
    struct fixture *fixture = *state;
    struct watching watching = {.stop_after = 0};
    const struct store_settle late = {.ticket = "gone",
                                      .id = "m1",
                                      .campaign = "",
                                      .provider_id = "p1",
                                      .attempts = 1,
                                      .conversation_id = "",
                                      .correlation_id = "",
                                      .audit = span_of("{}")};
    struct dead_tally tally;

    bury_many(fixture, 0, 3);
    store_settle(fixture->store, STORE_SENT, "w", &late, 1, ignore_settled, NULL);
    drain(fixture->store);
    call(fixture, "DEL", KEY ":message:m1");
    tally = run_on(fixture->store, (struct dead_job){.limit = 0}, "", &watching);
    assert_int_equal(tally.done, 2);
    assert_int_equal(tally.sent, 1);
    assert_string_equal(watching.left, "m1 sent;");
    assert_int_equal(purge(fixture, ""), 1);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":dead:sent"), 0);
    assert_counted(fixture);
}

static void test_the_counters_are_right_after_every_mix(void **state)
{
    static const char *const filters[] = {"reason=rejected",
                                          "campaign=spring",
                                          "campaign=",
                                          "channel=none,whatsapp",
                                          "code=bad_request__you",
                                          "to=13175550199",
                                          "before=1h",
                                          "after=1h",
                                          "reason=outcome_unknown campaign=autumn",
                                          ""};
    struct fixture *fixture = *state;
    int64_t gone = 0;
    unsigned seed = 7;

    for (int round = 0; round < 40; round++) {
        struct dead_job job = {.limit = rand_r(&seed) % 5, .is_purge = rand_r(&seed) % 2};

        bury_many(fixture, round * 12, 12);
        assert_counted(fixture);
        gone += run_on(fixture->store, job, filters[(size_t)rand_r(&seed) % COUNT_OF(filters)], NULL).done;
        assert_counted(fixture);
        assert_int_equal(letters(fixture) + gone, (round + 1) * 12);
        assert_int_equal(ready(fixture) + purged(fixture), gone);
    }
    assert_true(gone > 100 && letters(fixture) > 50);
}

static void test_a_filter_takes_the_letters_it_says_and_a_limit_the_oldest(void **state)
{
    struct fixture *fixture = *state;
    char found[TEXT_MAX];

    bury_many(fixture, 0, 27);
    assert_int_equal(run_on(fixture->store, (struct dead_job){.limit = 2}, "reason=outcome_unknown", NULL).done, 2);
    text_of(fixture,
            "local out = {} for i, item in ipairs(redis.call('LRANGE', '" KEY ":ready', 0, -1)) do\n"
            "out[i] = cjson.decode(item).id end return table.concat(out, ' ')",
            found);
    assert_string_equal(found, "m7 m6"); /* the oldest is taken first by workers, from the right */
    assert_int_equal(replay(fixture, "code=bad_request__you reason=rejected campaign=spring"), 2); /* m1 m19 */
    assert_int_equal(replay(fixture, "to=+13175550198"), 0);
    assert_int_equal(replay(fixture, "before=1h"), 0);
    assert_int_equal(replay(fixture, "to=+13175550199 channel=whatsapp"), 9);
    assert_counted(fixture);
}

/* --- what is lost on the way --- */

#define MANY 1000

static void test_whatever_answer_or_request_is_lost_each_letter_is_replayed_once_and_counted_once(void **state)
{
    struct fixture *fixture = *state;

    for (int64_t at = 1; at <= 8; at++) {
        for (int what = 0; what < 4; what++) {
            struct redis_proxy *proxy = redis_proxy_start(fixture->server);
            struct store *store = open_store(redis_proxy_url(proxy));
            struct watching watching = {.proxy = proxy};
            struct dead_job job = {.is_purge = what >= 2};
            struct dead_tally tally;

            clean(fixture);
            leave_old_letters(fixture, MANY);
            *(what % 2 ? &watching.lose_reply_at : &watching.lose_request_at) = at;
            drain(store);
            tally = run_on(store, job, "", &watching);
            assert_true(redis_proxy_has_lost(proxy));
            assert_int_equal(tally.done, MANY);
            assert_int_equal(tally.gone, 0);
            assert_int_equal(ready(fixture), job.is_purge ? 0 : MANY);
            assert_int_equal(letters(fixture), 0);
            assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), MANY);
            assert_counted(fixture);
            store_close(store);
            redis_proxy_stop(proxy);
        }
    }
}

static void test_a_run_that_ends_anywhere_is_run_again_and_goes_on(void **state)
{
    struct fixture *fixture = *state;

    for (int64_t after = 1; after <= 9; after++) {
        struct watching watching = {.stop_after = after};
        struct dead_tally first, second;

        clean(fixture);
        leave_old_letters(fixture, MANY);
        first = run_on(fixture->store, (struct dead_job){.limit = 0}, "", &watching);
        assert_int_equal(first.was_stopped, first.done < MANY);
        assert_int_equal(letters(fixture) + first.done, MANY);
        assert_counted(fixture);
        second = run_on(fixture->store, (struct dead_job){.limit = 0}, "", NULL);
        assert_int_equal(first.done + second.done, MANY);
        assert_int_equal(ready(fixture), MANY);
        assert_counted(fixture);
    }
}

static void ignore_taken(void *context, int rc, const enum store_taken *answers, size_t count)
{
    (void)context;
    (void)rc;
    (void)answers;
    (void)count; /* nobody is there to hear it */
}

/* A program that dies with a step on its way: Redis does it, or has never heard of it. */
static void test_a_run_that_is_killed_with_a_step_on_its_way_is_run_again(void **state)
{
    struct fixture *fixture = *state;

    for (int is_written = 0; is_written < 2; is_written++) {
        struct store *store = open_store(redis_server_url(fixture->server));
        struct store_take_run run;
        struct store_letter letter;
        struct store_take take = {.letter = &letter, .id = "m1", .envelope = span_of("{\"id\":\"m1\"}")};
        struct reason why = {""};

        clean(fixture);
        bury_many(fixture, 0, 3);
        drain(store);
        assert_int_equal(store_dead_find(store, "m1", &letter, PATIENCE_MS, &why), 0);
        store_take_begin(&run, &by);
        store_dead_take(store, &run, &take, 1, ignore_taken, NULL);
        if (is_written)
            (void)store_pump(store, &why);
        store_close(store);
        while (is_written && letters(fixture) == 3) { /* Redis reads it when it does */
        }
        assert_int_equal(replay(fixture, ""), is_written ? 2 : 3);
        assert_int_equal(ready(fixture), 3);
        assert_counted(fixture);
    }
}

struct replayer {
    pthread_t thread;
    const char *url;
    struct dead_tally tally;
};

static void *run_replayer(void *context)
{
    struct replayer *replayer = context;
    struct store *store = open_store(replayer->url);

    drain(store);
    replayer->tally = run_on(store, (struct dead_job){.limit = 0}, "", NULL);
    store_close(store);
    return NULL;
}

static void test_several_replayers_at_once_replay_no_letter_twice(void **state)
{
    struct fixture *fixture = *state;
    struct replayer replayers[4];
    int64_t done = 0;

    leave_old_letters(fixture, 5 * MANY);
    for (size_t i = 0; i < COUNT_OF(replayers); i++) {
        replayers[i].url = redis_server_url(fixture->server);
        assert_int_equal(pthread_create(&replayers[i].thread, NULL, run_replayer, &replayers[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(replayers); i++) {
        assert_int_equal(pthread_join(replayers[i].thread, NULL), 0);
        done += replayers[i].tally.done;
        assert_int_equal(replayers[i].tally.refused + replayers[i].tally.sent, 0);
    }
    assert_int_equal(done, 5 * MANY);
    assert_int_equal(ready(fixture), 5 * MANY);
    assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), 5 * MANY);
    assert_counted(fixture);
}

static void test_letters_that_die_meanwhile_are_not_met(void **state)
{
    struct fixture *fixture = *state;
    struct watching watching = {.fixture = fixture, .bury_at = 2};

    bury_many(fixture, 100, 300);
    assert_int_equal(run_on(fixture->store, (struct dead_job){.limit = 0}, "", &watching).done, 300);
    assert_int_equal(ask(fixture, "LLEN", KEY ":dead"), 5);
}

static void test_a_pace_is_kept(void **state)
{
    struct fixture *fixture = *state;
    int64_t started_ms = clock_mono_ms();
    struct dead_tally tally;

    leave_old_letters(fixture, 50);
    tally = run_on(fixture->store, (struct dead_job){.rate = {10, 50}}, "", NULL);
    assert_int_equal(tally.done, 50);
    assert_true(clock_mono_ms() - started_ms >= 4 * 50);
    assert_counted(fixture);
}

/* --- letters of an older Herald --- */

static void test_letters_of_an_older_herald_are_taken_over_once_whatever_is_lost(void **state)
{
    struct fixture *fixture = *state;

    for (int what = 0; what < 2; what++) {
        struct redis_proxy *proxy = redis_proxy_start(fixture->server);
        struct store *store = open_store(redis_proxy_url(proxy));
        struct reason why = {""};

        clean(fixture);
        leave_old_letters(fixture, 350);
        drain(store);
        if (what)
            redis_proxy_lose_reply(proxy);
        else
            redis_proxy_lose_request(proxy);
        assert_int_equal(store_dead_adopt(store, PATIENCE_MS, &why), 0);
        assert_true(redis_proxy_has_lost(proxy));
        assert_int_equal(letters(fixture), 350);
        assert_int_equal(ask(fixture, "LLEN", KEY ":dead"), 0);
        assert_counted(fixture);
        store_close(store);
        redis_proxy_stop(proxy);
    }
    assert_int_equal(replay(fixture, "campaign=c1 after=2023-11-14T22:13:20Z before=2023-11-14T22:13:21Z"), 117);
    assert_counted(fixture);
}

static void test_anything_in_the_old_list_becomes_a_letter_that_can_be_looked_at(void **state)
{
    static const char *const items[] = {
        "",
        "no JSON",
        "[]",
        "7",
        "{}",
        "{\"reason\":7,\"dead_at\":\"x\",\"id\":[],\"campaign\":{},\"last\":3,\"envelope\":[1]}",
        "{\"reason\":\"Evil reason\",\"dead_at\":1e300,\"id\":\"a b\",\"campaign\":\"c d\",\"last\":{\"code\":\"x "
        "y\"}}",
        "{\"reason\":\"rejected\",\"dead_at\":-5,\"id\":\"good\",\"last\":{\"code\":\"bad.request\"},"
        "\"envelope\":{\"payload\":{\"toAddressMessengerType\":\"whatsapp\"}}}",
        "{\"reason\":null,\"id\":null,\"campaign\":null,\"last\":null,\"envelope\":null}",
    };
    struct fixture *fixture = *state;
    struct store_dead_counts counts;
    struct store_letter letter;
    struct reason why = {""};
    char number[8];

    for (size_t i = 0; i < COUNT_OF(items); i++)
        call(fixture, "LPUSH", KEY ":dead", items[i]);
    (void)snprintf(number, sizeof(number), "%zu", COUNT_OF(items));
    call(fixture, "HSET", KEY ":counts", "dead", number);
    assert_int_equal(store_dead_adopt(fixture->store, PATIENCE_MS, &why), 0);
    assert_counted(fixture);
    assert_int_equal(store_dead_read_counts(fixture->store, &counts, PATIENCE_MS, &why), 0);
    assert_int_equal(counts.total, COUNT_OF(items));
    assert_int_equal(counts.reason_count, 2);
    assert_string_equal(counts.reasons[0].name, "unreadable");
    assert_int_equal(store_dead_find(fixture->store, "good", &letter, PATIENCE_MS, &why), 0);
    assert_string_equal(letter.channel, "whatsapp");
    assert_string_equal(letter.code, "bad.request");
    assert_int_equal(replay(fixture, ""), 0);
    assert_int_equal(purge(fixture, ""), COUNT_OF(items));
    assert_counted(fixture);
}

/* --- finding, counting, bounds --- */

static void test_a_letter_is_found_by_its_message_and_by_its_ticket(void **state)
{
    struct fixture *fixture = *state;
    struct store_letter letter, again;
    struct reason why = {""};

    bury_many(fixture, 0, 5);
    assert_int_equal(store_dead_find(fixture->store, "m3", &letter, PATIENCE_MS, &why), 0);
    assert_string_equal(letter.id, "m3");
    assert_string_equal(letter.code, "bad_request__you");
    assert_int_equal(store_dead_find(fixture->store, letter.ticket, &again, PATIENCE_MS, &why), 0);
    assert_string_equal(again.id, "m3");
    call(fixture, "DEL", KEY ":message:m3"); /* forgotten (--keep) */
    assert_int_equal(store_dead_find(fixture->store, "m3", &again, PATIENCE_MS, &why), 0);
    assert_string_equal(again.ticket, letter.ticket);
    call(fixture, "SET", KEY ":message:m3", "of another kind");
    assert_int_equal(store_dead_find(fixture->store, "m3", &again, PATIENCE_MS, &why), 0);
    assert_string_equal(again.ticket, letter.ticket);
    assert_int_equal(store_dead_find(fixture->store, "m7", &again, PATIENCE_MS, &why), ERR_INVALID);
    assert_int_equal(store_dead_find(fixture->store, "1-1", &again, PATIENCE_MS, &why), ERR_INVALID);
    assert_int_equal(store_dead_find(fixture->store, "not an id", &again, PATIENCE_MS, &why), ERR_INVALID);
}

static void test_ages_are_in_whole_hours(void **state)
{
    static const struct {
        int64_t hours;
        enum store_dead_age age;
    } table[] = {{0, STORE_AGE_HOURS},   {1, STORE_AGE_HOURS},     {2, STORE_AGE_DAY},     {23, STORE_AGE_DAY},
                 {24, STORE_AGE_WEEK},   {167, STORE_AGE_WEEK},    {168, STORE_AGE_MONTH}, {719, STORE_AGE_MONTH},
                 {720, STORE_AGE_OLDER}, {100000, STORE_AGE_OLDER}};
    const int64_t now_ms = INT64_C(1768473000000);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_int_equal(store_dead_age_of(now_ms - table[i].hours * 3600000, now_ms), table[i].age);
}

static void test_documents_of_any_size_are_walked_through_within_bounds(void **state)
{
    struct fixture *fixture = *state;
    size_t len = (size_t)5 << 20;
    char *document = mem_zalloc(1, len);
    const struct death death = {.id = "big", .campaign = "", .reason = "json_invalid", .channel = "none", .code = ""};

    memset(document, 'x', len);
    for (int i = 0; i < 6; i++) {
        bury_many(fixture, i * 10, 10);
        bury_document(fixture, &death, document, len);
    }
    assert_int_equal(replay(fixture, ""), 60);
    assert_int_equal(purge(fixture, "to=+13175550199"), 0);
    assert_int_equal(purge(fixture, ""), 6);
    assert_counted(fixture);
    free(document);
}

static void test_a_key_of_a_wrong_type_loses_no_letter(void **state)
{
    static const char *const names[] = {"dead:letters", "dead:index", "dead:counts",    "dead:campaigns",
                                        "ready",        "ready:high", "ready:low",      "counts",
                                        "audit",        "message:m1", "campaign:spring"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char key[64];
        struct dead_filter filter;
        struct dead_tally tally;
        struct reason why = {""};
        struct dead_job job = {.by = &by, .filter = &filter, .patience_ms = PATIENCE_MS, .origins = ""};

        clean(fixture);
        bury_many(fixture, 0, 3);
        (void)snprintf(key, sizeof(key), KEY ":%s", names[i]);
        if (ask(fixture, "EXISTS", key) == 1)
            call(fixture, "RENAME", key, KEY ":saved");
        call(fixture, "SET", key, "not what you think");
        assert_int_equal(dead_filter_parse(&filter, "", 0, &why), 0);
        if (dead_job_run(fixture->store, &job, &tally, &why) == 0)
            assert_int_equal(tally.done, 3); /* a message's state, or its campaign's, keeps nobody back */
        else
            assert_int_equal(tally.done, 0);
        dead_filter_clear(&filter);
        call(fixture, "DEL", key);
        if (ask(fixture, "EXISTS", KEY ":saved") == 1)
            call(fixture, "RENAME", KEY ":saved", key);
        assert_int_equal(letters(fixture) + ready(fixture), 3);
        assert_counted(fixture);
    }
}

static void test_who_pauses_a_campaign_is_in_the_audit_when_it_changes_something(void **state)
{
    struct fixture *fixture = *state;
    struct reason why = {""};
    char found[TEXT_MAX];
    int64_t moved;

    call(fixture, "HSET", KEY ":campaign:spring", "accepted", "1");
    assert_int_equal(store_set_campaign(fixture->store, "spring", STORE_RUNNING, &by, &moved, PATIENCE_MS, &why), 0);
    assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(store_set_campaign(fixture->store, "spring", STORE_PAUSED, &by, &moved, PATIENCE_MS, &why), 0);
        assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), 1);
    }
    text_of(fixture, "return redis.call('XREVRANGE', '" KEY ":audit', '+', '-', 'COUNT', 1)[1][2][2]", found);
    assert_non_null(
        strstr(found, ",\"what\":\"pause\",\"actor\":\"cli:test\",\"reason\":\"because\",\"campaign\":\"spring\"}"));
    assert_int_equal(
        store_set_campaign(fixture->store, "spring", STORE_CANCELLED_FOR_GOOD, &by, &moved, PATIENCE_MS, &why), 0);
    assert_int_equal(store_set_campaign(fixture->store, "spring", STORE_RUNNING, &by, &moved, PATIENCE_MS, &why),
                     ERR_STATE);
    assert_int_equal(ask(fixture, "XLEN", KEY ":audit"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ON_EMPTY(test_a_replayed_message_has_a_new_life_and_keeps_what_happened),
        TEST_ON_EMPTY(test_letters_that_cannot_be_sent_stay_as_they_are_and_are_named),
        TEST_ON_EMPTY(test_an_edit_changes_the_envelope_or_nothing),
        TEST_ON_EMPTY(test_a_patch_leaves_alone_what_is_heralds_own),
        TEST_ON_EMPTY(test_a_letter_whose_message_was_sent_after_all_is_not_sent_again),
        TEST_ON_EMPTY(test_a_letter_known_as_sent_is_not_sent_again_when_its_message_is_forgotten),
        TEST_ON_EMPTY(test_the_counters_are_right_after_every_mix),
        TEST_ON_EMPTY(test_a_filter_takes_the_letters_it_says_and_a_limit_the_oldest),
        TEST_ON_EMPTY(test_whatever_answer_or_request_is_lost_each_letter_is_replayed_once_and_counted_once),
        TEST_ON_EMPTY(test_a_run_that_ends_anywhere_is_run_again_and_goes_on),
        TEST_ON_EMPTY(test_a_run_that_is_killed_with_a_step_on_its_way_is_run_again),
        TEST_ON_EMPTY(test_several_replayers_at_once_replay_no_letter_twice),
        TEST_ON_EMPTY(test_letters_that_die_meanwhile_are_not_met),
        TEST_ON_EMPTY(test_a_pace_is_kept),
        TEST_ON_EMPTY(test_letters_of_an_older_herald_are_taken_over_once_whatever_is_lost),
        TEST_ON_EMPTY(test_anything_in_the_old_list_becomes_a_letter_that_can_be_looked_at),
        TEST_ON_EMPTY(test_a_letter_is_found_by_its_message_and_by_its_ticket),
        TEST_ON_EMPTY(test_ages_are_in_whole_hours),
        TEST_ON_EMPTY(test_documents_of_any_size_are_walked_through_within_bounds),
        TEST_ON_EMPTY(test_a_key_of_a_wrong_type_loses_no_letter),
        TEST_ON_EMPTY(test_who_pauses_a_campaign_is_in_the_audit_when_it_changes_something),
    };

    return run_store_tests("dead letters", tests, COUNT_OF(tests));
}
