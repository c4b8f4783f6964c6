/* What has become of a message: MessageData, of one or of up to 1000 of a conversation.
 *
 * The bulk answer is the SDK's TextMessageListing. Not established: what the platform says to ids it does not know
 * (here they are left out), and to messages of another conversation (the same). The tutorial's messages have no
 * conversation and cannot be asked for here. */
#include "tests/sandbox/api.h"
#include "tests/sandbox/route.h"

#include <string.h>

#define BULK_MAX 1000

static void render_receipt(const struct ledger_message *message, enum stage stage, struct text *out)
{
    char time[TEXT_ISO_SIZE];
    clock_format_iso(message->time_ms + message->fate.at_ms[stage], time);
    text_pair(out, "{\"id\":", message->parts[LEDGER_PROVIDER_ID]);
    text_pair(out, ",\"channel\":{\"messageId\":", message->parts[LEDGER_PROVIDER_ID]);
    text_pair(out, ",\"time\":", time);
    text_pair(out, "},\"type\":\"Receipt\",\"direction\":\"Outbound\",\"status\":", stage_receipt_name(stage));
    if (stage == STAGE_FAILED) {
        text_pair(out, ",\"reasons\":[{\"code\":", failure_name(message->fate.failure));
        text_pair(out, ",\"message\":", failure_message(message->fate.failure));
        text_say(out, "}]");
    }
    text_say(out, fate_ends(&message->fate, stage) ? ",\"isFinalReceipt\":true}" : ",\"isFinalReceipt\":false}");
}

static void render(const struct ledger_message *message, struct text *out)
{
    int64_t age_ms = clock_wall_ms() - message->time_ms;
    enum stage now = fate_stage(&message->fate, age_ms);
    char time[TEXT_ISO_SIZE];
    clock_format_iso(message->time_ms, time);
    text_pair(out, "{\"id\":", message->parts[LEDGER_PROVIDER_ID]);
    text_pair(out, ",\"timestamp\":", time);
    text_pair(out, ",\"fromAddress\":", message->parts[LEDGER_FROM]);
    text_pair(out, ",\"toAddress\":", message->parts[LEDGER_TO]);
    text_pair(out, ",\"direction\":\"outbound\",\"messengerType\":", message->parts[LEDGER_CHANNEL]);
    text_pair(out, ",\"status\":", stage_api_name(now));
    text_say(out, ",\"normalizedReceipts\":[");
    const char *comma = "";
    for (int i = 0; i < STAGE_COUNT; i++) {
        enum stage stage = (enum stage)i;
        if (stage_receipt_name(stage) != NULL && message->fate.at_ms[stage] != FATE_NEVER &&
            message->fate.at_ms[stage] <= age_ms) {
            text_say(out, comma);
            render_receipt(message, stage, out);
            comma = ",";
        }
    }
    text_pair(out, "],\"conversationId\":", message->parts[LEDGER_CONVERSATION_ID]);
    text_say(out, ",\"selfUri\":\"/api/v2/conversations/messages/");
    text_say(out, message->parts[LEDGER_CONVERSATION_ID]);
    text_say(out, "/messages/");
    text_say(out, message->parts[LEDGER_PROVIDER_ID]);
    text_say(out, "\"}");
}

/* find: as ledger_find, of this conversation. */
static int find(const struct api_call *call, struct span id, struct ledger_message *message)
{
    int found = ledger_find(call->request->app->ledger, id, message);
    return found > 0 && !route_span_is(call->arguments[0], message->parts[LEDGER_CONVERSATION_ID]) ? 0 : found;
}

void status_show(const struct api_call *call)
{
    struct ledger_message message;
    int found = find(call, call->arguments[1], &message);
    if (found > 0) {
        render(&message, reply_json(call->request, 200));
    } else {
        reply_error(call->request, found == 0 ? 404 : 500, NULL, NULL, NULL);
    }
}

/* check_ids: the problem with a body that is no list of ids. */
static void check_ids(const struct json_object *body, struct problem *problem)
{
    size_t count = body_count(body);
    if (!body_is_array(body)) {
        problem_set(problem, "bad.request", NULL, "The request body must be a JSON array of message ids.");
    } else if (count > BULK_MAX) {
        problem_set(problem, "bad.request", NULL, "The request body has %zu message ids; the limit is %d.", count,
                    BULK_MAX);
    }
    for (size_t i = 0; i < count && problem->code == NULL; i++) {
        if (body_plain(body_element(body, i)).bytes == NULL) {
            problem_set(problem, "bad.request", NULL, "The element %zu is no message id.", i);
        }
    }
}

void status_bulk(const struct api_call *call)
{
    struct request *request = call->request;
    struct problem problem = {0};
    check_ids(call->body, &problem);
    if (problem.code != NULL) {
        reply_problem(request, &problem);
        return;
    }
    struct text *out = reply_json(request, 200);
    text_say(out, "{\"entities\":[");
    const char *comma = "";
    size_t count = body_count(call->body);
    for (size_t i = 0; i < count; i++) {
        struct ledger_message message;
        if (find(call, body_plain(body_element(call->body, i)), &message) > 0) {
            text_say(out, comma);
            render(&message, out);
            comma = ",";
        }
    }
    text_say(out, "]}");
}
