/* The audit's entries about what people and services did: replay, purge, pause, resume, cancel, suppress. JSON,
 * described in docs/wire-format.md; pure. What workers write about attempts is in worker/letter.h. */
#ifndef HERALD_COMMON_AUDIT_H
#define HERALD_COMMON_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/reason.h"

#define AUDIT_ACTOR_MAX  128  /* bytes */
#define AUDIT_REASON_MAX 200  /* bytes; a sentence */
#define AUDIT_ACTION_MAX 4096 /* bytes of an entry; with every character escaped it fits */

/* Who does it, and why. */
struct audit_by {
    const char *actor;  /* `cli:<user>`, `gateway:<client>` */
    const char *reason; /* "" when none was given */
};

/* ERR_INVALID unless both are UTF-8 without control characters, and no longer than they may be. */
int audit_check_by(const struct audit_by *by, struct reason *why);

struct audit_action {
    const char *what;
    const struct audit_by *by;
    int64_t at_ms;
    const char *id, *campaign; /* "" or NULL: not about one */
    const char *to;            /* a person, masked; "" or NULL: not about one */
    int64_t count;             /* -1: not about a number of things */
    bool is_edited;            /* the message was changed before it went back */
};

/* Adds the entry to `out`, whose maximum should be AUDIT_ACTION_MAX or more. */
void audit_action_write(const struct audit_action *action, struct buf *out);

#endif
