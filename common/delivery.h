/* How far a message has come on its way to the person, as the provider's receipts tell it. Pure.
 *
 * A state only goes forward, in the order below; `failed` is the last, as in the outbound tutorial, so that receipts in
 * any order lead to the same state. The names of all vocabularies (the tutorial's, MessageData.status, receipts,
 * analytics) are mapped on to these; genesys-api: section 3.1. */
#ifndef HERALD_COMMON_DELIVERY_H
#define HERALD_COMMON_DELIVERY_H

#include <stdbool.h>

#include "common/span.h"

enum delivery {
    DELIVERY_PENDING, /* nothing heard */
    DELIVERY_QUEUED,
    DELIVERY_SENT,
    DELIVERY_DELIVERED,
    DELIVERY_READ,
    DELIVERY_FAILED,
    DELIVERY_COUNT
};

/* False: no state of a message that was sent (received, removed, or a word nobody knows). */
bool delivery_parse(struct span name, enum delivery *ret);
const char *delivery_name(enum delivery delivery);

/* Whether a failure with this code of Genesys means that the person must not be written to again. */
bool delivery_code_opts_out(struct span code);

#endif
