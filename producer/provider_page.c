#include "producer/provider_page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/ids.h"
#include "common/json.h"
#include "common/timestamp.h"

#define PATH_MAX_BYTES ((size_t)1024)
#define BODY_MAX_BYTES ((size_t)1024)

static const struct {
    const char *method, *path, *list;
} apis[PROVIDER_API_COUNT] = {
    [PROVIDER_MESSAGES] = {"GET", "/api/v2/messaging/messages", "entities"},
    [PROVIDER_ANALYTICS] = {"POST", "/api/v2/analytics/conversations/details/query", "conversations"},
};

void provider_request_init(struct provider_request *request)
{
    *request = (struct provider_request){.method = ""};
    buf_init(&request->full, PATH_MAX_BYTES);
    buf_init(&request->body, BODY_MAX_BYTES);
}

void provider_request_clear(struct provider_request *request)
{
    buf_clear(&request->full);
    buf_clear(&request->body);
}

void provider_request_fill(struct provider_request *request, enum provider_api api, int64_t from_ms, int64_t to_ms,
                           int64_t page)
{
    char from[TIMESTAMP_SIZE], to[TIMESTAMP_SIZE];

    (void)timestamp_format(from_ms, from);
    (void)timestamp_format(to_ms, to);
    request->method = apis[api].method;
    request->path = apis[api].path;
    buf_reset(&request->full);
    buf_reset(&request->body);
    buf_text(&request->full, request->path);
    switch (api) {
    case PROVIDER_MESSAGES:
        buf_printf(&request->full,
                   "?status=queued,sent,delivered,read,failed&createdDate=%s,%s&pageSize=%d&pageNumber=%" PRId64, from,
                   to, PROVIDER_PAGE_SIZE, page);
        break;
    case PROVIDER_ANALYTICS:
        buf_printf(
            &request->body,
            "{\"interval\":\"%s/%s\",\"order\":\"asc\",\"orderBy\":\"conversationStart\",\"paging\":{\"pageSize\":%d,"
            "\"pageNumber\":%" PRId64 "},\"segmentFilters\":[{\"type\":\"and\",\"predicates\":[{\"type\":\"dimension\","
            "\"dimension\":\"mediaType\",\"operator\":\"matches\",\"value\":\"message\"},{\"type\":\"dimension\","
            "\"dimension\":\"direction\",\"operator\":\"matches\",\"value\":\"outbound\"}]}]}",
            from, to, PROVIDER_PAGE_SIZE, page);
        break;
    case PROVIDER_API_COUNT:
        break;
    }
}

/* --- answers --- */

/* An id becomes part of a key, so it is one of ours in form, or none. */
static void copy_id(const struct json *object, const char *key, char out[PROVIDER_TEXT_SIZE])
{
    const char *text = json_get_text(object, key);

    (void)snprintf(out, PROVIDER_TEXT_SIZE, "%s", text && id_is_valid(text, strlen(text)) ? text : "");
}

static void copy_text(const struct json *object, const char *key, char out[PROVIDER_TEXT_SIZE])
{
    const char *text = json_get_text(object, key);

    (void)snprintf(out, PROVIDER_TEXT_SIZE, "%s", text && strlen(text) < PROVIDER_TEXT_SIZE ? text : "");
}

static int64_t read_time(const struct json *object, const char *key)
{
    const char *text = json_get_text(object, key);
    int64_t ms = 0;

    return text && timestamp_parse(text, &ms) ? ms : 0;
}

/* `messaging:sms` or `sms`, or a name of the agentless API. */
static enum channel read_channel(const char *text)
{
    static const char prefix[] = "messaging:";

    if (!text)
        return CHANNEL_NONE;
    if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
        text += sizeof(prefix) - 1;
    return strcmp(text, "webmessaging") == 0 ? CHANNEL_WEB : channel_find(span_of(text));
}

static void read_person(enum channel channel, const char *address, char out[CHANNEL_PERSON_SIZE])
{
    struct refusal refusal;
    struct span person;

    out[0] = '\0';
    if (address && channel != CHANNEL_NONE &&
        channel_read_address(channel, span_of(address), "", &person, &refusal) == 0)
        (void)channel_person(channel, person, out);
}

static enum delivery read_delivery(const char *text)
{
    enum delivery delivery = DELIVERY_PENDING;

    if (text)
        (void)delivery_parse(span_of(text), &delivery); /* else nothing is known of it */
    return delivery;
}

static bool read_entity(const struct json *entity, struct provider_message *ret)
{
    const struct json *to = json_get(entity, "to");

    copy_id(entity, "id", ret->id);
    copy_id(entity, "conversationId", ret->conversation_id);
    copy_text(json_get(entity, "from"), "address", ret->from);
    copy_text(json_get(entity, "metadata"), "campaignId", ret->campaign);
    ret->channel = read_channel(json_get_text(entity, "channelType"));
    read_person(ret->channel, json_count(to) == 1 ? json_get_text(json_at(to, 0), "address") : NULL, ret->to);
    ret->delivery = read_delivery(json_get_text(entity, "status"));
    ret->created_ms = read_time(entity, "createdDate");
    ret->sent_ms = read_time(entity, "sentDate");
    ret->delivered_ms = read_time(entity, "deliveredDate");
    return ret->id[0] != '\0' && ret->created_ms > 0;
}

/* The session that went out; NULL: none did. */
static const struct json *outbound_session(const struct json *conversation)
{
    const struct json *participants = json_get(conversation, "participants");

    for (size_t i = 0; i < json_count(participants); i++) {
        const struct json *sessions = json_get(json_at(participants, i), "sessions");

        for (size_t s = 0; s < json_count(sessions); s++) {
            const struct json *session = json_at(sessions, s);
            const char *media = json_get_text(session, "mediaType"), *direction = json_get_text(session, "direction");

            if (media && direction && strcmp(media, "message") == 0 && strcmp(direction, "outbound") == 0)
                return session;
        }
    }
    return NULL;
}

static bool read_conversation(const struct json *conversation, struct provider_message *ret)
{
    const struct json *session = outbound_session(conversation);
    int64_t changed_ms = read_time(session, "deliveryStatusChangeDate");

    copy_id(conversation, "conversationId", ret->conversation_id);
    copy_text(session, "addressFrom", ret->from);
    (void)snprintf(ret->id, sizeof(ret->id), "%s", ret->conversation_id);
    ret->channel = read_channel(json_get_text(session, "messageType"));
    read_person(ret->channel, json_get_text(session, "addressTo"), ret->to);
    ret->delivery = read_delivery(json_get_text(session, "deliveryStatus"));
    ret->created_ms = read_time(conversation, "conversationStart");
    ret->sent_ms = ret->delivery == DELIVERY_SENT ? changed_ms : 0;
    ret->delivered_ms = ret->delivery == DELIVERY_DELIVERED ? changed_ms : 0;
    ret->read_ms = ret->delivery == DELIVERY_READ ? changed_ms : 0;
    ret->failed_ms = ret->delivery == DELIVERY_FAILED ? changed_ms : 0;
    return session && ret->conversation_id[0] != '\0' && ret->created_ms > 0;
}

static bool goes_on(enum provider_api api, const struct json *page, int64_t number, size_t count, int64_t *ret_total)
{
    bool has_total = json_integer(json_get(page, api == PROVIDER_MESSAGES ? "total" : "totalHits"), ret_total);

    if (!has_total || *ret_total < 0)
        *ret_total = -1;
    if (count == 0)
        return false; /* whatever it says: asking on would never end */
    return api == PROVIDER_MESSAGES ? json_is_true(json_get(page, "hasMore"))
                                    : *ret_total > number * PROVIDER_PAGE_SIZE;
}

int provider_page_read(enum provider_api api, int64_t page, struct span body,
                       bool (*visit)(void *context, const struct provider_message *message), void *context,
                       struct provider_answer *ret, struct reason *why)
{
    bool (*const read)(const struct json *entry, struct provider_message *ret_message) =
        api == PROVIDER_MESSAGES ? read_entity : read_conversation;
    struct json *json = NULL;
    const struct json *list;
    int rc = 0;

    *ret = (struct provider_answer){.total = -1};
    if (json_parse(&json, body.data, body.len, NULL) != 0 || json_kind(json) != JSON_OBJECT ||
        (json_has(json, apis[api].list) && json_kind(json_get(json, apis[api].list)) != JSON_ARRAY)) {
        reason_set(why, "the answer to %s %s is no page of messages", apis[api].method, apis[api].path);
        rc = ERR_STATE;
    } else {
        list = json_get(json, apis[api].list); /* analytics leaves an empty one out */
        ret->has_more = goes_on(api, json, page, json_count(list), &ret->total);
        for (size_t i = 0; i < json_count(list); i++) {
            struct provider_message message = {.delivery = DELIVERY_PENDING};

            if (!read(json_at(list, i), &message)) {
                ret->skipped++;
            } else if (!visit(context, &message)) {
                ret->has_more = false;
                break;
            }
        }
    }
    json_free(json);
    return rc;
}
