/* A model of the states of one message, beside the real thing: every change of state interleaved with every other, at
 * each step, on the same message.
 *
 * `struct world` says where the message is and all that decides what the next step does; each step changes the world as
 * the documents say, asks the store for the same, and then everything that Redis holds is held against the world. So
 * the message is in exactly one place, with its letter, its marks and its counters, after each step of each sequence.
 *
 * All sequences up to a depth are walked as a graph: states in which nothing can ever go differently (only counters or
 * the numbers of tickets differ) are one node, from which each step is tried once. What is counted are the sequences.
 * HERALD_TEST_DEPTH walks deeper. Long sequences at random follow (HERALD_TEST_SEED). */
#include "common/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/store_dead.h"
#include "tests/lib/redis_server.h"
#include "tests/unit/unit.h"

#define PATIENCE_MS  20000
#define HOUR_MS      3600000
#define KEY          "herald:{t}"
#define CAMPAIGN     "spring"
#define BURIED       "{\"buried\":\"m1\"}"
#define TEXT_MAX     512
#define LOOK_MAX     4096
#define DEPTH        4
#define DEPTH_MAX    12
#define NODES_MAX    60000
#define NODE_SLOTS   131072 /* a power of two, more than twice NODES_MAX */
#define WALKS        60
#define WALK_MAX     40
#define WALK_MIN     20
#define STEPS_MAX    64
#define UNKNOWN_TEXT "the worker that had it is gone; it may have been sent"

/* --- the world; only ints, so that two worlds can be compared as bytes --- */

enum place { READY, LATER, DUE, FLIGHT, PARKED, DEAD, SENT, CANCELLED, PURGED };
enum name { NAME_A, NAME_B, GHOST, NAME_COUNT }; /* GHOST: what A's first life left behind when the second began */
enum life { A1, A2, B1, LIFE_COUNT };            /* A2 is another process under A's name */
enum lease { NO_LEASE, LEASE, LEASE_PAST };
enum campaign { NO_CAMPAIGN, STATELESS, RUNNING, PAUSED, CANCELLED_FOR_GOOD };
enum record { NO_RECORD, RECORD_SENT, RECORD_DEAD, RECORD_ACCEPTED, RECORD_PURGED, RECORD_CANCELLED };

static const char *const names[] = {[NAME_A] = "A", [NAME_B] = "B", [GHOST] = "A~a2"};
static const char *const instances[] = {[A1] = "a1", [A2] = "a2", [B1] = "b1"};
static const int name_of[] = {[A1] = NAME_A, [A2] = NAME_A, [B1] = NAME_B};
_Static_assert(COUNT_OF(names) == NAME_COUNT && COUNT_OF(instances) == LIFE_COUNT && COUNT_OF(name_of) == LIFE_COUNT,
               "all have names");

struct counts {
    int accepted, duplicates, sent, dead, cancelled, retries, returned, redelivered, late, withdrawn, replayed, purged;
};

/* What a process knows by itself. */
struct mind {
    int is_here, next, ticket; /* ticket -1: it never got the message */
    int is_adopted, marks;     /* of the text it was given */
};

struct world {
    int is_pushed, is_hold; /* the message: how it came, and its on_unknown */
    int place, letter;      /* letter: of the list it is on or goes back to */
    int holder, owner;      /* FLIGHT: under which name, and the ticket of which life */
    int is_adopted, marks;  /* the text has herald.accepted_at; so many times redelivered */
    int was_reaped;         /* DEAD: by the reaper */
    int record, record_life, record_ticket;
    int leases[NAME_COUNT];
    int instance[2]; /* which life has the name; LIFE_COUNT: none */
    int campaign, is_paused;
    int fences[LIFE_COUNT]; /* 0: none */
    struct mind minds[LIFE_COUNT];
    struct counts counts;
};

struct model {
    struct redis_server *server;
    struct store *store;
    struct world world;
    char look_sha[48], save_sha[48], restore_sha[48];
    int trace[WALK_MAX + 1], trace_len; /* steps so far, for the message of a failure */
    const char *start;
    int64_t steps;
};

static void fail_at(const struct model *model, const char *what, const char *expected, const char *found);

static void expect_number(const struct model *model, const char *what, int64_t found, int64_t expected)
{
    char texts[2][24];

    if (found == expected)
        return;
    (void)snprintf(texts[0], sizeof(texts[0]), "%lld", (long long)expected);
    (void)snprintf(texts[1], sizeof(texts[1]), "%lld", (long long)found);
    fail_at(model, what, texts[0], texts[1]);
}

/* The text of the message; `marks` 0: none. */
static void write_text(const struct world *world, int is_adopted, int marks, char text[TEXT_MAX])
{
    char mark[40] = "";

    if (marks > 0)
        (void)snprintf(mark, sizeof(mark), "\"redelivered\":%d,", marks);
    (void)snprintf(text, TEXT_MAX,
                   "{%s\"id\":\"m1\",\"campaign\":\"" CAMPAIGN "\"%s,\"one\":1.0,\"none\":[],\"in\":{}%s}", mark,
                   world->is_hold ? ",\"on_unknown\":\"hold\"" : "",
                   is_adopted ? ",\"herald\":{\"accepted_at\":1700000000000}" : "");
}

static void write_ticket(int life, int number, char out[32])
{
    (void)snprintf(out, 32, "%s-%d", instances[life], number);
}

/* --- looking: everything that matters in Redis, as lines --- */

static const char look_script[] =
    "local k, out, time = '" KEY ":', {}, redis.call('TIME')\n"
    "local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
    "local function say(...) out[#out + 1] = table.concat({...}, ' ') end\n"
    "local function each(pattern, what) local found = redis.call('KEYS', k .. pattern) table.sort(found)\n"
    "  for _, name in ipairs(found) do what(name, string.sub(name, #k + #pattern)) end end\n"
    "for _, list in ipairs({'ready:high', 'ready', 'ready:low'}) do\n"
    "  for _, item in ipairs(redis.call('LRANGE', k .. list, 0, -1)) do say(list, item) end end\n"
    "local delayed = redis.call('ZRANGE', k .. 'delayed', 0, -1, 'WITHSCORES')\n"
    "for i = 1, #delayed, 2 do say(tonumber(delayed[i + 1]) > now and 'later' or 'due', delayed[i]) end\n"
    "each('inflight:*', function(key, name) local held = redis.call('HGETALL', key)\n"
    "  for i = 1, #held, 2 do say('flight', name, held[i], held[i + 1]) end end)\n"
    "each('parked:*', function(key, name)\n"
    "  for _, item in ipairs(redis.call('LRANGE', key, 0, -1)) do say('parked', name, item) end end)\n"
    "for _, name in ipairs(redis.call('SMEMBERS', k .. 'parked')) do say('has parked', name) end\n"
    "for _, item in ipairs(redis.call('HVALS', k .. 'dead:letters')) do\n"
    "  say('dead', (string.gsub(item, '\"dead_at\":%d+', '\"dead_at\":0'))) end\n"
    "each('message:*', function(key, id)\n"
    "  local at = redis.call('HMGET', key, 'state', 'provider_id') say('message', id, at[1], at[2] or '-') end)\n"
    "local workers = redis.call('ZRANGE', k .. 'workers', 0, -1, 'WITHSCORES') local lines = {}\n"
    "for i = 1, #workers, 2 do\n"
    "  lines[#lines + 1] = 'worker ' .. workers[i] .. (tonumber(workers[i + 1]) > now and ' lease ' or ' past ') ..\n"
    "    (redis.call('HGET', k .. 'worker:' .. workers[i], 'instance') or '-') end\n"
    "table.sort(lines) for _, line in ipairs(lines) do say(line) end\n"
    "local function counters(hash, ...) local of = {} for i, name in ipairs({...}) do\n"
    "  of[i] = name .. '=' .. (redis.call('HGET', k .. hash, name) or 0) end say(hash, unpack(of)) end\n"
    "counters('counts', 'accepted', 'duplicates', 'sent', 'dead', 'cancelled', 'retries', 'returned', 'redelivered',\n"
    "  'late', 'withdrawn', 'replayed', 'purged')\n"
    "local of_campaign, all = redis.call('ZSCORE', k .. 'dead:campaigns', '" CAMPAIGN "') or 0, 0\n"
    "for _, number in ipairs(redis.call('HVALS', k .. 'dead:counts')) do all = all + number end\n"
    "if all ~= 3 * of_campaign or redis.call('XLEN', k .. 'dead:index') ~= tonumber(of_campaign) then "
    "say('miscounted') end\n"
    "say('letters', of_campaign)\n"
    "each('campaign:*', function(key, name) say('state', name, redis.call('HGET', key, 'state') or '-')\n"
    "  counters('campaign:' .. name, 'accepted', 'sent', 'dead', 'cancelled', 'retries', 'purged') end)\n"
    "if redis.call('EXISTS', k .. 'hold') == 1 then say('hold') end\n"
    "return table.concat(out, '\\n')";

/* All of the org under a number, to come back to; and back to it (or to nothing, if there is no such number). */
static const char save_script[] = "local all = {} for _, name in ipairs(redis.call('KEYS', 'herald:*')) do\n"
                                  "  if not string.find(name, ':audit$') then\n"
                                  "    all[#all + 1] = name all[#all + 1] = redis.call('DUMP', name) end end\n"
                                  "return redis.call('HSET', 'snapshots', ARGV[1], cmsgpack.pack(all))";
static const char restore_script[] =
    "local names, saved = redis.call('KEYS', 'herald:*'), redis.call('HGET', 'snapshots', ARGV[1])\n"
    "if #names > 0 then redis.call('DEL', unpack(names)) end\n"
    "local all = saved and cmsgpack.unpack(saved) or {}\n"
    "for i = 1, #all, 2 do redis.call('RESTORE', all[i], 0, all[i + 1]) end return 1";

static int add_line(char *out, int used, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int add_line(char *out, int used, const char *format, ...)
{
    va_list list;

    if (used > 0)
        out[used++] = '\n';
    va_start(list, format);
    used += vsnprintf(out + used, (size_t)(LOOK_MAX - used), format, list);
    va_end(list);
    assert_true(used < LOOK_MAX - 1);
    return used;
}

static int expect_place(const struct world *world, char *out, int used)
{
    char text[TEXT_MAX], ticket[32];
    const char *list = world->letter == 'H' ? "ready:high" : world->letter == 'N' ? "ready" : "ready:low";

    write_text(world, world->is_adopted, world->marks, text);
    switch ((enum place)world->place) {
    case READY:
        return add_line(out, used, "%s %s", list, text);
    case LATER:
        return add_line(out, used, "later %s", text);
    case DUE:
        return add_line(out, used, "due %s", text);
    case FLIGHT:
        write_ticket(world->owner, world->minds[world->owner].ticket, ticket);
        return add_line(out, used, "flight %s %s %c%s", names[world->holder], ticket, world->letter, text);
    case PARKED:
        used = add_line(out, used, "parked " CAMPAIGN " %c%s", world->letter, text);
        return add_line(out, used, "has parked " CAMPAIGN);
    case DEAD:
        if (!world->was_reaped)
            return add_line(out, used, "dead " BURIED);
        return add_line(out, used,
                        "dead {\"id\":\"m1\",\"campaign\":\"" CAMPAIGN "\",\"dead_at\":0,\"reason\":"
                        "\"outcome_unknown\",\"detail\":\"" UNKNOWN_TEXT
                        "\",\"attempts\":0,\"deaths\":1,\"envelope\":%s}",
                        text);
    case SENT:
    case CANCELLED:
    case PURGED:
        break;
    }
    return used;
}

static void expect_look(const struct world *world, char out[LOOK_MAX])
{
    static const int by_name[] = {NAME_A, GHOST, NAME_B}; /* `A`, `A~a2`, `B` */
    static const char *const campaign_states[] = {
        [STATELESS] = "-", [RUNNING] = "running", [PAUSED] = "paused", [CANCELLED_FOR_GOOD] = "cancelled"};
    static const char *const records[] = {[NO_RECORD] = "-",          [RECORD_SENT] = "sent",
                                          [RECORD_DEAD] = "dead",     [RECORD_ACCEPTED] = "accepted",
                                          [RECORD_PURGED] = "purged", [RECORD_CANCELLED] = "cancelled"};
    const struct counts *counts = &world->counts;
    char ticket[32];
    int used = expect_place(world, out, 0);

    if (world->record != NO_RECORD && world->record_life < 0) {
        used = add_line(out, used, "message m1 %s -", records[world->record]);
    } else if (world->record != NO_RECORD) {
        write_ticket(world->record_life, world->record_ticket, ticket);
        used = add_line(out, used, "message m1 %s %s", records[world->record], ticket);
    }
    for (size_t i = 0; i < COUNT_OF(by_name); i++) {
        int name = by_name[i], instance = name == GHOST ? LIFE_COUNT : world->instance[name];

        if (world->leases[name] != NO_LEASE)
            used = add_line(out, used, "worker %s %s %s", names[name], world->leases[name] == LEASE ? "lease" : "past",
                            instance == LIFE_COUNT ? "-" : instances[instance]);
    }
    used = add_line(out, used,
                    "counts accepted=%d duplicates=%d sent=%d dead=%d cancelled=%d retries=%d returned=%d "
                    "redelivered=%d late=%d withdrawn=%d replayed=%d purged=%d",
                    counts->accepted, counts->duplicates, counts->sent, counts->dead, counts->cancelled,
                    counts->retries, counts->returned, counts->redelivered, counts->late, counts->withdrawn,
                    counts->replayed, counts->purged);
    used = add_line(out, used, "letters %d", world->place == DEAD);
    if (world->campaign != NO_CAMPAIGN) {
        used = add_line(out, used, "state " CAMPAIGN " %s", campaign_states[world->campaign]);
        used =
            add_line(out, used, "campaign:" CAMPAIGN " accepted=%d sent=%d dead=%d cancelled=%d retries=%d purged=%d",
                     counts->accepted, counts->sent, counts->dead, counts->cancelled, counts->retries, counts->purged);
    }
    if (world->is_paused)
        (void)add_line(out, used, "hold");
}

/* The world's own sum; that it is what Redis holds is compared as text. */
static void check_world(const struct model *model)
{
    const struct world *world = &model->world;
    const struct counts *counts = &world->counts;
    int ended = counts->sent + counts->dead + counts->cancelled + counts->purged;

    expect_number(model, "ends", ended, world->place >= DEAD);
    assert_true(counts->accepted <= 1); /* never counted twice, so the places are never fewer than what was accepted */
    if (!world->is_pushed)
        expect_number(model, "accepted", counts->accepted, 1);
}

static void look(struct model *model)
{
    char expected[LOOK_MAX];
    struct redis_reply *reply = redis_server_call(model->server, "EVALSHA", model->look_sha, "0", NULL);
    const char *found = redis_reply_text(reply, NULL);

    if (!found)
        fail_msg("look: %s", redis_reply_error(reply));
    model->steps++;
    expect_look(&model->world, expected);
    if (strcmp(expected, found) != 0)
        fail_at(model, "Redis", expected, found);
    check_world(model);
    redis_reply_free(reply);
}

/* What `herald status` sums up. */
static void check_status(struct model *model)
{
    static struct store_status status;
    const struct world *world = &model->world;
    struct reason why = {""};
    int64_t places;

    if (store_read_status(model->store, &status, PATIENCE_MS, &why) != 0)
        fail_msg("%s", why.text);
    places = status.ready[0] + status.ready[1] + status.ready[2] + status.delayed + status.parked + status.in_flight +
             status.dead + store_counter(status.counters, status.counter_count, "sent") +
             store_counter(status.counters, status.counter_count, "cancelled") +
             store_counter(status.counters, status.counter_count, "purged");
    expect_number(model, "places", places, 1);
    expect_number(model, "in flight", status.in_flight, world->place == FLIGHT);
    expect_number(model, "uncounted", places - store_counter(status.counters, status.counter_count, "accepted"),
                  1 - world->counts.accepted);
}

/* Its campaign is cancelled: a state that somebody may ask for says so. */
static void end_cancelled(struct world *world)
{
    world->place = CANCELLED;
    world->counts.cancelled++;
    if (world->record != NO_RECORD && world->record != RECORD_SENT)
        world->record = RECORD_CANCELLED;
}

/* --- short forms --- */

static void finish(struct store *store)
{
    struct reason why = {""};

    if (store_finish(store, 0, PATIENCE_MS, &why) != 0)
        fail_msg("%s", why.text);
}

static void command(struct redis_server *server, const char *a, const char *b, const char *c, const char *d)
{
    struct redis_reply *reply = redis_server_call(server, a, b, c, d, NULL);

    if (redis_reply_error(reply))
        fail_msg("%s: %s", a, redis_reply_error(reply));
    redis_reply_free(reply);
}

static void run_numbered(struct model *model, const char *sha, int number)
{
    char text[16];
    struct redis_reply *reply;

    (void)snprintf(text, sizeof(text), "%d", number);
    reply = redis_server_call(model->server, "EVALSHA", sha, "0", text, NULL);
    if (redis_reply_error(reply))
        fail_msg("snapshot: %s", redis_reply_error(reply));
    redis_reply_free(reply);
}

static bool is_held(const struct world *world, int life)
{
    return world->place == FLIGHT && world->owner == life && world->holder == name_of[life];
}

static void count_accepted(struct world *world)
{
    world->counts.accepted++;
    if (world->campaign == NO_CAMPAIGN)
        world->campaign = STATELESS;
}

/* It leaves the hands of a worker, who has counted it as accepted if nobody had. */
static void count_settled(struct world *world, int life, int *counter)
{
    if (!world->minds[life].is_adopted)
        count_accepted(world);
    ++*counter;
    if (world->campaign == NO_CAMPAIGN)
        world->campaign = STATELESS;
}

/* --- the steps; each answers whether it is possible in this world at all --- */

typedef bool (*step_fn)(struct model *model, int life);

static void on_enqueued(void *context, int rc, const enum store_enqueued *answers, size_t count)
{
    int *answer = context;

    *answer = rc != 0 || count != 1 ? -1 : answers[0] == STORE_ENQUEUED;
}

static int enqueue(struct model *model)
{
    char text[TEXT_MAX];
    struct store_message message = {.priority = PRIORITY_HIGH};
    int answer = -1;

    write_text(&model->world, 1, 0, text);
    message.envelope = (struct span){text, strlen(text)};
    store_key_of(CAMPAIGN, (struct span){"m1", 2}, message.key);
    store_enqueue(model->store, CAMPAIGN, &message, 1, on_enqueued, &answer);
    finish(model->store);
    return answer;
}

static bool step_enqueue_again(struct model *model, int life)
{
    (void)life;
    if (model->world.is_pushed)
        return false; /* that would be another message */
    expect_number(model, "accepted again", enqueue(model), 0);
    model->world.counts.duplicates++;
    return true;
}

struct taken {
    struct store_reserved seen;
    char text[TEXT_MAX];
};

static void on_reserved(void *context, const struct store_reserved *reserved)
{
    struct taken *taken = context;

    taken->seen = *reserved;
    if (reserved->rc == 0 && reserved->count == 1) {
        struct span text = store_reserved_envelope(reserved, 0);

        (void)snprintf(taken->text, sizeof(taken->text), "%.*s", (int)text.len, text.data);
    }
}

static struct taken reserve(struct model *model, int life, int first)
{
    char prefix[8];
    struct store_reserve ask = {.worker = names[name_of[life]], .first = first, .wanted = 1};
    struct taken taken = {.seen = {.rc = 1}};

    (void)snprintf(prefix, sizeof(prefix), "%s-", instances[life]);
    ask.prefix = prefix;
    ask.rate = (struct rate){1000, HOUR_MS};
    ask.margin_ms = 10;
    store_reserve(model->store, &ask, on_reserved, &taken);
    finish(model->store);
    expect_number(model, "rc of reserve", taken.seen.rc, 0);
    return taken;
}

static bool step_reserve(struct model *model, int life)
{
    struct world *world = &model->world;
    struct mind *mind = &world->minds[life];
    int name = name_of[life];
    bool has_lease = world->leases[name] == LEASE;
    char text[TEXT_MAX];
    struct taken taken;

    if (!mind->is_here || (world->instance[name] != life && world->instance[name] != LIFE_COUNT))
        return false; /* it has been told that the name is not its own any more */
    taken = reserve(model, life, mind->next++);
    expect_number(model, "has no lease", taken.seen.has_no_lease, !has_lease);
    expect_number(model, "taken", (int64_t)taken.seen.count,
                  has_lease && !world->is_paused && (world->place == READY || world->place == DUE));
    if (taken.seen.count == 0)
        return true;
    write_text(world, world->is_adopted, world->marks, text);
    if (strcmp(taken.text, text) != 0)
        fail_at(model, "envelope", text, taken.text);
    if (world->place == DUE)
        world->letter = 'N';
    world->place = FLIGHT;
    world->holder = name;
    world->owner = life;
    mind->ticket = mind->next - 1;
    mind->is_adopted = world->is_adopted;
    mind->marks = world->marks;
    return true;
}

static void on_checked(void *context, int rc, const struct store_checked *answers, size_t count)
{
    int *answer = context;

    *answer = rc != 0 || count != 1 ? -1 : (int)answers[0].answer;
}

/* What the last look says and does, in the order of check.lua's documents. */
static int look_at(struct world *world, int life, bool adopts)
{
    struct mind *mind = &world->minds[life];

    if (!is_held(world, life))
        return STORE_GONE;
    if (world->leases[name_of[life]] != LEASE)
        return STORE_NO_LEASE;
    if (adopts) {
        count_accepted(world);
        world->is_adopted = mind->is_adopted = 1;
    }
    if (mind->marks > 0 && world->record == RECORD_SENT) {
        world->place = SENT;
        world->counts.sent++;
        world->counts.withdrawn++;
        if (world->campaign == NO_CAMPAIGN)
            world->campaign = STATELESS;
        return STORE_WITHDRAWN;
    }
    if (world->campaign == CANCELLED_FOR_GOOD) {
        end_cancelled(world);
        return STORE_CANCELLED;
    }
    if (world->campaign == PAUSED) {
        world->place = PARKED;
        return STORE_PARKED;
    }
    return STORE_GO;
}

static void check(struct model *model, int life, bool adopts)
{
    struct mind *mind = &model->world.minds[life];
    const struct store_look about = {names[name_of[life]], {0, 0}, 10};
    char ticket[32], text[TEXT_MAX];
    struct store_check item = {.ticket = ticket, .id = "m1", .campaign = CAMPAIGN, .was_redelivered = mind->marks > 0};
    int answer = -1;

    write_ticket(life, mind->ticket, ticket);
    item.person = (struct span){"sms:+1", 6};
    item.sender = (struct span){"+2", 2};
    write_text(&model->world, 1, mind->marks, text);
    if (adopts)
        item.adopted = (struct span){text, strlen(text)};
    store_check(model->store, &about, &item, 1, on_checked, &answer);
    finish(model->store);
    expect_number(model, "answer of check", answer, look_at(&model->world, life, adopts));
}

static bool step_check(struct model *model, int life)
{
    const struct mind *mind = &model->world.minds[life];

    if (mind->ticket < 0)
        return false;
    check(model, life, !mind->is_adopted);
    return true;
}

/* No worker of ours asks so, but nothing may be lost by it. */
static bool step_check_unadopted(struct model *model, int life)
{
    const struct mind *mind = &model->world.minds[life];

    if (mind->ticket < 0 || mind->is_adopted)
        return false;
    check(model, life, false);
    return true;
}

static void on_settled(void *context, int rc)
{
    int *result = context;

    *result = rc;
}

static void settle(struct model *model, int life, enum store_move move, const char *document)
{
    const struct mind *mind = &model->world.minds[life];
    char ticket[32];
    const struct store_settle item = {
        .ticket = ticket,
        .id = "m1",
        .campaign = CAMPAIGN,
        .is_new = !mind->is_adopted,
        .provider_id = ticket,
        .conversation_id = "",
        .delay_ms = HOUR_MS,
        .counted_as = "retries",
        .document = {document, strlen(document)},
        .reason = "rejected",
        .audit = {"{}", 2},
        .give_back = move != STORE_SENT,
    };
    int rc = 1;

    write_ticket(life, mind->ticket, ticket);
    store_settle(model->store, move, names[name_of[life]], &item, 1, on_settled, &rc);
    finish(model->store);
    expect_number(model, "rc of settle", rc, 0);
}

static bool step_sent(struct model *model, int life)
{
    struct world *world = &model->world;
    int ticket = world->minds[life].ticket;

    if (ticket < 0)
        return false;
    settle(model, life, STORE_SENT, "");
    if (is_held(world, life)) {
        world->place = SENT;
        count_settled(world, life, &world->counts.sent);
    } else if (world->record != RECORD_SENT || world->record_life != life || world->record_ticket != ticket) {
        world->counts.late++;
    }
    world->record = RECORD_SENT;
    world->record_life = life;
    world->record_ticket = ticket;
    return true;
}

static bool step_defer(struct model *model, int life)
{
    struct world *world = &model->world;
    struct mind *mind = &world->minds[life];
    char text[TEXT_MAX];

    if (mind->ticket < 0)
        return false;
    write_text(world, 1, mind->marks, text); /* as the worker writes it: accepted by then */
    settle(model, life, STORE_DEFER, text);
    if (is_held(world, life)) {
        world->place = LATER;
        count_settled(world, life, &world->counts.retries);
        world->is_adopted = 1;
    }
    return true;
}

static bool step_bury(struct model *model, int life)
{
    struct world *world = &model->world;

    if (world->minds[life].ticket < 0)
        return false;
    settle(model, life, STORE_BURY, BURIED);
    if (is_held(world, life)) {
        world->place = DEAD;
        world->was_reaped = 0;
        count_settled(world, life, &world->counts.dead);
        world->record = RECORD_DEAD;
    }
    return true;
}

static bool step_release(struct model *model, int life)
{
    struct world *world = &model->world;

    if (world->minds[life].ticket < 0)
        return false;
    settle(model, life, STORE_RELEASE, "");
    if (is_held(world, life)) {
        world->place = READY;
        world->counts.returned++;
    }
    return true;
}

static bool step_fence(struct model *model, int life)
{
    struct mind *mind = &model->world.minds[life];

    if (!mind->is_here)
        return false;
    mind->next++; /* the reserve that was lost */
    store_fence(model->store, names[name_of[life]], life == A1 ? "a1-" : life == A2 ? "a2-" : "b1-", mind->next);
    finish(model->store);
    model->world.fences[life] = mind->next;
    return true;
}

/* The reserve that was fenced off reaches Redis after all, whoever has the name by now: nobody would know of what it
 * took. */
static bool step_fenced_reserve(struct model *model, int life)
{
    int fence = model->world.fences[life];

    if (fence == 0)
        return false;
    expect_number(model, "taken behind the fence", (int64_t)reserve(model, life, fence - 1).seen.count, 0);
    return true;
}

static void on_beaten(void *context, enum store_beaten beaten)
{
    int *answer = context;

    *answer = (int)beaten;
}

static bool step_beat(struct model *model, int life)
{
    struct world *world = &model->world;
    int name = name_of[life], answer = -1;
    const struct store_identity who = {names[name], instances[life], "test", HOUR_MS};
    bool is_ours = world->instance[name] == life || world->instance[name] == LIFE_COUNT;

    if (!world->minds[life].is_here)
        return false;
    store_beat(model->store, &who, "", "closed", on_beaten, &answer);
    finish(model->store);
    expect_number(model, "answer of beat", answer, is_ours ? STORE_LEASE_OURS : STORE_LEASE_NOT_OURS);
    if (is_ours) {
        world->leases[name] = LEASE;
        world->instance[name] = life;
    }
    return true;
}

static bool step_join(struct model *model, int life)
{
    struct world *world = &model->world;
    int name = name_of[life];
    const struct store_identity who = {names[name], instances[life], "test", HOUR_MS};
    bool is_taken = world->leases[name] == LEASE && world->instance[name] != LIFE_COUNT;
    struct store_join answer;
    struct reason why = {""};

    if (world->minds[life].is_here)
        return false;
    if (store_join(model->store, &who, false, &answer, PATIENCE_MS, &why) != 0)
        fail_msg("%s", why.text);
    expect_number(model, "answer of join", answer.joined, is_taken ? STORE_NAME_TAKEN : STORE_JOINED);
    if (is_taken)
        return true;
    if (world->place == FLIGHT && world->holder == name) {
        world->holder = GHOST;
        world->leases[GHOST] = LEASE_PAST;
    }
    world->minds[life].is_here = 1;
    world->leases[name] = LEASE;
    world->instance[name] = life;
    return true;
}

static bool step_leave(struct model *model, int life)
{
    struct world *world = &model->world;
    int name = name_of[life];

    if (world->instance[name] != life)
        return false;
    store_leave(model->store, names[name]);
    finish(model->store);
    if (world->place == FLIGHT && world->holder == name)
        return true;
    world->leases[name] = NO_LEASE;
    world->instance[name] = LIFE_COUNT;
    return true;
}

static bool step_lease_runs_out(struct model *model, int life)
{
    int name = name_of[life];

    if (model->world.leases[name] != LEASE)
        return false;
    command(model->server, "ZADD", KEY ":workers", "1", names[name]);
    model->world.leases[name] = LEASE_PAST;
    return true;
}

static void on_reaped(void *context, int64_t taken)
{
    int64_t *answer = context;

    *answer = taken;
}

static bool step_reap(struct model *model, int life)
{
    struct world *world = &model->world;
    bool takes = world->place == FLIGHT && world->leases[world->holder] == LEASE_PAST;
    int64_t taken = -1;

    (void)life;
    command(model->server, "DEL", KEY ":calm", KEY ":nothing", NULL);
    store_reap(model->store, HOUR_MS, on_reaped, &taken);
    finish(model->store);
    expect_number(model, "reaped", taken, takes);
    if (takes) {
        world->marks++;
        if (world->is_hold) {
            world->place = DEAD;
            world->was_reaped = 1;
            if (!world->is_adopted)
                count_accepted(world);
            world->counts.dead++;
            world->record = RECORD_DEAD;
        } else {
            world->place = READY;
            world->counts.redelivered++;
        }
    }
    for (int name = 0; name < NAME_COUNT; name++) {
        if (world->leases[name] != LEASE_PAST)
            continue;
        world->leases[name] = NO_LEASE;
        if (name != GHOST)
            world->instance[name] = LIFE_COUNT;
    }
    return true;
}

static void set_campaign(struct model *model, enum store_campaign_state state, enum campaign to)
{
    struct world *world = &model->world;
    bool is_refused =
        world->campaign == NO_CAMPAIGN || (world->campaign == CANCELLED_FOR_GOOD && to != CANCELLED_FOR_GOOD);
    bool moves = !is_refused && world->place == PARKED && to != PAUSED;
    struct reason why = {""};
    static const struct audit_by by = {"test", ""};
    int64_t moved = -1;
    int rc = store_set_campaign(model->store, CAMPAIGN, state, &by, &moved, PATIENCE_MS, &why);

    expect_number(model, "rc of campaign", rc,
                  !is_refused                      ? 0
                  : world->campaign == NO_CAMPAIGN ? ERR_INVALID
                                                   : ERR_STATE);
    if (is_refused)
        return;
    expect_number(model, "moved", moved, moves);
    world->campaign = to;
    if (moves && to == RUNNING)
        world->place = READY;
    if (moves && to == CANCELLED_FOR_GOOD) {
        end_cancelled(world);
    }
}

static bool step_pause(struct model *model, int life)
{
    (void)life;
    set_campaign(model, STORE_PAUSED, PAUSED);
    return true;
}

static bool step_resume(struct model *model, int life)
{
    (void)life;
    set_campaign(model, STORE_RUNNING, RUNNING);
    return true;
}

static bool step_cancel(struct model *model, int life)
{
    (void)life;
    set_campaign(model, STORE_CANCELLED_FOR_GOOD, CANCELLED_FOR_GOOD);
    return true;
}

static bool step_hold(struct model *model, int life)
{
    (void)life;
    store_hold(model->store, HOUR_MS, "429");
    finish(model->store);
    model->world.is_paused = 1;
    return true;
}

static bool step_hold_ends(struct model *model, int life)
{
    (void)life;
    if (!model->world.is_paused)
        return false;
    command(model->server, "DEL", KEY ":hold", KEY ":nothing", NULL);
    model->world.is_paused = 0;
    return true;
}

static bool step_touch(struct model *model, int life)
{
    char ticket[32];

    if (model->world.minds[life].ticket < 0)
        return false;
    write_ticket(life, model->world.minds[life].ticket, ticket);
    store_touch(model->store, names[name_of[life]], ticket, (struct span){"+2", 2});
    finish(model->store);
    return true;
}

static void on_letter(void *context, int rc, const struct store_letter *letters, size_t count)
{
    struct store_letter *letter = context;

    assert_true(rc == 0 && count <= 1);
    if (count == 1)
        *letter = letters[0];
}

static void on_letter_taken(void *context, int rc, const enum store_taken *answers, size_t count)
{
    enum store_taken *answer = context;

    assert_true(rc == 0 && count == 1);
    *answer = answers[0];
}

/* Somebody takes the dead letter out; then another, who had seen it as well, tries in vain. */
static bool take_letter(struct model *model, bool is_purge)
{
    static const struct audit_by by = {"test", ""};
    struct world *world = &model->world;
    struct store_letter letter = {.ticket = ""};
    char text[TEXT_MAX];
    const struct store_take take = {&letter, "m1", PRIORITY_HIGH, {text, 0}};
    struct store_take takes[] = {take};
    bool stays = !is_purge && world->record == RECORD_SENT;

    if (world->place != DEAD)
        return false;
    write_text(world, 1, 0, text);
    takes[0].envelope.len = is_purge ? 0 : strlen(text);
    store_dead_read(model->store, "", "+", 2, on_letter, &letter);
    finish(model->store);
    for (int again = 0; again < 2; again++) {
        struct store_take_run run;
        enum store_taken answer;

        store_take_begin(&run, &by);
        run.is_purge = is_purge;
        store_dead_take(model->store, &run, takes, 1, on_letter_taken, &answer);
        finish(model->store);
        expect_number(model, "taken", answer,
                      stays   ? STORE_LETTER_SENT
                      : again ? STORE_LETTER_GONE
                              : STORE_LETTER_TAKEN);
    }
    if (stays)
        return true;
    world->counts.dead--;
    *(is_purge ? &world->counts.purged : &world->counts.replayed) += 1;
    if (world->record != RECORD_SENT)
        world->record = is_purge ? RECORD_PURGED : RECORD_ACCEPTED;
    world->place = is_purge ? PURGED : READY;
    world->letter = 'H';
    world->marks = 0;
    world->is_adopted = 1;
    return true;
}

static bool step_replay(struct model *model, int life)
{
    (void)life;
    return take_letter(model, false);
}

static bool step_purge(struct model *model, int life)
{
    (void)life;
    return take_letter(model, true);
}

static bool step_falls_due(struct model *model, int life)
{
    struct world *world = &model->world;
    char text[TEXT_MAX];

    (void)life;
    if (world->place != LATER)
        return false;
    write_text(world, world->is_adopted, world->marks, text);
    command(model->server, "ZADD", KEY ":delayed", "1", text);
    world->place = DUE;
    return true;
}

static const struct step {
    const char *name;
    step_fn run;
    int life;
} steps[] = {
    {"enqueue again", step_enqueue_again, 0},
    {"reserve by A", step_reserve, A1},
    {"reserve by A'", step_reserve, A2},
    {"reserve by B", step_reserve, B1},
    {"check by A", step_check, A1},
    {"check by A'", step_check, A2},
    {"check by B", step_check, B1},
    {"check without adoption by A", step_check_unadopted, A1},
    {"check without adoption by B", step_check_unadopted, B1},
    {"sent by A", step_sent, A1},
    {"sent by A'", step_sent, A2},
    {"sent by B", step_sent, B1},
    {"defer by A", step_defer, A1},
    {"defer by A'", step_defer, A2},
    {"defer by B", step_defer, B1},
    {"bury by A", step_bury, A1},
    {"bury by A'", step_bury, A2},
    {"bury by B", step_bury, B1},
    {"release by A", step_release, A1},
    {"release by A'", step_release, A2},
    {"release by B", step_release, B1},
    {"fence by A", step_fence, A1},
    {"fenced reserve of A arrives", step_fenced_reserve, A1},
    {"beat by A", step_beat, A1},
    {"beat by A'", step_beat, A2},
    {"beat by B", step_beat, B1},
    {"join of A'", step_join, A2},
    {"leave by A", step_leave, A1},
    {"leave by A'", step_leave, A2},
    {"lease of A runs out", step_lease_runs_out, A1},
    {"lease of B runs out", step_lease_runs_out, B1},
    {"reap", step_reap, 0},
    {"campaign pause", step_pause, 0},
    {"campaign resume", step_resume, 0},
    {"campaign cancel", step_cancel, 0},
    {"hold", step_hold, 0},
    {"hold ends", step_hold_ends, 0},
    {"touch by A", step_touch, A1},
    {"falls due", step_falls_due, 0},
    {"replay", step_replay, 0},
    {"purge", step_purge, 0},
};
_Static_assert(COUNT_OF(steps) <= STEPS_MAX, "nodes have room for each");

static void fail_at(const struct model *model, const char *what, const char *expected, const char *found)
{
    print_error("%s, %s%s:", model->world.is_pushed ? "pushed" : "enqueued", model->world.is_hold ? "hold, " : "",
                model->start);
    for (int i = 0; i < model->trace_len; i++)
        print_error(" / %s", steps[model->trace[i]].name);
    print_error("\n%s: expected\n%s\nfound\n%s\n", what, expected, found);
    fail();
}

/* --- starting states --- */

static const struct start {
    const char *name;
    const char *way[12]; /* names of steps */
} starts[] = {
    {"on the list", {NULL}},
    {"delayed", {"reserve by A", "check by A", "defer by A"}},
    {"in flight at A", {"reserve by A"}},
    {"in flight at A and reaped", {"reserve by A", "check by A", "lease of A runs out", "reap"}},
    {"parked", {"reserve by A", "check by A", "release by A", "campaign pause", "reserve by A", "check by A"}},
    {"dead", {"reserve by A", "check by A", "bury by A"}},
    {"sent", {"reserve by A", "check by A", "sent by A"}},
};

static int step_named(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        if (strcmp(steps[i].name, name) == 0)
            return (int)i;
    }
    fail_msg("no step `%s`", name);
    return -1;
}

/* Runs one step and looks at everything; false: it is not possible here. */
static bool run_step(struct model *model, int step)
{
    assert_true(model->trace_len < (int)COUNT_OF(model->trace));
    model->trace[model->trace_len++] = step;
    if (!steps[step].run(model, steps[step].life)) {
        model->trace_len--;
        return false;
    }
    look(model);
    return true;
}

static void begin(struct model *model, bool is_pushed, bool is_hold, const struct start *start)
{
    struct world *world = &model->world;
    char text[TEXT_MAX];

    run_numbered(model, model->restore_sha, -1);
    memset(world, 0, sizeof(*world));
    world->is_pushed = is_pushed;
    world->is_hold = is_hold;
    world->place = READY;
    world->letter = 'H';
    world->record_life = -1;
    world->instance[NAME_A] = world->instance[NAME_B] = LIFE_COUNT;
    for (int life = 0; life < LIFE_COUNT; life++)
        world->minds[life].ticket = -1;
    model->start = "start";
    model->trace_len = 0;
    assert_true(step_join(model, A1) && step_join(model, B1));
    if (is_pushed) {
        write_text(world, 0, 0, text);
        command(model->server, "LPUSH", KEY ":ready:high", text, NULL);
    } else {
        assert_int_equal(enqueue(model), 1);
        world->is_adopted = 1;
        count_accepted(world);
    }
    look(model);
    for (size_t i = 0; i < COUNT_OF(start->way) && start->way[i]; i++)
        assert_true(run_step(model, step_named(start->way[i])));
    model->start = start->name;
    model->trace_len = 0;
}

/* --- all sequences, as a graph --- */

struct node {
    struct world world, essence;
    int depth, from, step; /* how it was first reached; from -1: a starting state */
    const char *start;
    int children[STEPS_MAX]; /* -1: the step is not possible here */
};

struct graph {
    struct node *nodes;
    int count;
    int slots[NODE_SLOTS]; /* 1 + index of the node; 0: free */
};

/* The same for two worlds exactly when no sequence of steps can ever tell them apart, but by counters and by the
 * numbers that tickets have. */
static struct world essence_of(const struct world *world)
{
    struct world essence = *world;

    memset(&essence.counts, 0, sizeof(essence.counts));
    essence.counts.accepted = world->counts.accepted;
    if (world->place != FLIGHT)
        essence.holder = essence.owner = 0;
    if (world->place > PARKED) /* it has ended */
        essence.letter = essence.is_adopted = essence.marks = essence.was_reaped = 0;
    essence.marks = essence.marks > 2 ? 2 : essence.marks;
    if (world->record != NO_RECORD && world->record_life >= 0 &&
        world->minds[world->record_life].ticket != world->record_ticket)
        essence.record_life = -2; /* of a ticket that nobody has any more */
    essence.record_ticket = 0;
    for (int life = 0; life < LIFE_COUNT; life++) {
        struct mind *mind = &essence.minds[life];

        essence.fences[life] = world->fences[life] > 0;
        mind->next = 0;
        mind->ticket = mind->ticket < 0 ? -1 : 0;
        if (!is_held(world, life))
            mind->marks = 0; /* is_adopted stays: it decides which steps are possible */
        mind->marks = mind->marks > 2 ? 2 : mind->marks;
    }
    return essence;
}

static uint64_t hash_of(const struct world *world)
{
    const unsigned char *bytes = (const unsigned char *)world;
    uint64_t hash = 14695981039346656037U;

    for (size_t i = 0; i < sizeof(*world); i++)
        hash = (hash ^ bytes[i]) * 1099511628211U;
    return hash ^ (hash >> 29);
}

/* The node of this world, made if it is new. */
static int intern(struct graph *graph, const struct world *world, bool *ret_is_new)
{
    struct world essence = essence_of(world);
    size_t slot = hash_of(&essence) % NODE_SLOTS;
    struct node *node;

    *ret_is_new = false;
    for (; graph->slots[slot] != 0; slot = (slot + 1) % NODE_SLOTS) {
        if (memcmp(&graph->nodes[graph->slots[slot] - 1].essence, &essence, sizeof(essence)) == 0)
            return graph->slots[slot] - 1;
    }
    assert_true(graph->count < NODES_MAX);
    node = &graph->nodes[graph->count];
    node->world = *world;
    node->essence = essence;
    *ret_is_new = true;
    graph->slots[slot] = ++graph->count;
    return graph->count - 1;
}

static void set_trace(struct model *model, const struct graph *graph, int index)
{
    int len = 0;

    for (int at = index; graph->nodes[at].from >= 0; at = graph->nodes[at].from)
        len++;
    model->trace_len = len;
    model->start = graph->nodes[index].start;
    for (int at = index; graph->nodes[at].from >= 0; at = graph->nodes[at].from)
        model->trace[--len] = graph->nodes[at].step;
}

static void expand(struct model *model, struct graph *graph, int index, int depth)
{
    bool is_there = false; /* Redis is in the state of this node */

    for (int step = 0; step < (int)COUNT_OF(steps); step++) {
        struct node *node = &graph->nodes[index];
        bool is_new;
        int child;

        if (!is_there)
            run_numbered(model, model->restore_sha, index);
        model->world = node->world;
        set_trace(model, graph, index);
        is_there = true;
        node->children[step] = -1;
        if (!run_step(model, step))
            continue;
        is_there = memcmp(&model->world, &node->world, sizeof(model->world)) == 0;
        child = intern(graph, &model->world, &is_new);
        node->children[step] = child;
        if (!is_new)
            continue;
        graph->nodes[child].depth = node->depth + 1;
        graph->nodes[child].from = index;
        graph->nodes[child].step = step;
        graph->nodes[child].start = node->start;
        check_status(model);
        if (node->depth + 1 < depth)
            run_numbered(model, model->save_sha, child);
    }
}

/* How many sequences of `depth` steps begin in starting states (those have from -1). */
static double count_sequences(const struct graph *graph, int depth)
{
    double *now = mem_zalloc((size_t)graph->count, sizeof(*now)), *next = NULL, sum = 0;

    for (int i = 0; i < graph->count; i++)
        now[i] = graph->nodes[i].from < 0;
    for (int at = 0; at < depth; at++, free(now), now = next) {
        next = mem_zalloc((size_t)graph->count, sizeof(*next));
        for (int i = 0; i < graph->count; i++) {
            for (size_t step = 0; now[i] > 0 && step < COUNT_OF(steps); step++) {
                if (graph->nodes[i].children[step] >= 0)
                    next[graph->nodes[i].children[step]] += now[i];
            }
        }
    }
    for (int i = 0; i < graph->count; i++)
        sum += now[i];
    free(now);
    return sum;
}

static void explore(struct model *model, bool is_pushed, bool is_hold)
{
    const char *wish = getenv("HERALD_TEST_DEPTH");
    int depth = wish ? (int)strtol(wish, NULL, 10) : DEPTH;
    struct graph *graph = mem_zalloc(1, sizeof(*graph));
    int64_t start_ms = clock_mono_ms();

    assert_in_range(depth, 1, DEPTH_MAX);
    graph->nodes = mem_zalloc(NODES_MAX, sizeof(*graph->nodes));
    redis_reply_free(redis_server_call(model->server, "FLUSHALL", NULL));
    model->steps = 0;
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        bool is_new;
        int index;

        begin(model, is_pushed, is_hold, &starts[i]);
        check_status(model);
        index = intern(graph, &model->world, &is_new);
        graph->nodes[index].from = -1;
        graph->nodes[index].start = starts[i].name;
        run_numbered(model, model->save_sha, index);
    }
    for (int i = 0; i < graph->count; i++) { /* in order of their depths, as each is found by one before it */
        if (graph->nodes[i].depth < depth)
            expand(model, graph, i, depth);
    }
    print_message("# %.0f sequences of %d steps from %zu states: %d states, %lld steps in %lld ms\n",
                  count_sequences(graph, depth), depth, COUNT_OF(starts), graph->count, (long long)model->steps,
                  (long long)(clock_mono_ms() - start_ms));
    free(graph->nodes);
    free(graph);
}

static void test_an_enqueued_message_to_resend_is_in_one_place_after_each_step_of_every_sequence(void **state)
{
    explore(*state, false, false);
}

static void test_an_enqueued_message_to_hold_is_in_one_place_after_each_step_of_every_sequence(void **state)
{
    explore(*state, false, true);
}

static void test_a_pushed_message_to_resend_is_in_one_place_after_each_step_of_every_sequence(void **state)
{
    explore(*state, true, false);
}

static void test_a_pushed_message_to_hold_is_in_one_place_after_each_step_of_every_sequence(void **state)
{
    explore(*state, true, true);
}

/* --- long sequences at random --- */

static uint64_t roll(uint64_t *random, uint64_t sides)
{
    *random = *random * 6364136223846793005U + 1442695040888963407U;
    return (*random >> 33) % sides;
}

static void test_a_message_is_in_one_place_after_each_step_of_long_sequences_at_random(void **state)
{
    struct model *model = *state;
    const char *seed = getenv("HERALD_TEST_SEED");
    uint64_t random = seed ? strtoull(seed, NULL, 10) : 1;
    int64_t start_ms = clock_mono_ms();

    print_message("# seed %llu\n", (unsigned long long)random);
    model->steps = 0;
    for (int i = 0; i < WALKS; i++) {
        int len = WALK_MIN + (int)roll(&random, WALK_MAX - WALK_MIN + 1);

        begin(model, i & 1, i & 2, &starts[i / 4 % (int)COUNT_OF(starts)]);
        while (model->trace_len < len) {
            if (run_step(model, (int)roll(&random, COUNT_OF(steps))))
                check_status(model);
        }
    }
    print_message("# %d sequences of %d to %d steps: %lld steps in %lld ms\n", WALKS, WALK_MIN, WALK_MAX,
                  (long long)model->steps, (long long)(clock_mono_ms() - start_ms));
}

/* --- what the reaper writes --- */

/* The in-flight entry `held` of a worker without a lease, reaped; answers what is on `list` then. */
/* `list` NULL: it is to become a dead letter. */
static void reap_one(struct model *model, const char *held, const char *list, char found[TEXT_MAX])
{
    struct redis_reply *reply;
    int64_t taken = -1;
    char now[24];

    (void)snprintf(now, sizeof(now), "%lld", (long long)clock_wall_ms());
    run_numbered(model, model->restore_sha, -1);
    reply = redis_server_call(model->server, "HSET", KEY ":inflight:A", "a1-0", held, NULL);
    assert_null(redis_reply_error(reply));
    redis_reply_free(reply);
    command(model->server, "ZADD", KEY ":workers", "1", "A");
    command(model->server, "SET", KEY ":pulse", now, NULL);
    store_reap(model->store, HOUR_MS, on_reaped, &taken);
    finish(model->store);
    assert_int_equal(taken, 1);
    if (list)
        reply = redis_server_call(model->server, "LRANGE", list, "0", "-1", NULL);
    else
        reply = redis_server_call(model->server, "HVALS", KEY ":dead:letters", NULL);
    assert_int_equal(redis_reply_count(reply), 1);
    (void)snprintf(found, TEXT_MAX, "%s", redis_reply_text(redis_reply_at(reply, 0), NULL));
    redis_reply_free(reply);
}

static void test_the_reaper_adds_its_mark_and_changes_nothing_else_in_a_text(void **state)
{
    static const struct {
        const char *held, *list, *expected;
    } table[] = {
        {"N{\"a\":1}", KEY ":ready", "{\"redelivered\":1,\"a\":1}"},
        {"H{\"a\":1}", KEY ":ready:high", "{\"redelivered\":1,\"a\":1}"},
        {"L{\"a\":1}", KEY ":ready:low", "{\"redelivered\":1,\"a\":1}"},
        {"N{\"redelivered\":1,\"a\":1}", KEY ":ready", "{\"redelivered\":2,\"a\":1}"},
        {"N{\"redelivered\":99,\"a\":1}", KEY ":ready", "{\"redelivered\":100,\"a\":1}"},
        {"N{\"a\":1.0,\"b\":[],\"c\":{},\"d\":1e3,\"e\":12345678901234567890,\"f\":null}", KEY ":ready",
         "{\"redelivered\":1,\"a\":1.0,\"b\":[],\"c\":{},\"d\":1e3,\"e\":12345678901234567890,\"f\":null}"},
        {"N{\"a\":\"100%1 %d {\\\"\"}", KEY ":ready", "{\"redelivered\":1,\"a\":\"100%1 %d {\\\"\"}"},
        {"N{\"a\":\"\xc3\xa9 \\u00e9\"} ", KEY ":ready", "{\"redelivered\":1,\"a\":\"\xc3\xa9 \\u00e9\"} "},
        {"N  {\"a\":1}", KEY ":ready", "{\"redelivered\":1,\"a\":1}"},
        {"N\n\t{\n  \"a\" : 1\n}\n", KEY ":ready", "{\"redelivered\":1,\n  \"a\" : 1\n}\n"},
        {"N{\"a\":{\"redelivered\":5,\"b\":1}}", KEY ":ready", "{\"redelivered\":1,\"a\":{\"redelivered\":5,\"b\":1}}"},
        {"N{}", KEY ":ready", "{}"},
        {"N { } ", KEY ":ready", " { } "},
        {"N[{\"a\":1}]", KEY ":ready", "[{\"a\":1}]"},
        {"N\"text\"", KEY ":ready", "\"text\""},
        {"Nnot JSON", KEY ":ready", "not JSON"},
        {"N", KEY ":ready", ""},
        {"N{\"a\":", KEY ":ready", "{\"redelivered\":1,\"a\":"},
        {"{\"a\":1}", KEY ":ready", "{\"redelivered\":1,\"a\":1}"}, /* without a letter: not written by us */
        {"", KEY ":ready", ""},
        {"N{\"on_unknown\":\"resend\"}", KEY ":ready", "{\"redelivered\":1,\"on_unknown\":\"resend\"}"},
        {"N{\"on_unknown\":1}", KEY ":ready", "{\"redelivered\":1,\"on_unknown\":1}"},
    };
    char found[TEXT_MAX];

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        reap_one(*state, table[i].held, table[i].list, found);
        assert_string_equal(found, table[i].expected);
    }
}

static int64_t ask(struct model *model, const char *a, const char *b, const char *c)
{
    struct redis_reply *reply = redis_server_call(model->server, a, b, c, NULL);
    int64_t number = redis_reply_integer(reply);

    redis_reply_free(reply);
    return number;
}

static void test_the_reaper_buries_what_is_to_be_held_with_an_id_and_without(void **state)
{
    static const struct {
        const char *held, *before, *after; /* around the instant */
        bool has_id, is_accepted;
    } table[] = {
        {"H{\"id\":\"m1\",\"on_unknown\":\"hold\",\"a\":1.0,\"b\":[],\"herald\":{\"accepted_at\":5,\"attempts\":3}}",
         "{\"id\":\"m1\",\"dead_at\":",
         ",\"reason\":\"outcome_unknown\",\"detail\":\"" UNKNOWN_TEXT
         "\",\"attempts\":3,\"deaths\":1,\"envelope\":{\"redelivered\":1,"
         "\"id\":\"m1\",\"on_unknown\":\"hold\",\"a\":1.0,\"b\":[],\"herald\":{\"accepted_at\":5,\"attempts\":3}}}",
         true, true},
        {"N{\"on_unknown\":\"hold\",\"a\":1.0,\"b\":[]}", "{\"id\":\"\",\"dead_at\":",
         ",\"reason\":\"outcome_unknown\",\"detail\":\"" UNKNOWN_TEXT
         "\",\"attempts\":0,\"deaths\":1,\"envelope\":{\"redelivered\":1,"
         "\"on_unknown\":\"hold\",\"a\":1.0,\"b\":[]}}",
         false, false},
        {"N{\"redelivered\":1,\"id\":7,\"campaign\":null,\"on_unknown\":\"hold\",\"herald\":[]}",
         "{\"id\":\"\",\"dead_at\":",
         ",\"reason\":\"outcome_unknown\",\"detail\":\"" UNKNOWN_TEXT
         "\",\"attempts\":0,\"deaths\":1,\"envelope\":{\"redelivered\":2,"
         "\"id\":7,\"campaign\":null,\"on_unknown\":\"hold\",\"herald\":[]}}",
         false, false},
    };
    struct model *model = *state;
    char found[TEXT_MAX];

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        size_t before = strlen(table[i].before), digits;

        reap_one(model, table[i].held, NULL, found);
        assert_memory_equal(found, table[i].before, before);
        digits = strspn(found + before, "0123456789");
        assert_int_equal(digits, 13);
        assert_string_equal(found + before + digits, table[i].after);
        assert_int_equal(ask(model, "HEXISTS", KEY ":message:m1", "state"), table[i].has_id);
        assert_int_equal(ask(model, "EXISTS", KEY ":message:", NULL), 0);
        assert_int_equal(ask(model, "HEXISTS", KEY ":counts", "accepted"), !table[i].is_accepted);
        assert_int_equal(ask(model, "HGET", KEY ":counts", "dead"), 1);
        assert_int_equal(ask(model, "HLEN", KEY ":inflight:A", NULL), 0);
    }
}

/* --- one server for all --- */

static void load(struct redis_server *server, const char *script, char sha[48])
{
    struct redis_reply *reply = redis_server_call(server, "SCRIPT", "LOAD", script, NULL);

    if (redis_reply_error(reply))
        fail_msg("%s", redis_reply_error(reply));
    (void)snprintf(sha, 48, "%s", redis_reply_text(reply, NULL));
    redis_reply_free(reply);
}

static int start_server(void **state)
{
    struct model *model = mem_zalloc(1, sizeof(*model));
    struct reason why = {""};

    model->server = redis_server_start();
    load(model->server, look_script, model->look_sha);
    load(model->server, save_script, model->save_sha);
    load(model->server, restore_script, model->restore_sha);
    if (store_open(&model->store, redis_server_url(model->server), "t", &why) != 0)
        fail_msg("%s", why.text);
    *state = model;
    return 0;
}

static int stop_server(void **state)
{
    struct model *model = *state;

    store_close(model->store);
    redis_server_stop(model->server);
    free(model);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_enqueued_message_to_resend_is_in_one_place_after_each_step_of_every_sequence),
        cmocka_unit_test(test_an_enqueued_message_to_hold_is_in_one_place_after_each_step_of_every_sequence),
        cmocka_unit_test(test_a_pushed_message_to_resend_is_in_one_place_after_each_step_of_every_sequence),
        cmocka_unit_test(test_a_pushed_message_to_hold_is_in_one_place_after_each_step_of_every_sequence),
        cmocka_unit_test(test_a_message_is_in_one_place_after_each_step_of_long_sequences_at_random),
        cmocka_unit_test(test_the_reaper_adds_its_mark_and_changes_nothing_else_in_a_text),
        cmocka_unit_test(test_the_reaper_buries_what_is_to_be_held_with_an_id_and_without),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests_name("interleave", tests, start_server, stop_server);
}
