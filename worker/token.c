#include "worker/token.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/mem.h"
#include "worker/answer.h"
#include "worker/backoff.h"

#define RENEW_EARLY_MS    60000 /* as the vendor's SDK; less when a token lives for only a few minutes */
#define RETRY_BASE_MS     500
#define RETRY_CAP_MS      30000
#define TOKEN_MAX         (TOKEN_HEADER_MAX - 8)
#define EXPIRES_MAX_S     (INT64_C(7) * 24 * 3600) /* the platform's longest is two days */
#define EXPIRES_UNKNOWN_S 300                      /* the shortest lifetime a client can have */

struct token {
    char *url, *client_id, *client_secret; /* the last two under the lock: SIGHUP changes them */
    bool in_body;

    pthread_mutex_t lock; /* guards everything below */
    char header[TOKEN_HEADER_MAX];
    uint64_t generation;
    bool is_there, is_fresh, is_fetching;
    bool was_rejected; /* the last one: so the next is fresh */
    int64_t renew_at_ms;
    int64_t expires_at_ms;
    unsigned failures;
};

struct token *token_create(const struct token_config *config)
{
    struct token *token = mem_zalloc(1, sizeof(*token));

    token->url = mem_text(config->url);
    token->client_id = mem_text(config->client_id);
    token->client_secret = mem_text(config->client_secret);
    token->in_body = config->in_body;
    (void)pthread_mutex_init(&token->lock, NULL); /* never fails with default attributes on Linux */
    return token;
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void token_destroy(struct token *token)
{
    if (!token)
        return;
    (void)pthread_mutex_destroy(&token->lock);
    wipe(token->client_id);
    wipe(token->client_secret);
    explicit_bzero(token->header, sizeof(token->header));
    free(token->url);
    free(token);
}

void token_set_credentials(struct token *token, const char *client_id, const char *client_secret)
{
    (void)pthread_mutex_lock(&token->lock);
    if (strcmp(client_id, token->client_id) != 0 || strcmp(client_secret, token->client_secret) != 0) {
        wipe(token->client_id);
        wipe(token->client_secret);
        token->client_id = mem_text(client_id);
        token->client_secret = mem_text(client_secret);
        token->renew_at_ms = 0;
        token->failures = 0;
    }
    (void)pthread_mutex_unlock(&token->lock);
}

bool token_get(struct token *token, struct token_use *use)
{
    bool is_there;

    (void)pthread_mutex_lock(&token->lock);
    is_there = token->is_there;
    use->is_fresh = token->is_fresh;
    if (is_there && use->generation != token->generation) {
        memcpy(use->header, token->header, sizeof(use->header));
        use->generation = token->generation;
    }
    (void)pthread_mutex_unlock(&token->lock);
    return is_there;
}

void token_accepted(struct token *token, uint64_t generation)
{
    (void)pthread_mutex_lock(&token->lock);
    if (token->generation == generation)
        token->is_fresh = token->was_rejected = false;
    (void)pthread_mutex_unlock(&token->lock);
}

void token_rejected(struct token *token, uint64_t generation)
{
    (void)pthread_mutex_lock(&token->lock);
    if (token->generation == generation && token->is_there) {
        token->is_there = false;
        token->was_rejected = true;
        token->renew_at_ms = 0;
    }
    (void)pthread_mutex_unlock(&token->lock);
}

int64_t token_fetch_at_ms(struct token *token)
{
    int64_t at_ms;

    (void)pthread_mutex_lock(&token->lock);
    at_ms = token->is_fetching ? INT64_MAX : token->renew_at_ms;
    (void)pthread_mutex_unlock(&token->lock);
    return at_ms;
}

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

void token_fetch_begin(struct token *token, struct http_request *ret, struct buf *body, struct buf *authorization)
{
    struct buf pair;

    buf_init(&pair, 2 * TOKEN_HEADER_MAX);
    buf_reset(body);
    buf_reset(authorization);
    buf_text(body, "grant_type=client_credentials");
    (void)pthread_mutex_lock(&token->lock);
    token->is_fetching = true;
    if (token->in_body) {
        buf_text(body, "&client_id=");
        add_form_value(body, token->client_id);
        buf_text(body, "&client_secret=");
        add_form_value(body, token->client_secret);
    } else {
        buf_printf(&pair, "%s:%s", token->client_id, token->client_secret);
        buf_text(authorization, "Basic ");
        base64_add(authorization, pair.data, pair.len);
        explicit_bzero(pair.data, pair.len);
    }
    (void)pthread_mutex_unlock(&token->lock);
    buf_clear(&pair);
    *ret = (struct http_request){
        .url = token->url,
        .authorization = authorization->len ? buf_str(authorization) : NULL,
        .content_type = "application/x-www-form-urlencoded",
        .body = {body->data, body->len},
    };
}

static void keep_locked(struct token *token, const char *text, int64_t expires_s, int64_t now_ms)
{
    int64_t life_ms = expires_s * 1000, early_ms = life_ms / 10 < RENEW_EARLY_MS ? life_ms / 10 : RENEW_EARLY_MS;

    (void)snprintf(token->header, sizeof(token->header), "Bearer %s", text);
    token->generation++;
    token->is_there = true;
    token->is_fresh = token->was_rejected;
    token->failures = 0;
    token->expires_at_ms = now_ms + life_ms;
    token->renew_at_ms = token->expires_at_ms - early_ms;
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

static int read_token(struct token *token, const struct http_result *result, int64_t now_ms, struct reason *why)
{
    struct json *json = NULL;
    const char *text;
    int64_t expires_s = EXPIRES_UNKNOWN_S;
    int rc = ERR_INVALID;

    if (json_parse(&json, result->body.data, result->body.len, NULL) == 0) {
        text = json_get_text(json, "access_token");
        (void)json_integer(json_get(json, "expires_in"), &expires_s); /* absent: the shortest there is */
        if (is_token(text) && expires_s > 0) {
            keep_locked(token, text, expires_s < EXPIRES_MAX_S ? expires_s : EXPIRES_MAX_S, now_ms);
            rc = 0;
        }
    }
    if (rc != 0)
        reason_set(why, "the login host's answer has no usable access_token");
    json_free(json);
    return rc;
}

static int explain(const struct http_result *result, const struct answer *answer, struct reason *why)
{
    if (result->transport != TRANSPORT_ANSWERED) {
        reason_set(why, "the login host cannot be reached: %.200s", result->error);
        return ERR_UNREACHABLE;
    }
    if (result->status == 400 || result->status == 401 || result->status == 403) {
        reason_set(why,
                   "the login host refuses the client id or secret (%ld %s): check GENESYS_CLIENT_ID, "
                   "GENESYS_CLIENT_SECRET and the region",
                   result->status, answer->error_code);
        return ERR_DENIED;
    }
    reason_set(why, "the login host answers %ld %s", result->status, answer->error_code);
    return ERR_UNREACHABLE;
}

int token_fetch_end(struct token *token, const struct http_result *result, int64_t now_ms, int64_t wall_ms,
                    struct reason *why)
{
    struct answer_raw raw = {
        .status = result->status,
        .retry_after = result->retry_after,
        .correlation_id = result->correlation_id,
        .body = result->body.data,
        .body_len = result->body.len,
    };
    struct answer answer;
    int64_t wait_ms;
    int rc;

    answer_read(&answer, &raw, wall_ms);
    (void)pthread_mutex_lock(&token->lock);
    token->is_fetching = false;
    if (result->transport == TRANSPORT_ANSWERED && result->status == 200)
        rc = read_token(token, result, now_ms, why);
    else
        rc = explain(result, &answer, why);
    if (rc != 0) {
        token->failures++;
        wait_ms = backoff_ms(token->failures, RETRY_BASE_MS, RETRY_CAP_MS, random_u64());
        token->renew_at_ms = now_ms + (answer.retry_after_ms > wait_ms ? answer.retry_after_ms : wait_ms);
        if (now_ms >= token->expires_at_ms)
            token->is_there = false; /* the old one has run out while no new one was to be had */
    }
    (void)pthread_mutex_unlock(&token->lock);
    return rc;
}
