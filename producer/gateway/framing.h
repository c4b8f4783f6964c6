/* Whether a request's headers leave any doubt where it ends or who sends it. A proxy in front that reads them otherwise
 * than we do would let one client speak for another (request smuggling), so what is in doubt is refused. Pure.
 * Rules: RFC 9112, sections 3.2, 5.1, 6.1 and 6.3. */
#ifndef HERALD_PRODUCER_GATEWAY_FRAMING_H
#define HERALD_PRODUCER_GATEWAY_FRAMING_H

struct framing {
    unsigned seen;       /* headers that may be there once */
    const char *problem; /* a sentence; NULL: none so far */
};

/* One header after the other, of a framing that was zeroed before the first. `value` may be NULL. */
void framing_see(struct framing *framing, const char *name, const char *value);

#endif
