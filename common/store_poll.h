/* Asking Genesys for the status of sent messages: which questions are due, and their ends (store_poll.c). A message
 * gets there by the step that records it as sent. */
#ifndef HERALD_COMMON_STORE_POLL_H
#define HERALD_COMMON_STORE_POLL_H

#include "common/store.h"

#define STORE_POLL_MAX     16  /* questions handed out at once */
#define STORE_POLL_IDS_MAX 100 /* messages of one question */

/* What sent messages are asked for by; ms. */
struct store_poll_times {
    int64_t first_ms; /* so long after they were sent; then at their double age each time */
    int64_t age_ms;   /* not beyond this age; 0: they are not asked for at all */
};
void store_set_poll_times(struct store *store, const struct store_poll_times *times);

struct store_poll {
    const char *worker, *prefix; /* tickets are `<prefix><number>`, as of a reserve */
    int64_t first;               /* number of the first ticket */
    int64_t wanted;              /* 1 to STORE_POLL_MAX */
    struct rate rate;
    int64_t margin_ms; /* as of a reserve */
    int64_t lease_ms;  /* when a question without an end is handed out again */
};

struct store_polled_question {
    const char *conversation; /* 1 to 63 of letters, digits, - and _ */
    struct span ids;          /* of messages, with a blank behind each: printable ASCII without quotes or backslashes */
};

struct store_polled {
    int rc;         /* 0, ERR_STATE (Redis said no) or ERR_UNREACHABLE (the answer was lost: end the tickets unused) */
    int64_t first;  /* as asked */
    int64_t wanted; /* as asked */
    int64_t now_ms; /* Redis' clock */
    bool has_no_lease; /* nothing was handed out: the worker's lease has run out */
    int64_t hold_ms;   /* the org, or asking alone, is paused for so long; nothing was handed out */
    bool is_own_hold;  /* asking alone */
    int64_t window_ms; /* there is no grant for so long; nothing was handed out */
    int64_t due_in_ms; /* the next question falls due; -1: there is none */
    size_t count;
    struct store_polled_question questions[STORE_POLL_MAX]; /* borrowed until the callback returns */
};
typedef void (*store_polled_fn)(void *context, const struct store_polled *polled);
void store_poll(struct store *store, const struct store_poll *ask, store_polled_fn done, void *context);

enum store_poll_again {
    STORE_POLL_LATER,  /* at the double age */
    STORE_POLL_SOON,   /* at once: it was asked and not answered for reasons that are not its own */
    STORE_POLL_UNUSED, /* at once: it was not asked, and its grant goes back */
};

struct store_poll_end {
    const char *ticket;
    enum store_poll_again again;
    const char *conversation; /* NULL: nobody knows whether anything was handed out under this ticket */
    struct span asked, ended; /* as in a question; ended: of those asked for, what need not be asked for again */
};
/* The receipts go before: what is ended here is not asked for again. */
void store_poll_ends(struct store *store, const char *worker, const struct store_poll_end *ends, size_t count);

/* Pauses asking alone; messages are sent. */
void store_hold_polls(struct store *store, int64_t ms, const char *reason);
/* As store_touch, for the ticket of a question. */
void store_touch_poll(struct store *store, const char *worker, const char *ticket);

/* For a command that asks Genesys something: takes a grant of the org's window out of the share of questions, waiting
 * for it as long as that takes, but at most `patience_ms`; ERR_LIMIT then. The grant is used within `margin_ms`, or
 * counts too early. */
int store_take_grant(struct store *store, const struct rate *rate, int64_t margin_ms, int64_t patience_ms,
                     struct reason *why);

#endif
