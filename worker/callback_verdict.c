#include "worker/callback_verdict.h"

#include "worker/backoff.h"

/*  answer                          callback        host
 *  2xx, however its body goes on   done            up
 *  3xx (never followed), 410       dead, rejected  up
 *  429                             later           waits for its Retry-After
 *  other 4xx                       later           up: it is there, and a person can put it right meanwhile
 *  5xx, other numbers              later           down; 503 waits for its Retry-After
 *  none                            later           down
 *  no address that is allowed      dead, forbidden not judged
 *  withdrawn by ourselves          later, at once  not judged, nothing burnt
 *
 * Whatever is later is dead, exhausted, when attempts or age are used up. */
static struct callback_verdict judge_answer(long status)
{
    struct callback_verdict verdict = {.outcome = STORE_CALLBACK_LATER, .host = STORE_HOST_DOWN, .is_burnt = true};

    if (status >= 200 && status < 300) {
        verdict.outcome = STORE_CALLBACK_DONE;
        verdict.host = STORE_HOST_UP;
    } else if ((status >= 300 && status < 400) || status == 410) {
        verdict.outcome = STORE_CALLBACK_DEAD;
        verdict.failure = CALLBACK_REJECTED;
        verdict.host = STORE_HOST_UP;
    } else if (status == 429) {
        verdict.host = STORE_HOST_UNJUDGED;
    } else if (status >= 400 && status < 500) {
        verdict.host = STORE_HOST_UP;
    }
    return verdict;
}

static struct callback_verdict judge_silence(const struct callback_attempt *attempt)
{
    struct callback_verdict verdict = {.outcome = STORE_CALLBACK_LATER, .host = STORE_HOST_DOWN, .is_burnt = true};

    if (attempt->transport == TRANSPORT_WITHHELD) {
        verdict.host = STORE_HOST_UNJUDGED;
        verdict.is_burnt = false;
    } else if (attempt->is_forbidden) {
        verdict.outcome = STORE_CALLBACK_DEAD;
        verdict.failure = CALLBACK_FORBIDDEN;
        verdict.host = STORE_HOST_UNJUDGED;
    }
    return verdict;
}

struct callback_verdict callback_judge(const struct callback_attempt *attempt, const struct callback_limits *limits,
                                       uint64_t random)
{
    bool is_answered = attempt->transport == TRANSPORT_ANSWERED;
    struct callback_verdict verdict = is_answered ? judge_answer(attempt->status) : judge_silence(attempt);
    int64_t attempts = attempt->attempts + 1, left_ms = limits->age_max_ms - attempt->age_ms;

    if (verdict.outcome != STORE_CALLBACK_LATER || !verdict.is_burnt)
        return verdict;
    if (attempts >= limits->attempts_max || left_ms <= 0) {
        verdict.outcome = STORE_CALLBACK_DEAD;
        verdict.failure = CALLBACK_EXHAUSTED;
    }
    verdict.delay_ms = backoff_ms((unsigned)attempts, limits->retry_base_ms, limits->retry_cap_ms, random);
    if (verdict.delay_ms > left_ms && left_ms > 0) /* once more right before its end */
        verdict.delay_ms = left_ms;
    if (is_answered && (attempt->status == 429 || attempt->status == 503) && attempt->retry_after_ms > 0) {
        verdict.host_wait_ms = attempt->retry_after_ms;
        if (verdict.delay_ms < attempt->retry_after_ms)
            verdict.delay_ms = attempt->retry_after_ms;
    }
    return verdict;
}
