/* GET /v1/campaigns/{id}: how far it is; POST /v1/campaigns/{id}/pause, /resume and /cancel. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/timestamp.h"
#include "producer/command.h"
#include "producer/follow.h"
#include "producer/gateway/clerks.h"
#include "producer/gateway/endpoints.h"
#include "producer/gateway/exchange.h"

struct job {
    char campaign[ID_SIZE];
    char actor[AUDIT_ACTOR_MAX + 1];
    enum store_campaign_state state; /* of a change */
    int64_t moved;
    struct campaign_counts counts; /* of a look */
    struct reason why;
    int rc;
};

static struct job *job_new(const struct exchange *exchange)
{
    struct job *job = mem_zalloc(1, sizeof(*job));

    memcpy(job->campaign, exchange_segment(exchange), sizeof(job->campaign));
    return job;
}

static void fail(const struct job *job, struct exchange *exchange)
{
    if (job->rc == ERR_INVALID)
        exchange_problem(exchange, 404, "campaign_unknown", NULL, job->why.text);
    else
        exchange_redis_away(exchange, job->rc);
}

/* --- looking --- */

static void look(void *context, struct store *store, struct gateway *gateway)
{
    struct job *job = context;

    (void)gateway;
    job->rc = campaign_read(store, job->campaign, &job->counts, &job->why);
}

/* Rate and time left are those of the whole run so far: what a person would reckon. */
static void write_speed(const struct campaign_counts *counts, struct buf *body)
{
    double seconds = (double)(clock_wall_ms() - counts->first_at_ms) / 1000;
    double rate = seconds > 0 ? (double)counts->ended / seconds : 0;
    int64_t left = counts->accepted - counts->ended;

    buf_printf(body, ",\"percent\":%.1f,\"rate_per_s\":%.2f",
               counts->accepted > 0 ? (double)counts->ended * 100 / (double)counts->accepted : 0, rate);
    if (left == 0)
        buf_text(body, ",\"seconds_left\":0");
    else if (rate > 0)
        buf_printf(body, ",\"seconds_left\":%.0f", (double)left / rate);
}

static void show(void *context, struct exchange *exchange)
{
    const struct job *job = context;
    const struct campaign_counts *counts = &job->counts;
    char time[TIMESTAMP_SIZE];
    struct buf *body;

    if (job->rc != 0) {
        fail(job, exchange);
        return;
    }
    body = answer_json(exchange_answer(exchange), 200);
    buf_printf(body,
               "{\"id\":\"%s\",\"state\":\"%s\",\"first_at\":\"%s\",\"accepted\":%" PRId64 ",\"sent\":%" PRId64
               ",\"dead\":%" PRId64 ",\"cancelled\":%" PRId64 ",\"left\":%" PRId64,
               job->campaign, counts->state, timestamp_format(counts->first_at_ms, time), counts->accepted,
               counts->sent, counts->dead, counts->cancelled, counts->accepted - counts->ended);
    write_speed(counts, body);
    buf_char(body, ',');
    campaign_write_counters(counts, body);
    buf_text(body, "}\n");
    exchange_send(exchange);
}

void campaign_answer(struct exchange *exchange)
{
    static const struct clerk_job kind = {EXCHANGE_PATIENCE_MS, look, show, free};

    clerks_ask(exchange, &kind, job_new(exchange));
}

/* --- changing --- */

static void change(void *context, struct store *store, struct gateway *gateway)
{
    struct job *job = context;

    (void)gateway;
    job->rc = store_set_campaign(store, job->campaign, job->state, &(struct audit_by){.actor = job->actor}, &job->moved,
                                 COMMAND_PATIENCE_MS, &job->why);
}

static void show_change(void *context, struct exchange *exchange)
{
    const struct job *job = context;

    if (job->rc == ERR_STATE) {
        exchange_problem(exchange, 409, "campaign_cancelled", NULL, job->why.text);
        return;
    }
    if (job->rc != 0) {
        fail(job, exchange);
        return;
    }
    buf_printf(answer_json(exchange_answer(exchange), 200), "{\"id\":\"%s\",\"state\":\"%s\",\"moved\":%" PRId64 "}\n",
               job->campaign, campaign_state_name(job->state), job->moved);
    exchange_send(exchange);
}

static void ask_for(struct exchange *exchange, enum store_campaign_state state)
{
    static const struct clerk_job kind = {EXCHANGE_PATIENCE_MS, change, show_change, free};
    struct job *job = job_new(exchange);

    job->state = state;
    exchange_actor(exchange, job->actor);
    clerks_ask(exchange, &kind, job);
}

void campaign_pause(struct exchange *exchange)
{
    ask_for(exchange, STORE_PAUSED);
}

void campaign_resume(struct exchange *exchange)
{
    ask_for(exchange, STORE_RUNNING);
}

void campaign_cancel(struct exchange *exchange)
{
    ask_for(exchange, STORE_CANCELLED_FOR_GOOD);
}
