/* The client credentials grant (RFC 6749, section 4.4): the request for a token and its answer. Pure: whoever asks does
 * the sending. Credentials go by HTTP Basic, as in every SDK of the vendor, or in the body, as in the tutorials. */
#ifndef HERALD_COMMON_OAUTH_H
#define HERALD_COMMON_OAUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/reason.h"
#include "common/span.h"

#define OAUTH_PATH         "/oauth/token" /* below the login host */
#define OAUTH_CONTENT_TYPE "application/x-www-form-urlencoded"
#define OAUTH_HEADER_MAX   4300 /* "Bearer " and a token of up to 4 kB */
#define OAUTH_REQUEST_MAX  ((size_t)4 * OAUTH_HEADER_MAX)

struct oauth_credentials {
    const char *client_id, *client_secret;
    bool in_body;
};

/* Sets both to what is to be sent: `authorization` is the whole value, empty when the credentials are in the body. They
 * are secrets: wipe them. */
void oauth_request(const struct oauth_credentials *credentials, struct buf *body, struct buf *authorization);

struct oauth_token {
    char header[OAUTH_HEADER_MAX]; /* `Bearer ` and the token; a secret */
    int64_t life_ms;               /* from now on */
};

/* Reads the body of a 200. ERR_INVALID when there is no token in it that can go into a header. */
int oauth_read_token(struct oauth_token *ret, struct span body, struct reason *why);

/* Says what another answer means: ERR_DENIED when the credentials are refused, else ERR_UNREACHABLE. `code` is that of
 * the answer, or "". */
int oauth_explain(long status, const char *code, struct reason *why);

#endif
