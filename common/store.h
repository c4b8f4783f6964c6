/* The store: every change of a queue's state, each one atomic step in Redis, and the only module that knows key names.
 *
 * A store is one connection for one thread. Requests are queued and answered by callbacks from store_pump, so that a
 * sender never stands still for Redis; programs that may wait call store_finish. Connecting, and connecting again with
 * backoff, happens inside store_pump. What must arrive (an outcome, an enqueue) is kept and sent again on the next
 * connection until Redis has answered it; every such step can be repeated without harm. */
#ifndef HERALD_COMMON_STORE_H
#define HERALD_COMMON_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/audit.h"
#include "common/envelope.h"
#include "common/options.h"
#include "common/reason.h"
#include "common/span.h"

struct store;

#define STORE_ORG_MAX 64 /* letters, digits, . _ - */

/* ERR_INVALID if the URL or the org's name is not one. Does not connect yet. */
int store_open(struct store **ret, const char *redis_url, const char *org, struct reason *why);
void store_close(struct store *store); /* takes NULL; pending requests are dropped without their callbacks */

/* How long things are remembered; ms. */
struct store_limits {
    int64_t keep_ms;            /* state of a settled message, counters of a campaign */
    int64_t dedup_ms;           /* idempotency keys outside a campaign */
    int64_t campaign_memory_ms; /* whom a campaign has been sent to */
    int64_t audit_max;          /* entries of the audit stream */
    bool audit_stops;           /* when there are so many nothing is reserved any more, and none is cut off */
    int64_t report_ms;          /* what reports count, by the day */
};
void store_set_limits(struct store *store, const struct store_limits *limits);

/* How long steps take is counted there, by the thread that uses the store; NULL: nowhere. */
struct metrics_block;
void store_set_metrics(struct store *store, struct metrics_block *block);
size_t store_step_count(void);
const char *store_step_name(size_t index);

/* Connects when it is time to, writes, reads, calls back. 0 while Redis is there, else ERR_UNREACHABLE or ERR_DENIED
 * with the reason of the last failure, for as long as it lasts. */
int store_pump(struct store *store, struct reason *why);
int store_fd(const struct store *store); /* -1: not connected; wait store_wait_ms then */
bool store_wants_write(const struct store *store);
int64_t store_wait_ms(const struct store *store); /* until the next try to connect; -1: nothing to wait for */
bool store_is_up(const struct store *store);
size_t store_pending(const struct store *store); /* requests without an answer */

/* Pumps until at most `left` requests have no answer. Gives up with the last reason when Redis has been away for
 * `patience_ms`, or has not answered anything for six times as long: being slow is not being away. */
int store_finish(struct store *store, size_t left, int64_t patience_ms, struct reason *why);

/* After store_finish gave up: the connection ends, and requests without an answer are dropped without their callbacks,
 * whose memory may be gone. */
void store_drop(struct store *store);
/* Any thread: from now on store_finish fails, and one that waits gives up within a second. */
void store_give_up(struct store *store);

/* --- putting messages in (store_enqueue.c) --- */

/* Bytes of a hash: what idempotency keys are kept as. With the two that Redis adds they fill one allocation of 16 bytes
 * where one byte more would take 32. Two of a milliard keys are the same by chance once in 10^16 times. */
#define STORE_KEY_SIZE 14

struct store_message {
    uint8_t key[STORE_KEY_SIZE]; /* the same key is accepted once, within the campaign or the time that keys are kept */
    enum priority priority;
    int64_t due_ms; /* wall clock; 0: now */
    struct span envelope;
    struct span person; /* as in the suppression set; absent: not looked up there */
};

enum store_enqueued {
    STORE_ENQUEUED,
    STORE_SEEN,      /* its key was accepted before */
    STORE_OPTED_OUT, /* the person is on the suppression set: not in, and the key is not remembered */
};

/* There is one answer a message, in order. rc is 0, or ERR_STATE when Redis answered with an error (nothing of the
 * batch is in then). */
typedef void (*store_enqueued_fn)(void *context, int rc, const enum store_enqueued *answers, size_t count);
/* Who puts messages in or takes them back from now on, for the audit: written in the step that does it. "" (as at the
 * start): nobody is named, and what was put in has no entry. */
void store_set_actor(struct store *store, const char *actor);
/* Messages of one step: what it costs beside them is shared, and Redis does nothing else for a millisecond or two. Lua
 * hands on some 7,900 arguments at most. */
#define STORE_ENQUEUE_MAX 400
/* At most STORE_ENQUEUE_MAX messages. */
void store_enqueue(struct store *store, const char *campaign /* or NULL */, const struct store_message *messages,
                   size_t count, store_enqueued_fn done, void *context);

void store_key_of(const char *campaign /* or NULL */, struct span what, uint8_t key[STORE_KEY_SIZE]);

/* --- a worker's steps (store_flight.c) --- */

#define STORE_TICKET_SIZE 32
#define STORE_BATCH_MAX   256 /* messages of one reserve or settle */

struct store_reserve {
    const char *worker, *prefix; /* tickets are `<prefix><number>` */
    int64_t first;               /* number of the first ticket */
    int64_t wanted;              /* 1 to STORE_BATCH_MAX */
    struct rate rate;
    int64_t margin_ms; /* how long after this a grant may still be used; the window is kept that much longer */
};

struct store_reserved {
    int rc;             /* 0, ERR_STATE (Redis said no) or ERR_UNREACHABLE (the answer was lost: release the tickets) */
    int64_t first;      /* as asked */
    int64_t wanted;     /* as asked */
    int64_t now_ms;     /* Redis' clock */
    bool has_no_lease;  /* nothing was taken: the worker's lease has run out */
    bool is_audit_full; /* nothing was taken: the audit has as many entries as it may, see audit_stops */
    int64_t hold_ms;    /* the org is paused for so long; nothing was taken */
    int64_t window_ms;  /* the window is full for so long; nothing was taken */
    int64_t due_in_ms;  /* the next delayed message falls due; -1: none */
    size_t count;       /* envelopes taken */
};
/* `envelope(i)` is borrowed until the callback returns. */
struct span store_reserved_envelope(const struct store_reserved *reserved, size_t index);
typedef void (*store_reserved_fn)(void *context, const struct store_reserved *reserved);
void store_reserve(struct store *store, const struct store_reserve *ask, store_reserved_fn done, void *context);

/* Reserves of tickets below `first` take nothing from now on: one that was lost may still be on its way to Redis. */
void store_fence(struct store *store, const char *worker, const char *prefix, int64_t first);

#define STORE_CODE_MAX 64 /* characters of an error code by which dead letters are found; longer ones are cut */

enum store_move { STORE_SENT, STORE_DEFER, STORE_BURY, STORE_RELEASE, STORE_MOVE_COUNT };

#define STORE_TEMPLATE_MAX 64

/* What reports and callbacks have to know of a message that ends; for sent and bury. */
struct store_about {
    const char *channel;       /* "" when it is not known */
    struct span template_name; /* may be absent; over STORE_TEMPLATE_MAX bytes it is one of `(other)` */
    int64_t segments;          /* of an SMS; else 0 */
    int64_t since_ms;          /* when it could be sent first: accepted, due or replayed; 0: not known */
    struct span callback;      /* the URL that its outcome is told to; may be absent */
    const struct trace *trace; /* that it belongs to; NULL or one without an id: none */
};

struct store_settle {
    const char *ticket;
    const char *id, *campaign; /* campaign "" when there is none */
    struct store_about about;
    bool is_new;                               /* nobody counted it as accepted yet */
    int64_t attempts;                          /* burnt so far; not for release */
    const char *provider_id, *conversation_id; /* sent */
    const char *correlation_id;                /* sent */
    bool is_polled;                            /* sent: its status is to be asked for, see store_poll.h */
    struct span person;                        /* sent: as in the suppression set; whom its receipts are about */
    int64_t delay_ms;                          /* defer */
    const char *counted_as;                    /* defer: `retries` or another counter */
    struct span document;                      /* defer: the envelope; bury: the dead letter */
    const char *reason, *code; /* bury: what the dead letter is found by, with the channel; code may be "" */
    struct span audit;         /* an entry of the audit, JSON; may be absent for a defer */
    bool give_back;            /* the grant was not used; not for sent */
};
/* rc is 0, or ERR_STATE when Redis refuses the step itself (the messages stay in flight). */
typedef void (*store_settled_fn)(void *context, int rc);
void store_settle(struct store *store, enum store_move move, const char *worker, const struct store_settle *items,
                  size_t count, store_settled_fn done, void *context);

/* --- the last look (store_check.c) --- */

enum store_answer {
    STORE_GO,         /* send it now */
    STORE_NO_LEASE,   /* send nothing: the lease has run out */
    STORE_GONE,       /* it was taken from us */
    STORE_WITHDRAWN,  /* a late answer says that it was sent: it is counted so */
    STORE_CANCELLED,  /* its campaign: it is counted so */
    STORE_PARKED,     /* its campaign is paused: it waits beside the list */
    STORE_SUPPRESSED, /* the person has opted out: bury it */
    STORE_SENDER_FULL /* its sender has a window of its own, and that is full: put it off */
};

struct store_check {
    const char *ticket, *id, *campaign;
    struct span person; /* as in the suppression set: `sms:+13175550199` */
    bool was_redelivered;
    struct span sender; /* the address it goes out from */
    struct span
        adopted; /* the envelope that a pushed message has from now on; counted as accepted; absent for others */
};
/* rc 0 and an answer for each; ERR_STATE when Redis refused; ERR_UNREACHABLE when the answer was lost (of WITHDRAWN,
 * CANCELLED and PARKED ones the tickets are gone then). */
struct store_checked {
    enum store_answer answer;
    int64_t wait_ms; /* of SENDER_FULL */
};
typedef void (*store_checked_fn)(void *context, int rc, const struct store_checked *answers, size_t count);
struct store_look {
    const char *worker;
    struct rate sender_rate; /* of each sender address; limit 0: none */
    int64_t margin_ms;       /* how long a grant may wait to be used */
};
void store_check(struct store *store, const struct store_look *look, const struct store_check *items, size_t count,
                 store_checked_fn done, void *context);

/* --- leases (store_lease.c) --- */

enum store_joined {
    STORE_JOINED,
    STORE_NAME_TAKEN, /* a worker has this name, and a lease that ends in `left_ms` unless it is alive and beats */
    STORE_NOT_HOME,   /* these queues belong to another environment */
};

struct store_identity {
    const char *worker, *instance; /* the instance is chance: a new one at each start */
    const char *environment;
    int64_t lease_ms;
};
/* May wait. */
struct store_join {
    enum store_joined joined;
    char home[128];  /* NOT_HOME: the environment that the queues belong to */
    int64_t left_ms; /* NAME_TAKEN */
};
int store_join(struct store *store, const struct store_identity *who, bool adopt, struct store_join *ret,
               int64_t patience_ms, struct reason *why);
/* `done` is told whether the lease is ours for another lease_ms from when this was called; LOST: nobody knows. */
enum store_beaten { STORE_LEASE_OURS, STORE_LEASE_NOT_OURS, STORE_BEAT_LOST };
void store_beat(struct store *store, const struct store_identity *who, const char *note, const char *breaker,
                void (*done)(void *context, enum store_beaten beaten), void *context);
/* Takes back what workers without a lease were holding, at most STORE_BATCH_MAX at once. */
void store_reap(struct store *store, int64_t lease_ms, void (*done)(void *context, int64_t taken), void *context);

/* --- the org and its workers (store_org.c) --- */

enum store_campaign_state { STORE_RUNNING, STORE_PAUSED, STORE_CANCELLED_FOR_GOOD };

/* May wait. `ret_moved`: parked messages that went back on their lists, or ended. Who did it is written to the audit in
 * the same step, when it changes anything. ERR_INVALID: there is no such campaign; ERR_STATE: it is cancelled. */
int store_set_campaign(struct store *store, const char *campaign, enum store_campaign_state state,
                       const struct audit_by *by, int64_t *ret_moved, int64_t patience_ms, struct reason *why);

void store_hold(struct store *store, int64_t ms, const char *reason);
/* A request left after its grant had run out, or was long on its way: the grant counts from `ago_ms` before now on. */
void store_touch(struct store *store, const char *worker, const char *ticket, struct span sender, int64_t ago_ms);
void store_leave(struct store *store, const char *worker);

/* Blocks inside Redis until the list of this priority has a message (which stays there) or the time is over, then calls
 * back. Only for a store that does nothing else. */
void store_watch(struct store *store, enum priority priority, int64_t timeout_ms, void (*done)(void *context),
                 void *context);

/* --- looking (store_status.c); for programs that may wait --- */

#define STORE_COUNTERS_MAX 64
#define STORE_WORKERS_MAX  1024

struct store_counter {
    char name[64];
    int64_t value;
};

struct store_worker_info {
    char id[64];
    int64_t lease_left_ms; /* negative: run out */
    int64_t in_flight;
    int64_t beat_age_ms; /* -1: never */
    int64_t age_ms;      /* since it joined; -1: not known */
    char breaker[16];    /* state of its circuit breaker */
    char note[200];
};

#define STORE_AUDIT_PLACE_SIZE 256

struct store_status {
    int64_t ready[PRIORITY_COUNT];
    int64_t delayed, dead, in_flight, parked, window_used;
    int64_t due_in_ms; /* -1: nothing delayed */
    int64_t hold_ms;   /* 0: not paused */
    char hold_reason[200];
    int64_t polled;       /* conversations in which the status of messages is asked for */
    int64_t poll_hold_ms; /* 0: asking is not paused by itself */
    char poll_hold_reason[200];
    struct {
        int64_t waiting, in_flight, dead;                         /* now */
        int64_t delivered, retried, dropped, forgotten, unqueued; /* since ever */
    } callbacks;
    int64_t audit_kept, audit_cut;            /* entries that wait for the exporter; that were cut off unexported */
    int64_t audit_oldest_ms;                  /* age of the oldest that waits; -1: none does */
    int64_t audit_exported;                   /* entries, out of this stream */
    int64_t audit_export_age_ms;              /* since the last export; -1: never */
    int64_t audit_lease_ms;                   /* of the exporter that runs; 0: none does */
    char audit_place[STORE_AUDIT_PLACE_SIZE]; /* where it writes, or the last one did */
    size_t counter_count;
    struct store_counter counters[STORE_COUNTERS_MAX];
    size_t worker_count, worker_total; /* shown here, there in all */
    struct store_worker_info workers[STORE_WORKERS_MAX];
};

int store_read_status(struct store *store, struct store_status *ret, int64_t patience_ms, struct reason *why);
/* ret_count 0: no such campaign. */
int store_read_campaign(struct store *store, const char *campaign, struct store_counter *ret, size_t *ret_count,
                        int64_t patience_ms, struct reason *why);
int64_t store_counter(const struct store_counter *counters, size_t count, const char *name); /* 0 when absent */

#endif
