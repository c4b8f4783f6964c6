/* The API of Genesys for the command line: one call after the other, each waited for, over libcurl, whose types stay in
 * fetch.c. It fetches the token itself, fetches another one when the first is refused, and waits when a 429 asks for
 * it.
 *
 * For a few calls by hand, not for sending messages: worker/http.h is for those. No call is sent twice behind our back:
 * each has a connection of its own, redirects are not followed, and only a 401 and a 429, which say that nothing was
 * done, are answered by asking again. */
#ifndef HERALD_COMMON_FETCH_H
#define HERALD_COMMON_FETCH_H

#include <stdint.h>

#include "common/answer.h"
#include "common/oauth.h"
#include "common/reason.h"
#include "common/span.h"

#define FETCH_BODY_MAX ((size_t)1 << 20) /* bytes of an answer; a longer one is an error */

struct fetch;

/* Everything is borrowed until fetch_close. */
struct fetch_config {
    const char *api_url, *login_url; /* without a slash at the end: settings_urls */
    struct oauth_credentials credentials;
    const char *ca_file; /* NULL: the system's */
    int64_t timeout_ms, connect_timeout_ms;
    int64_t patience_ms;              /* the longest wait that a 429 may ask for */
    void (*on_wait)(int64_t wait_ms); /* before such a wait; NULL: nobody is told */
};

int fetch_open(struct fetch **ret, const struct fetch_config *config, struct reason *why);
void fetch_close(struct fetch *fetch); /* takes NULL; wipes the token */

/* Fetches the token and nothing else, to see whether the credentials are good. Errors as of fetch_call. */
int fetch_prove(struct fetch *fetch, struct reason *why);

/* GET `path` of `base` (neither login nor token), for the pages of our own programs. 0 with whatever status; *ret is
 * the body (the caller clears it). ERR_UNREACHABLE, ERR_LIMIT. */
struct buf;
int fetch_page(const char *base, const char *path, int64_t timeout_ms, long *ret_status, struct buf *ret,
               struct reason *why);

struct fetch_answer {
    struct answer answer; /* the status, and what Genesys says of an error */
    struct span body;     /* borrowed until the next call */
};

/* `method` of `path` (from its slash on, escaped), with a JSON body unless that is absent. 0 for a 2xx. Else an err,
 * with Genesys' code, message and correlation id in `why`, and *ret filled when there was an answer of the API (its
 * status is 0 otherwise): ERR_UNREACHABLE without an answer, for 408, 5xx and a 429 beyond our patience; ERR_DENIED for
 * 401 and 403 and refused credentials; ERR_STATE for any other status. After ERR_UNREACHABLE a call that changes
 * something may have been carried out. */
int fetch_call(struct fetch *fetch, const char *method, const char *path, struct span body, struct fetch_answer *ret,
               struct reason *why);

#endif
