#include "worker/callbacks.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/callbacks_parts.h"

#define HOST_SHARE     4    /* of all under way one host may have a quarter */
#define LOOK_MS        200  /* for new ones, when there were some lately */
#define IDLE_LOOK_MS   1000 /* else */
#define LATELY_MS      30000
#define LEASE_EXTRA_MS 5000
#define FINISH_MS      3000  /* at the stop: what is under way may take so long, or --drain if that is shorter */
#define STOP_MS        2000  /* for the last ends */
#define ALARM_MS       60000 /* between two lines that say the same */

/* --- settings --- */

static int read_settings(const struct settings *settings, struct callback_rules *rules,
                         struct callback_secrets *secrets, struct reason *why)
{
    int rc = callback_rules_init(rules, settings->callback_hosts, settings->callback_private_hosts,
                                 settings->callback_url, why);

    if (rc == 0)
        rc = callback_read_secrets(secrets, settings->callback_secrets, why);
    if (rc == 0 && secrets->count == 0 && callback_rules_allow_any(rules)) {
        reason_set(why, "callbacks are allowed and not signed: set HERALD_CALLBACK_SECRET (or the file that its _FILE "
                        "names) to whsec_ and 32 random bytes in base64");
        rc = ERR_INVALID;
    }
    return rc;
}

int callbacks_check_settings(const struct settings *settings, struct reason *why)
{
    struct callback_rules rules;
    struct callback_secrets secrets = {0};
    int rc = read_settings(settings, &rules, &secrets, why);

    explicit_bzero(&secrets, sizeof(secrets));
    return rc;
}

/* At the start, and when they were read again. */
static void follow_settings(struct callbacks *callbacks)
{
    const struct settings *settings = callbacks->crew->settings;
    struct reason why = {""};

    if (settings == callbacks->settings)
        return;
    callbacks->settings = settings;
    (void)read_settings(settings, &callbacks->rules, &callbacks->secrets, &why); /* main has checked them */
    callbacks->limits = (struct callback_limits){
        .attempts_max = settings->callback_attempts,
        .age_max_ms = settings->callback_max_age_ms,
        .retry_base_ms = settings->retry_base_ms,
        .retry_cap_ms = settings->callback_retry_cap_ms,
    };
    store_set_callbacks(callbacks->store, settings->callback_url, settings->callback_max);
}

static void note_dropped(struct callbacks *callbacks, int64_t dropped)
{
    int64_t now_ms = clock_mono_ms();

    if (dropped <= callbacks->dropped || now_ms < callbacks->alarm_ms)
        return;
    if (callbacks->alarm_ms > 0 || callbacks->dropped > 0 || dropped > 0)
        log_error("callbacks are dropped: more wait than --callback-max; is a receiver down?",
                  LOG_NUMBER("dropped", dropped));
    callbacks->dropped = dropped;
    callbacks->alarm_ms = now_ms + ALARM_MS;
}

static void on_taken(void *context, const struct store_callbacks *taken)
{
    struct callbacks *callbacks = context;
    int64_t now_ms = clock_mono_ms(), look_ms;

    callbacks->is_asking = false;
    if (taken->rc == 0) {
        callbacks->offset_ms = taken->wall_ms - now_ms;
        note_dropped(callbacks, taken->dropped);
    }
    if (taken->count > 0)
        callbacks->lately_ms = now_ms;
    for (size_t i = 0; i < taken->count; i++)
        flight_begin(callbacks, &taken->items[i]);
    look_ms = callbacks->lately_ms > 0 && now_ms - callbacks->lately_ms < LATELY_MS ? LOOK_MS : IDLE_LOOK_MS;
    if (taken->due_in_ms >= 0 && taken->due_in_ms < look_ms)
        look_ms = taken->due_in_ms + 1;
    callbacks->next_ms = taken->count > 0 ? now_ms : now_ms + look_ms; /* there may be more */
}

static void count_busy(const struct callbacks *callbacks, struct store_callback_busy *busy, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < callbacks->flight_count; i++) {
        const struct flight *flight = &callbacks->flights[i];
        size_t at = 0;

        if (!flight->is_used)
            continue;
        while (at < *count && strcmp(busy[at].host, flight->host) != 0)
            at++;
        if (at == *count)
            busy[(*count)++] = (struct store_callback_busy){flight->host, 0};
        busy[at].count++;
    }
}

static void take_more(struct callbacks *callbacks)
{
    const struct settings *settings = callbacks->settings;
    struct store_callback_busy busy[STORE_CALLBACKS_MAX];
    struct store_callback_take ask = {
        .wanted = (int64_t)(callbacks->flight_count - callbacks->used),
        .most_of_host = (int64_t)(callbacks->flight_count + HOST_SHARE - 1) / HOST_SHARE,
        .lease_ms = settings->callback_timeout_ms + LEASE_EXTRA_MS,
        .busy = busy,
    };

    if (callbacks->is_asking || ask.wanted == 0 || clock_mono_ms() < callbacks->next_ms ||
        atomic_load(&callbacks->crew->is_stopping) || !store_is_up(callbacks->store))
        return;
    count_busy(callbacks, busy, &ask.busy_count);
    callbacks->is_asking = true;
    store_take_callbacks(callbacks->store, &ask, on_taken, callbacks);
}

/* --- the loop --- */

static int64_t wait_ms(const struct callbacks *callbacks)
{
    int64_t now_ms = clock_mono_ms(), at_ms = now_ms + IDLE_LOOK_MS, store_ms = store_wait_ms(callbacks->store);

    if (!callbacks->is_asking && callbacks->used < callbacks->flight_count && callbacks->next_ms < at_ms &&
        store_is_up(callbacks->store) && !atomic_load(&callbacks->crew->is_stopping))
        at_ms = callbacks->next_ms;
    if (store_ms >= 0 && now_ms + store_ms < at_ms)
        at_ms = now_ms + store_ms;
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

static void turn(struct callbacks *callbacks)
{
    struct http_result result;
    struct http_watch watch;

    follow_settings(callbacks);
    (void)store_pump(callbacks->store, NULL); /* trouble is logged there; the loop goes on */
    http_pump(callbacks->http);
    while (http_next(callbacks->http, &result))
        flight_finish(callbacks, &result);
    flights_flush(callbacks);
    take_more(callbacks);
    (void)store_pump(callbacks->store, NULL);
    flights_flush(callbacks); /* of those that were given up at once */
    watch = (struct http_watch){store_fd(callbacks->store), store_wants_write(callbacks->store)};
    http_wait(callbacks->http, &watch, 1, wait_ms(callbacks));
}

static bool is_done(struct callbacks *callbacks)
{
    int64_t now_ms = clock_mono_ms();

    if (!atomic_load(&callbacks->crew->is_stopping))
        return false;
    if (callbacks->stop_at_ms == 0) {
        callbacks->abort_at_ms =
            now_ms + (callbacks->settings->drain_ms < FINISH_MS ? callbacks->settings->drain_ms : FINISH_MS);
        callbacks->stop_at_ms = callbacks->abort_at_ms + STOP_MS;
    }
    if (now_ms >= callbacks->abort_at_ms || atomic_load(&callbacks->crew->is_hurried)) {
        http_abort_all(callbacks->http); /* another worker posts them again */
        if (callbacks->stop_at_ms > now_ms + STOP_MS)
            callbacks->stop_at_ms = now_ms + STOP_MS;
    }
    return (callbacks->used == 0 && !callbacks->is_asking && store_pending(callbacks->store) == 0) ||
           now_ms >= callbacks->stop_at_ms;
}

static void *run(void *argument)
{
    struct callbacks *callbacks = argument;

    follow_settings(callbacks);
    while (!is_done(callbacks))
        turn(callbacks);
    crew_leave(callbacks->crew, callbacks->http);
    return NULL;
}

/* may_connect of http.h. */
static bool may_connect(void *request_context, const struct sockaddr *address)
{
    const struct flight *flight = request_context;

    return flight->target.is_private || callback_address_is_public(address);
}

static void destroy(struct callbacks *callbacks)
{
    http_close(callbacks->http);
    store_close(callbacks->store); /* what is pending is dropped without its callback */
    for (size_t i = 0; i < callbacks->flight_count; i++) {
        struct flight *flight = &callbacks->flights[i];

        if (flight->is_used)
            callback_clear(&flight->callback);
        buf_clear(&flight->body);
        buf_clear(&flight->document);
    }
    while (callbacks->batches) {
        struct batch *batch = callbacks->batches;

        callbacks->batches = batch->next;
        free(batch);
    }
    free(callbacks->flights);
    explicit_bzero(&callbacks->secrets, sizeof(callbacks->secrets));
    free(callbacks);
}

int callbacks_start(struct callbacks **ret, struct crew *crew, struct reason *why)
{
    const struct settings *settings = crew->settings;
    struct callbacks *callbacks = mem_zalloc(1, sizeof(*callbacks));
    const struct http_config http = {
        .ca_file = settings->ca_file,
        .timeout_ms = settings->callback_timeout_ms,
        .connect_timeout_ms = settings->callback_timeout_ms,
        .max_requests = (size_t)settings->callback_in_flight,
        .may_connect = may_connect,
    };
    int rc;

    callbacks->crew = crew;
    callbacks->flight_count = (size_t)settings->callback_in_flight;
    callbacks->flights = mem_zalloc(callbacks->flight_count, sizeof(*callbacks->flights));
    for (size_t i = 0; i < callbacks->flight_count; i++) {
        callbacks->flights[i].callbacks = callbacks;
        buf_init(&callbacks->flights[i].body, 2 * CALLBACK_JOB_MAX);
        buf_init(&callbacks->flights[i].document, 2 * CALLBACK_JOB_MAX);
    }
    rc = store_open(&callbacks->store, settings->redis_url, settings->org, why);
    if (rc == 0)
        rc = http_open(&callbacks->http, &http, why);
    if (rc != 0) {
        destroy(callbacks);
        return rc;
    }
    crew_join(crew, callbacks->http);
    if (pthread_create(&callbacks->thread, NULL, run, callbacks) != 0) {
        reason_set(why, "the system gives no more threads");
        crew_leave(crew, callbacks->http);
        destroy(callbacks);
        return ERR_LIMIT;
    }
    *ret = callbacks;
    return 0;
}

void callbacks_join(struct callbacks *callbacks)
{
    if (!callbacks)
        return;
    (void)pthread_join(callbacks->thread, NULL); /* our own thread, joined once */
    destroy(callbacks);
}
