#include "worker/housekeeping.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/store.h"
#include "worker/meters.h"

#define BEATS_IN_A_LEASE 5
#define REAP_EACH_MS     1000
#define TURN_MS          1000
#define WATCH_MS         10000
#define LEAVE_WAIT_MS    2000
#define FETCH_BUFFER     ((size_t)32 << 10)

/* Waits inside Redis for one priority's list; each needs a connection of its own. */
struct watch {
    struct housekeeping *keeping;
    struct store *store;
    bool is_armed;
};

struct housekeeping {
    struct crew *crew;
    struct http *http;
    struct store *store;
    struct metrics_block *metrics;
    struct watch watches[PRIORITY_COUNT];
    struct buf fetch_body, fetch_authorization;
    int64_t beat_at_ms, beat_sent_ms; /* monotonic; clock_boot_ms */
    bool is_beating, said_audit_full;
    int64_t reap_at_ms;
    bool is_reaping;
    char note[200]; /* what is wrong, for `herald status`; "" when nothing is */
};

static void on_work(void *context)
{
    struct watch *watch = context;

    watch->is_armed = false;
    crew_call(watch->keeping->crew);
}

/* First of all in a turn: a message may have come. */
static void hear_watches(struct housekeeping *keeping)
{
    for (int i = 0; i < PRIORITY_COUNT; i++)
        (void)store_pump(keeping->watches[i].store, NULL); /* the main connection says when Redis is away */
}

static void arm_watches(struct housekeeping *keeping)
{
    for (int i = 0; i < PRIORITY_COUNT; i++) {
        struct watch *watch = &keeping->watches[i];

        if (crew_wants_watch(keeping->crew) && !watch->is_armed && store_is_up(watch->store)) {
            watch->is_armed = true;
            store_watch(watch->store, (enum priority)i, WATCH_MS, on_work, watch);
            (void)store_pump(watch->store, NULL);
        }
    }
}

/* --- the token --- */

/* When to fetch, monotonic ms; INT64_MAX: not now. */
static int64_t fetch_at_ms(const struct housekeeping *keeping)
{
    if (http_active(keeping->http) > 0 || atomic_load(&keeping->crew->is_hurried))
        return INT64_MAX;
    return token_fetch_at_ms(keeping->crew->token);
}

static void fetch_token(struct housekeeping *keeping)
{
    struct http_request request;

    if (clock_mono_ms() < fetch_at_ms(keeping))
        return;
    token_fetch_begin(keeping->crew->token, &request, &keeping->fetch_body, &keeping->fetch_authorization);
    http_start(keeping->http, &request);
}

static void wipe_fetch(struct housekeeping *keeping)
{
    buf_wipe(&keeping->fetch_body);
    buf_wipe(&keeping->fetch_authorization);
}

static void take_token(struct housekeeping *keeping)
{
    struct http_result result;
    struct reason why = {""};

    while (http_next(keeping->http, &result)) {
        int rc = token_fetch_end(keeping->crew->token, &result, clock_mono_ms(), clock_wall_ms(), &why);

        meters_note_fetch(keeping->metrics, rc);
        wipe_fetch(keeping);
        (void)snprintf(keeping->note, sizeof(keeping->note), "%.199s", rc == 0 ? "" : why.text);
        if (rc == 0)
            log_info("token fetched");
        else if (rc == ERR_DENIED)
            log_error("sending is paused: no token", LOG_TEXT("reason", why.text));
        else
            log_warning("no token yet", LOG_TEXT("reason", why.text));
        keeping->beat_at_ms = 0; /* status is to know */
        crew_wake_all(keeping->crew);
    }
}

/* --- the loop --- */

static void on_beaten(void *context, enum store_beaten beaten)
{
    struct housekeeping *keeping = context;
    struct crew *crew = keeping->crew;
    bool had_lease = crew_has_lease(crew);

    keeping->is_beating = false;
    if (beaten == STORE_LEASE_NOT_OURS) {
        log_error("another worker has our name; stopping", LOG_TEXT("worker", crew->worker_id));
        crew_set_lease(crew, 0);
        atomic_store(&crew->is_stopping, true);
        crew_wake_all(crew);
    }
    if (beaten != STORE_LEASE_OURS)
        return;
    crew_set_lease(crew, keeping->beat_sent_ms + crew->identity.lease_ms);
    if (!had_lease) {
        log_info("lease", LOG_TEXT("worker", crew->worker_id));
        crew_wake_all(crew);
    }
}

/* What is wrong, for `herald status`. */
static const char *current_note(const struct housekeeping *keeping)
{
    if (keeping->note[0] == '\0' && atomic_load(&keeping->crew->is_audit_full))
        return "sends nothing: the audit is full (--audit-full stop); run herald audit export";
    return keeping->note;
}

static void beat(struct housekeeping *keeping)
{
    struct crew *crew = keeping->crew;
    int64_t now_ms = clock_mono_ms();

    if (!crew_has_lease(crew) && keeping->beat_at_ms > now_ms + TURN_MS)
        keeping->beat_at_ms = now_ms; /* it was lost between two beats */
    if (keeping->said_audit_full != atomic_load(&crew->is_audit_full) && keeping->beat_at_ms > now_ms + TURN_MS)
        keeping->beat_at_ms = now_ms; /* status is to know */
    if (keeping->is_beating || now_ms < keeping->beat_at_ms || !store_is_up(keeping->store))
        return;
    keeping->is_beating = true;
    keeping->said_audit_full = atomic_load(&crew->is_audit_full);
    keeping->beat_sent_ms = clock_boot_ms();
    keeping->beat_at_ms = now_ms + crew->identity.lease_ms / BEATS_IN_A_LEASE;
    store_beat(keeping->store, &crew->identity, current_note(keeping), crew_state_name(crew), on_beaten, keeping);
}

static void on_reaped(void *context, int64_t taken)
{
    struct housekeeping *keeping = context;

    keeping->is_reaping = false;
    if (taken <= 0)
        return;
    metrics_count(keeping->metrics, METRIC_REAPED, (uint64_t)taken, 0, 0, 0);
    log_warning("took messages back from a worker that is gone", LOG_NUMBER("count", taken));
    crew_call(keeping->crew);
    keeping->reap_at_ms = 0; /* there may be more */
}

/* Any worker reaps; the step is one in Redis, so two at once take different messages. */
static void reap(struct housekeeping *keeping)
{
    int64_t now_ms = clock_mono_ms();

    if (keeping->is_reaping || now_ms < keeping->reap_at_ms || !crew_has_lease(keeping->crew) ||
        !store_is_up(keeping->store))
        return;
    keeping->is_reaping = true;
    keeping->reap_at_ms = now_ms + REAP_EACH_MS;
    store_reap(keeping->store, keeping->crew->identity.lease_ms, on_reaped, keeping);
}

static int64_t wait_ms(const struct housekeeping *keeping)
{
    int64_t now_ms = clock_mono_ms(), at_ms = now_ms + TURN_MS, fetch_ms = fetch_at_ms(keeping);

    if (fetch_ms < at_ms)
        at_ms = fetch_ms;
    if (keeping->beat_at_ms < at_ms && store_is_up(keeping->store))
        at_ms = keeping->beat_at_ms;
    if (!store_is_up(keeping->store) && store_wait_ms(keeping->store) < TURN_MS)
        at_ms = now_ms + store_wait_ms(keeping->store);
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

static void turn(struct housekeeping *keeping)
{
    struct http_watch watches[1 + PRIORITY_COUNT];

    pulse_beat(&keeping->crew->keeping_pulse, clock_mono_ms());
    hear_watches(keeping);
    (void)store_pump(keeping->store, NULL); /* trouble is logged there */
    fetch_token(keeping);
    http_pump(keeping->http);
    take_token(keeping);
    beat(keeping);
    reap(keeping);
    arm_watches(keeping);
    (void)store_pump(keeping->store, NULL);
    (void)log_flush(); /* this thread holds no lines */
    watches[0] = (struct http_watch){store_fd(keeping->store), store_wants_write(keeping->store)};
    for (int i = 0; i < PRIORITY_COUNT; i++)
        watches[1 + i] =
            (struct http_watch){store_fd(keeping->watches[i].store), store_wants_write(keeping->watches[i].store)};
    http_wait(keeping->http, watches, 1 + PRIORITY_COUNT, wait_ms(keeping));
}

void housekeeping_run(struct housekeeping *keeping)
{
    while (atomic_load(&keeping->crew->running) > 0)
        turn(keeping);
    pulse_end(&keeping->crew->keeping_pulse);
    store_leave(keeping->store, keeping->crew->worker_id);
    if (store_is_up(keeping->store)) /* else the lease runs out by itself */
        (void)store_finish(keeping->store, 0, LEAVE_WAIT_MS, &(struct reason){""});
}

void housekeeping_close(struct housekeeping *keeping)
{
    if (!keeping)
        return;
    for (int i = 0; i < PRIORITY_COUNT; i++)
        store_close(keeping->watches[i].store);
    store_close(keeping->store);
    http_close(keeping->http);
    wipe_fetch(keeping);
    buf_clear(&keeping->fetch_body);
    buf_clear(&keeping->fetch_authorization);
    free(keeping);
}

int housekeeping_open(struct housekeeping **ret, struct crew *crew, struct reason *why)
{
    const struct settings *settings = crew->settings;
    struct housekeeping *keeping = mem_zalloc(1, sizeof(*keeping));
    char actor[AUDIT_ACTOR_MAX + 1];
    const struct http_config http = {
        .ca_file = settings->ca_file,
        .timeout_ms = settings->timeout_ms,
        .connect_timeout_ms = settings->connect_timeout_ms,
        .max_requests = 1,
    };
    int rc = store_open(&keeping->store, settings->redis_url, settings->org, why);

    keeping->crew = crew;
    buf_init(&keeping->fetch_body, FETCH_BUFFER);
    buf_init(&keeping->fetch_authorization, FETCH_BUFFER);
    for (int i = 0; rc == 0 && i < PRIORITY_COUNT; i++) {
        keeping->watches[i].keeping = keeping;
        rc = store_open(&keeping->watches[i].store, settings->redis_url, settings->org, why);
    }
    if (rc == 0)
        rc = http_open(&keeping->http, &http, why);
    if (rc != 0) {
        housekeeping_close(keeping);
        return rc;
    }
    keeping->metrics = metrics_join(crew->metrics);
    store_set_metrics(keeping->store, keeping->metrics);
    (void)snprintf(actor, sizeof(actor), "worker:%s", crew->worker_id);
    store_set_actor(keeping->store, actor); /* who reaps */
    store_set_limits(keeping->store, &(struct store_limits){.keep_ms = settings->keep_ms,
                                                            .audit_max = settings->audit_max,
                                                            .audit_stops = settings_audit_stops(settings),
                                                            .report_ms = settings->report_keep_ms});
    crew_join(crew, keeping->http);
    *ret = keeping;
    return 0;
}
