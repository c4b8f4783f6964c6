/* All messages that were accepted, page by page: the tutorial's listing, and the details query of the real analytics.
 *
 * The tutorial shows the arguments and pageNumber, pageSize, total, hasMore and entities with id, channelType, status,
 * createdDate, sentDate and deliveredDate; addresses and metadata are not in it, so `from` and `to` are here as they
 * are when a message is sent. The query is the vendor SDK's ConversationQuery, as far as interval, order and paging;
 * every message is a conversation of its own here, also where two were sent into one. Both are read while messages
 * come in: later ones are behind, so that earlier pages stay as they were. */
#include "tests/sandbox/api.h"
#include "tests/sandbox/route.h"
#include "tests/sandbox/units.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE_USUAL 25
#define PAGE_SIZE_MAX   100
#define PAGE_NUMBER_MAX 1000000

/* Instants as text of one form, which compares as time does. */
struct listing {
    char from[TEXT_ISO_SIZE];
    char to[TEXT_ISO_SIZE];
    bool stages[STAGE_COUNT];
    bool of_conversations; /* only what was sent into one */
    int64_t size;
    int64_t number;
};

static bool read_instant(const char *text, size_t length, char out[TEXT_ISO_SIZE])
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    if (length != sizeof form - 1) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        bool fits = form[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i];
        if (!fits) {
            return false;
        }
    }
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

/* read_range: two instants with `between` between them. */
static bool read_range(const char *text, char between, struct listing *listing)
{
    const char *middle = strchr(text, between);
    return middle != NULL && read_instant(text, (size_t)(middle - text), listing->from) &&
           read_instant(middle + 1, strlen(middle + 1), listing->to) && strcmp(listing->from, listing->to) <= 0;
}

static bool read_stages(const char *names, struct listing *listing)
{
    while (*names != '\0') {
        size_t length = strcspn(names, ",");
        bool known = false;
        for (int i = 0; i < STAGE_COUNT; i++) {
            const char *name = stage_tutorial_name((enum stage)i);
            if (strlen(name) == length && memcmp(name, names, length) == 0) {
                listing->stages[i] = true;
                known = true;
            }
        }
        if (!known) {
            return false;
        }
        names += length + (names[length] == ',');
    }
    return true;
}

static bool takes(const struct listing *listing, const struct ledger_message *message, enum stage stage)
{
    char time[TEXT_ISO_SIZE];
    clock_format_iso(message->time_ms, time);
    if (listing->of_conversations && message->parts[LEDGER_CONVERSATION_ID][0] == '\0') {
        return false;
    }
    return listing->stages[stage] && strcmp(time, listing->from) >= 0 && strcmp(time, listing->to) < 0;
}

static enum stage stage_of(const struct ledger_message *message)
{
    return fate_stage(&message->fate, clock_wall_ms() - message->time_ms);
}

static void say_stage_time(struct text *out, const char *before, const struct ledger_message *message, enum stage stage)
{
    uint32_t after_ms = message->fate.at_ms[stage];
    if (after_ms == FATE_NEVER || message->time_ms + after_ms > clock_wall_ms()) {
        return;
    }
    char time[TEXT_ISO_SIZE];
    clock_format_iso(message->time_ms + after_ms, time);
    text_pair(out, before, time);
}

static void render_entity(const struct ledger_message *message, enum stage stage, struct text *out)
{
    char time[TEXT_ISO_SIZE];
    const char *channel = message->parts[LEDGER_CHANNEL];
    clock_format_iso(message->time_ms, time);
    text_pair(out, "{\"id\":", message->parts[LEDGER_PROVIDER_ID]);
    text_printf(out, ",\"channelType\":\"%s%s\"", strncmp(channel, "messaging:", 10) == 0 ? "" : "messaging:", channel);
    text_pair(out, ",\"status\":", stage_tutorial_name(stage));
    text_pair(out, ",\"createdDate\":", time);
    say_stage_time(out, ",\"sentDate\":", message, STAGE_SENT);
    say_stage_time(out, ",\"deliveredDate\":", message, STAGE_DELIVERED);
    text_pair(out, ",\"from\":{\"address\":", message->parts[LEDGER_FROM]);
    text_pair(out, "},\"to\":[{\"address\":", message->parts[LEDGER_TO]);
    text_say(out, "}]}");
}

static const char *delivery_status(enum stage stage)
{
    static const char *const names[STAGE_COUNT] = {
        [STAGE_QUEUED] = "Queued",
        [STAGE_SENT] = "Sent",
        [STAGE_DELIVERED] = "DeliverySuccess",
        [STAGE_READ] = "Read",
        [STAGE_FAILED] = "DeliveryFailed",
    };
    return names[stage];
}

static void render_conversation(const struct ledger_message *message, enum stage stage, struct text *out)
{
    char time[TEXT_ISO_SIZE];
    const char *channel = message->parts[LEDGER_CHANNEL];
    clock_format_iso(message->time_ms, time);
    text_pair(out, "{\"conversationId\":", message->parts[LEDGER_CONVERSATION_ID]);
    text_pair(out, ",\"conversationStart\":", time);
    text_say(out, ",\"originatingDirection\":\"outbound\",\"participants\":[{\"purpose\":\"customer\",\"sessions\":[{"
                  "\"mediaType\":\"message\",\"direction\":\"outbound\"");
    text_pair(out, ",\"messageType\":", strncmp(channel, "messaging:", 10) == 0 ? channel + 10 : channel);
    text_pair(out, ",\"addressFrom\":", message->parts[LEDGER_FROM]);
    text_pair(out, ",\"addressTo\":", message->parts[LEDGER_TO]);
    text_pair(out, ",\"deliveryStatus\":", delivery_status(stage));
    say_stage_time(out, ",\"deliveryStatusChangeDate\":", message, stage);
    text_say(out, "}]}]}");
}

/* list: how many there are in all, those of the page rendered; -1 when the ledger was cleared meanwhile. */
static int64_t list(struct ledger *ledger, const struct listing *listing,
                    void (*render)(const struct ledger_message *message, enum stage stage, struct text *out),
                    struct text *out)
{
    struct ledger_cursor cursor;
    struct ledger_message *message = malloc(sizeof *message);
    int64_t total = 0, first = (listing->number - 1) * listing->size;
    int read = message == NULL ? -1 : 1;
    const char *comma = "";
    ledger_start(ledger, 1, UINT64_MAX, &cursor);
    while (read > 0 && (read = ledger_read(ledger, &cursor, message)) > 0) {
        enum stage stage = stage_of(message);
        if (!takes(listing, message, stage)) {
            continue;
        }
        if (total >= first && total < first + listing->size) {
            text_say(out, comma);
            render(message, stage, out);
            comma = ",";
        }
        total++;
    }
    free(message);
    return read < 0 ? -1 : total;
}

static bool read_number(struct request *request, const char *name, int64_t most, int64_t *number)
{
    const char *argument = request_query(request, name);
    if (argument == NULL || units_parse_int(argument, 1, most, number) == 0) {
        return true;
    }
    reply_error(request, 400, "invalid.value", name, "The argument is no number or out of its range.");
    return false;
}

void report_messages(const struct api_call *call)
{
    struct request *request = call->request;
    struct listing listing = {.size = PAGE_SIZE_USUAL, .number = 1};
    const char *status = request_query(request, "status"), *created = request_query(request, "createdDate");
    if (!read_number(request, "pageSize", PAGE_SIZE_MAX, &listing.size) ||
        !read_number(request, "pageNumber", PAGE_NUMBER_MAX, &listing.number)) {
        return;
    }
    if (!read_stages(status != NULL ? status : "queued,sent,delivered,read,failed", &listing)) {
        reply_error(request, 400, "invalid.value", "status", "No such status.");
        return;
    }
    if (created == NULL || !read_range(created, ',', &listing)) {
        reply_error(request, 400, "invalid.date", "createdDate", "The argument must be two instants with a comma.");
        return;
    }
    struct text *out = reply_json(request, 200);
    text_say(out, "{\"entities\":[");
    int64_t total = list(request->app->ledger, &listing, render_entity, out);
    text_printf(out, "],\"pageNumber\":%" PRId64 ",\"pageSize\":%" PRId64 ",\"total\":%" PRId64 ",\"hasMore\":%s}",
                listing.number, listing.size, total, total > listing.number * listing.size ? "true" : "false");
}

void report_details(const struct api_call *call)
{
    struct request *request = call->request;
    struct listing listing = {.size = PAGE_SIZE_USUAL, .number = 1, .of_conversations = true};
    struct problem problem = {0};
    struct span interval = body_string(call->body, "", "interval", true, &problem);
    const struct json_object *paging = body_object(call->body, "paging", false, &problem);
    char text[2 * TEXT_ISO_SIZE + 1] = "";
    for (int i = 0; i < STAGE_COUNT; i++) {
        listing.stages[i] = true;
    }
    if (paging != NULL) {
        listing.size = body_int(paging, "pageSize", 1, PAGE_SIZE_MAX, PAGE_SIZE_USUAL, &problem);
        listing.number = body_int(paging, "pageNumber", 1, PAGE_NUMBER_MAX, 1, &problem);
    }
    if (interval.bytes != NULL && interval.length < sizeof text) {
        memcpy(text, interval.bytes, interval.length);
    }
    if (problem.code == NULL && !read_range(text, '/', &listing)) {
        problem_set(&problem, "invalid.date", "interval", "The interval must be two instants with a slash.");
    }
    if (problem.code != NULL) {
        reply_problem(request, &problem);
        return;
    }
    struct text *out = reply_json(request, 200);
    text_say(out, "{\"conversations\":[");
    int64_t total = list(request->app->ledger, &listing, render_conversation, out);
    text_printf(out, "],\"totalHits\":%" PRId64 "}", total);
}
