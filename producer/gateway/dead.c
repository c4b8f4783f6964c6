/* GET /v1/dead: how many dead letters there are, by what; POST /v1/dead/replay: puts those that a filter takes back on
 * their lists. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "producer/command.h"
#include "producer/dead_counts.h"
#include "producer/dead_replay.h"
#include "producer/gateway/clerks.h"
#include "producer/gateway/endpoints.h"
#include "producer/gateway/exchange.h"
#include "producer/gateway/gateway.h"
#include "producer/revival.h"

#define REPLAY_PATIENCE_MS 60000 /* how long a client may wait; the replay then stops, and can be asked for again */
#define REPLAY_LIMIT       10000 /* letters, unless the client says how many */
#define REPLAY_LIMIT_MAX   100000

struct job {
    struct gateway *gateway;
    char actor[AUDIT_ACTOR_MAX + 1];
    struct dead_filter filter;
    struct store_dead_counts counts; /* of a look */
    struct json *body;               /* of a replay, with all that borrows from it */
    struct audit_by by;
    struct dead_job replay;
    struct dead_tally tally;
    int64_t stop_at_ms;
    struct reason why;
    int rc;
};

static void job_destroy(void *context)
{
    struct job *job = context;

    dead_filter_clear(&job->filter);
    json_free(job->body);
    free(job);
}

static struct job *job_new(struct exchange *exchange)
{
    struct job *job = mem_zalloc(1, sizeof(*job));

    job->gateway = exchange_gateway(exchange);
    exchange_actor(exchange, job->actor);
    return job;
}

static void fail(const struct job *job, struct exchange *exchange)
{
    if (job->rc == ERR_INVALID)
        exchange_problem(exchange, 422, "field_invalid", NULL, job->why.text);
    else
        exchange_redis_away(exchange, job->rc);
}

/* --- looking --- */

static void look(void *context, struct store *store, struct gateway *gateway)
{
    struct job *job = context;

    (void)gateway;
    job->rc = dead_counts_read(store, &job->filter, &job->counts, NULL, NULL, COMMAND_PATIENCE_MS, &job->why);
}

static void show(void *context, struct exchange *exchange)
{
    const struct job *job = context;
    struct buf *body;

    if (job->rc != 0) {
        fail(job, exchange);
        return;
    }
    body = answer_json(exchange_answer(exchange), 200);
    dead_counts_write_json(&job->counts, body);
    buf_char(body, '\n');
    exchange_send(exchange);
}

void dead_answer(struct exchange *exchange)
{
    static const struct clerk_job kind = {REPLAY_PATIENCE_MS, look, show, job_destroy};
    struct job *job = job_new(exchange);

    if (dead_filter_parse(&job->filter, exchange_query(exchange, "filter"), clock_wall_ms(), &job->why) == 0) {
        clerks_ask(exchange, &kind, job);
        return;
    }
    exchange_problem(exchange, 422, "filter_invalid", NULL, job->why.text);
    job_destroy(job);
}

/* --- replaying --- */

static int wrong(struct refusal *why, const char *field, const char *detail)
{
    return refuse(why, "field_invalid", field, "%s", detail);
}

static int read_priority(const struct json *body, struct dead_job *ret, struct refusal *why)
{
    const struct json *member = json_get(body, "to_priority");
    const char *name = json_get_text(body, "to_priority");

    for (int i = 0; name && i < PRIORITY_COUNT; i++) {
        if (strcmp(name, priority_name((enum priority)i)) != 0)
            continue;
        ret->has_priority = true;
        ret->priority = (enum priority)i;
    }
    return !member || ret->has_priority ? 0 : wrong(why, "/to_priority", "must be high, normal or low");
}

static int read_filter(struct job *job, struct refusal *why)
{
    const struct json *member = json_get(job->body, "filter");
    struct reason reason;

    if (!member || json_kind(member) != JSON_TEXT)
        return wrong(why, "/filter", "must be a text such as `reason=rejected`; an empty one takes all dead letters");
    if (dead_filter_parse(&job->filter, json_get_text(job->body, "filter"), clock_wall_ms(), &reason) != 0)
        return refuse(why, "filter_invalid", "/filter", "%s", reason.text);
    return 0;
}

static int read_by(struct job *job, struct refusal *why)
{
    const char *given = json_get_text(job->body, "reason");
    struct reason reason;

    job->by = (struct audit_by){.actor = job->actor, .reason = given ? given : ""};
    if (!given || !*given)
        return wrong(why, "/reason", "why are they replayed? A sentence for the audit is needed");
    return audit_check_by(&job->by, &reason) == 0 ? 0 : wrong(why, "/reason", reason.text);
}

static int read_patch(struct job *job, struct refusal *why)
{
    struct reason reason;

    job->replay.patch = json_get(job->body, "edit");
    if (!job->replay.patch || reviver_check_patch(job->replay.patch, &reason) == 0)
        return 0;
    return wrong(why, "/edit", reason.text);
}

static int read_rest(struct job *job, struct refusal *why)
{
    const struct json *limit = json_get(job->body, "limit"), *dry = json_get(job->body, "dry_run");

    job->replay.limit = REPLAY_LIMIT;
    if (limit &&
        (!json_integer(limit, &job->replay.limit) || job->replay.limit < 1 || job->replay.limit > REPLAY_LIMIT_MAX))
        return refuse(why, "field_invalid", "/limit", "must be a number from 1 to %d", REPLAY_LIMIT_MAX);
    if (dry && json_kind(dry) != JSON_BOOL)
        return wrong(why, "/dry_run", "must be true or false");
    job->replay.is_dry = json_is_true(dry);
    return read_priority(job->body, &job->replay, why);
}

static int read_job(struct job *job, struct span body, struct refusal *why)
{
    struct reason reason;

    if (json_parse(&job->body, body.data, body.len, &reason) != 0)
        return refuse(why, "json_invalid", "", "%s", reason.text);
    if (json_kind(job->body) != JSON_OBJECT)
        return refuse(why, "json_invalid", "", "must be an object");
    if (read_filter(job, why) != 0 || read_by(job, why) != 0 || read_patch(job, why) != 0)
        return ERR_INVALID;
    return read_rest(job, why);
}

static bool may_go_on(void *context, const struct dead_tally *tally)
{
    const struct job *job = context;

    (void)tally;
    return clock_mono_ms() < job->stop_at_ms && !atomic_load(&job->gateway->is_stopping);
}

static void replay(void *context, struct store *store, struct gateway *gateway)
{
    struct job *job = context;

    job->replay.filter = &job->filter;
    job->replay.by = &job->by;
    job->replay.origins = gateway->settings->origins;
    job->replay.patience_ms = COMMAND_PATIENCE_MS;
    job->replay.go_on = may_go_on;
    job->replay.context = job;
    job->rc = dead_job_run(store, &job->replay, &job->tally, &job->why);
}

static void show_tally(void *context, struct exchange *exchange)
{
    const struct job *job = context;
    struct buf *body;

    if (job->rc != 0) {
        fail(job, exchange);
        return;
    }
    body = answer_json(exchange_answer(exchange), 200);
    dead_tally_write_json(&job->replay, &job->tally, body);
    buf_char(body, '\n');
    exchange_send(exchange);
}

void dead_replay_answer(struct exchange *exchange)
{
    static const struct clerk_job kind = {REPLAY_PATIENCE_MS, replay, show_tally, job_destroy};
    struct job *job = job_new(exchange);
    struct refusal why;

    job->stop_at_ms = clock_mono_ms() + REPLAY_PATIENCE_MS / 2;
    if (read_job(job, exchange_body(exchange), &why) == 0) {
        clerks_ask(exchange, &kind, job);
        return;
    }
    exchange_problem(exchange, strcmp(why.code, "json_invalid") == 0 ? 400 : 422, why.code, why.field, why.text);
    job_destroy(job);
}
