/* The OAuth token of a worker (RFC 6749, section 4.4: client credentials), shared by its threads.
 *
 * Single flight: only the housekeeping thread fetches (token_fetch_*), however many senders wait. A token is renewed
 * before it runs out, while the old one is still in use. A sender that gets a 401 rejects the generation it used: the
 * first to do so drops the token, the others find it dropped. */
#ifndef HERALD_WORKER_TOKEN_H
#define HERALD_WORKER_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/oauth.h"
#include "common/reason.h"
#include "worker/http.h"

struct token;

struct token_config {
    const char *url; /* of the token endpoint; copied */
    const char *client_id, *client_secret;
    bool in_body; /* credentials in the body instead of HTTP Basic */
};

struct token *token_create(const struct token_config *config);
void token_destroy(struct token *token); /* takes NULL; wipes the secrets */
/* Other credentials (SIGHUP): the token is fetched anew. */
void token_set_credentials(struct token *token, const char *client_id, const char *client_secret);

/* --- senders --- */

struct token_use {
    uint64_t generation; /* 0: none yet */
    bool is_fresh;       /* fetched because its predecessor was refused, and not accepted anywhere yet */
    char header[OAUTH_HEADER_MAX];
};
/* Brings `use` up to date, copying only when the token has changed. False: there is none now, do not send. */
bool token_get(struct token *token, struct token_use *use);
bool token_is_there(struct token *token);                      /* any thread */
void token_accepted(struct token *token, uint64_t generation); /* an answer that was no 401 */
void token_rejected(struct token *token, uint64_t generation);

/* --- housekeeping --- */

/* When to fetch: monotonic ms, INT64_MAX while one is under way. */
int64_t token_fetch_at_ms(struct token *token);
/* Fills the request; `body` and `authorization` are borrowed by it until the result. */
void token_fetch_begin(struct token *token, struct http_request *ret, struct buf *body, struct buf *authorization);
/* Takes the answer. 0 when there is a token now, else an err and why, and the next try waits with backoff. */
int token_fetch_end(struct token *token, const struct http_result *result, int64_t now_ms, int64_t wall_ms,
                    struct reason *why);

#endif
