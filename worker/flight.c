#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/retry_after.h"
#include "worker/callbacks_parts.h"

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

void flights_flush(struct callbacks *callbacks)
{
    struct store_callback_end ends[STORE_CALLBACKS_MAX];
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

void flight_finish(struct callbacks *callbacks, const struct http_result *result)
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
        trace.detail = result->is_forbidden ? "its host has no address that is public; --callback-private-hosts "
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
    buf_init(&signatures, FLIGHT_HEADER_MAX / 2);
    callback_sign(&callbacks->secrets, flight->id, at_s, request.body, &signatures);
    (void)snprintf(flight->headers[0], FLIGHT_HEADER_MAX, "webhook-id: %s", flight->id);
    (void)snprintf(flight->headers[1], FLIGHT_HEADER_MAX, "webhook-timestamp: %" PRId64, at_s);
    (void)snprintf(flight->headers[2], FLIGHT_HEADER_MAX, "webhook-signature: %s", buf_str(&signatures));
    buf_clear(&signatures);
    if (flight->callback.trace_text) {
        trace_write(&flight->callback.trace, random_u64(), traceparent); /* each attempt is a step of its own */
        request.traceparent = traceparent;
    }
    http_start(callbacks->http, &request);
}

void flight_begin(struct callbacks *callbacks, const struct store_callback *item)
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
