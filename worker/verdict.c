#include "worker/verdict.h"

#include <limits.h>
#include <stddef.h>

enum token { TOKEN_ANY, TOKEN_OLD, TOKEN_FRESH };

/* Who pays, and whether the recipient may have the message; see the header. */
enum cost { FREE = 0, BURNS = 1, BURNS_UNKNOWN = 2 };

/* One row of the answer table: an attempt that ended like this comes to that. */
struct row {
    const char *name;
    long first, last; /* statuses */
    enum token token;
    enum outcome outcome;
    enum org_action org_action;
    enum breaker_mark breaker_mark;
    enum cost cost;
};

/* The first row that fits counts, so a single status stands before its class. The last row takes every number that is
 * no final status (RFC 9110, section 15: 200 to 599). */
static const struct row answered[] = {
    {"sent", 200, 299, TOKEN_ANY, OUTCOME_SENT, ORG_NONE, BREAKER_SUCCESS, BURNS},
    {"redirected", 300, 399, TOKEN_ANY, OUTCOME_DEFERRED, ORG_NONE, BREAKER_FAILURE, FREE},
    {"token_refused", 401, 401, TOKEN_OLD, OUTCOME_RETURNED, ORG_DROP_TOKEN, BREAKER_IGNORE, FREE},
    {"credentials_refused", 401, 401, TOKEN_FRESH, OUTCOME_RETURNED, ORG_PAUSE_DENIED, BREAKER_IGNORE, FREE},
    {"forbidden", 403, 403, TOKEN_ANY, OUTCOME_DEFERRED, ORG_COUNT_FORBIDDEN, BREAKER_IGNORE, FREE},
    {"request_timeout", 408, 408, TOKEN_ANY, OUTCOME_DEFERRED, ORG_NONE, BREAKER_FAILURE, BURNS},
    {"rate_limited", 429, 429, TOKEN_ANY, OUTCOME_RETURNED, ORG_PAUSE_RATE, BREAKER_IGNORE, FREE},
    {"rejected", 400, 499, TOKEN_ANY, OUTCOME_DEAD, ORG_NONE, BREAKER_SUCCESS, BURNS},
    {"unavailable", 503, 503, TOKEN_ANY, OUTCOME_DEFERRED, ORG_NONE, BREAKER_FAILURE, FREE},
    {"server_error", 500, 599, TOKEN_ANY, OUTCOME_DEFERRED, ORG_NONE, BREAKER_FAILURE, BURNS_UNKNOWN},
    {"no_status", LONG_MIN, LONG_MAX, TOKEN_ANY, OUTCOME_DEFERRED, ORG_NONE, BREAKER_FAILURE, BURNS_UNKNOWN},
};

/* What there is to say without an answer. */
static const struct row silent[] = {
    [TRANSPORT_NOT_SENT] = {"not_sent", 0, 0, TOKEN_ANY, OUTCOME_DEFERRED, ORG_NONE, BREAKER_FAILURE, FREE},
    [TRANSPORT_UNKNOWN] = {"no_answer", 0, 0, TOKEN_ANY, OUTCOME_DEFERRED, ORG_NONE, BREAKER_FAILURE, BURNS_UNKNOWN},
    [TRANSPORT_WITHHELD] = {"withheld", 0, 0, TOKEN_ANY, OUTCOME_RETURNED, ORG_NONE, BREAKER_IGNORE, FREE},
};

#define ANSWERED_COUNT (sizeof(answered) / sizeof(answered[0]))
#define SILENT_FIRST   TRANSPORT_NOT_SENT /* the one before it is an answer's */

size_t verdict_count(void)
{
    return ANSWERED_COUNT + sizeof(silent) / sizeof(silent[0]) - SILENT_FIRST;
}

const char *verdict_name(size_t index)
{
    return index < ANSWERED_COUNT ? answered[index].name : silent[index - ANSWERED_COUNT + SILENT_FIRST].name;
}

static bool fits(const struct row *row, const struct attempt_result *result)
{
    if (result->status < row->first || result->status > row->last)
        return false;
    switch (row->token) {
    case TOKEN_ANY:
        return true;
    case TOKEN_OLD:
        return !result->fresh_token;
    case TOKEN_FRESH:
        return result->fresh_token;
    }
    return false;
}

static const struct row *find_row(const struct attempt_result *result)
{
    size_t at = 0;

    switch (result->transport) {
    case TRANSPORT_ANSWERED:
        while (!fits(&answered[at], result)) /* ends: every number fits the last row */
            at++;
        return &answered[at];
    case TRANSPORT_NOT_SENT:
    case TRANSPORT_UNKNOWN:
    case TRANSPORT_WITHHELD:
        return &silent[result->transport];
    }
    return &silent[TRANSPORT_UNKNOWN];
}

static void bury(struct verdict *verdict, const char *reason)
{
    verdict->outcome = OUTCOME_DEAD;
    verdict->reason = reason;
}

struct verdict verdict_of(const struct attempt_result *result, const struct verdict_facts *facts)
{
    const struct row *row = find_row(result);
    bool is_last = facts->max_attempts <= 1 || facts->attempts_before >= facts->max_attempts - 1;
    struct verdict verdict = {
        .name = row->name,
        .outcome = row->outcome,
        .org_action = row->org_action,
        .breaker_mark = row->breaker_mark,
        .burns_attempt = row->cost != FREE,
        .is_unknown = row->cost == BURNS_UNKNOWN,
    };

    if (row->outcome == OUTCOME_SENT)
        return verdict;
    if (row->outcome == OUTCOME_DEAD)
        bury(&verdict, "rejected");
    else if (verdict.is_unknown && facts->hold_unknown)
        bury(&verdict, "outcome_unknown");
    else if (verdict.burns_attempt && is_last)
        bury(&verdict, "attempts_exhausted");
    else if (facts->left_ms <= 0)
        bury(&verdict, "expired");
    return verdict;
}

void verdict_add_forbidden(struct verdict *verdict, enum forbidden_verdict forbidden)
{
    bool is_dead = verdict->outcome == OUTCOME_DEAD;

    verdict->org_action = ORG_NONE;
    switch (forbidden) {
    case FORBIDDEN_WAIT:
        break;
    case FORBIDDEN_PAUSE:
        verdict->org_action = ORG_PAUSE_DENIED;
        if (!is_dead)
            verdict->outcome = OUTCOME_RETURNED;
        break;
    case FORBIDDEN_DEAD:
        if (!is_dead)
            bury(verdict, "forbidden");
        break;
    }
}

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[] = {
        [OUTCOME_SENT] = "sent",
        [OUTCOME_DEFERRED] = "deferred",
        [OUTCOME_DEAD] = "dead",
        [OUTCOME_RETURNED] = "returned",
    };

    _Static_assert(sizeof(names) / sizeof(names[0]) == OUTCOME_RETURNED + 1, "every outcome has a name");
    return names[outcome];
}
