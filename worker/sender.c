#include "worker/sender.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/store_poll.h"
#include "worker/admit.h"
#include "worker/attempt.h"
#include "worker/sender_parts.h"

#define IDLE_MS         1000 /* an idle sender looks by itself so often, should a wake-up be lost */
#define DRAIN_RECORD_MS 5000 /* beyond the drain, for outcomes that Redis has not taken */

/* --- taking --- */

/* When to ask again, by what the answer to the last reserve says. */
static void plan_next(struct sender *sender, const struct store_reserved *reserved)
{
    int64_t wait_ms = IDLE_MS;

    if (reserved->hold_ms > 0) {
        wait_ms = reserved->hold_ms;
    } else if (reserved->window_ms > 0) {
        wait_ms = reserved->window_ms;
    } else if (reserved->has_no_lease) {
        crew_lose_lease(sender->crew);
    } else if (reserved->is_audit_full) {
        crew_note_audit(sender->crew, true);
    } else if (reserved->count < (size_t)reserved->wanted) {
        sender->is_asleep = true; /* the lists are empty */
    } else {
        crew_call(sender->crew); /* there may be more than one sender's share */
        return;
    }
    if (reserved->due_in_ms >= 0 && reserved->due_in_ms < wait_ms)
        wait_ms = reserved->due_in_ms + 1;
    /* However long it is, it may be called off meanwhile. */
    sender->next_take_ms = clock_mono_ms() + (wait_ms < IDLE_MS ? wait_ms : IDLE_MS);
}

static void get_up(struct sender *sender)
{
    if (sender->is_in_bed)
        crew_rise(sender->crew, &sender->sleeper);
    sender->is_in_bed = false;
}

static void on_reserved(void *context, const struct store_reserved *reserved)
{
    struct sender *sender = context;

    sender->is_asking = false;
    get_up(sender);
    if (reserved->rc != 0) { /* lost, or broken off by an error: what may have been handed to us goes back */
        settler_release_range(&sender->settler, sender->prefix, reserved->first, reserved->wanted);
        if (reserved->rc != ERR_UNREACHABLE)
            sender->next_take_ms = clock_mono_ms() + SENDER_ERROR_MS;
        return;
    }
    sender->clock_offset_ms = reserved->now_ms - clock_mono_ms();
    if (!reserved->is_audit_full)
        crew_note_audit(sender->crew, false);
    plan_next(sender, reserved);
    if (reserved->count > 0)
        grant_note_reserve(&sender->grant);
    for (size_t i = 0; i < reserved->count; i++)
        admit_message(sender, reserved->first + (int64_t)i, store_reserved_envelope(reserved, i));
    admit_look(sender);
}

static bool may_ask(struct sender *sender, int64_t now_ms)
{
    return !sender->is_asking && !atomic_load(&sender->crew->is_stopping) && store_is_up(sender->store) &&
           crew_has_lease(sender->crew) && (now_ms >= sender->next_take_ms || now_ms >= sender->own_due_ms);
}

/* How many messages to ask for: what is free, in batches worth a round trip, and no more than the breaker lets out. */
static int64_t wanted_now(struct sender *sender, int64_t now_ms, int64_t *ret_ask_again_ms)
{
    size_t most = (size_t)sender->crew->settings->in_flight, active = http_active(sender->http);
    size_t busy = active + sender->looks;
    size_t room = most > busy ? most - busy : 0;
    size_t free_slots = sender->slots.count - sender->slots.used;
    int allowance;

    if (room > free_slots)
        room = free_slots;
    if (room > STORE_BATCH_MAX)
        room = STORE_BATCH_MAX;
    if (room == 0 || (active > 0 && room < most / 8))
        return 0;
    allowance = crew_allowance(sender->crew, now_ms, ret_ask_again_ms);
    if (allowance <= 0)
        return 0;
    if (allowance == 1) /* a probe, and another message should the first be the one that failed last */
        return room < 2 ? 1 : 2;
    return (int64_t)room < allowance ? (int64_t)room : allowance;
}

static bool ask_for_more(struct sender *sender, int64_t now_ms)
{
    const struct settings *settings = sender->crew->settings;
    struct store_reserve ask = {
        .worker = sender->crew->worker_id,
        .prefix = sender->prefix,
        .first = sender->next_ticket,
        .rate = settings->rate,
    };

    if (sender->grant_for != settings) { /* at the start, and when they were read again */
        grant_init(&sender->grant, &settings->rate, &settings->sender_rate);
        sender->grant_for = settings;
    }
    ask.margin_ms = sender->grant.margin_ms;
    if (!may_ask(sender, now_ms))
        return false;
    ask.wanted = wanted_now(sender, now_ms, &sender->ask_again_ms);
    if (ask.wanted == 0 || !token_get(sender->crew->token, &sender->token))
        return false;
    sender->is_asleep = false;
    sender->is_asking = true;
    if (now_ms >= sender->own_due_ms)
        sender->own_due_ms = INT64_MAX;
    sender->asked_at_ms = now_ms;
    sender->asked = sender->grant;
    sender->next_ticket += ask.wanted;
    store_reserve(sender->store, &ask, on_reserved, sender);
    return true;
}

/* One that was called and cannot take anything now stays awake, until it can, and another one is called. */
static void take_more(struct sender *sender)
{
    int64_t now_ms = clock_mono_ms();
    bool was_called = sender->is_asleep && atomic_load(&sender->sleeper.is_called);

    if (was_called) {
        sender->is_asleep = false;
        sender->next_take_ms = now_ms;
    }
    sender->ask_again_ms = INT64_MAX;
    if (!ask_for_more(sender, now_ms) && was_called) {
        get_up(sender);
        crew_call(sender->crew);
    }
}

/* --- the loop --- */

static void go_to_bed(struct sender *sender)
{
    if (!sender->is_asleep || sender->is_in_bed)
        return;
    sender->is_in_bed = true;
    crew_sleep(sender->crew, &sender->sleeper);
}

static int64_t wait_ms(const struct sender *sender)
{
    int64_t now_ms = clock_mono_ms(), at_ms = now_ms + IDLE_MS, store_ms = store_wait_ms(sender->store);

    if (settler_has_ready(&sender->settler)) /* Redis has answered at the end of this turn */
        return 0;
    if (!sender->is_asking && sender->next_take_ms > now_ms && sender->next_take_ms < at_ms)
        at_ms = sender->next_take_ms;
    if (!sender->is_asking && sender->own_due_ms > now_ms && sender->own_due_ms < at_ms)
        at_ms = sender->own_due_ms;
    if (sender->ask_again_ms > now_ms && sender->ask_again_ms < at_ms)
        at_ms = sender->ask_again_ms;
    if (store_ms >= 0 && now_ms + store_ms < at_ms)
        at_ms = now_ms + store_ms;
    return at_ms - now_ms;
}

static void turn(struct sender *sender)
{
    struct http_result result;
    struct http_watch watch;
    int64_t most_ms, wait;

    pulse_beat(sender->pulse, clock_mono_ms());
    (void)store_pump(sender->store, NULL); /* trouble is logged there; the loop goes on */
    http_pump(sender->http);
    while (http_next(sender->http, &result))
        attempt_finish(sender, &result);
    settler_flush(&sender->settler, atomic_load(&sender->crew->is_stopping));
    take_more(sender);
    (void)store_pump(sender->store, NULL);
    go_to_bed(sender);
    most_ms = log_flush();
    watch = (struct http_watch){store_fd(sender->store), store_wants_write(sender->store)};
    wait = wait_ms(sender);
    http_wait(sender->http, &watch, 1, wait < most_ms ? wait : most_ms);
}

static bool is_done(struct sender *sender)
{
    struct crew *crew = sender->crew;
    int64_t now_ms = clock_mono_ms();

    if (!atomic_load(&crew->is_stopping))
        return false;
    if (sender->stop_at_ms == 0)
        sender->stop_at_ms = now_ms + crew->settings->drain_ms;
    if (now_ms >= sender->stop_at_ms || atomic_load(&crew->is_hurried))
        http_abort_all(sender->http);
    if (http_active(sender->http) == 0 && !sender->is_asking && sender->slots.used == 0 &&
        store_pending(sender->store) == 0)
        return true;
    return now_ms >= sender->stop_at_ms + DRAIN_RECORD_MS;
}

static void *run(void *argument)
{
    struct sender *sender = argument;

    log_hold(&sender->log_lines);
    while (!is_done(sender))
        turn(sender);
    log_hold(NULL);
    pulse_end(sender->pulse);
    get_up(sender);
    crew_leave(sender->crew, sender->http);
    (void)atomic_fetch_sub(&sender->crew->running, 1);
    crew_wake_all(sender->crew);
    return NULL;
}

static void destroy(struct sender *sender)
{
    http_close(sender->http);
    store_close(sender->store);
    slots_clear(&sender->slots);
    free(sender);
}

void sender_touch(struct sender *sender, const struct slot *slot, int64_t ago_ms)
{
    struct span from = {NULL, 0};

    if (sender->crew->settings->sender_rate.limit > 0)
        from = slot->envelope.content.from;
    store_touch(sender->store, sender->crew->worker_id, slot->ticket, from, ago_ms);
}

/* The connection is there and the request is about to go. */
static bool may_leave(void *context, void *request_context)
{
    struct sender *sender = context;
    struct slot *slot = request_context;
    int64_t age_ms;

    slot->left_ms = clock_mono_ms();
    age_ms = slot->left_ms - slot->granted_ms;
    if (!crew_has_lease(sender->crew) || age_ms > slot->life_ms)
        return false;
    if (slot->life_ms < INT64_MAX && age_ms > slot->margin_ms)
        sender_touch(sender, slot, 0);
    return true;
}

int sender_start(struct sender **ret, struct crew *crew, unsigned number, struct reason *why)
{
    const struct settings *settings = crew->settings;
    struct sender *sender = mem_zalloc(1, sizeof(*sender));
    const struct http_config http = {
        .ca_file = settings->ca_file,
        .timeout_ms = settings->timeout_ms,
        .connect_timeout_ms = settings->connect_timeout_ms,
        .max_requests = (size_t)settings->in_flight,
        .may_leave = may_leave,
        .may_leave_context = sender,
    };
    int rc;

    sender->crew = crew;
    sender->pulse = &crew->sender_pulses[number];
    sender->own_due_ms = INT64_MAX;
    /* The chance in it keeps tickets apart from those of an earlier life of a worker with the same id. */
    (void)snprintf(sender->prefix, sizeof(sender->prefix), "%08" PRIx32 ".%u-", (uint32_t)random_u64(), number);
    /* Twice as many slots as transfers: outcomes wait for Redis while new requests are already on their way. */
    slots_init(&sender->slots, 2 * (size_t)settings->in_flight, sender);
    rc = store_open(&sender->store, settings->redis_url, settings->org, why);
    if (rc == 0)
        rc = http_open(&sender->http, &http, why);
    if (rc != 0) {
        destroy(sender);
        return rc;
    }
    sender->metrics = metrics_join(crew->metrics);
    store_set_metrics(sender->store, sender->metrics);
    store_set_limits(sender->store, &(struct store_limits){.keep_ms = settings->keep_ms,
                                                           .audit_max = settings->audit_max,
                                                           .audit_stops = settings_audit_stops(settings),
                                                           .report_ms = settings->report_keep_ms});
    if (settings->poll_status)
        store_set_poll_times(sender->store, &(struct store_poll_times){settings->poll_first_ms, settings->poll_age_ms});
    settler_init(&sender->settler, sender->store, crew->worker_id);
    sender->sleeper.http = sender->http;
    crew_join(crew, sender->http);
    (void)atomic_fetch_add(&crew->running, 1);
    if (pthread_create(&sender->thread, NULL, run, sender) != 0) {
        reason_set(why, "the system gives no more threads");
        (void)atomic_fetch_sub(&crew->running, 1);
        crew_leave(crew, sender->http);
        destroy(sender);
        return ERR_LIMIT;
    }
    *ret = sender;
    return 0;
}

size_t sender_join(struct sender *sender)
{
    size_t lost;

    (void)pthread_join(sender->thread, NULL); /* our own thread, joined once */
    lost = sender->slots.used;
    destroy(sender);
    return lost;
}
