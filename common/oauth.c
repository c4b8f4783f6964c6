#include "common/oauth.h"

#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/json.h"

#define TOKEN_MAX         (OAUTH_HEADER_MAX - 8)
#define EXPIRES_MAX_S     (INT64_C(7) * 24 * 3600) /* the platform's longest is two days */
#define EXPIRES_UNKNOWN_S 300                      /* the shortest lifetime a client can have */

/* application/x-www-form-urlencoded: all but the unreserved characters of RFC 3986. */
static void add_form_value(struct buf *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    for (; *text; text++) {
        if (strchr(plain, *text))
            buf_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}

void oauth_request(const struct oauth_credentials *credentials, struct buf *body, struct buf *authorization)
{
    struct buf pair;

    buf_reset(body);
    buf_reset(authorization);
    buf_text(body, "grant_type=client_credentials");
    if (credentials->in_body) {
        buf_text(body, "&client_id=");
        add_form_value(body, credentials->client_id);
        buf_text(body, "&client_secret=");
        add_form_value(body, credentials->client_secret);
        return;
    }
    buf_init(&pair, OAUTH_REQUEST_MAX);
    buf_printf(&pair, "%s:%s", credentials->client_id, credentials->client_secret);
    buf_text(authorization, "Basic ");
    base64_add(authorization, pair.data, pair.len);
    buf_wipe(&pair);
    buf_clear(&pair);
}

/* A token goes into a header: printable ASCII without blanks, or it is none. */
static bool is_token(const char *text)
{
    size_t len = text ? strlen(text) : 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return len > 0 && len < TOKEN_MAX;
}

int oauth_read_token(struct oauth_token *ret, struct span body, struct reason *why)
{
    struct json *json = NULL;
    const char *text;
    int64_t expires_s = EXPIRES_UNKNOWN_S;
    int rc = ERR_INVALID;

    if (json_parse(&json, body.data, body.len, NULL) == 0) {
        text = json_get_text(json, "access_token");
        (void)json_integer(json_get(json, "expires_in"), &expires_s); /* absent: the shortest there is */
        if (is_token(text) && expires_s > 0) {
            (void)snprintf(ret->header, sizeof(ret->header), "Bearer %s", text);
            ret->life_ms = (expires_s < EXPIRES_MAX_S ? expires_s : EXPIRES_MAX_S) * 1000;
            rc = 0;
        }
    }
    if (rc != 0)
        reason_set(why, "the login host's answer has no usable access_token");
    json_free(json);
    return rc;
}

int oauth_explain(long status, const char *code, struct reason *why)
{
    if (status == 400 || status == 401 || status == 403) {
        reason_set(why,
                   "the login host refuses the client id or secret (%ld %s): check GENESYS_CLIENT_ID, "
                   "GENESYS_CLIENT_SECRET and the region",
                   status, code);
        return ERR_DENIED;
    }
    reason_set(why, "the login host answers %ld %s", status, code);
    return ERR_UNREACHABLE;
}
