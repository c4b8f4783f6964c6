/* What Redis holds, against the world of the model. */
#include "tests/lib/model.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MAX 4096

const char *const names[] = {[NAME_A] = "A", [NAME_B] = "B", [GHOST] = "A~a2"};
const char *const instances[] = {[A1] = "a1", [A2] = "a2", [B1] = "b1"};
const int name_of[] = {[A1] = NAME_A, [A2] = NAME_A, [B1] = NAME_B};
_Static_assert(COUNT_OF(names) == NAME_COUNT && COUNT_OF(instances) == LIFE_COUNT && COUNT_OF(name_of) == LIFE_COUNT,
               "all have names");

void expect_number(const struct model *model, const char *what, int64_t found, int64_t expected)
{
    char texts[2][24];

    if (found == expected)
        return;
    (void)snprintf(texts[0], sizeof(texts[0]), "%lld", (long long)expected);
    (void)snprintf(texts[1], sizeof(texts[1]), "%lld", (long long)found);
    fail_at(model, what, texts[0], texts[1]);
}

#define UUID "01980f6e-7c00-7abc-8def-000000000001"

const char *message_id(const struct world *world)
{
    return world->is_uuid ? UUID : "m1";
}

void write_provider(const struct world *world, int life, int number, char out[40])
{
    if (world->is_uuid)
        (void)snprintf(out, 40, "%s000000-0000-4000-8000-%012d", instances[life], number);
    else
        write_ticket(life, number, out);
}

/* The text of the message; `marks` 0: none. */
void write_text(const struct world *world, int is_adopted, int marks, char text[TEXT_MAX])
{
    char mark[40] = "";

    if (marks > 0)
        (void)snprintf(mark, sizeof(mark), "\"redelivered\":%d,", marks);
    (void)snprintf(text, TEXT_MAX,
                   "{%s\"id\":\"%s\",\"campaign\":\"" CAMPAIGN "\"%s,\"one\":1.0,\"none\":[],\"in\":{}%s}", mark,
                   message_id(world), world->is_hold ? ",\"on_unknown\":\"hold\"" : "",
                   is_adopted ? ",\"herald\":{\"accepted_at\":1700000000000}" : "");
}

void write_ticket(int life, int number, char out[32])
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
    "local function plain(id) if id == '" UUID "' then return 'm1' end\n"
    "  local life, number = string.match(id, '^(%x%x)000000%-0000%-4000%-8000%-(%d+)$')\n"
    "  return life and life .. '-' .. tonumber(number) or id end\n"
    "local function text(bytes) return (string.gsub(string.gsub(bytes, '.', function(c)\n"
    "  return string.format('%02x', string.byte(c)) end),\n"
    "  '^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)', '%1-%2-%3-%4-')) end\n"
    "each('message:*', function(key, id)\n"
    "  local at = redis.call('HMGET', key, 'state', 'provider_id', 'letter')\n"
    "  if at[1] == 'dead' and redis.call('HEXISTS', k .. 'dead:letters', at[3]) == 0 then at[1] = 'accepted' end\n"
    "  say('message', plain(id), at[1], plain(at[2] or '-')) end)\n"
    "each('track:*', function(key, name) if not string.find(name, '^%d+:%d+$') then return end\n"
    "  local all = redis.call('HGETALL', key)\n"
    "  for i = 1, #all, 2 do if string.sub(all[i], 1, 1) == 'p' and #all[i + 1] > 16 then\n"
    "    say('message', plain(text(string.sub(all[i + 1], 11, 26))), 'sent', plain(text(string.sub(all[i], 2)))) end "
    "end end)\n"
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
                        "dead {\"id\":\"%s\",\"campaign\":\"" CAMPAIGN "\",\"dead_at\":0,\"reason\":"
                        "\"outcome_unknown\",\"detail\":\"" UNKNOWN_TEXT
                        "\",\"attempts\":0,\"deaths\":1,\"envelope\":%s}",
                        message_id(world), text);
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

void look(struct model *model)
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
void check_status(struct model *model)
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

/* --- short forms --- */

static void run_numbered(struct model *model, const char *sha, int number)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%d", number);
    call(model, "EVALSHA", sha, "0", text);
}

void save_world(struct model *model, int number)
{
    run_numbered(model, model->save_sha, number);
}

void restore_world(struct model *model, int number)
{
    run_numbered(model, model->restore_sha, number);
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
void model_open(struct model *model)
{
    struct reason why = {""};

    model->server = redis_server_start();
    load(model->server, look_script, model->look_sha);
    load(model->server, save_script, model->save_sha);
    load(model->server, restore_script, model->restore_sha);
    if (store_open(&model->store, redis_server_url(model->server), "t", &why) != 0)
        fail_msg("%s", why.text);
}

void model_close(struct model *model)
{
    store_close(model->store);
    redis_server_stop(model->server);
}
