/* Putting messages in for a client that wants to hear the first answer again when it asks twice (store_accept.c). */
#ifndef HERALD_COMMON_STORE_ACCEPT_H
#define HERALD_COMMON_STORE_ACCEPT_H

#include "common/store.h"

#define STORE_PRINT_SIZE 8 /* bytes of a hash of the message, to tell whether a key is used again for another one */

struct store_offer {
    struct store_message message; /* its key is remembered as by store_enqueue: for --dedup, or with its campaign */
    const char *id, *campaign;    /* campaign "" for none */
    bool has_key;                 /* else nothing is remembered, and the same message again is another one */
    uint8_t print[STORE_PRINT_SIZE];
    struct span actor; /* who hands it in, for the audit: characters of an id; absent for nobody */
};

enum store_accepted {
    STORE_TAKEN,      /* it is in Redis, and its state can be asked for by its id */
    STORE_TAKEN_ONCE, /* its key was seen before, with the same message: `id` is that one's ("" when it came by another
                         way) */
    STORE_KEY_REUSED, /* its key was seen before, with another message: it is not taken */
    STORE_OFFER_OPTED_OUT, /* the person is on the suppression set: it is not taken, and its key not remembered */
    STORE_FULL,            /* more than max_backlog wait: nothing new of the batch from here on is taken */
};

struct store_acceptance {
    enum store_accepted answer;
    const char *id; /* borrowed until the callback returns */
};

/* All of the batch in one step. rc is 0 and there is an answer for each; ERR_STATE: Redis refused, nothing is in;
 * ERR_UNREACHABLE: the answer was lost, and it may be in (the same keys again are harmless). Not sent again by the
 * store, nor kept until Redis is back. */
typedef void (*store_accept_fn)(void *context, int rc, const struct store_acceptance *answers, size_t count);
void store_accept(struct store *store, int64_t max_backlog /* 0: any */, const struct store_offer *offers, size_t count,
                  store_accept_fn done, void *context);

#endif
