#include "common/callback.h"

#include "common/base64.h"
#include "common/callback_url.h"
#include "common/digest.h"
#include "common/timestamp.h"

static const char *const failure_names[] = {
    [CALLBACK_EXHAUSTED] = "exhausted",
    [CALLBACK_REJECTED] = "rejected",
    [CALLBACK_FORBIDDEN] = "forbidden",
    [CALLBACK_UNREADABLE] = "unreadable",
};
_Static_assert(sizeof(failure_names) / sizeof(failure_names[0]) == CALLBACK_FAILURE_COUNT, "each failure has a name");

const char *callback_failure_name(enum callback_failure failure)
{
    return failure_names[failure];
}

/* --- jobs --- */

static bool read_number(const struct json *json, const char *key, int64_t max, int64_t *ret)
{
    return json_integer(json_get(json, key), ret) && *ret >= 0 && *ret <= max;
}

int callback_read(struct callback *ret, struct span document, struct reason *why)
{
    const struct json *data;

    *ret = (struct callback){.json = NULL};
    if (document.len > CALLBACK_JOB_MAX) {
        reason_set(why, "it is larger than any that Herald writes");
        return ERR_INVALID;
    }
    if (json_parse(&ret->json, document.data, document.len, why) != 0)
        return ERR_INVALID;
    ret->type = json_get_text(ret->json, "type");
    ret->url.data = json_text(json_get(ret->json, "url"), &ret->url.len);
    data = json_get(ret->json, "data");
    if (!ret->type || !*ret->type || ret->url.len == 0 || json_kind(data) != JSON_OBJECT ||
        !read_number(ret->json, "attempts", CALLBACK_ATTEMPTS_MAX, &ret->attempts) ||
        !read_number(ret->json, "since", TIMESTAMP_MAX_MS, &ret->since_ms) ||
        !read_number(ret->json, "at", TIMESTAMP_MAX_MS, &ret->at_ms)) {
        reason_set(why, "it has not the form that Herald writes");
        return ERR_INVALID;
    }
    ret->trace_text = json_get_text(ret->json, "trace");
    if (ret->trace_text && !trace_parse(ret->trace_text, strlen(ret->trace_text), &ret->trace))
        ret->trace_text = NULL;
    return 0;
}

void callback_clear(struct callback *callback)
{
    json_free(callback->json);
    callback->json = NULL;
}

void callback_write_body(const struct callback *callback, struct buf *out)
{
    char at[TIMESTAMP_SIZE];

    buf_text(out, "{\"type\":");
    buf_json_text(out, callback->type);
    buf_member_text(out, "timestamp", timestamp_format(callback->at_ms, at));
    buf_text(out, ",\"data\":");
    json_print(json_get(callback->json, "data"), out);
    buf_char(out, '}');
}

void callback_write_job(const struct callback *callback, const struct callback_trace *trace, struct buf *out)
{
    buf_text(out, "{\"attempts\":");
    buf_int(out, callback->attempts);
    buf_member_int(out, "since", callback->since_ms);
    buf_text(out, ",\"failure\":{\"at\":");
    buf_int(out, trace->at_ms);
    buf_member_text(out, "reason", trace->reason);
    if (trace->status > 0)
        buf_member_int(out, "status", trace->status);
    buf_member_text(out, "detail", trace->detail);
    buf_char(out, '}');
    buf_member(out, "url", callback->url.data, callback->url.len);
    buf_member_text(out, "trace", callback->trace_text);
    buf_member_text(out, "type", callback->type);
    buf_member_int(out, "at", callback->at_ms);
    buf_text(out, ",\"data\":");
    json_print(json_get(callback->json, "data"), out);
    buf_char(out, '}');
}

/* --- signatures --- */

#define BLANKS " \t\r\n"

static bool read_secret(struct callback_secrets *secrets, const char *text, size_t len)
{
    static const char prefix[] = "whsec_";
    const size_t prefix_len = sizeof(prefix) - 1;
    struct buf bytes;
    bool is_fine;

    if (len < prefix_len || memcmp(text, prefix, prefix_len) != 0)
        return false;
    buf_init(&bytes, CALLBACK_SECRET_MAX);
    is_fine = base64_decode(&bytes, text + prefix_len, len - prefix_len) && !bytes.overflow &&
              bytes.len >= CALLBACK_SECRET_MIN;
    if (is_fine) {
        memcpy(secrets->all[secrets->count].bytes, bytes.data, bytes.len);
        secrets->all[secrets->count++].len = bytes.len;
    }
    buf_wipe(&bytes);
    buf_clear(&bytes);
    return is_fine;
}

int callback_read_secrets(struct callback_secrets *ret, const char *text, struct reason *why)
{
    struct callback_secrets secrets = {0};
    int rc = 0;

    for (const char *at = text ? text + strspn(text, BLANKS) : ""; rc == 0 && *at; at += strspn(at, BLANKS)) {
        size_t len = strcspn(at, BLANKS);

        if (secrets.count == CALLBACK_SECRETS_MAX) {
            reason_set(why, "HERALD_CALLBACK_SECRET: more than %d secrets", CALLBACK_SECRETS_MAX);
            rc = ERR_INVALID;
        } else if (!read_secret(&secrets, at, len)) {
            reason_set(why, "HERALD_CALLBACK_SECRET: secret %zu is not `whsec_` and %d to %d bytes in base64",
                       secrets.count + 1, CALLBACK_SECRET_MIN, CALLBACK_SECRET_MAX);
            rc = ERR_INVALID;
        }
        at += len;
    }
    if (rc == 0)
        *ret = secrets;
    explicit_bzero(&secrets, sizeof(secrets));
    return rc;
}

void callback_sign(const struct callback_secrets *secrets, const char *id, int64_t at_s, struct span body,
                   struct buf *out)
{
    struct buf signed_text;

    buf_init(&signed_text, CALLBACK_JOB_MAX * 2);
    buf_text(&signed_text, id);
    buf_char(&signed_text, '.');
    buf_int(&signed_text, at_s);
    buf_char(&signed_text, '.');
    buf_add(&signed_text, body.data, body.len);
    for (size_t i = 0; i < secrets->count; i++) {
        uint8_t mac[DIGEST_SIZE];

        digest_hmac_sha256(secrets->all[i].bytes, secrets->all[i].len, signed_text.data, signed_text.len, mac);
        buf_text(out, i > 0 ? " v1," : "v1,");
        base64_add(out, (const char *)mac, sizeof(mac));
    }
    buf_clear(&signed_text);
}
