/* How the store's own files put a request together. Internal to store*.c. */
#ifndef HERALD_COMMON_STORE_REQUEST_H
#define HERALD_COMMON_STORE_REQUEST_H

#include "common/redis.h"
#include "common/store.h"
#include "common/store_accept.h"
#include "common/store_audit.h"
#include "common/store_callback.h"
#include "common/store_dead.h"
#include "common/store_gauges.h"
#include "common/store_poll.h"
#include "common/store_receipt.h"
#include "common/store_suppress.h"

#define STORE_ARGUMENT_MAX ((size_t)512 << 20) /* what Redis takes as one */

struct script {
    const char *text;
    char sha[48];
};

/* Every script, by the name of its file in common/lua. */
#define STORE_SCRIPTS(X)                                                                                               \
    X(ENQUEUE, enqueue)                                                                                                \
    X(RESERVE, reserve)                                                                                                \
    X(SENT, sent)                                                                                                      \
    X(DEFER, defer)                                                                                                    \
    X(BURY, bury)                                                                                                      \
    X(RELEASE, release)                                                                                                \
    X(HOLD, hold)                                                                                                      \
    X(BEAT, beat)                                                                                                      \
    X(LEAVE, leave)                                                                                                    \
    X(STATUS, status)                                                                                                  \
    X(CAMPAIGN, campaign)                                                                                              \
    X(CAMPAIGN_STATE, campaign_state)                                                                                  \
    X(CHECK, check)                                                                                                    \
    X(JOIN, join)                                                                                                      \
    X(REAP, reap)                                                                                                      \
    X(TOUCH, touch)                                                                                                    \
    X(FENCE, fence)                                                                                                    \
    X(ACCEPT, accept)                                                                                                  \
    X(RECEIPT, receipt)                                                                                                \
    X(SUPPRESS, suppress)                                                                                              \
    X(DEAD_TAKE, dead_take)                                                                                            \
    X(DEAD_ADOPT, dead_adopt)                                                                                          \
    X(DEAD_COUNTS, dead_counts)                                                                                        \
    X(CALLBACK_TAKE, callback_take)                                                                                    \
    X(CALLBACK_END, callback_end)                                                                                      \
    X(CALLBACK_SETTINGS, callback_settings)                                                                            \
    X(CALLBACK_SETTLE, callback_settle)                                                                                \
    X(CALLBACK_LOOK, callback_look)                                                                                    \
    X(POLL, poll)                                                                                                      \
    X(POLLED, polled)                                                                                                  \
    X(GRANT, grant)                                                                                                    \
    X(DEAD_SETTLE, dead_settle)                                                                                        \
    X(MESSAGE, message)                                                                                                \
    X(AUDIT_CLAIM, audit_claim)                                                                                        \
    X(AUDIT_READ, audit_read)                                                                                          \
    X(AUDIT_DONE, audit_done)                                                                                          \
    X(GAUGES, gauges)

#define STORE_SCRIPT_NAME(upper, lower) SCRIPT_##upper,
enum script_name { STORE_SCRIPTS(STORE_SCRIPT_NAME) SCRIPT_COUNT };

struct request;

/* `reply` is NULL when the answer was lost (never for one that must arrive) and borrowed otherwise. */
typedef void (*request_done)(struct request *request, const struct redis_reply *reply);

struct request {
    struct request *next;
    struct store *store;
    bool must_arrive;    /* send again on a new connection until there is an answer */
    bool is_fleeting;    /* of no use later: when there is no connection its answer is lost at once, sent or not */
    bool may_be_refused; /* a question that Redis may forbid or not know: that is an answer like any other */
    bool is_sent;
    bool is_evalued;  /* Redis did not know the script, so its text went along */
    int script;       /* -1: a plain command */
    struct buf bytes; /* the arguments as they go over the wire; of a script, what follows its name */
    size_t argc;      /* how many these are */
    request_done done;
    /* What `done` needs; whichever the request's file uses. */
    union {
        store_enqueued_fn enqueued;
        store_accept_fn accepted;
        store_reserved_fn reserved;
        store_polled_fn polled;
        store_callbacks_fn callbacks;
        store_settled_fn settled;
        void (*plain)(void *context);
        store_checked_fn checked;
        void (*beaten)(void *context, enum store_beaten beaten);
        void (*reaped)(void *context, int64_t taken);
        store_receipts_fn received;
        store_message_fn informed;
        store_suppressed_fn suppressed;
        store_letters_fn letters;
        store_documents_fn documents;
        store_taken_fn taken;
        store_gauged_fn gauged;
        store_audit_claimed_fn claimed;
        store_audit_read_fn audit_read;
        store_audit_done_fn audit_done;
    } call;
    void *context;
    int64_t first, wanted, count, asked_ms;
    int64_t sent_us; /* monotonic; when it was handed to the connection, where that is counted */
};

/* A request that runs a script; KEYS[1] is there already, arguments follow by request_*. */
struct request *request_script(struct store *store, enum script_name script, bool must_arrive, request_done done);
struct request *request_command(struct store *store, const char *command, request_done done);
void request_bytes(struct request *request, const char *data, size_t len);
void request_text(struct request *request, const char *text); /* NULL: "" */
void request_number(struct request *request, int64_t number);
void request_audit_max(struct request *request);             /* where steps that write to the audit cut it off */
void request_key(struct request *request, const char *name); /* `herald:{org}:<name>` */
/* What the org's time (prelude.lua) should be at least and at most, by an earlier answer and a clock of ours that
 * nobody sets; and what the answer to this request says it is. Somewhere between asking and the answer that was so. */
void request_clock(struct request *request);
void request_note_clock(const struct request *request, int64_t now_ms);
void request_submit(struct request *request);
/* The request that was submitted last, if it runs this script and was not sent yet: more may be added. Else NULL. */
struct request *request_unsent(struct store *store, enum script_name script);

/* The text of a reply, cut to fit; "" when it has none. */
void request_copy_text(char *out, size_t size, const struct redis_reply *reply);
int request_refused(struct reason *why); /* ERR_STATE: Redis refused the step, and the log says why */

const struct store_limits *store_limits(const struct store *store);
const struct store_poll_times *store_poll_times(const struct store *store);
const char *store_actor(const struct store *store); /* "": nobody is named */
const char *store_list_name(enum priority priority);

#endif
