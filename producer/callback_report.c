#include "producer/callback_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/callback.h"
#include "common/mem.h"

static const char *text_or_none(const struct json *json, const char *key)
{
    const char *text = json_get_text(json, key);

    return text ? text : "";
}

static int64_t number_or_0(const struct json *json, const char *key)
{
    int64_t number = 0;

    return json_integer(json_get(json, key), &number) ? number : 0;
}

static const char *reason_of(const struct json *failure)
{
    const char *reason = text_or_none(failure, "reason");

    for (int i = 0; i < CALLBACK_FAILURE_COUNT; i++) {
        if (strcmp(callback_failure_name((enum callback_failure)i), reason) == 0)
            return reason;
    }
    return callback_failure_name(CALLBACK_UNREADABLE);
}

void callback_report_read(struct callback_report *ret, const struct store_dead_callback *item)
{
    struct callback_target *target = mem_zalloc(1, sizeof(*target));
    const struct json *failure;
    struct span url = {NULL, 0};

    *ret = (struct callback_report){.id = item->id};
    if (json_parse(&ret->json, item->document, item->len, NULL) != 0)
        ret->json = NULL;
    failure = json_get(ret->json, "failure");
    ret->type = text_or_none(ret->json, "type");
    ret->message = text_or_none(json_get(ret->json, "data"), "id");
    ret->reason = reason_of(failure);
    ret->detail = text_or_none(failure, "detail");
    ret->status = number_or_0(failure, "status");
    ret->attempts = number_or_0(ret->json, "attempts");
    ret->at_ms = number_or_0(ret->json, "at");
    ret->dead_at_ms = number_or_0(failure, "at");
    url.data = json_text(json_get(ret->json, "url"), &url.len);
    if (callback_url_read(target, url, NULL, &(struct reason){""}) == 0)
        (void)snprintf(ret->host, sizeof(ret->host), "%s:%u", target->host, target->port);
    else
        (void)snprintf(ret->host, sizeof(ret->host), "?");
    free(target);
}

void callback_report_clear(struct callback_report *report)
{
    json_free(report->json);
    report->json = NULL;
}

void callback_report_json(const struct callback_report *report, struct buf *out)
{
    const struct json *data = json_get(report->json, "data");

    buf_text(out, "{\"id\":");
    buf_json_text(out, report->id);
    buf_member_text(out, "type", report->type);
    buf_member_text(out, "message", report->message);
    buf_member_text(out, "host", report->host);
    buf_member_text(out, "reason", report->reason);
    buf_member_text(out, "detail", report->detail);
    if (report->status > 0)
        buf_member_int(out, "status", report->status);
    buf_member_int(out, "attempts", report->attempts);
    buf_member_int(out, "happened_at", report->at_ms);
    buf_member_int(out, "dead_at", report->dead_at_ms);
    if (data) {
        buf_text(out, ",\"data\":");
        json_print(data, out);
    }
    buf_char(out, '}');
}
