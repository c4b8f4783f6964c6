/* /sandbox/...: how a test looks into the sandbox and turns its knobs. No token is needed.
 *
 * Every change is checked as a whole before anything is taken over. */
#include "tests/sandbox/request.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void show_summary(struct request *request)
{
    struct app *app = request->app;
    const struct counters *counters = &app->counters;
    struct ledger_counts counts;
    if (ledger_count(app->ledger, &counts) != 0) {
        reply_error(request, 500, NULL, NULL, "The sandbox is out of memory.");
        return;
    }
    struct text *out = reply_json(request, 200);
    text_printf(out,
                "{\"accepted\":%" PRIu64 ",\"unique_request_ids\":%" PRIu64 ",\"without_request_id\":%" PRIu64
                ",\"duplicates\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"calls\":%" PRIu64 ",\"token_requests\":%" PRIu64
                ",\"tokens_issued\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"scripted\":%" PRIu64
                ",\"resets\":%" PRIu64 ",\"hangs\":%" PRIu64 ",\"by_status\":{",
                counts.accepted, counts.unique_request_ids, counts.without_request_id, counts.duplicates,
                count_of(&counters->requests), count_of(&counters->calls), count_of(&counters->token_requests),
                count_of(&counters->tokens_issued), count_of(&counters->connections), count_of(&counters->scripted),
                count_of(&counters->resets), count_of(&counters->hangs));
    const char *comma = "";
    for (int status = 0; status < APP_STATUS_MAX; status++) {
        uint64_t count = count_of(&counters->by_status[status]);
        if (count > 0) {
            text_printf(out, "%s\"%d\":%" PRIu64, comma, status, count);
            comma = ",";
        }
    }
    text_say(out, "},\"faults\":{");
    for (int fault = 0; fault < FAULT_COUNT; fault++) {
        text_printf(out, "%s\"%s\":%" PRIu64, fault == 0 ? "" : ",", fault_name((enum fault)fault),
                    count_of(&counters->faults[fault]));
    }
    struct tuning tuning;
    tuner_get(&app->tuner, &tuning);
    bool exact = true;
    int64_t peak = window_peak(app->observer, &exact);
    if (tuning.observe.width_us == 0) {
        text_say(out, "},\"max_in_window\":null");
    } else {
        text_printf(out, "},\"max_in_window\":%" PRId64 ",\"max_in_window_exact\":%s", peak, exact ? "true" : "false");
    }
    text_say(out, ",\"receipts\":");
    receipts_render(app->receipts, out);
    text_say(out, "}\n");
}

/* read_number: 0, or -1 with a 400 in the reply. An absent argument leaves *number alone. */
static int read_number(struct request *request, const char *name, int64_t *number)
{
    const char *argument = request_query(request, name);
    if (argument != NULL && units_parse_int(argument, 0, INT64_MAX, number) != 0) {
        reply_error(request, 400, NULL, name, "The argument must be a whole number.");
        return -1;
    }
    return 0;
}

/* show_lines: of the ledger or of the events, the part that is asked for. */
static void show_lines(struct request *request, bool are_events)
{
    struct app *app = request->app;
    int64_t from = 1;
    int64_t limit = INT64_MAX;
    if (read_number(request, "from", &from) != 0 || read_number(request, "limit", &limit) != 0) {
        return;
    }
    struct reply *reply = &request->reply;
    reply->lines = calloc(1, sizeof *reply->lines);
    if (reply->lines == NULL) {
        reply_error(request, 500, NULL, NULL, "The sandbox is out of memory.");
        return;
    }
    if (are_events) {
        reply->lines->events = app->events;
        events_start(app->events, (uint64_t)from, (uint64_t)limit, &reply->lines->events_at);
    } else {
        reply->lines->ledger = app->ledger;
        ledger_start(app->ledger, (uint64_t)from, (uint64_t)limit, &reply->lines->ledger_at);
    }
    reply->how = HOW_PLAIN;
    reply->status = 200;
    reply->content_type = "application/x-ndjson";
}

static void show_ledger(struct request *request)
{
    const char *summary = request_query(request, "summary");
    if (summary != NULL && strcmp(summary, "1") == 0) {
        show_summary(request);
    } else {
        show_lines(request, false);
    }
}

static void show_events(struct request *request)
{
    show_lines(request, true);
}

static void show_config(struct request *request)
{
    struct tuning tuning;
    tuner_get(&request->app->tuner, &tuning);
    tuning_render(&tuning, reply_json(request, 200));
}

static void change_config(struct request *request, const struct json_object *body)
{
    struct app *app = request->app;
    struct problem problem = {0};
    struct tuning tuning;
    tuner_get(&app->tuner, &tuning);
    struct tuning before = tuning;
    if (!body_is_object(body)) {
        problem_set(&problem, "bad.request", NULL, "The request body must be a JSON object.");
    } else {
        tuning_patch(&tuning, body, &problem);
    }
    int64_t seed = -1;
    bool revokes = false;
    struct span secret = {NULL, 0};
    if (problem.code == NULL) {
        seed = body_int(body, "seed", 0, INT64_MAX, -1, &problem);
        revokes = body_bool(body, "", "revoke_tokens", &problem);
        secret = body_string(body, "", "webhook_secret", false, &problem);
    }
    if (problem.code != NULL) {
        reply_problem(request, &problem);
        return;
    }
    tuner_set(&app->tuner, &tuning);
    if (tuning.rate.limit != before.rate.limit || tuning.rate.width_us != before.rate.width_us) {
        window_set_rate(app->window, tuning.rate);
    }
    if (tuning.observe.width_us != before.observe.width_us) {
        window_set_rate(app->observer, tuning.observe);
        window_clear(app->observer);
    }
    if (revokes) {
        tokens_revoke_all(app->tokens);
    }
    if (seed >= 0) {
        app_seed(app, (uint64_t)seed);
    }
    if (secret.bytes != NULL) {
        hooks_set_secret(app->hooks, secret.bytes, secret.length);
    }
    show_config(request);
}

static void reset(struct request *request)
{
    struct app *app = request->app;
    struct counters *counters = &app->counters;
    _Atomic uint64_t *const single[] = {&counters->requests,      &counters->calls,       &counters->token_requests,
                                        &counters->tokens_issued, &counters->connections, &counters->scripted,
                                        &counters->resets,        &counters->hangs};
    ledger_clear(app->ledger);
    receipts_clear(app->receipts);
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
        atomic_store(single[i], 0);
    }
    for (int i = 0; i < APP_STATUS_MAX; i++) {
        atomic_store(&counters->by_status[i], 0);
    }
    for (int i = 0; i < FAULT_COUNT; i++) {
        atomic_store(&counters->faults[i], 0);
    }
    atomic_store(&app->fault_dice.drawn, 0);
    atomic_store(&app->latency_dice.drawn, 0);
    atomic_store(&app->fate_dice.drawn, 0);
    window_clear(app->observer); /* the window that refuses stays: a reset must not let more through than the rate */
    text_say(reply_json(request, 200), "{}");
}

static void show_script(struct request *request)
{
    script_render(request->app->script, reply_json(request, 200));
}

static void change_script(struct request *request, const struct json_object *body)
{
    struct problem problem = {0};
    if (!body_is_array(body)) {
        problem_set(&problem, "bad.request", NULL, "The request body must be a JSON array of steps.");
    } else {
        script_replace(request->app->script, body, &problem);
    }
    if (problem.code != NULL) {
        reply_problem(request, &problem);
        return;
    }
    show_script(request);
}

static const struct {
    const char *path;
    void (*get)(struct request *request);
    void (*post)(struct request *request);
    void (*post_json)(struct request *request, const struct json_object *body);
} controls[] = {
    {"/sandbox/ledger", show_ledger, NULL, NULL},
    {"/sandbox/events", show_events, NULL, NULL},
    {"/sandbox/config", show_config, NULL, change_config},
    {"/sandbox/script", show_script, NULL, change_script},
    {"/sandbox/reset", NULL, reset, NULL},
};

void control_answer(struct request *request)
{
    size_t at = 0;
    while (at < sizeof controls / sizeof controls[0] && strcmp(controls[at].path, request->path) != 0) {
        at++;
    }
    if (at == sizeof controls / sizeof controls[0]) {
        reply_error(request, 404, NULL, NULL, NULL);
        return;
    }
    if (request->method == METHOD_GET && controls[at].get != NULL) {
        controls[at].get(request);
        return;
    }
    if (request->method == METHOD_POST && controls[at].post != NULL) {
        controls[at].post(request);
        return;
    }
    if (request->method != METHOD_POST || controls[at].post_json == NULL) {
        reply_error(request, 405, NULL, NULL, NULL);
        return;
    }
    if (request->received > BODY_MAX) {
        reply_error(request, 413, NULL, NULL, NULL);
        return;
    }
    struct problem problem = {0};
    struct json_object *body = body_parse(request->body.data, request->body.length, &problem);
    if (problem.code != NULL) {
        reply_problem(request, &problem);
    } else {
        controls[at].post_json(request, body);
    }
    body_free(body);
}
