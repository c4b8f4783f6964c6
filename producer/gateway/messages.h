/* What one message, an array and a stream of lines have in common. */
#ifndef HERALD_PRODUCER_GATEWAY_MESSAGES_H
#define HERALD_PRODUCER_GATEWAY_MESSAGES_H

#include "producer/gateway/intake.h"

struct exchange;

/* Borrows from the exchange: for as long as its body is read. */
struct intake_rules messages_rules(const struct exchange *exchange);

#endif
