#include "common/store_receipt.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "common/store_request.h"

/* --- receipts --- */

static enum store_received read_answer(char letter)
{
    return letter == '1' ? STORE_APPLIED : letter == 'e' ? STORE_EARLY : STORE_REPEATED;
}

/* The bytes of an id; nothing when it is no UUID. */
static void add_id_bytes(struct request *request, const char *id)
{
    uint8_t bytes[ID_BYTES];

    request_bytes(request, (const char *)bytes, id_pack(id, bytes) ? sizeof(bytes) : 0);
}

static void on_received(struct request *request, const struct redis_reply *reply)
{
    size_t len = 0, count = (size_t)request->count;
    const char *letters = redis_reply_text(reply, &len);
    int rc = !reply ? ERR_UNREACHABLE : letters && !redis_reply_error(reply) && len == count ? 0 : ERR_STATE;
    enum store_received *answers = mem_zalloc(count, sizeof(*answers));

    for (size_t i = 0; rc == 0 && i < count; i++)
        answers[i] = read_answer(letters[i]);
    request->call.received(request->context, rc, answers, count);
    free(answers);
}

void store_receipts(struct store *store, int64_t dedup_ms, const struct store_receipt *receipts, size_t count,
                    store_receipts_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_RECEIPT, false, on_received);
    const struct store_limits *limits = store_limits(store);

    request->call.received = done;
    request->context = context;
    request->is_fleeting = true;
    request->count = (int64_t)count;
    request_number(request, limits->keep_ms);
    request_number(request, dedup_ms);
    request_audit_max(request);
    request_number(request, limits->report_ms);
    for (size_t i = 0; i < count; i++) {
        const struct store_receipt *receipt = &receipts[i];

        assert(receipt->delivery != DELIVERY_PENDING); /* nobody hears that nothing was heard */
        request_bytes(request, (const char *)receipt->key, STORE_KEY_SIZE);
        request_text(request, receipt->provider_id);
        add_id_bytes(request, receipt->provider_id);
        request_text(request, delivery_name(receipt->delivery));
        request_number(request, receipt->at_ms);
        request_text(request, receipt->code);
        request_text(request, receipt->opts_out ? "1" : "0");
        request_bytes(request, receipt->person.data, receipt->person.len);
        request_bytes(request, receipt->audit.data, receipt->audit.len);
    }
    request_submit(request);
}

/* --- what is known of one message --- */

#define FIELD(member)  offsetof(struct store_message_info, member)
#define TEXT(member)   FIELD(member), sizeof(((struct store_message_info *)NULL)->member)
#define NUMBER(member) FIELD(member), 0

/* What message.lua answers, by the names of a message's hash; size 0: a number. */
static const struct {
    const char *name;
    size_t offset, size;
} fields[] = {
    {"state", TEXT(state)},
    {"reason", TEXT(reason)},
    {"campaign", TEXT(campaign)},
    {"channel", TEXT(channel)},
    {"template", TEXT(template_name)},
    {"since", NUMBER(since_ms)},
    {"accepted_at", NUMBER(accepted_at_ms)},
    {"at", NUMBER(at_ms)},
    {"attempts", NUMBER(attempts)},
    {"provider_id", TEXT(provider_id)},
    {"conversation_id", TEXT(conversation_id)},
    {"correlation_id", TEXT(correlation_id)},
    {"queued_at", NUMBER(reached_at_ms[DELIVERY_QUEUED])},
    {"sent_at", NUMBER(reached_at_ms[DELIVERY_SENT])},
    {"delivered_at", NUMBER(reached_at_ms[DELIVERY_DELIVERED])},
    {"read_at", NUMBER(reached_at_ms[DELIVERY_READ])},
    {"failed_at", NUMBER(reached_at_ms[DELIVERY_FAILED])},
    {"failure", TEXT(failure_code)},
};

static void read_field(struct store_message_info *info, struct span name, const struct redis_reply *value)
{
    size_t len = 0;
    const char *text = redis_reply_text(value, &len);

    if (span_is(name, "delivery"))
        (void)delivery_parse((struct span){text, len}, &info->delivery); /* else nothing was heard */
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char *at = (char *)info + fields[i].offset;

        if (!span_is(name, fields[i].name))
            continue;
        if (fields[i].size > 0)
            (void)snprintf(at, fields[i].size, "%.*s", text ? (int)len : 0, text ? text : "");
        else
            *(int64_t *)(void *)at = redis_reply_integer(value);
    }
}

static void on_message(struct request *request, const struct redis_reply *reply)
{
    struct store_message_info info = {.delivery = DELIVERY_PENDING};
    int rc = !reply ? ERR_UNREACHABLE : redis_reply_error(reply) ? ERR_STATE : 0;
    size_t count = rc == 0 ? redis_reply_count(reply) / 2 : 0;

    info.is_known = count > 0;
    for (size_t i = 0; i < count; i++) {
        struct span name = {NULL, 0};

        name.data = redis_reply_text(redis_reply_at(reply, 2 * i), &name.len);
        read_field(&info, name, redis_reply_at(reply, 2 * i + 1));
    }
    if (strcmp(info.state, "dead") != 0)
        info.reason[0] = '\0'; /* a late answer has called it sent since */
    request->call.informed(request->context, rc, &info);
}

void store_read_message(struct store *store, const char *id, store_message_fn done, void *context)
{
    struct request *request = request_script(store, SCRIPT_MESSAGE, false, on_message);

    request->call.informed = done;
    request->context = context;
    request->is_fleeting = true;
    request_text(request, id);
    add_id_bytes(request, id);
    request_submit(request);
}
