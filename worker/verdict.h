/* What an attempt comes to: the answer table of the design, as values in and values out.
 *
 * Who pays for a failure. A problem of ours is not the message's fault (guarantee 6), so what the message cannot have
 * caused burns no attempt: nothing was sent (DNS, connect, TLS), 503, 429, 401, a 403 that is not known to be its own,
 * a redirect (our URL is wrong). There the breaker or a pause of the organisation stops the sending, and only the
 * message's own age ends it. What it may have caused burns one: a 500 can be a text that makes the server fall over,
 * a 408 or a silence a body that never gets through; such a message must not live for ever, and while a real outage
 * lasts the breaker lets only a probe at a time pay.
 *
 * What is unknown. After a 500, 502, 504, any 5xx but 503, no usable status, or silence after the request
 * left, the message may have gone out. Under `hold` that ends it at once, before attempts and age are looked at,
 * because a person or a receipt has to settle it; under `resend` it is tried again and the fact is only recorded. */
#ifndef HERALD_WORKER_VERDICT_H
#define HERALD_WORKER_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/forbidden.h"

enum transport {
    TRANSPORT_ANSWERED, /* a complete answer with a status */
    TRANSPORT_NOT_SENT, /* DNS, connect or TLS failed before any of the request left */
    TRANSPORT_UNKNOWN,  /* time-out or reset after it left, or after it may have left */
    TRANSPORT_WITHHELD, /* we kept it back ourselves before any of it left: no lease any more, or told to stop */
};

struct attempt_result {
    enum transport transport;
    long status;      /* with TRANSPORT_ANSWERED; anything outside 200..599 is no answer that can be relied on */
    bool fresh_token; /* the token used was fetched after an earlier 401 */
};

/* What the verdict needs to know of the message. */
struct verdict_facts {
    bool hold_unknown;        /* on_unknown is `hold` (else `resend`) */
    unsigned attempts_before; /* burnt before this attempt */
    unsigned max_attempts;    /* 0 counts as 1 */
    int64_t left_ms; /* until the earlier of expires_at and the greatest age; 0 or less: too late, INT64_MAX: no end */
};

enum outcome {
    OUTCOME_SENT,
    OUTCOME_DEFERRED, /* to the delayed set */
    OUTCOME_DEAD,     /* to the dead letters, with `reason` */
    OUTCOME_RETURNED, /* to the front of its list, to go as soon as the organisation may send again */
};

enum org_action {
    ORG_NONE,
    ORG_PAUSE_RATE,      /* pause for Retry-After, else by backoff */
    ORG_DROP_TOKEN,      /* forget this token and fetch another, once */
    ORG_PAUSE_DENIED,    /* pause with a loud reason: credentials or permission; probe again by backoff */
    ORG_COUNT_FORBIDDEN, /* ask forbidden_note(), then verdict_add_forbidden() */
};

enum breaker_mark {
    BREAKER_IGNORE,  /* says nothing about whether the API works: breaker_probe_gone() */
    BREAKER_SUCCESS, /* the API looked at the message and judged it: breaker_success() */
    BREAKER_FAILURE, /* breaker_failure() */
};

struct verdict {
    const char *name; /* of the row, snake_case, static: for logs and metric labels */
    enum outcome outcome;
    enum org_action org_action;
    enum breaker_mark breaker_mark;
    bool burns_attempt;
    bool is_unknown;    /* the message may have reached the recipient; stays true whatever the outcome became */
    const char *reason; /* dead letter reason, static; NULL unless OUTCOME_DEAD. One of: rejected, forbidden,
                           outcome_unknown, attempts_exhausted, expired */
};

struct verdict verdict_of(const struct attempt_result *result, const struct verdict_facts *facts);

/* Completes a verdict whose action is ORG_COUNT_FORBIDDEN with what forbidden_note() said: it waits, or goes back and
 * pauses the organisation, or is dead with reason `forbidden`. One that is dead already (expired) stays so. */
void verdict_add_forbidden(struct verdict *verdict, enum forbidden_verdict forbidden);

/* All names that a verdict can have. */
size_t verdict_count(void);
const char *verdict_name(size_t index);

const char *outcome_name(enum outcome outcome); /* "sent", "deferred", "dead", "returned" */

#endif
