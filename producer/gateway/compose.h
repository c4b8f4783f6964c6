/* A message that brings a template and variables instead of a payload becomes an envelope, by the rules of
 * producer/personalise.h:
 *
 *     {"template": "order-ready", "to": "+13175550199", "variables": {"name": "Ann"}, "language": "fr",
 *      "consentVerified": true}
 *
 * `template` is a name or the template itself (producer/template.h). `from` and `route` go before the template's, as do
 * all fields of an envelope; consent may also be in `metadata`. */
#ifndef HERALD_PRODUCER_GATEWAY_COMPOSE_H
#define HERALD_PRODUCER_GATEWAY_COMPOSE_H

#include "common/envelope.h"
#include "producer/gateway/templates.h"

struct composer;

/* One for each thread: it keeps the template that was used last ready. Borrows both. */
struct composer *composer_create(struct templates *templates, const char *origins);
void composer_destroy(struct composer *composer); /* takes NULL */

/* Whether it is such a message, that envelope_read refused: only for want of a payload. */
bool compose_is_wanted(const struct envelope *asked, const struct refusal *why);

/* Adds the envelope to `out`, to be read as any other; what the message says of itself goes over as it is. ERR_INVALID
 * with the pointer of a field of the message. */
int compose(struct composer *composer, const struct envelope *asked, int64_t now_ms, struct buf *out,
            struct refusal *why);

/* Adds what makes two such messages the same: all that the payload is made of. */
void compose_print(const struct envelope *asked, struct buf *out);

/* A refusal of the envelope that was made, in the words of the message. */
void compose_point(struct refusal *why);

#endif
