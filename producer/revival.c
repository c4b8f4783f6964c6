#include "producer/revival.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/json_span.h"
#include "common/merge_patch.h"

#define TEXT_MAX (2 * JSON_MAX_BYTES + REVIVAL_PATCH_MAX)

void reviver_init(struct reviver *reviver, const char *origins, const struct json *patch)
{
    *reviver = (struct reviver){.origins = origins, .patch = patch};
    buf_init(&reviver->patched, TEXT_MAX);
    buf_init(&reviver->written, TEXT_MAX);
}

void reviver_clear(struct reviver *reviver)
{
    buf_clear(&reviver->patched);
    buf_clear(&reviver->written);
}

int reviver_check_patch(const struct json *patch, struct reason *why)
{
    static const char *const own[] = {"id", "campaign", "herald", "v", "redelivered"};

    if (json_kind(patch) != JSON_OBJECT) {
        reason_set(why, "a patch is a JSON object in the shape of the envelope, not %s",
                   json_kind_name(json_kind(patch)));
        return ERR_INVALID;
    }
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (json_has(patch, own[i])) {
            reason_set(why, "the patch must not change /%s: by that the message is known and counted", own[i]);
            return ERR_INVALID;
        }
    }
    return 0;
}

/* Members that are looked at without reading the whole. */
enum { AT_PAYLOAD, AT_PRIORITY, AT_EXPIRES_AT, AT_OWN, AT_COUNT };
static const char *const members[AT_COUNT] = {
    [AT_PAYLOAD] = "payload", [AT_PRIORITY] = "priority", [AT_EXPIRES_AT] = "expires_at", [AT_OWN] = "herald"};

/* Whether the message passed every check before it died: it was sent, or about to be. Then it need not be checked here,
 * since the worker does it again; everything else is, so that it does not die at once of what it died of before. */
static bool was_checked(const struct store_letter *letter, const struct span *found)
{
    static const char *const reasons[] = {"rejected",   "forbidden",          "outcome_unknown",
                                          "suppressed", "attempts_exhausted", "expired"};
    bool is_of_them = false;

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        is_of_them = is_of_them || strcmp(letter->reason, reasons[i]) == 0;
    /* Adopted messages were written anew by a worker that had checked them; rare fields are left to the slow way. */
    return is_of_them && letter->id[0] && found[AT_PAYLOAD].data && !found[AT_EXPIRES_AT].data &&
           json_span(found[AT_OWN], "accepted_at").data;
}

static int change_envelope(struct reviver *reviver, struct span *bytes, struct refusal *why)
{
    struct json *json = NULL;
    struct reason reason = {""};

    if (json_parse(&json, bytes->data, bytes->len, &reason) != 0)
        return refuse(why, "json_invalid", "", "%s", reason.text);
    json = merge_patch(json, reviver->patch);
    buf_reset(&reviver->patched);
    json_print(json, &reviver->patched);
    json_free(json);
    *bytes = (struct span){reviver->patched.data, reviver->patched.len};
    return 0;
}

/* Reads the whole envelope by the rules that a worker has, and writes it anew. */
static int check_envelope(struct reviver *reviver, struct span bytes, int64_t now_ms, struct revived *item,
                          struct refusal *why)
{
    const struct envelope_rules rules = {.origins = reviver->origins};
    struct envelope envelope;
    int rc = envelope_read(&envelope, bytes.data, bytes.len, &rules, now_ms, why);

    if (rc == 0 && envelope.expires_at_ms > 0 && envelope.expires_at_ms <= now_ms)
        rc = refuse(why, "expired", "/expires_at", "its own expires_at is over; --edit may give it another");
    if (rc == 0) {
        (void)snprintf(item->id, sizeof(item->id), "%s", envelope.id);
        item->priority = envelope.priority;
        buf_reset(&reviver->written);
        envelope_write(&envelope, NULL, &reviver->written);
    }
    envelope_clear(&envelope);
    return rc;
}

static int64_t count_of(struct span number)
{
    return number.data && number.len < 8 ? strtoll(number.data, NULL, 10) : 0; /* a comma or a bracket follows */
}

struct envelope_parts {
    struct span bytes, own; /* the whole, and its member `herald` */
    struct span deaths;     /* of the dead letter around it */
};

/* A new life: nothing burnt, its history kept, and how often it died. `redelivered` stays, so that a late answer of the
 * worker that was lost with it still ends it. */
static void begin_anew(struct json *own, const struct store_letter *letter, struct span deaths, int64_t now_ms)
{
    static const char *const burnt[] = {"attempts", "forbidden", "deferrals"};
    int64_t counted = count_of(deaths), before;

    for (size_t i = 0; i < sizeof(burnt) / sizeof(burnt[0]); i++)
        json_remove(own, burnt[i]);
    if (json_integer(json_get(own, "deaths"), &before) && before > counted)
        counted = before;
    if (!json_get(own, "accepted_at"))
        json_set(own, "accepted_at", json_new_integer(letter->at_ms)); /* it was counted when it died */
    json_set(own, "deaths",
             json_new_integer(counted < 1                    ? 1
                              : counted < ENVELOPE_COUNT_MAX ? counted
                                                             : ENVELOPE_COUNT_MAX));
    json_set(own, "replayed_at", json_new_integer(now_ms));
}

/* Adds the envelope to `out`, with its member `herald` changed and everything else as it is. */
static int add_envelope(const struct envelope_parts *parts, const struct store_letter *letter, int64_t now_ms,
                        struct buf *out, struct refusal *why)
{
    const struct span bytes = parts->bytes, own = parts->own;
    struct json *json = NULL;

    if (json_parse(&json, own.data, own.len, NULL) != 0 || json_kind(json) != JSON_OBJECT) {
        json_free(json);
        return refuse(why, "field_invalid", "/herald", "is Herald's own and cannot be read");
    }
    begin_anew(json, letter, parts->deaths, now_ms);
    buf_add(out, bytes.data, (size_t)(own.data - bytes.data));
    json_print(json, out);
    buf_add(out, own.data + own.len, bytes.len - (size_t)(own.data - bytes.data) - own.len);
    json_free(json);
    return 0;
}

static enum priority priority_of(struct span value)
{
    if (span_is(value, "\"high\""))
        return PRIORITY_HIGH;
    return span_is(value, "\"low\"") ? PRIORITY_LOW : PRIORITY_NORMAL;
}

int reviver_add(struct reviver *reviver, const struct store_letter *letter, struct span document, int64_t now_ms,
                struct revived *ret, struct buf *out, struct refusal *why)
{
    static const char *const names[] = {"envelope", "deaths"};
    struct span of[2], found[AT_COUNT];
    struct envelope_parts parts;
    size_t start = out->len;
    int rc = 0;

    json_spans(document, names, 2, of);
    if (!of[0].data)
        return refuse(why, "json_invalid", "", "it was no JSON object: there is nothing that could be sent");
    memcpy(ret->id, letter->id, sizeof(letter->id));
    if (reviver->patch)
        rc = change_envelope(reviver, &of[0], why);
    json_spans(of[0], members, AT_COUNT, found);
    ret->priority = priority_of(found[AT_PRIORITY]);
    if (rc == 0 && (reviver->patch || !was_checked(letter, found))) {
        rc = check_envelope(reviver, of[0], now_ms, ret, why);
        of[0] = (struct span){buf_str(&reviver->written), reviver->written.len};
        found[AT_OWN] = json_span(of[0], "herald");
    }
    parts = (struct envelope_parts){of[0], found[AT_OWN], of[1]};
    if (rc == 0)
        rc = add_envelope(&parts, letter, now_ms, out, why);
    if (rc == 0 && (out->overflow || reviver->written.overflow || out->len - start > JSON_MAX_BYTES))
        rc = refuse(why, "json_invalid", "", "it would be larger than a message may be");
    if (rc != 0) {
        out->overflow = false;
        out->len = start;
    }
    return rc;
}
