/* Receipts: the events of each accepted message, delivered as the platform is documented to do it, and worse on
 * request.
 *
 * An event waits in a delay heap of its own until its time, goes to the courier, and comes back into the heap when the
 * receiver's answer asks for another try. */
#include "tests/sandbox/receipts.h"
#include "tests/sandbox/courier.h"
#include "tests/sandbox/delay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_MAX 600
/* Of one message and one hook: its stages, the text, and as many copies. */
#define EVENTS_EACH (2 * (STAGE_COUNT + 1))

/* One delivery under way through heap and courier. */
struct errand {
    struct courier_item item; /* the first member: see courier.h */
    struct receipts *receipts;
    struct event_ticket ticket;
    int tries;
};

struct receipts {
    struct hooks *hooks;
    struct events *events;
    struct tuner *tuner;
    struct delay *delay;
    struct courier *courier;
    struct dice dice; /* for duplicates, orders and delays */
    struct dice *name_dice;
    _Atomic uint64_t shuffled;
    _Atomic uint64_t lost; /* events for which memory ran out */
    _Atomic uint64_t tries;
    _Atomic uint64_t timeouts;
    _Atomic uint64_t broken;
    _Atomic uint64_t by_status[STATUS_MAX];
};

static void add(_Atomic uint64_t *counter)
{
    (void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); /* the old value is of no interest */
}

/* --- delivery */

static struct errand *errand_of(struct courier_item *item)
{
    return (struct errand *)(void *)item;
}

static int64_t on_due(void *item, bool stopping)
{
    struct errand *errand = item;
    if (stopping) {
        free(errand);
    } else {
        courier_push(errand->receipts->courier, &errand->item);
    }
    return 0;
}

static void read_hook(void *context, const struct event *event)
{
    *(struct hook_name *)context = event->hook;
}

static void read_notice(void *context, const struct event *event)
{
    notice_render(event, context);
}

static bool on_fill(void *context, struct courier_item *item, struct letter *letter)
{
    struct receipts *receipts = context;
    struct errand *errand = errand_of(item);
    struct hook_name name;
    struct hook hook;
    struct tuning tuning;
    tuner_get(receipts->tuner, &tuning);
    letter->timeout_us = tuning.manners.timeout_us;
    if (events_read(receipts->events, errand->ticket, read_hook, &name) &&
        hooks_get(receipts->hooks, name.kind, (struct span){name.id, strlen(name.id)}, &hook) && hook.enabled &&
        events_read(receipts->events, errand->ticket, read_notice, &letter->body)) {
        memcpy(letter->url, hook.url, sizeof hook.url);
        notice_sign(hook.secret, letter->body.data, letter->body.length, letter->signature);
        return true;
    }
    (void)events_note(receipts->events, errand->ticket, EVENT_NO_ANSWER, EVENT_WITHDRAWN); /* false: cleared */
    free(errand);
    return false;
}

static void count_answer(struct receipts *receipts, int answer)
{
    add(&receipts->tries);
    if (answer == EVENT_TIMEOUT) {
        add(&receipts->timeouts);
    } else if (answer < 0 || answer >= STATUS_MAX) {
        add(&receipts->broken);
    } else {
        add(&receipts->by_status[answer]);
    }
}

static void on_done(void *context, struct courier_item *item, int answer)
{
    struct receipts *receipts = context;
    struct errand *errand = errand_of(item);
    struct tuning tuning;
    tuner_get(receipts->tuner, &tuning);
    bool again = answer < 0 || answer == 429 || answer >= 500;
    enum event_end end = answer >= 200 && answer <= 299                         ? EVENT_DELIVERED
                         : again && errand->tries < (int)tuning.manners.retries ? EVENT_WAITING
                                                                                : EVENT_GIVEN_UP;
    bool is_there = events_note(receipts->events, errand->ticket, answer, end);
    if (is_there) { /* else a reset came in between, and its counters are others */
        count_answer(receipts, answer);
    }
    errand->tries++;
    if (!is_there || end != EVENT_WAITING ||
        !delay_add(receipts->delay, clock_mono_us() + tuning.manners.retry_us, errand)) {
        free(errand);
    }
}

static void on_drop(void *context, struct courier_item *item)
{
    (void)context;
    free(errand_of(item));
}

/* --- making */

/* The events of one message for one hook, each with the moment at which it leaves. */
struct batch {
    struct event events[EVENTS_EACH];
    int64_t after_us[EVENTS_EACH];
    size_t count;
};

static struct event *add_event(struct batch *batch, const struct hook_name *hook, enum event_kind kind,
                               enum stage stage, int64_t after_ms)
{
    struct event *event = &batch->events[batch->count];
    *event = (struct event){.hook = *hook, .kind = kind, .stage = stage};
    batch->after_us[batch->count] = after_ms * 1000 + (int64_t)batch->count; /* equal moments keep their order */
    batch->count++;
    return event;
}

static void add_stages(struct batch *batch, const struct hook_name *hook, const struct fate *fate)
{
    if (hook->kind == HOOK_INTEGRATION) {
        (void)add_event(batch, hook, EVENT_TEXT, STAGE_QUEUED, 0);
    }
    for (int i = 0; i < STAGE_COUNT; i++) {
        enum stage stage = (enum stage)i;
        if (fate->at_ms[stage] == FATE_NEVER || (hook->kind == HOOK_INTEGRATION && stage_receipt_name(stage) == NULL)) {
            continue;
        }
        struct event *event = add_event(batch, hook, hook->kind == HOOK_WEBHOOK ? EVENT_STATUS : EVENT_RECEIPT, stage,
                                        fate->at_ms[stage]);
        event->failure = stage == STAGE_FAILED ? fate->failure : FAILURE_ANY;
        event->is_final = fate_ends(fate, stage);
    }
}

/* shuffle: another order than the usual one: the events change their moments. */
static void shuffle(struct batch *batch, struct dice *dice)
{
    bool is_usual = true;
    for (size_t i = batch->count - 1; i > 0; i--) {
        size_t other = (size_t)(dice_draw(dice) % (i + 1));
        int64_t moment = batch->after_us[i];
        batch->after_us[i] = batch->after_us[other];
        batch->after_us[other] = moment;
        is_usual &= other == i;
    }
    if (is_usual) {
        int64_t moment = batch->after_us[0];
        batch->after_us[0] = batch->after_us[1];
        batch->after_us[1] = moment;
    }
}

static bool happens(double share, struct dice *dice)
{
    return share > 0 && dice_fraction(dice) < share;
}

static void fill_batch(struct receipts *receipts, const struct manners *manners, const struct hook_name *hook,
                       const struct fate *fate, int64_t time_ms, struct batch *batch)
{
    batch->count = 0;
    add_stages(batch, hook, fate);
    for (size_t i = 0; i < batch->count; i++) {
        batch->events[i].time_ms = time_ms + batch->after_us[i] / 1000;
        dice_uuid(receipts->name_dice, batch->events[i].id);
    }
    if (batch->count > 1 && happens(manners->shuffled, &receipts->dice)) {
        shuffle(batch, &receipts->dice);
        add(&receipts->shuffled);
    }
    size_t originals = batch->count;
    for (size_t i = 0; i < originals; i++) {
        batch->after_us[i] += latency_sample(&manners->delay, &receipts->dice);
        if (happens(manners->duplicates, &receipts->dice)) {
            batch->events[batch->count] = batch->events[i];
            batch->events[batch->count].is_copy = true;
            batch->after_us[batch->count++] = batch->after_us[i] + latency_sample(&manners->delay, &receipts->dice);
        }
    }
}

static char *copy_span(struct span span)
{
    return span.bytes == NULL ? strdup("") : strndup(span.bytes, span.length);
}

static void send_off(struct receipts *receipts, const struct event_message *message, struct batch *batch)
{
    struct event_ticket ticket;
    if (events_add(receipts->events, message, batch->events, batch->count, &ticket) != 0) {
        add(&receipts->lost);
        return;
    }
    int64_t now_us = clock_mono_us();
    for (size_t i = 0; i < batch->count; i++) {
        struct errand *errand = calloc(1, sizeof *errand);
        if (errand == NULL) {
            add(&receipts->lost);
            continue;
        }
        errand->receipts = receipts;
        errand->ticket = (struct event_ticket){ticket.generation, ticket.seq + i};
        if (!delay_add(receipts->delay, now_us + batch->after_us[i], errand)) {
            add(&receipts->lost);
            free(errand);
        }
    }
}

void receipts_accept(struct receipts *receipts, const struct tuning *tuning, const struct ledger_entry *entry)
{
    const struct span *given = entry->parts;
    struct hook_name wanting[HOOKS_MAX];
    size_t count = hooks_wanting(receipts->hooks, given[LEDGER_CHANNEL], given[LEDGER_FROM], wanting);
    if (count == 0) {
        return;
    }
    char *parts[] = {copy_span(given[LEDGER_PROVIDER_ID]), copy_span(given[LEDGER_CONVERSATION_ID]),
                     copy_span(given[LEDGER_TO]), copy_span(given[LEDGER_FROM]), copy_span(entry->text)};
    struct batch *batch = malloc(sizeof *batch);
    bool has_all = batch != NULL;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        has_all &= parts[i] != NULL;
    }
    for (size_t i = 0; i < count && has_all; i++) {
        bool tells_text = wanting[i].kind == HOOK_INTEGRATION;
        const struct event_message copy = {parts[0], parts[1], parts[2], parts[3], tells_text ? parts[4] : NULL};
        fill_batch(receipts, &tuning->manners, &wanting[i], &entry->fate, entry->time_ms, batch);
        send_off(receipts, &copy, batch);
    }
    if (!has_all) {
        add(&receipts->lost);
    }
    free(batch);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        free(parts[i]);
    }
}

/* --- life and counters */

struct receipts *receipts_create(struct hooks *hooks, struct events *events, struct tuner *tuner,
                                 struct dice *name_dice)
{
    struct receipts *receipts = calloc(1, sizeof *receipts);
    if (receipts == NULL) {
        return NULL;
    }
    const struct courier_client client = {.context = receipts, .fill = on_fill, .done = on_done, .drop = on_drop};
    receipts->hooks = hooks;
    receipts->events = events;
    receipts->tuner = tuner;
    receipts->name_dice = name_dice;
    receipts->delay = delay_create(on_due);
    receipts->courier = receipts->delay == NULL ? NULL : courier_create(&client);
    if (receipts->courier == NULL) {
        receipts_destroy(receipts);
        return NULL;
    }
    return receipts;
}

void receipts_destroy(struct receipts *receipts)
{
    if (receipts == NULL) {
        return;
    }
    if (receipts->courier != NULL) {
        courier_stop(receipts->courier); /* first, so that nothing comes back into the heap */
    }
    delay_destroy(receipts->delay);
    courier_destroy(receipts->courier);
    free(receipts);
}

void receipts_seed(struct receipts *receipts, uint64_t seed)
{
    dice_init(&receipts->dice, seed);
}

void receipts_render(struct receipts *receipts, struct text *out)
{
    struct event_counts counts;
    events_count(receipts->events, &counts);
    text_printf(out,
                "{\"events\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"shuffled\":%" PRIu64 ",\"deliveries\":%" PRIu64
                ",\"waiting\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"given_up\":%" PRIu64 ",\"withdrawn\":%" PRIu64
                ",\"lost\":%" PRIu64 ",\"answers\":{",
                counts.events, counts.copies, atomic_load(&receipts->shuffled), atomic_load(&receipts->tries),
                counts.ends[EVENT_WAITING], counts.ends[EVENT_DELIVERED], counts.ends[EVENT_GIVEN_UP],
                counts.ends[EVENT_WITHDRAWN], atomic_load(&receipts->lost));
    for (int status = 0; status < STATUS_MAX; status++) {
        uint64_t count = atomic_load(&receipts->by_status[status]);
        if (count > 0) {
            text_printf(out, "\"%d\":%" PRIu64 ",", status, count);
        }
    }
    text_printf(out, "\"timeout\":%" PRIu64 ",\"broken\":%" PRIu64 "}}", atomic_load(&receipts->timeouts),
                atomic_load(&receipts->broken));
}

void receipts_clear(struct receipts *receipts)
{
    _Atomic uint64_t *const single[] = {&receipts->shuffled, &receipts->lost, &receipts->tries, &receipts->timeouts,
                                        &receipts->broken};
    events_clear(receipts->events);
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
        atomic_store(single[i], 0);
    }
    for (int i = 0; i < STATUS_MAX; i++) {
        atomic_store(&receipts->by_status[i], 0);
    }
    atomic_store(&receipts->dice.drawn, 0);
}
