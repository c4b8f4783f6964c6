/* A receipt, from what a provider says to the record that the store takes: the parts that a webhook's body and the
 * answer to a question about a message have in common. Read from hostile bytes. Pure. */
#ifndef HERALD_COMMON_RECEIPT_H
#define HERALD_COMMON_RECEIPT_H

#include "common/buf.h"
#include "common/channel.h"
#include "common/ids.h"
#include "common/json_view.h"
#include "common/span.h"
#include "common/store_receipt.h"

#define RECEIPT_CODE_SIZE   64                /* with the NUL; a longer code is cut */
#define RECEIPT_REASONS_MAX 20                /* that are looked at */
#define RECEIPT_AHEAD_MS    INT64_C(86400000) /* a time further ahead than this is none: it happened now */

/* What was said; everything borrowed. */
struct notice {
    struct span provider_id, status;
    struct span event;  /* its own id; absent */
    struct span time;   /* as it was written; absent when a number */
    int64_t at_ms;      /* 0: not said */
    struct span code;   /* of a failure */
    struct span person; /* id in open messaging; absent */
    const char *source; /* for the audit; NULL: a webhook */
};

/* RFC 3339 text or milliseconds. False, and the notice as it was, for what is neither or lies in a future nobody can
 * have a receipt of: that does not lose the receipt, it happened now. */
bool notice_read_time(struct notice *notice, const struct json_value *time, int64_t now_ms);
/* Keeps of the codes the one that matters most: one that says never again, else the first. */
void notice_weigh_code(struct notice *notice, const struct json_value *code);
void notice_read_reasons(struct notice *notice, const struct json_value *reasons); /* `code` of each */

struct receipt {
    struct store_receipt record; /* borrows from this struct, which therefore stays where it is */
    char provider_id[ID_SIZE];
    char code[RECEIPT_CODE_SIZE];
    char person[CHANNEL_PERSON_SIZE];
    struct buf audit; /* without the message's own id, which receipt.lua adds when it is known */
};

void receipt_init(struct receipt *receipt);
void receipt_clear(struct receipt *receipt);
/* The key under which it is remembered: of a kind and its parts; none but the last may hold a line end, so two events
 * never make one key. */
void receipt_set_key(struct receipt *receipt, const char *kind, struct span a, struct span b, struct span c);
/* The key of a state of a message that is told without an event of its own. */
void receipt_set_status_key(struct receipt *receipt, struct span provider_id);
/* All but the key and the state, which are there before. The provider's id is at most ID_MAX long. `now_ms`: wall
 * clock. */
void receipt_fill(struct receipt *receipt, const struct notice *notice, int64_t now_ms);

#endif
