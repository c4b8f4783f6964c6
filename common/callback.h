/* What is told of a message to the URL that asked for it: the job that Redis keeps (written by parts/callbacks.lua),
 * the JSON that is posted, and its signature by Standard Webhooks 1.0 (https://www.standardwebhooks.com). There is no
 * address and no text of a message in it. docs/callbacks.md is the contract with receivers. Pure. */
#ifndef HERALD_COMMON_CALLBACK_H
#define HERALD_COMMON_CALLBACK_H

#include "common/buf.h"
#include "common/json.h"
#include "common/span.h"
#include "common/trace.h"

#define CALLBACK_JOB_MAX      ((size_t)64 << 10) /* bytes; what is kept of an answer is cut to stay below */
#define CALLBACK_ATTEMPTS_MAX 1000000

/* Why one is dead. */
enum callback_failure {
    CALLBACK_EXHAUSTED,  /* too many attempts, or too old */
    CALLBACK_REJECTED,   /* the receiver says for good that it does not want it: a redirect, 410 */
    CALLBACK_FORBIDDEN,  /* its URL, or the address of its host, is not allowed */
    CALLBACK_UNREADABLE, /* no job of ours */
    CALLBACK_FAILURE_COUNT
};
const char *callback_failure_name(enum callback_failure failure); /* "exhausted" */

struct callback {
    struct json *json; /* the job; owned */
    int64_t attempts, since_ms, at_ms;
    const char *type; /* `message.sent`; borrows from json, as the rest */
    struct span url;
    struct trace trace;     /* that the message belongs to */
    const char *trace_text; /* NULL: none */
};

/* ERR_INVALID unless it is one of ours. Clear it in any case. */
int callback_read(struct callback *ret, struct span document, struct reason *why);
void callback_clear(struct callback *callback);

/* The body of the request: the same bytes at each attempt. */
void callback_write_body(const struct callback *callback, struct buf *out);

/* What the last attempt came to, for people. */
struct callback_trace {
    const char *reason; /* of a dead one, else NULL */
    long status;        /* 0: no answer */
    const char *detail; /* "" for none */
    int64_t at_ms;
};
/* The job as it goes back: `attempts` of the callback as it now is. `{"attempts":N,"since":MS` are the first members:
 * callback_settle.lua sets them back. */
void callback_write_job(const struct callback *callback, const struct callback_trace *trace, struct buf *out);

/* --- signatures --- */

#define CALLBACK_SECRETS_MAX 4
#define CALLBACK_SECRET_MIN  24 /* bytes, as the specification has it */
#define CALLBACK_SECRET_MAX  64

struct callback_secrets {
    size_t count;
    struct {
        size_t len;
        char bytes[CALLBACK_SECRET_MAX];
    } all[CALLBACK_SECRETS_MAX];
};

/* `whsec_<base64>`, several separated by white space while they are exchanged: all of them sign. NULL: none.
 * ERR_INVALID with the reason, which names a secret by its place alone. Wipe them when done. */
int callback_read_secrets(struct callback_secrets *ret, const char *text, struct reason *why);

/* `v1,<base64>` for each secret, separated by blanks, over `<id>.<seconds>.<body>`. */
void callback_sign(const struct callback_secrets *secrets, const char *id, int64_t at_s, struct span body,
                   struct buf *out);

#endif
