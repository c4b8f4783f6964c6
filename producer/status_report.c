#include "producer/status_report.h"

#include <inttypes.h>

int64_t status_counter(const struct store_status *status, const char *name)
{
    return store_counter(status->counters, status->counter_count, name);
}

struct status_sum status_sum(const struct store_status *status)
{
    struct status_sum sum = {
        .accepted = status_counter(status, "accepted"),
        .sent = status_counter(status, "sent"),
        .cancelled = status_counter(status, "cancelled"),
        .purged = status_counter(status, "purged"),
    };

    for (int i = 0; i < PRIORITY_COUNT; i++)
        sum.ready += status->ready[i];
    sum.places = sum.ready + status->delayed + status->parked + status->in_flight + status->dead + sum.sent +
                 sum.cancelled + sum.purged;
    sum.uncounted = sum.places > sum.accepted ? sum.places - sum.accepted : 0;
    sum.is_balanced = sum.places >= sum.accepted;
    return sum;
}

static void add_places(struct buf *json, const struct store_status *status, const struct status_sum *sum)
{
    buf_printf(json,
               "\"accepted\":%" PRId64 ",\"places\":{\"ready\":%" PRId64 ",\"delayed\":%" PRId64
               ",\"in_flight\":%" PRId64 ",\"sent\":%" PRId64 ",\"dead\":%" PRId64 ",\"parked\":%" PRId64
               ",\"cancelled\":%" PRId64 ",\"purged\":%" PRId64 "},\"ready\":{",
               sum->accepted, sum->ready, status->delayed, status->in_flight, sum->sent, status->dead, status->parked,
               sum->cancelled, sum->purged);
    for (int i = 0; i < PRIORITY_COUNT; i++)
        buf_printf(json, "%s\"%s\":%" PRId64, i ? "," : "", priority_name((enum priority)i), status->ready[i]);
    buf_printf(json, "},\"sum\":%" PRId64 ",\"uncounted\":%" PRId64 ",\"balanced\":%s", sum->places, sum->uncounted,
               sum->is_balanced ? "true" : "false");
}

static void add_workers(struct buf *json, const struct store_status *status)
{
    buf_text(json, ",\"workers\":[");
    for (size_t i = 0; i < status->worker_count; i++) {
        const struct store_worker_info *worker = &status->workers[i];

        buf_text(json, i ? ",{\"id\":" : "{\"id\":");
        buf_json_text(json, worker->id);
        buf_printf(json,
                   ",\"in_flight\":%" PRId64 ",\"beat_age_ms\":%" PRId64 ",\"lease_left_ms\":%" PRId64
                   ",\"age_ms\":%" PRId64 ",\"breaker\":\"%s\",\"note\":",
                   worker->in_flight, worker->beat_age_ms, worker->lease_left_ms, worker->age_ms, worker->breaker);
        buf_json_text(json, worker->note);
        buf_char(json, '}');
    }
    buf_char(json, ']');
}

static void add_callbacks(struct buf *json, const struct store_status *status)
{
    buf_printf(json, ",\"callbacks\":{\"waiting\":%" PRId64, status->callbacks.waiting);
    buf_member_int(json, "in_flight", status->callbacks.in_flight);
    buf_member_int(json, "dead", status->callbacks.dead);
    buf_member_int(json, "delivered", status->callbacks.delivered);
    buf_member_int(json, "retried", status->callbacks.retried);
    buf_member_int(json, "dropped", status->callbacks.dropped + status->callbacks.unqueued);
    buf_member_int(json, "forgotten", status->callbacks.forgotten);
    buf_char(json, '}');
}

void status_begin_json(const char *org, const struct store_status *status, struct buf *json)
{
    const struct status_sum sum = status_sum(status);

    buf_text(json, "{\"org\":");
    buf_json_text(json, org);
    buf_char(json, ',');
    add_places(json, status, &sum);
    buf_printf(json, ",\"due_in_ms\":%" PRId64 ",\"window_used\":%" PRId64 ",\"hold\":{\"ms\":%" PRId64 ",\"reason\":",
               status->due_in_ms, status->window_used, status->hold_ms);
    buf_json_text(json, status->hold_reason);
    buf_printf(json,
               "},\"polled\":{\"conversations\":%" PRId64 ",\"hold\":{\"ms\":%" PRId64 ",\"reason\":", status->polled,
               status->poll_hold_ms);
    buf_json_text(json, status->poll_hold_reason);
    buf_text(json, "}}");
    add_callbacks(json, status);
    status_add_audit(status, json);
    buf_text(json, ",\"counters\":{");
    for (size_t i = 0; i < status->counter_count; i++) {
        buf_text(json, i ? "," : "");
        buf_json_text(json, status->counters[i].name);
        buf_printf(json, ":%" PRId64, status->counters[i].value);
    }
    buf_char(json, '}');
    add_workers(json, status);
}
