#include "producer/gateway/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/mem.h"
#include "producer/gateway/exchange_mhd.h"
#include "producer/gateway/lane.h"

struct lane *exchange_lane(const struct exchange *exchange)
{
    return exchange->lane;
}

struct gateway *exchange_gateway(const struct exchange *exchange)
{
    return lane_gateway(exchange->lane);
}

const struct client *exchange_client(const struct exchange *exchange)
{
    return exchange->client;
}

void exchange_actor(const struct exchange *exchange, char out[AUDIT_ACTOR_MAX + 1])
{
    (void)snprintf(out, AUDIT_ACTOR_MAX + 1, "gateway:%s", exchange->client ? exchange->client->name : "");
}

const char *exchange_segment(const struct exchange *exchange)
{
    return exchange->segment;
}

#define SLOW_PER_S 1024 /* bytes a second that a long body must bring, or the connection ends */

static const char *look_up(const struct exchange *exchange, enum MHD_ValueKind kind, const char *name)
{
    return exchange->connection ? MHD_lookup_connection_value(exchange->connection, kind, name) : NULL;
}

const char *exchange_header(const struct exchange *exchange, const char *name)
{
    return look_up(exchange, MHD_HEADER_KIND, name);
}

const char *exchange_query(const struct exchange *exchange, const char *name)
{
    return look_up(exchange, MHD_GET_ARGUMENT_KIND, name);
}

struct span exchange_body(const struct exchange *exchange)
{
    return (struct span){buf_str(&exchange->body), exchange->body.len};
}

bool exchange_is_type(const struct exchange *exchange, const char *type)
{
    const char *given = exchange_header(exchange, "Content-Type");
    size_t len = strlen(type);

    return given && strncasecmp(given, type, len) == 0 && (given[len] == '\0' || strchr("; \t", given[len]));
}

void exchange_set_sink(struct exchange *exchange, const struct sink *sink, void *state)
{
    exchange->sink = sink;
    exchange->sink_state = state;
}

void exchange_set_patience(struct exchange *exchange, int64_t patience_ms)
{
    exchange->patience_ms = patience_ms;
}

/* --- waiting --- */

#define VISITS_MAX 16 /* some answers of Redis; each costs a tenth of what suspending does */

static void link_last(struct waiting *list, struct exchange *exchange)
{
    exchange->previous = list->last;
    exchange->next = NULL;
    if (list->last)
        list->last->next = exchange;
    else
        list->first = exchange;
    list->last = exchange;
}

static void unlink_from(struct waiting *list, struct exchange *exchange)
{
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        list->first = exchange->next;
    if (exchange->next)
        exchange->next->previous = exchange->previous;
    else
        list->last = exchange->previous;
}

static void suspend(struct exchange *exchange)
{
    exchange->is_suspended = true;
    MHD_suspend_connection(exchange->connection);
}

static bool begin_to_wait(struct exchange *exchange)
{
    if (lane_is_over(exchange->lane)) { /* who waits now would never be answered */
        exchange_unavailable(exchange, "stopping", "this gateway is being stopped; ask again");
        return false;
    }
    exchange->phase = PHASE_WAITING;
    exchange->is_suspended = false;
    exchange->waits_since_ms = clock_mono_ms();
    exchange->due_ms = exchange->waits_since_ms + exchange->patience_ms;
    link_last(lane_waiting(exchange->lane), exchange);
    return true;
}

void exchange_wait(struct exchange *exchange)
{
    if (begin_to_wait(exchange))
        suspend(exchange);
}

void exchange_linger(struct exchange *exchange)
{
    exchange->visits = 0;
    if (begin_to_wait(exchange))
        lane_count_lingering(exchange->lane, 1);
}

void exchange_visit(struct exchange *exchange)
{
    if (exchange->phase != PHASE_WAITING || exchange->is_suspended || ++exchange->visits < VISITS_MAX)
        return;
    lane_count_lingering(exchange->lane, -1);
    suspend(exchange);
}

/* Off the list of those that wait. */
static void leave_waiting(struct exchange *exchange)
{
    unlink_from(lane_waiting(exchange->lane), exchange);
    if (!exchange->is_suspended)
        lane_count_lingering(exchange->lane, -1);
}

static void wait_no_more(struct exchange *exchange, enum phase phase)
{
    bool was_waiting = exchange->phase == PHASE_WAITING;

    exchange->phase = phase;
    if (!was_waiting)
        return;
    leave_waiting(exchange);
    exchange->begun_ms += clock_mono_ms() - exchange->waits_since_ms;
    if (exchange->is_suspended)
        MHD_resume_connection(exchange->connection);
    exchange->is_suspended = false;
    lane_note_stirred(exchange->lane);
}

void exchange_go_on(struct exchange *exchange)
{
    if (exchange->phase == PHASE_WAITING)
        wait_no_more(exchange, PHASE_READING);
}

bool exchange_is_too_slow(const struct exchange *exchange, int64_t now_ms)
{
    const struct settings *settings = exchange_gateway(exchange)->settings;
    int64_t took_ms = now_ms - exchange->begun_ms;

    if (exchange->phase == PHASE_WAITING)
        return false;
    if (exchange->answered_ms > 0)
        return now_ms - exchange->answered_ms > settings->idle_timeout_ms;
    return took_ms > settings->request_timeout_ms &&
           (int64_t)(exchange->received + exchange->dropped) < took_ms / 1000 * SLOW_PER_S;
}

int64_t exchange_sweep(struct waiting *waiting, int64_t now_ms, bool all)
{
    int64_t next_ms = -1;

    for (struct exchange *exchange = waiting->first, *next; exchange; exchange = next) {
        next = exchange->next;
        if (!all && exchange->due_ms <= now_ms && exchange->sink && exchange->sink->give_up)
            exchange->sink->give_up(exchange, exchange->sink_state);
        else if (all || exchange->due_ms <= now_ms)
            exchange_unavailable(exchange, "timeout", "Redis did not answer in time; ask again");
        else if (next_ms < 0 || exchange->due_ms < next_ms)
            next_ms = exchange->due_ms;
    }
    return next_ms;
}

/* --- its life --- */

struct exchange *exchange_open(struct lane *lane, struct MHD_Connection *connection)
{
    struct exchange *exchange = mem_zalloc(1, sizeof(*exchange));

    exchange->lane = lane;
    exchange->connection = connection;
    exchange->holders = 1;
    exchange->opened_us = clock_mono_us();
    exchange->begun_ms = exchange->opened_us / 1000;
    exchange->patience_ms = EXCHANGE_PATIENCE_MS;
    answer_init(&exchange->answer);
    lane_count(lane, 1);
    lane_count_incoming(lane, 1);
    return exchange;
}

void exchange_note_whole(struct exchange *exchange)
{
    if (!exchange->is_whole)
        lane_count_incoming(exchange->lane, -1);
    exchange->is_whole = true;
}

static void destroy(struct exchange *exchange)
{
    if (exchange->sink)
        exchange->sink->destroy(exchange->sink_state);
    answer_clear(&exchange->answer);
    (void)lane_hold_bytes(exchange->lane, -(int64_t)exchange->body.len);
    buf_clear(&exchange->body);
    free(exchange);
}

void exchange_keep(struct exchange *exchange)
{
    exchange->holders++;
}

void exchange_release(struct exchange *exchange)
{
    if (--exchange->holders > 0)
        return;
    unlink_from(lane_orphans(exchange->lane), exchange);
    destroy(exchange);
}

/* libmicrohttpd has done with it. Whoever keeps it may still call back: until then it is an orphan, which the lane ends
 * when nobody can any more. */
void exchange_close(struct exchange *exchange)
{
    if (exchange->phase == PHASE_WAITING)
        leave_waiting(exchange);
    exchange_note_whole(exchange);
    exchange->phase = PHASE_READY;
    exchange->connection = NULL;
    lane_count(exchange->lane, -1);
    link_last(lane_orphans(exchange->lane), exchange);
    exchange_release(exchange);
}

void exchange_end_orphans(struct waiting *orphans)
{
    for (struct exchange *exchange = orphans->first, *next; exchange; exchange = next) {
        next = exchange->next;
        destroy(exchange);
    }
    *orphans = (struct waiting){NULL, NULL};
}

/* --- answers --- */

struct answer *exchange_answer(struct exchange *exchange)
{
    return exchange->phase == PHASE_READY ? NULL : &exchange->answer;
}

void exchange_send(struct exchange *exchange)
{
    wait_no_more(exchange, PHASE_READY);
}

void exchange_problem(struct exchange *exchange, int status, const char *code, const char *pointer, const char *detail)
{
    struct answer *answer = exchange_answer(exchange);

    if (!answer)
        return;
    answer_problem(answer, status, code, pointer, "%s", detail);
    answer->asks_for_bearer = status == 401 && exchange->endpoint && exchange->endpoint->right != 0;
    exchange_send(exchange);
}

void exchange_unavailable(struct exchange *exchange, const char *code, const char *detail)
{
    struct answer *answer = exchange_answer(exchange);

    if (!answer)
        return;
    answer_problem(answer, 503, code, NULL, "%s", detail);
    answer->retry_after_s = RETRY_AFTER_S;
    COUNT_UP(exchange_gateway(exchange)->counters.unavailable);
    exchange_send(exchange);
}

void exchange_redis_away(struct exchange *exchange, int rc)
{
    if (rc == ERR_STATE)
        exchange_unavailable(exchange, "redis_refused", "Redis refused the step; the gateway's log says why");
    else
        exchange_unavailable(exchange, "redis_away", "Redis is away; nothing is lost, ask again");
}
