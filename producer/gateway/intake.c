#include "producer/gateway/intake.h"

#include <stdio.h>
#include <string.h>

#include "common/digest.h"

/* The message's own key, else the request's with the place in it, else the id that the client gave. */
static void make_key(struct intake *intake, const struct intake_rules *rules, size_t index)
{
    struct span own = value_text(envelope_get(&intake->envelope, "idempotency_key"));
    struct buf text;

    buf_init(&text, ENVELOPE_MAX_BYTES);
    if (own.len > 0)
        buf_add(&text, own.data, own.len);
    else if (rules->request_key)
        buf_printf(&text, "\xff%s\n%zu\n%s", rules->client, index, rules->request_key); /* in no text is this byte */
    else if (intake->envelope.has_own_id)
        buf_text(&text, intake->envelope.id);
    intake->offer.has_key = text.len > 0;
    if (intake->offer.has_key)
        store_key_of(intake->offer.campaign[0] ? intake->offer.campaign : NULL, (struct span){buf_str(&text), text.len},
                     intake->offer.message.key);
    buf_clear(&text);
}

/* Two messages are the same when they say the same to the same person: the payload, or what it was made of. */
static void make_print(struct intake *intake, const struct envelope *composed)
{
    uint8_t digest[DIGEST_SIZE];

    buf_reset(&intake->bytes);
    if (composed)
        compose_print(composed, &intake->bytes);
    else
        value_print(envelope_payload(&intake->envelope), &intake->bytes);
    digest_sha256(buf_str(&intake->bytes), intake->bytes.len, digest);
    memcpy(intake->offer.print, digest, STORE_PRINT_SIZE);
    buf_reset(&intake->bytes);
}

/* The field as the client wrote it: a bare payload's are at the top. */
static void point_into_bare(struct refusal *why)
{
    static const char prefix[] = "/payload";
    size_t len = strlen(why->field);

    if (strncmp(why->field, prefix, sizeof(prefix) - 1) == 0)
        memmove(why->field, why->field + sizeof(prefix) - 1, len - (sizeof(prefix) - 1) + 1);
}

/* The envelope out of what was asked for; on a refusal it stays what it was. */
static int compose_envelope(struct intake *intake, const struct intake_rules *rules, int64_t now_ms,
                            struct refusal *why)
{
    const struct envelope_rules envelope_rules = {.origins = rules->origins, .callbacks = rules->callbacks};
    struct envelope *envelope = &intake->envelope, asked = *envelope;
    struct buf text;
    int rc;

    buf_init(&text, ENVELOPE_MAX_BYTES);
    rc = compose(rules->composer, &asked, now_ms, &text, why);
    if (rc == 0) {
        rc = envelope_read(envelope, buf_str(&text), text.len, &envelope_rules, now_ms, why);
        envelope->has_own_id = asked.has_own_id;
        if (rc != 0)
            compose_point(why);
        else
            make_print(intake, &asked);
        envelope_clear(&asked);
    }
    buf_clear(&text);
    return rc;
}

/* The request's, when it is one and the message has none of its own; else NULL. */
static const char *trace_to_add(const struct intake *intake, const struct intake_rules *rules)
{
    struct trace trace;

    if (!rules->traceparent || intake->envelope.trace.id[0])
        return NULL;
    return trace_parse(rules->traceparent, strlen(rules->traceparent), &trace) ? rules->traceparent : NULL;
}

/* The text with what Herald adds behind it: printing the whole costs as much as reading it did. */
static void write_behind(struct intake *intake, struct span text, const char *traceparent, const char *ticket,
                         int64_t now_ms)
{
    struct buf *out = &intake->bytes;

    while (strchr(" \t\r\n", text.data[text.len - 1])) /* it has been read: a brace comes */
        text.len--;
    if (intake->envelope.was_bare) {
        buf_text(out, "{\"v\":1,\"payload\":");
        buf_add(out, text.data, text.len);
    } else {
        buf_add(out, text.data, text.len - 1);
    }
    if (!intake->envelope.has_own_id)
        buf_member_text(out, "id", intake->envelope.id);
    buf_member_text(out, "traceparent", traceparent); /* goes before one that is invalid: the last counts */
    buf_text(out, ",\"herald\":{\"accepted_at\":");
    buf_int(out, now_ms);
    buf_member_text(out, "ticket", ticket);
    buf_text(out, "}}");
}

/* For what was composed, and for what claims to have been with a worker already: it begins here, and what is written
 * behind it is not there twice. */
static void write_anew(struct intake *intake, const char *traceparent, const char *ticket, int64_t now_ms)
{
    struct envelope *envelope = &intake->envelope;
    struct buf text;

    envelope_remove(envelope, "herald");
    if (!envelope->has_own_id)
        envelope_remove(envelope, "id");
    if (traceparent)
        envelope_remove(envelope, "traceparent");
    buf_init(&text, JSON_MAX_BYTES);
    value_print(json_view_whole(&envelope->view), &text);
    write_behind(intake, (struct span){buf_str(&text), text.len}, traceparent, ticket, now_ms);
    buf_clear(&text);
}

/* `text` is absent when it is not the client's. */
static void write_envelope(struct intake *intake, const struct intake_rules *rules, struct span text, int64_t now_ms)
{
    const struct envelope *envelope = &intake->envelope;
    const char *traceparent = trace_to_add(intake, rules);
    char ticket[ID_SIZE];

    id_new(ticket, now_ms);
    if (!text.data || envelope_get(envelope, "herald") || envelope->came_marked)
        write_anew(intake, traceparent, ticket, now_ms);
    else
        write_behind(intake, text, traceparent, ticket, now_ms);
}

int intake_read(struct intake *ret, const struct intake_rules *rules, size_t index, struct span text, int64_t now_ms,
                struct refusal *why)
{
    const struct envelope_rules envelope_rules = {
        .origins = rules->origins, .callbacks = rules->callbacks, .is_from_outside = true};
    struct envelope *envelope = &ret->envelope;
    bool is_composed;
    int rc;

    *ret = (struct intake){.offer = {.has_key = false}};
    buf_init(&ret->bytes, JSON_MAX_BYTES);
    rc = envelope_read(envelope, text.data, text.len, &envelope_rules, now_ms, why);
    is_composed = rc != 0 && rules->composer && compose_is_wanted(envelope, why);
    if (is_composed)
        rc = compose_envelope(ret, rules, now_ms, why);
    else if (rc != 0 && envelope->was_bare)
        point_into_bare(why);
    if (rc != 0)
        return ERR_INVALID;
    ret->offer.id = envelope->id;
    ret->offer.campaign = envelope->campaign;
    (void)snprintf(ret->actor, sizeof(ret->actor), "gateway:%s", rules->client); /* fits */
    ret->offer.actor = span_of(ret->actor);
    ret->offer.message.priority = envelope->priority;
    ret->offer.message.due_ms = envelope->send_at_ms;
    ret->offer.message.person = span_of(content_person(&envelope->content, ret->person));
    make_key(ret, rules, index);
    if (ret->offer.has_key && !is_composed)
        make_print(ret, NULL);
    write_envelope(ret, rules, is_composed ? (struct span){NULL, 0} : text, now_ms);
    if (ret->bytes.overflow)
        return refuse(why, "json_invalid", "", "the message is too large");
    ret->offer.message.envelope = (struct span){ret->bytes.data, ret->bytes.len};
    return 0;
}

void intake_clear(struct intake *intake)
{
    envelope_clear(&intake->envelope);
    buf_clear(&intake->bytes);
}
