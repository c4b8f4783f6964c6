/* POST /v1/messages with lines of JSON: a stream of any length in bounded memory. Each line is taken as it comes, and
 * its result goes to a spool, which is the answer: one line of JSON for each line that is not blank, in their order. */
#ifndef HERALD_PRODUCER_GATEWAY_MESSAGE_LINES_H
#define HERALD_PRODUCER_GATEWAY_MESSAGE_LINES_H

#include <stdbool.h>

struct exchange;

bool message_lines_are_sent(const struct exchange *exchange); /* by its Content-Type */
void message_lines_begin(struct exchange *exchange);          /* sets the sink, or answers */

#endif
