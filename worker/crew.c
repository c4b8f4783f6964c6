#include "worker/crew.h"

#include <limits.h>
#include <string.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "worker/backoff.h"

#define BREAKER_BASE_MS 1000
#define BREAKER_CAP_MS  60000
#define DENIED_BASE_MS  2000
#define DENIED_CAP_MS   300000
#define RATE_BASE_MS    1000
#define RATE_CAP_MS     60000
#define AUDIT_SAID_MS   10000

void crew_init(struct crew *crew, const struct settings *settings, struct token *token)
{
    const struct breaker_config breaker = {
        .threshold = (unsigned)settings->breaker_failures,
        .base_ms = BREAKER_BASE_MS,
        .cap_ms = BREAKER_CAP_MS,
        .probe_ms = settings->timeout_ms + 5000,
    };

    memset(crew, 0, sizeof(*crew));
    crew->settings = settings;
    crew->token = token;
    (void)pthread_mutex_init(&crew->lock, NULL); /* never fails with default attributes on Linux */
    (void)pthread_mutex_init(&crew->wake_lock, NULL);
    breaker_init(&crew->breaker, &breaker);
}

void crew_clear(struct crew *crew)
{
    (void)pthread_mutex_destroy(&crew->lock);
    (void)pthread_mutex_destroy(&crew->wake_lock);
}

/* --- waking --- */

void crew_join(struct crew *crew, struct http *http)
{
    (void)pthread_mutex_lock(&crew->wake_lock);
    crew->wakes[crew->wake_count++] = http;
    (void)pthread_mutex_unlock(&crew->wake_lock);
}

void crew_leave(struct crew *crew, struct http *http)
{
    (void)pthread_mutex_lock(&crew->wake_lock);
    for (size_t i = 0; i < crew->wake_count; i++) {
        if (crew->wakes[i] == http) {
            crew->wakes[i] = crew->wakes[--crew->wake_count];
            break;
        }
    }
    (void)pthread_mutex_unlock(&crew->wake_lock);
}

void crew_wake_all(struct crew *crew)
{
    (void)pthread_mutex_lock(&crew->wake_lock);
    for (size_t i = 0; i < crew->wake_count; i++)
        http_wake(crew->wakes[i]);
    (void)pthread_mutex_unlock(&crew->wake_lock);
}

void crew_wake_housekeeping(struct crew *crew)
{
    (void)pthread_mutex_lock(&crew->wake_lock);
    if (crew->wake_count > 0)
        http_wake(crew->wakes[0]);
    (void)pthread_mutex_unlock(&crew->wake_lock);
}

void crew_sleep(struct crew *crew, struct sleeper *sleeper)
{
    (void)pthread_mutex_lock(&crew->wake_lock);
    sleeper->state = SLEEPER_ASLEEP;
    sleeper->next = crew->sleepers;
    crew->sleepers = sleeper;
    (void)atomic_fetch_add(&crew->sleeping, 1);
    (void)pthread_mutex_unlock(&crew->wake_lock);
    crew_wake_housekeeping(crew);
}

void crew_rise(struct crew *crew, struct sleeper *sleeper)
{
    struct sleeper **link = &crew->sleepers;

    (void)pthread_mutex_lock(&crew->wake_lock);
    switch (sleeper->state) {
    case SLEEPER_AWAKE:
        break;
    case SLEEPER_ASLEEP:
        while (*link != sleeper)
            link = &(*link)->next;
        *link = sleeper->next;
        (void)atomic_fetch_sub(&crew->sleeping, 1);
        break;
    case SLEEPER_CALLED:
        (void)atomic_fetch_sub(&crew->called, 1);
        break;
    }
    sleeper->state = SLEEPER_AWAKE;
    atomic_store(&sleeper->is_called, false);
    (void)pthread_mutex_unlock(&crew->wake_lock);
}

void crew_call(struct crew *crew)
{
    struct sleeper *sleeper;

    if (atomic_load(&crew->sleeping) == 0)
        return;
    (void)pthread_mutex_lock(&crew->wake_lock);
    sleeper = crew->sleepers;
    if (sleeper) {
        crew->sleepers = sleeper->next;
        sleeper->state = SLEEPER_CALLED;
        (void)atomic_fetch_sub(&crew->sleeping, 1);
        (void)atomic_fetch_add(&crew->called, 1);
        atomic_store(&sleeper->is_called, true);
        http_wake(sleeper->http);
    }
    (void)pthread_mutex_unlock(&crew->wake_lock);
}

bool crew_wants_watch(const struct crew *crew)
{
    return atomic_load(&crew->sleeping) > 0 && atomic_load(&crew->called) == 0 && !atomic_load(&crew->is_stopping);
}

/* --- the lease --- */

bool crew_has_lease(struct crew *crew)
{
    return clock_boot_ms() < atomic_load(&crew->lease_until_ms);
}

void crew_set_lease(struct crew *crew, int64_t until_ms)
{
    atomic_store(&crew->lease_until_ms, until_ms);
}

void crew_lose_lease(struct crew *crew)
{
    atomic_store(&crew->lease_until_ms, 0);
    crew_wake_housekeeping(crew);
}

void crew_note_audit(struct crew *crew, bool is_full)
{
    int64_t now_ms = clock_mono_ms();
    long long said_ms; /* as atomics want it */

    if (atomic_exchange(&crew->is_audit_full, is_full) == is_full)
        return;
    /* An exporter that just keeps up makes it change all the time. */
    said_ms = atomic_load(&crew->audit_said_ms);
    if ((said_ms != 0 && now_ms - said_ms < AUDIT_SAID_MS) ||
        !atomic_compare_exchange_strong(&crew->audit_said_ms, &said_ms, now_ms))
        return;
    if (is_full)
        log_error("sending is stopped: the audit is full and --audit-full is stop; run herald audit export",
                  LOG_NUMBER("entries", crew->settings->audit_max));
    else
        log_info("the audit is not full any more");
    crew_wake_housekeeping(crew);
}

int crew_allowance(struct crew *crew, int64_t now_ms, int64_t *ret_ask_again_ms)
{
    int allowance;

    (void)pthread_mutex_lock(&crew->lock);
    allowance = breaker_allowance(&crew->breaker, now_ms);
    *ret_ask_again_ms = breaker_next_ms(&crew->breaker);
    if (crew->denials > 0 && allowance > 1) {
        allowance = crew->active == 0 ? 1 : 0;
        *ret_ask_again_ms = now_ms + DENIED_BASE_MS;
    }
    if (now_ms < crew->denied_until_ms) {
        allowance = 0;
        *ret_ask_again_ms = crew->denied_until_ms;
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return allowance;
}

bool crew_is_probing(struct crew *crew, uint64_t id_hash, bool *ret_is_poison)
{
    bool is_probing;

    (void)pthread_mutex_lock(&crew->lock);
    is_probing = crew->breaker.state != BREAKER_CLOSED;
    *ret_is_poison = breaker_is_poison(&crew->breaker, id_hash);
    (void)pthread_mutex_unlock(&crew->lock);
    return is_probing;
}

static void log_change(const struct breaker_change *change)
{
    if (change->from == change->to)
        return;
    if (change->to == BREAKER_OPEN)
        log_warning("circuit breaker opens: Genesys fails for several messages in a row",
                    LOG_TEXT("from", breaker_state_name(change->from)));
    else
        log_info("circuit breaker", LOG_TEXT("from", breaker_state_name(change->from)),
                 LOG_TEXT("to", breaker_state_name(change->to)));
}

bool crew_note_start(struct crew *crew, uint64_t id_hash, int64_t now_ms)
{
    struct breaker_change change;
    bool may_start;

    (void)pthread_mutex_lock(&crew->lock);
    change = (struct breaker_change){crew->breaker.state, crew->breaker.state};
    /* What was on its way from Redis when we were refused would only be refused, too, and one finds out when not. */
    may_start = now_ms >= crew->denied_until_ms && now_ms >= crew->rate_until_ms &&
                (crew->denials == 0 || crew->active == 0) &&
                breaker_note_probe(&crew->breaker, id_hash, now_ms, &change);
    if (may_start)
        crew->active++;
    (void)pthread_mutex_unlock(&crew->lock);
    log_change(&change);
    return may_start;
}

/* How long the org is paused for what this verdict says. */
static int64_t pause_of_locked(struct crew *crew, const struct crew_end *end, const struct verdict *verdict,
                               int64_t retry_after_ms)
{
    int64_t pause_ms;

    if (verdict->org_action == ORG_PAUSE_RATE && retry_after_ms >= 0)
        return retry_after_ms > 0 ? retry_after_ms : 1;
    if (verdict->org_action != ORG_PAUSE_RATE && verdict->org_action != ORG_PAUSE_DENIED)
        return 0;
    /* All that was under way when the trouble began reports the same trouble: one strike, one pause. */
    if (end->started_ms <= crew->struck_ms)
        return 0;
    crew->struck_ms = end->now_ms;
    switch (verdict->org_action) {
    case ORG_PAUSE_RATE:
        return backoff_ms(++crew->rate_strikes, RATE_BASE_MS, RATE_CAP_MS, random_u64());
    case ORG_PAUSE_DENIED:
        /* Half of it fixed: several threads report the same trouble, and each must wait. */
        crew->denials++;
        pause_ms = backoff_ceiling_ms(crew->denials, DENIED_BASE_MS, DENIED_CAP_MS) / 2 +
                   backoff_ms(crew->denials, DENIED_BASE_MS / 2, DENIED_CAP_MS / 2, random_u64());
        crew->denied_until_ms = end->now_ms + pause_ms;
        return pause_ms;
    case ORG_NONE:
    case ORG_DROP_TOKEN:
    case ORG_COUNT_FORBIDDEN:
        break;
    }
    return 0;
}

/* And nothing of ours starts meanwhile, either. */
static int64_t pause_locked(struct crew *crew, const struct crew_end *end, const struct verdict *verdict,
                            int64_t retry_after_ms)
{
    int64_t pause_ms = pause_of_locked(crew, end, verdict, retry_after_ms);

    if (verdict->org_action == ORG_PAUSE_RATE && end->now_ms + pause_ms > crew->rate_until_ms)
        crew->rate_until_ms = end->now_ms + pause_ms;
    return pause_ms;
}

static void note_breaker_locked(struct crew *crew, const struct crew_end *end, enum breaker_mark mark,
                                struct breaker_change *change)
{
    *change = (struct breaker_change){crew->breaker.state, crew->breaker.state};
    switch (mark) {
    case BREAKER_SUCCESS:
        breaker_success(&crew->breaker, end->id_hash, end->started_ms, end->now_ms, change);
        break;
    case BREAKER_FAILURE:
        breaker_failure(&crew->breaker, end->id_hash, end->started_ms, end->now_ms, random_u64(), change);
        break;
    case BREAKER_IGNORE:
        breaker_probe_gone(&crew->breaker, end->id_hash);
        break;
    }
}

static void note_token(struct crew *crew, const struct crew_end *end, const struct verdict *verdict)
{
    if (verdict->org_action == ORG_DROP_TOKEN || verdict->org_action == ORG_PAUSE_DENIED) {
        token_rejected(crew->token, end->token_generation);
        crew_wake_all(crew); /* the housekeeping fetches another */
    } else if (end->was_answered) {
        token_accepted(crew->token, end->token_generation);
    }
}

int64_t crew_note_end(struct crew *crew, const struct crew_end *end, struct verdict *verdict, int64_t retry_after_ms)
{
    struct breaker_change change;
    bool was_narrow;
    int64_t pause_ms;

    (void)pthread_mutex_lock(&crew->lock);
    was_narrow = crew->breaker.state != BREAKER_CLOSED || crew->denials > 0;
    crew->active--;
    if (verdict->org_action == ORG_COUNT_FORBIDDEN)
        verdict_add_forbidden(verdict, forbidden_note(&crew->forbidden, end->id_hash, end->own_forbidden));
    note_breaker_locked(crew, end, verdict->breaker_mark, &change);
    if (verdict->outcome == OUTCOME_SENT) {
        forbidden_note_success(&crew->forbidden);
        crew->denials = crew->rate_strikes = 0;
        crew->denied_until_ms = 0;
    }
    pause_ms = pause_locked(crew, end, verdict, retry_after_ms);
    (void)pthread_mutex_unlock(&crew->lock);
    if (was_narrow) /* one request at a time: its answer is what the others wait for */
        crew_wake_all(crew);
    log_change(&change);
    note_token(crew, end, verdict);
    return pause_ms;
}

int64_t crew_note_poll(struct crew *crew, const struct crew_end *end, const struct verdict *verdict,
                       int64_t retry_after_ms)
{
    int64_t pause_ms;

    (void)pthread_mutex_lock(&crew->lock);
    pause_ms = pause_locked(crew, end, verdict, retry_after_ms);
    (void)pthread_mutex_unlock(&crew->lock);
    note_token(crew, end, verdict);
    return pause_ms;
}

bool crew_is_alive(const struct crew *crew, int64_t now_ms)
{
    for (size_t i = 0; i < CREW_THREADS_MAX; i++) {
        if (pulse_is_still(&crew->sender_pulses[i], now_ms))
            return false;
    }
    return !pulse_is_still(&crew->keeping_pulse, now_ms);
}

const char *crew_state_name(struct crew *crew)
{
    const char *name;

    (void)pthread_mutex_lock(&crew->lock);
    name = breaker_state_name(crew->breaker.state);
    (void)pthread_mutex_unlock(&crew->lock);
    return name;
}

struct crew_look crew_look(struct crew *crew)
{
    struct crew_look look;

    (void)pthread_mutex_lock(&crew->lock);
    look = (struct crew_look){crew->breaker.state, crew->active};
    (void)pthread_mutex_unlock(&crew->lock);
    return look;
}

int64_t crew_lease_left_ms(const struct crew *crew)
{
    int64_t left_ms = atomic_load(&crew->lease_until_ms) - clock_boot_ms();

    return left_ms > 0 ? left_ms : 0;
}
