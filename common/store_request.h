/* How the store's own files put a request together. Internal to store*.c. */
#ifndef HERALD_COMMON_STORE_REQUEST_H
#define HERALD_COMMON_STORE_REQUEST_H

#include "common/redis.h"
#include "common/store.h"

struct script {
    const char *text;
    char sha[48];
};

enum script_name {
    SCRIPT_ENQUEUE,
    SCRIPT_RESERVE,
    SCRIPT_SENT,
    SCRIPT_DEFER,
    SCRIPT_BURY,
    SCRIPT_RELEASE,
    SCRIPT_HOLD,
    SCRIPT_BEAT,
    SCRIPT_LEAVE,
    SCRIPT_STATUS,
    SCRIPT_CAMPAIGN,
    SCRIPT_CAMPAIGN_STATE,
    SCRIPT_CHECK,
    SCRIPT_JOIN,
    SCRIPT_REAP,
    SCRIPT_TOUCH,
    SCRIPT_FENCE,
    SCRIPT_COUNT,
};

struct request;

/* `reply` is NULL when the answer was lost (never for one that must arrive) and borrowed otherwise. */
typedef void (*request_done)(struct request *request, const struct redis_reply *reply);

struct request {
    struct request *next;
    struct store *store;
    bool must_arrive; /* send again on a new connection until there is an answer */
    bool is_sent;
    bool is_evalued; /* Redis did not know the script, so its text went along */
    int script;      /* -1: a plain command */
    struct buf bytes;
    size_t *ends; /* where each argument ends in bytes */
    size_t argc, cap;
    request_done done;
    /* What `done` needs; whichever the request's file uses. */
    union {
        store_enqueued_fn enqueued;
        store_reserved_fn reserved;
        store_settled_fn settled;
        void (*plain)(void *context);
        store_checked_fn checked;
        void (*beaten)(void *context, enum store_beaten beaten);
        void (*reaped)(void *context, int64_t taken);
    } call;
    void *context;
    int64_t first, wanted, count, asked_ms;
};

/* A request that runs a script; KEYS[1] is there already, arguments follow by request_*. */
struct request *request_script(struct store *store, enum script_name script, bool must_arrive, request_done done);
struct request *request_command(struct store *store, const char *command, request_done done);
void request_bytes(struct request *request, const char *data, size_t len);
void request_text(struct request *request, const char *text); /* NULL: "" */
void request_number(struct request *request, int64_t number);
void request_key(struct request *request, const char *name); /* `herald:{org}:<name>` */
/* What the org's time (prelude.lua) should be at least and at most, by an earlier answer and a clock of ours that
 * nobody sets; and what the answer to this request says it is. Somewhere between asking and the answer that was so. */
void request_clock(struct request *request);
void request_note_clock(const struct request *request, int64_t now_ms);
void request_submit(struct request *request);

const struct store_limits *store_limits(const struct store *store);
const char *store_list_name(enum priority priority);

#endif
