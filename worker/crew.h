/* What the sender threads of one worker share, and nothing else: the token, the circuit breaker, the judgement of 403s,
 * who sleeps, and when to stop. Two locks, never held together: one for what the senders decide by, held for a few
 * instructions, and one for waking, under which descriptors are written to. Whoever is woken wants the first at once,
 * and would meet its waker there if there were only one. */
#ifndef HERALD_WORKER_CREW_H
#define HERALD_WORKER_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/metrics.h"
#include "common/pulse.h"
#include "common/settings.h"
#include "common/store.h"
#include "worker/breaker.h"
#include "worker/forbidden.h"
#include "worker/http.h"
#include "worker/token.h"
#include "worker/verdict.h"

#define CREW_THREADS_MAX 256

/* A sender that may sleep. It is called when there may be work: one at a time, who calls the next if it got all that
 * it asked for. While it is on its way nobody watches the lists, which still hold what it is called for. */
struct sleeper {
    struct http *http;
    atomic_bool is_called;
    enum { SLEEPER_AWAKE, SLEEPER_ASLEEP, SLEEPER_CALLED } state; /* the rest under the crew's lock for waking */
    struct sleeper *next;
};

struct crew {
    const struct settings *_Atomic settings; /* those in force; others take their place on SIGHUP */
    char worker_id[64];
    char api_url[SETTINGS_URL_MAX];
    struct token *token;
    struct metrics *metrics;
    struct store_identity identity; /* in Redis; its texts live in worker_id, instance and environment */
    char instance[40], environment[128];

    /* Set by the signal handler's thread, read by all. */
    atomic_bool is_stopping;
    atomic_bool is_hurried;      /* a second signal: end what is under way at once */
    atomic_size_t sleeping;      /* senders that found nothing to do and wait for a call */
    atomic_size_t called;        /* those who were called and have not looked yet */
    atomic_size_t running;       /* sender threads that have not ended */
    atomic_bool is_audit_full;   /* Redis hands nothing out until the audit was exported */
    atomic_llong audit_said_ms;  /* monotonic; when that was last logged */
    atomic_llong lease_until_ms; /* clock_boot_ms; what Redis has confirmed, less the time that took */
    struct pulse keeping_pulse, sender_pulses[CREW_THREADS_MAX];

    pthread_mutex_t wake_lock;                /* guards these, and that they are there while they are written to */
    struct http *wakes[CREW_THREADS_MAX + 3]; /* of the housekeeping, the senders, the poller, callbacks */
    size_t wake_count;
    struct sleeper *sleepers; /* who fell asleep last comes first: its connections are the warmest */

    pthread_mutex_t lock; /* guards the rest */
    struct breaker breaker;
    struct forbidden forbidden;
    unsigned denials;        /* pauses for want of credentials or permission in a row */
    unsigned rate_strikes;   /* 429s without a Retry-After in a row */
    int64_t struck_ms;       /* monotonic; when the last of either was counted */
    int64_t denied_until_ms; /* monotonic; the end of the last of those pauses */
    int64_t rate_until_ms;   /* monotonic; of the last pause for a 429 */
    size_t active;           /* requests under way in all threads */
};

void crew_init(struct crew *crew, const struct settings *settings, struct token *token);
void crew_clear(struct crew *crew);

/* Makes a thread one that crew_wake_all reaches; and ends that. */
void crew_join(struct crew *crew, struct http *http);
void crew_leave(struct crew *crew, struct http *http);
void crew_wake_all(struct crew *crew);
void crew_wake_housekeeping(struct crew *crew); /* it is the first that joined */

/* An awake one, until it is called; the housekeeping watches the lists meanwhile. */
void crew_sleep(struct crew *crew, struct sleeper *sleeper);
/* It has looked for work, called or by itself, or ends. Nothing happens to one that does not sleep. */
void crew_rise(struct crew *crew, struct sleeper *sleeper);
void crew_call(struct crew *crew); /* one of those who sleep, if any does */
bool crew_wants_watch(const struct crew *crew);

/* Whether this worker owns what it took. Without a lease nothing may start: others may be sending it already. */
bool crew_has_lease(struct crew *crew);
void crew_set_lease(struct crew *crew, int64_t until_ms);
void crew_lose_lease(struct crew *crew); /* Redis says that it has run out: the housekeeping beats at once */

/* Whether Redis hands nothing out because the audit is full; a change is logged, and `herald status` told, once. */
void crew_note_audit(struct crew *crew, bool is_full);

/* How many requests may be started now by whoever asks, and when to ask again (monotonic ms). 0 while the breaker is
 * open, and while a pause for want of credentials is being tried out, which one request does. */
int crew_allowance(struct crew *crew, int64_t now_ms, int64_t *ret_ask_again_ms);
bool crew_is_probing(struct crew *crew, uint64_t id_hash, bool *ret_is_poison); /* not closed; and is this the poison */

/* Right before a request: false, it may not start now. Every true is followed by exactly one crew_note_end. */
bool crew_note_start(struct crew *crew, uint64_t id_hash, int64_t now_ms);

struct crew_end {
    uint64_t id_hash;
    int64_t started_ms, now_ms;
    unsigned own_forbidden; /* 403s the message had before */
    uint64_t token_generation;
    bool was_answered;
};
/* Completes the verdict (403) and returns for how long the org is to be paused; 0: not at all. `retry_after_ms` -1:
 * the answer named none. */
int64_t crew_note_end(struct crew *crew, const struct crew_end *end, struct verdict *verdict, int64_t retry_after_ms);

/* The same of a request that carried no message: it tells of the token and of the rate, and nothing of whether messages
 * get through. Neither the breaker nor the judgement of 403s hears of it. */
int64_t crew_note_poll(struct crew *crew, const struct crew_end *end, const struct verdict *verdict,
                       int64_t retry_after_ms);

/* Whether the loops of the housekeeping and of the senders turn. */
bool crew_is_alive(const struct crew *crew, int64_t now_ms);

const char *crew_state_name(struct crew *crew); /* of the breaker; for people */
/* For metrics. */
struct crew_look {
    enum breaker_state breaker;
    size_t active; /* requests under way */
};
struct crew_look crew_look(struct crew *crew);
int64_t crew_lease_left_ms(const struct crew *crew); /* 0: there is none */

#endif
