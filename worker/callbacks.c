#include "worker/callbacks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/callback.h"
#include "common/callback_url.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/retry_after.h"
#include "common/store_callback.h"
#include "worker/callback_verdict.h"

#define HOST_SHARE     4    /* of all under way one host may have a quarter */
#define LOOK_MS        200  /* for new ones, when there were some lately */
#define IDLE_LOOK_MS   1000 /* else */
#define LATELY_MS      30000
#define LEASE_EXTRA_MS 5000
#define FINISH_MS      3000  /* at the stop: what is under way may take so long, or --drain if that is shorter */
#define STOP_MS        2000  /* for the last ends */
#define ALARM_MS       60000 /* between two lines that say the same */
#define HEADER_MAX     512
#define HOST_NAME_MAX  280 /* of a host as parts/callbacks.lua names it */
#define TURN_ENDS      STORE_CALLBACKS_MAX

/* One callback, from its taking until Redis has its end. */
struct flight {
    struct callbacks *callbacks;
    bool is_used, is_ended;
    char id[ID_SIZE], host[HOST_NAME_MAX + 1];
    struct callback callback;
    struct callback_target target;
    char headers[HTTP_MORE_HEADERS][HEADER_MAX];
    struct buf body, document;
    struct store_callback_end end;
};

/* Ends on their way to Redis. */
struct batch {
    struct batch *next;
    struct callbacks *callbacks;
    size_t count;
    struct flight *flights[];
};

struct callbacks {
    pthread_t thread;
    struct crew *crew;
    struct store *store;
    struct http *http;
    const struct settings *settings; /* that the next four were made of */
    struct callback_rules rules;
    struct callback_secrets secrets;
    struct callback_limits limits;
    size_t flight_count, used, ended; /* ended: and not yet on their way to Redis */
    struct flight *flights;
    struct batch *batches; /* without an answer yet */
    bool is_asking;
    int64_t next_ms, lately_ms; /* monotonic */
    int64_t offset_ms;          /* Redis' clock less the monotonic one */
    int64_t dropped, alarm_ms;
    int64_t stop_at_ms, abort_at_ms; /* 0 until it is to stop */
};

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

/* --- ends --- */

static void on_ended(void *context, int rc)
{
    struct batch *batch = context, **at = &batch->callbacks->batches;

    (void)rc; /* what Redis refused is handed out again when its lease is over; the log says why */
    for (size_t i = 0; i < batch->count; i++) {
        struct flight *flight = batch->flights[i];

        callback_clear(&flight->callback);
        flight->is_used = flight->is_ended = false;
        batch->callbacks->used--;
    }
    while (*at != batch)
        at = &(*at)->next;
    *at = batch->next;
    batch->callbacks->next_ms = clock_mono_ms(); /* their hosts have room for more */
    free(batch);
}

static void flush_ends(struct callbacks *callbacks)
{
    struct store_callback_end ends[TURN_ENDS];
    struct batch *batch;

    if (callbacks->ended == 0)
        return;
    batch = mem_zalloc(1, sizeof(*batch) + callbacks->ended * sizeof(struct flight *));
    batch->callbacks = callbacks;
    batch->next = callbacks->batches;
    callbacks->batches = batch;
    for (size_t i = 0; i < callbacks->flight_count && batch->count < callbacks->ended; i++) {
        struct flight *flight = &callbacks->flights[i];

        if (!flight->is_used || !flight->is_ended || !flight->end.id)
            continue;
        ends[batch->count] = flight->end;
        batch->flights[batch->count++] = flight;
        flight->end.id = NULL; /* it is on its way */
    }
    callbacks->ended = 0;
    store_end_callbacks(callbacks->store, ends, batch->count, callbacks->settings->callback_max, on_ended, batch);
}

static void end_flight(struct flight *flight, const struct store_callback_end *end)
{
    flight->end = *end;
    flight->end.id = flight->id;
    flight->end.host = flight->host;
    flight->end.document = (struct span){flight->document.data, flight->document.len};
    flight->is_ended = true;
    flight->callbacks->ended++;
}

static int64_t wall_ms(const struct callbacks *callbacks)
{
    return clock_mono_ms() + callbacks->offset_ms;
}

/* It is given up without an attempt. */
static void give_up(struct flight *flight, enum callback_failure failure, const char *detail)
{
    const char *reason = callback_failure_name(failure);
    const struct callback_trace trace = {.reason = reason, .detail = detail, .at_ms = wall_ms(flight->callbacks)};

    log_warning("callback given up", LOG_TEXT("id", flight->id), LOG_TEXT("host", flight->host),
                LOG_TEXT("reason", reason), LOG_TEXT("detail", detail));
    callback_write_job(&flight->callback, &trace, &flight->document);
    end_flight(flight, &(struct store_callback_end){.outcome = STORE_CALLBACK_DEAD, .reason = reason});
}

static void log_end(const struct flight *flight, const struct callback_verdict *verdict,
                    const struct http_result *result, const char *detail)
{
    static const struct {
        enum log_level level;
        const char *what;
    } lines[] = {
        [STORE_CALLBACK_DONE] = {LOG_LEVEL_DEBUG, "callback delivered"},
        [STORE_CALLBACK_LATER] = {LOG_LEVEL_INFO, "callback failed"},
        [STORE_CALLBACK_DEAD] = {LOG_LEVEL_WARNING, "callback given up"},
    };

    log_event(lines[verdict->outcome].level, lines[verdict->outcome].what, LOG_TEXT("id", flight->id),
              LOG_TEXT("host", flight->host), LOG_NUMBER("status", result->status),
              LOG_NUMBER("latency_ms", result->latency_ms), LOG_NUMBER("attempts", flight->callback.attempts),
              LOG_NUMBER("delay_ms", verdict->delay_ms), LOG_TEXT("detail", detail));
}

static void finish(struct callbacks *callbacks, const struct http_result *result)
{
    struct flight *flight = result->context;
    struct callback_attempt attempt = {
        .transport = result->transport,
        .status = result->status,
        .is_forbidden = result->is_forbidden,
        .attempts = flight->callback.attempts,
        .age_ms = wall_ms(callbacks) - flight->callback.since_ms,
    };
    struct callback_trace trace = {.status = result->status, .detail = "", .at_ms = wall_ms(callbacks)};
    struct callback_verdict verdict;

    if (!retry_after_parse(result->retry_after, clock_wall_ms(), &attempt.retry_after_ms))
        attempt.retry_after_ms = -1;
    verdict = callback_judge(&attempt, &callbacks->limits, random_u64());
    if (verdict.is_burnt)
        flight->callback.attempts++;
    if (result->transport != TRANSPORT_ANSWERED)
        trace.detail = result->is_forbidden ? "its host has an address that is not public; --callback-private-hosts "
                                              "may name the host"
                                            : result->error;
    else if (verdict.outcome == STORE_CALLBACK_DEAD && verdict.failure == CALLBACK_REJECTED)
        trace.detail = result->status == 410 ? "the receiver wants no more" : "redirects are not followed";
    if (verdict.outcome == STORE_CALLBACK_DEAD)
        trace.reason = callback_failure_name(verdict.failure);
    log_end(flight, &verdict, result, trace.detail);
    if (verdict.outcome != STORE_CALLBACK_DONE)
        callback_write_job(&flight->callback, &trace, &flight->document);
    end_flight(flight, &(struct store_callback_end){
                           .outcome = verdict.outcome,
                           .delay_ms = verdict.delay_ms,
                           .reason = trace.reason,
                           .verdict = verdict.host,
                           .host_wait_ms = verdict.host_wait_ms,
                       });
}

/* --- beginnings --- */

static struct flight *take_flight(struct callbacks *callbacks)
{
    for (size_t i = 0; i < callbacks->flight_count; i++) {
        struct flight *flight = &callbacks->flights[i];

        if (!flight->is_used) {
            flight->is_used = true;
            flight->is_ended = false;
            buf_reset(&flight->body);
            buf_reset(&flight->document);
            callbacks->used++;
            return flight;
        }
    }
    abort(); /* no more was asked for than is free */
}

static void post(struct flight *flight)
{
    struct callbacks *callbacks = flight->callbacks;
    struct http_request request = {
        .url = flight->target.url,
        .content_type = "application/json",
        .more = {flight->headers[0], flight->headers[1], flight->headers[2]},
        .context = flight,
    };
    char traceparent[TRACE_PARENT_SIZE];
    int64_t at_s = clock_wall_ms() / 1000; /* what the receiver compares with its own clock */
    struct buf signatures;

    callback_write_body(&flight->callback, &flight->body);
    request.body = (struct span){flight->body.data, flight->body.len};
    buf_init(&signatures, HEADER_MAX / 2);
    callback_sign(&callbacks->secrets, flight->id, at_s, request.body, &signatures);
    (void)snprintf(flight->headers[0], HEADER_MAX, "webhook-id: %s", flight->id);
    (void)snprintf(flight->headers[1], HEADER_MAX, "webhook-timestamp: %" PRId64, at_s);
    (void)snprintf(flight->headers[2], HEADER_MAX, "webhook-signature: %s", buf_str(&signatures));
    buf_clear(&signatures);
    if (flight->callback.trace_text) {
        trace_write(&flight->callback.trace, random_u64(), traceparent); /* each attempt is a step of its own */
        request.traceparent = traceparent;
    }
    http_start(callbacks->http, &request);
}

static void begin(struct callbacks *callbacks, const struct store_callback *item)
{
    struct flight *flight = take_flight(callbacks);
    struct reason why = {""};

    (void)snprintf(flight->id, sizeof(flight->id), "%.*s", (int)item->id.len, item->id.data);
    (void)snprintf(flight->host, sizeof(flight->host), "%.*s", (int)item->host.len, item->host.data);
    if (!id_is_valid(item->id.data, item->id.len) || callback_read(&flight->callback, item->document, &why) != 0) {
        log_error("a callback cannot be read: somebody else has written there", LOG_TEXT("host", flight->host));
        buf_add(&flight->document, item->document.data, item->document.len);
        end_flight(flight, &(struct store_callback_end){.outcome = STORE_CALLBACK_DEAD,
                                                        .reason = callback_failure_name(CALLBACK_UNREADABLE)});
    } else if (callback_url_read(&flight->target, flight->callback.url, &callbacks->rules, &why) != 0) {
        give_up(flight, CALLBACK_FORBIDDEN, why.text);
    } else if (wall_ms(callbacks) - flight->callback.since_ms > callbacks->limits.age_max_ms) {
        give_up(flight, CALLBACK_EXHAUSTED, "it is older than --callback-max-age");
    } else {
        post(flight);
    }
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
        begin(callbacks, &taken->items[i]);
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
        finish(callbacks, &result);
    flush_ends(callbacks);
    take_more(callbacks);
    (void)store_pump(callbacks->store, NULL);
    flush_ends(callbacks); /* of those that were given up at once */
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
