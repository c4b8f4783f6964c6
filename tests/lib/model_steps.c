/* The steps of the model: every change of state, and the states to begin with. */
#include "tests/lib/model.h"

#include <stdio.h>
#include <string.h>

#include "common/store_dead.h"

bool is_held(const struct world *world, int life)
{
    return world->place == FLIGHT && world->owner == life && world->holder == name_of[life];
}

/* Its campaign is cancelled: a state that somebody may ask for says so. */
static void end_cancelled(struct world *world)
{
    world->place = CANCELLED;
    world->counts.cancelled++;
    if (world->record != NO_RECORD && world->record != RECORD_SENT)
        world->record = RECORD_CANCELLED;
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
    store_key_of(CAMPAIGN, span_of(message_id(&model->world)), message.key);
    store_enqueue(model->store, CAMPAIGN, &message, 1, on_enqueued, &answer);
    drain(model->store);
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
    drain(model->store);
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
    struct store_check item = {
        .ticket = ticket, .id = message_id(&model->world), .campaign = CAMPAIGN, .was_redelivered = mind->marks > 0};
    int answer = -1;

    write_ticket(life, mind->ticket, ticket);
    item.person = (struct span){"sms:+1", 6};
    item.sender = (struct span){"+2", 2};
    write_text(&model->world, 1, mind->marks, text);
    if (adopts)
        item.adopted = (struct span){text, strlen(text)};
    store_check(model->store, &about, &item, 1, on_checked, &answer);
    drain(model->store);
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
    char ticket[32], provider[40];
    const struct store_settle item = {
        .ticket = ticket,
        .id = message_id(&model->world),
        .campaign = CAMPAIGN,
        .is_new = !mind->is_adopted,
        .provider_id = provider,
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
    write_provider(&model->world, life, mind->ticket, provider);
    store_settle(model->store, move, names[name_of[life]], &item, 1, on_settled, &rc);
    drain(model->store);
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
    drain(model->store);
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
    drain(model->store);
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
    drain(model->store);
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
    call(model, "ZADD", KEY ":workers", "1", names[name]);
    model->world.leases[name] = LEASE_PAST;
    return true;
}

void on_reaped(void *context, int64_t taken)
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
    call(model, "DEL", KEY ":calm");
    store_reap(model->store, HOUR_MS, on_reaped, &taken);
    drain(model->store);
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
    drain(model->store);
    model->world.is_paused = 1;
    return true;
}

static bool step_hold_ends(struct model *model, int life)
{
    (void)life;
    if (!model->world.is_paused)
        return false;
    call(model, "DEL", KEY ":hold");
    model->world.is_paused = 0;
    return true;
}

static bool step_touch(struct model *model, int life)
{
    char ticket[32];

    if (model->world.minds[life].ticket < 0)
        return false;
    write_ticket(life, model->world.minds[life].ticket, ticket);
    store_touch(model->store, names[name_of[life]], ticket, (struct span){"+2", 2}, 0);
    drain(model->store);
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
    const struct store_take take = {&letter, message_id(&model->world), PRIORITY_HIGH, {text, 0}};
    struct store_take takes[] = {take};
    bool stays = !is_purge && world->record == RECORD_SENT;

    if (world->place != DEAD)
        return false;
    write_text(world, 1, 0, text);
    takes[0].envelope.len = is_purge ? 0 : strlen(text);
    store_dead_read(model->store, "", "+", 2, on_letter, &letter);
    drain(model->store);
    for (int again = 0; again < 2; again++) {
        struct store_take_run run;
        enum store_taken answer;

        store_take_begin(&run, &by);
        run.is_purge = is_purge;
        store_dead_take(model->store, &run, takes, 1, on_letter_taken, &answer);
        drain(model->store);
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
    call(model, "ZADD", KEY ":delayed", "1", text);
    world->place = DUE;
    return true;
}

const struct step steps[] = {
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
const size_t step_count = COUNT_OF(steps);
_Static_assert(COUNT_OF(steps) <= STEPS_MAX, "nodes have room for each");

void fail_at(const struct model *model, const char *what, const char *expected, const char *found)
{
    print_error("%s, %s%s:", model->world.is_pushed ? "pushed" : "enqueued", model->world.is_hold ? "hold, " : "",
                model->start);
    for (int i = 0; i < model->trace_len; i++)
        print_error(" / %s", steps[model->trace[i]].name);
    print_error("\n%s: expected\n%s\nfound\n%s\n", what, expected, found);
    fail();
}

/* --- starting states --- */

const struct start starts[] = {
    {"on the list", {NULL}},
    {"delayed", {"reserve by A", "check by A", "defer by A"}},
    {"in flight at A", {"reserve by A"}},
    {"in flight at A and reaped", {"reserve by A", "check by A", "lease of A runs out", "reap"}},
    {"parked", {"reserve by A", "check by A", "release by A", "campaign pause", "reserve by A", "check by A"}},
    {"dead", {"reserve by A", "check by A", "bury by A"}},
    {"sent", {"reserve by A", "check by A", "sent by A"}},
};
const size_t start_count = COUNT_OF(starts);

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
bool run_step(struct model *model, int step)
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

void begin(struct model *model, bool is_pushed, bool is_hold, const struct start *start)
{
    struct world *world = &model->world;
    char text[TEXT_MAX];

    restore_world(model, -1);
    memset(world, 0, sizeof(*world));
    world->is_pushed = is_pushed;
    world->is_hold = is_hold;
    world->is_uuid = is_pushed != is_hold;
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
        call(model, "LPUSH", KEY ":ready:high", text);
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
