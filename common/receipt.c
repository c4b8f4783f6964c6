#include "common/receipt.h"

#include <stdio.h>

#include "common/mask.h"
#include "common/timestamp.h"

#define AUDIT_MAX 4096 /* more than an entry can come to */
#define TIME_MAX  64   /* bytes of a time, as part of a key */

/* --- what was said --- */

bool notice_read_time(struct notice *notice, const struct json_value *time, int64_t now_ms)
{
    struct span text = value_text(time);
    char copy[TIME_MAX + 1];
    int64_t ms = 0;

    if (text.data && memchr(text.data, '\0', text.len))
        return false;
    notice->time = (struct span){text.data, text.len < TIME_MAX ? text.len : TIME_MAX};
    if (text.data)
        memcpy(copy, text.data, notice->time.len);
    copy[notice->time.len] = '\0'; /* what is cut here is longer than any time, and stays none */
    if ((!text.data || !timestamp_parse(copy, &ms)) && !value_integer(time, &ms))
        return false;
    if (ms <= 0 || ms > now_ms + RECEIPT_AHEAD_MS)
        return false;
    notice->at_ms = ms;
    return true;
}

void notice_weigh_code(struct notice *notice, const struct json_value *value)
{
    struct span code = value_text(value);

    if (span_is_empty(code))
        return;
    if (span_is_empty(notice->code) || (!delivery_code_opts_out(notice->code) && delivery_code_opts_out(code)))
        notice->code = code;
}

void notice_read_reasons(struct notice *notice, const struct json_value *reasons)
{
    const struct json_value *at = value_count(reasons) > 0 ? value_first(reasons) : NULL;

    for (size_t i = 0; at && i < RECEIPT_REASONS_MAX; at = value_next(reasons, at), i++)
        notice_weigh_code(notice, value_get(at, "code"));
}

/* --- a record out of them --- */

void receipt_set_key(struct receipt *receipt, const char *kind, struct span a, struct span b, struct span c)
{
    struct buf text;

    buf_init(&text, 1024); /* what the parts come to at most is less */
    buf_text(&text, kind);
    buf_char(&text, '\n');
    buf_add(&text, a.data, a.len);
    buf_char(&text, '\n');
    buf_add(&text, b.data, b.len);
    buf_char(&text, '\n');
    buf_add(&text, c.data, c.len);
    store_key_of(NULL, (struct span){text.data, text.len}, receipt->record.key);
    buf_clear(&text);
}

void receipt_set_status_key(struct receipt *receipt, struct span provider_id)
{
    receipt_set_key(receipt, "status", provider_id, span_of(delivery_name(receipt->record.delivery)), span_of(NULL));
}

/* Codes are for people and for counting: a strange one is kept as far as it can be shown. */
static void set_code(struct receipt *receipt, struct span code)
{
    size_t len = code.len < sizeof(receipt->code) ? code.len : sizeof(receipt->code) - 1;

    for (size_t i = 0; i < len; i++) {
        char c = code.data[i];

        receipt->code[i] = c > ' ' && c <= '~' && c != '"' && c != '\\' ? c : '_';
    }
    receipt->code[len] = '\0';
    receipt->record.opts_out = delivery_code_opts_out(code);
}

/* As the worker names the person in the suppression set. An id that no message could go to names nobody. */
static void set_person(struct receipt *receipt, struct span id)
{
    struct refusal ignored;
    struct span who;

    if (span_is_empty(id) || channel_read_address(CHANNEL_OPEN, id, "", &who, &ignored) != 0)
        return;
    receipt->record.person = span_of(channel_person(CHANNEL_OPEN, who, receipt->person));
}

static void write_audit(struct receipt *receipt, const struct notice *notice, int64_t now_ms)
{
    char masked[MASK_SIZE];
    struct buf *out = &receipt->audit;

    buf_text(out, "{\"at\":");
    buf_int(out, now_ms);
    buf_member_text(out, "what", "receipt");
    buf_member(out, "provider_id", notice->provider_id.data, notice->provider_id.len);
    buf_member_text(out, "delivery", delivery_name(receipt->record.delivery));
    buf_member_text(out, "code", receipt->code);
    if (notice->at_ms > 0)
        buf_member_int(out, "happened_at", notice->at_ms);
    buf_member(out, "event", notice->event.data, notice->event.len);
    buf_member_text(out, "source", notice->source);
    if (receipt->record.person.data)
        buf_member_text(out, "to", mask_address(receipt->record.person, masked));
    buf_char(out, '}');
    receipt->record.audit = (struct span){out->data, out->len};
}

void receipt_fill(struct receipt *receipt, const struct notice *notice, int64_t now_ms)
{
    memcpy(receipt->provider_id, notice->provider_id.data, notice->provider_id.len); /* at most ID_MAX: read_id */
    receipt->provider_id[notice->provider_id.len] = '\0';
    receipt->record.provider_id = receipt->provider_id;
    receipt->record.at_ms = notice->at_ms;
    receipt->record.code = receipt->code;
    if (receipt->record.delivery == DELIVERY_FAILED)
        set_code(receipt, notice->code);
    set_person(receipt, notice->person);
    write_audit(receipt, notice, now_ms);
}

void receipt_init(struct receipt *receipt)
{
    *receipt = (struct receipt){.record = {.code = ""}};
    buf_init(&receipt->audit, AUDIT_MAX);
}

void receipt_clear(struct receipt *receipt)
{
    buf_clear(&receipt->audit);
}
