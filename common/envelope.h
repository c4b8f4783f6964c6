/* The envelope: the JSON object that carries one message on a list (docs/wire-format.md is its contract). Read from
 * hostile bytes, since anybody may LPUSH; a bare payload as in the tutorials is an envelope with every default.
 * Fields that Herald does not know are kept and carried. */
#ifndef HERALD_COMMON_ENVELOPE_H
#define HERALD_COMMON_ENVELOPE_H

#include "common/callback_url.h"
#include "common/content.h"
#include "common/ids.h"
#include "common/json_view.h"
#include "common/refusal.h"
#include "common/route.h"
#include "common/trace.h"

#define ENVELOPE_VERSION     1
#define ENVELOPE_HISTORY_MAX 20                       /* attempts kept in the envelope; older ones are in the audit */
#define ENVELOPE_NAME_MAX    64                       /* of a campaign */
#define ENVELOPE_COUNT_MAX   1000000                  /* of what Herald counts in an envelope */
#define ENVELOPE_MAX_BYTES   (JSON_MAX_BYTES - 65536) /* as it comes in; the rest is for `herald` */
#define ENVELOPE_MAX_DEPTH   (JSON_MAX_DEPTH - 2)     /* one in a dead letter can be read, too */

enum priority { PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW, PRIORITY_COUNT };
enum on_unknown { ON_UNKNOWN_RESEND, ON_UNKNOWN_HOLD };

const char *priority_name(enum priority priority);

/* What Herald itself has to remember of a message; the member `herald` of the envelope. */
struct progress_state {
    int64_t accepted_at_ms; /* 0: nobody has counted it as accepted yet (a plain LPUSH) */
    int64_t attempts;       /* burnt */
    int64_t unknowns;       /* attempts whose outcome is not known */
    int64_t forbidden;      /* answers of 403 */
    int64_t deferrals;      /* times it was put off, burnt or not: what its backoff grows by */
    int64_t redelivered;    /* times it was taken back from a worker that had died */
    int64_t deaths;         /* times it became a dead letter */
    int64_t replayed_at_ms; /* 0: never; --max-age counts from here then */
};

struct envelope {
    struct json_view view; /* what was read; owned */
    struct json *own;      /* the member `herald` as it will be written; NULL: as it was read; owned */
    char id[ID_SIZE];      /* given when absent */
    bool has_own_id;       /* it came with the message */
    bool came_marked;      /* with a member `redelivered`, whatever that says: it is Herald's own */
    bool was_bare;         /* it came as a payload alone: its fields are not under /payload */
    char campaign[ENVELOPE_NAME_MAX + 1];
    const struct route *route; /* NULL when the envelope was refused before it was known */
    enum priority priority;
    enum on_unknown on_unknown;
    int64_t send_at_ms, expires_at_ms; /* 0: none */
    struct span callback_url;          /* whom its outcome is told to; absent: nobody; borrows from view */
    struct span template_name;         /* labels.template; absent: none; borrows from view */
    struct content content;            /* borrows from view */
    struct trace trace;                /* of the request that brought it */
    struct progress_state progress;
};

struct envelope_rules {
    const char *origins;                    /* hosts, comma separated */
    const struct callback_rules *callbacks; /* of a producer, which refuses a callback_url that nobody would call; NULL:
                                               not looked at, since a bad one must not stop a message */
    bool is_from_outside;                   /* it was with no worker yet, whatever it claims */
};

/* Reads and checks. Returns 0, or ERR_INVALID with `why`; what could be read is there in both cases (an id always), so
 * that a dead letter can name the message. Clear it in any case. */
int envelope_read(struct envelope *ret, const char *data, size_t len, const struct envelope_rules *rules,
                  int64_t wall_ms, struct refusal *why);
void envelope_clear(struct envelope *envelope);

/* As it was read; borrowed. */
static inline const struct json_value *envelope_get(const struct envelope *envelope, const char *name)
{
    return envelope->was_bare ? NULL : value_get(json_view_whole(&envelope->view), name); /* NULL: absent or null */
}
const struct json_value *envelope_payload(const struct envelope *envelope);

/* Takes a member out of what was read: it is not written again. A bare payload's are not the envelope's. */
void envelope_remove(struct envelope *envelope, const char *name);

/* One attempt, for the history. */
struct attempt_record {
    int64_t at_ms, latency_ms;
    long status; /* 0: no answer */
    const char *outcome;
    const char *code, *message, *correlation_id; /* "" when absent */
    bool is_unknown;
};
void envelope_add_attempt(struct envelope *envelope, const struct attempt_record *record);

/* Whether it is an object that can be carried on: it was read, or refused for what is in it. */
bool envelope_is_writable(const struct envelope *envelope);

/* Adds the envelope as it now stands (its progress included) to `out`. `ticket` makes it unlike any other. */
void envelope_write(struct envelope *envelope, const char *ticket, struct buf *out);
const struct json *envelope_history(struct envelope *envelope); /* array or NULL; borrowed */

/* Producers write envelopes out of values, without a tree in between. The content has been checked. */
struct envelope_draft {
    const char *id;
    const char *campaign; /* NULL: none */
    const struct route *route;
    enum priority priority;
    enum on_unknown on_unknown;
    int64_t accepted_at_ms, send_at_ms, expires_at_ms;
    const char *callback_url; /* NULL: none */
    const char *traceparent;  /* NULL: none */
    const char *labels_json;  /* an object, or NULL */
    struct span origin;
    struct span common; /* what envelope_draft_common wrote of all this but the id; absent: written each time */
};
void envelope_draft_common(const struct envelope_draft *draft, struct buf *out);
void envelope_draft_write(const struct envelope_draft *draft, const struct content *content, struct buf *out);

#endif
