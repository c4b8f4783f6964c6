#include "worker/token.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/answer.h"
#include "common/ids.h"
#include "common/mem.h"
#include "worker/backoff.h"

#define RENEW_EARLY_MS 60000 /* as the vendor's SDK; less when a token lives for only a few minutes */
#define RETRY_BASE_MS  500
#define RETRY_CAP_MS   30000

struct token {
    char *url, *client_id, *client_secret; /* the last two under the lock: SIGHUP changes them */
    bool in_body;

    pthread_mutex_t lock; /* guards everything below */
    char header[OAUTH_HEADER_MAX];
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

bool token_is_there(struct token *token)
{
    bool is_there;

    (void)pthread_mutex_lock(&token->lock);
    is_there = token->is_there;
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

void token_fetch_begin(struct token *token, struct http_request *ret, struct buf *body, struct buf *authorization)
{
    (void)pthread_mutex_lock(&token->lock);
    token->is_fetching = true;
    oauth_request(&(struct oauth_credentials){token->client_id, token->client_secret, token->in_body}, body,
                  authorization);
    (void)pthread_mutex_unlock(&token->lock);
    *ret = (struct http_request){
        .url = token->url,
        .authorization = authorization->len ? buf_str(authorization) : NULL,
        .content_type = OAUTH_CONTENT_TYPE,
        .body = {body->data, body->len},
    };
}

static void keep_locked(struct token *token, const struct oauth_token *fetched, int64_t now_ms)
{
    int64_t life_ms = fetched->life_ms, early_ms = life_ms / 10 < RENEW_EARLY_MS ? life_ms / 10 : RENEW_EARLY_MS;

    memcpy(token->header, fetched->header, sizeof(token->header));
    token->generation++;
    token->is_there = true;
    token->is_fresh = token->was_rejected;
    token->failures = 0;
    token->expires_at_ms = now_ms + life_ms;
    token->renew_at_ms = token->expires_at_ms - early_ms;
}

static int read_token_locked(struct token *token, const struct http_result *result, int64_t now_ms, struct reason *why)
{
    struct oauth_token fetched;
    int rc = oauth_read_token(&fetched, result->body, why);

    if (rc == 0)
        keep_locked(token, &fetched, now_ms);
    explicit_bzero(&fetched, sizeof(fetched));
    return rc;
}

static int explain(const struct http_result *result, const struct answer *answer, struct reason *why)
{
    if (result->transport == TRANSPORT_ANSWERED)
        return oauth_explain(result->status, answer->error_code, why);
    reason_set(why, "the login host cannot be reached: %.200s", result->error);
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
        rc = read_token_locked(token, result, now_ms, why);
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
