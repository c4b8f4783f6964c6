/* A send: authentication, rate window, faults, validation, ledger, answer, in the order of the platform's gateway.
 *
 * What is decided here is what happened: the ledger entry is complete before the answer is delayed, reset or lost. */
#include "tests/sandbox/request.h"
#include "tests/sandbox/route.h"

#include <string.h>

/* A send on its way through; `body` is owned, everything else borrows from it or from the request. */
struct sending {
    const struct route *route;
    const struct tuning *tuning;
    struct json_object *body;
    struct message message;
    struct problem problem;
    struct verdict verdict;
};

static bool is_request_id(const char *id)
{
    size_t length = 0;
    while (id[length] > ' ' && id[length] < 0x7f) {
        length++;
    }
    return id[length] == '\0' && length > 0 && length <= REQUEST_ID_MAX;
}

static struct span span_of(const char *string)
{
    return (struct span){string, string == NULL ? 0 : strlen(string)};
}

/* judge: true if a script step or a fault decides about this send. */
static bool judge(struct request *request, struct sending *sending)
{
    struct app *app = request->app;
    const struct subject subject = {.parts = {
                                        [SUBJECT_ROUTE] = span_of(sending->route->name),
                                        [SUBJECT_TO] = sending->message.to,
                                        [SUBJECT_FROM] = sending->message.from,
                                        [SUBJECT_CHANNEL] = sending->message.channel,
                                        [SUBJECT_REQUEST_ID] = span_of(request->request_id),
                                    }};
    if (script_take(app->script, &subject, &sending->verdict)) {
        count_up(&app->counters.scripted);
        return true;
    }
    const struct tuning *tuning = sending->tuning;
    double draw = dice_fraction(&app->fault_dice);
    if (tuning->fault_first > 0 && count_of(&app->fault_dice.drawn) > (uint64_t)tuning->fault_first) {
        return false;
    }
    enum fault fault = tuning_pick_fault(tuning, draw);
    if (fault == FAULT_COUNT) {
        return false;
    }
    count_up(&app->counters.faults[fault]);
    fault_judge(fault, &sending->verdict);
    return true;
}

static int answered(const struct sending *sending)
{
    const struct verdict *verdict = &sending->verdict;
    if (verdict->how == HOW_RESET) {
        return LEDGER_RESET;
    }
    if (verdict->how == HOW_HANG) {
        return LEDGER_HANG;
    }
    return verdict->status == 0 ? sending->route->status : verdict->status;
}

/* record: the message into the ledger; -1 if it is full. */
static int record(struct request *request, const struct sending *sending, struct names *ret_names)
{
    struct app *app = request->app;
    const struct message *message = &sending->message;
    struct names *names = ret_names;
    int64_t now_ms = clock_wall_ms();
    sending->route->name_message(&app->name_dice, message, names);
    clock_format_iso(now_ms, names->time);
    struct ledger_entry entry = {
        .time_ms = now_ms,
        .mono_us = clock_mono_us(),
        .route = sending->route->name,
        .answered = answered(sending),
        .recipients = message->recipients,
        .text = message->text,
        .parts =
            {
                [LEDGER_TO] = message->to,
                [LEDGER_FROM] = message->from,
                [LEDGER_CHANNEL] = message->channel,
                [LEDGER_REQUEST_ID] = span_of(request->request_id),
                [LEDGER_TRACEPARENT] = span_of(request->traceparent),
                [LEDGER_CONVERSATION_ID] = span_of(names->conversation_id),
                [LEDGER_PROVIDER_ID] = span_of(names->provider_id),
            },
    };
    if (message->text.bytes != NULL &&
        EVP_Digest(message->text.bytes, message->text.length, entry.digest, NULL, app->sha256, NULL) != 1) {
        return -1;
    }
    fate_draw(&sending->tuning->odds, sending->verdict.failure, &app->fate_dice, &entry.fate);
    bool is_wanted = hooks_are_there(app->hooks);
    if (is_wanted && !events_have_room(app->events)) {
        return -1;
    }
    int result = ledger_append(app->ledger, &entry);
    if (is_wanted && result == 0) {
        receipts_accept(app->receipts, sending->tuning, &entry);
    }
    return result;
}

static void answer(struct request *request, struct sending *sending)
{
    const struct verdict *verdict = &sending->verdict;
    struct names names;
    if (verdict->accept && sending->problem.code != NULL) {
        reply_problem(request, &sending->problem);
        return;
    }
    if (verdict->accept && record(request, sending, &names) != 0) {
        reply_error(request, 503, NULL, NULL,
                    "The sandbox ledger is full (--ledger-max, --ledger-bytes, --events-max, --events-bytes).");
        return;
    }
    if (!gate_apply(request, sending->tuning, verdict)) {
        int status = verdict->status == 0 ? sending->route->status : verdict->status;
        sending->route->render(reply_json(request, status), &sending->message, &names);
    }
}

static void process(struct request *request, struct sending *sending)
{
    sending->body = body_parse(request->body.data, request->body.length, &sending->problem);
    if (sending->body != NULL && !body_is_object(sending->body)) {
        problem_set(&sending->problem, "bad.request", NULL, "The request body must be a JSON object.");
    }
    if (sending->problem.code == NULL) {
        sending->route->check(sending->body, &sending->message, &sending->problem);
    }
    if (!judge(request, sending)) {
        sending->verdict = (struct verdict){.how = HOW_PLAIN, .accept = true, .retry_after_s = -1};
    }
    answer(request, sending);
    body_free(sending->body);
}

void send_answer(struct request *request, const struct tuning *tuning)
{
    struct app *app = request->app;
    struct sending sending = {.tuning = tuning};
    sending.route = route_find(request->path, &sending.message.conversation);
    if (sending.route == NULL) {
        api_answer(request, tuning);
        return;
    }
    if (request->method == METHOD_GET) {
        api_answer(request, tuning); /* one of these paths has a listing as well */
        return;
    }
    if (request->method != METHOD_POST) {
        reply_not_allowed(request, "POST");
        return;
    }
    count_up(&app->counters.requests);
    if (tuning->observe.width_us > 0) {
        window_note(app->observer);
    }
    request->reply.delay_us = latency_sample(&tuning->latency, &app->latency_dice);
    request->reply.echoes_request_id = sending.route->echoes_request_id;
    if (tuning->outage) {
        reply_error(request, 503, NULL, NULL, NULL);
        return;
    }
    if (!gate_is_authentic(request) || !request_is_json(request)) {
        return;
    }
    if (request->request_id != NULL && !is_request_id(request->request_id)) {
        request->request_id = NULL; /* not echoed either */
        reply_error(request, 400, NULL, NULL, "The header X-Genesys-Request-Id must be 1 to 256 printable characters.");
        return;
    }
    if (gate_is_in_window(request, tuning)) {
        process(request, &sending);
    }
}
