/* What a worker writes down about a message: the dead letter that people read and replay, and the audit's entry. JSON,
 * described in docs/wire-format.md. */
#ifndef HERALD_WORKER_LETTER_H
#define HERALD_WORKER_LETTER_H

#include "common/buf.h"
#include "common/envelope.h"
#include "common/refusal.h"

struct letter {
    const char *reason; /* snake_case; what `herald dead list` groups by */
    const char *field;  /* JSON pointer of the field at fault; "" when there is none */
    const char *detail; /* a sentence for people */
    int64_t at_ms;
    const struct attempt_record *last; /* NULL when it was never tried */
};

/* The dead letter: the envelope as it stands inside it, or the raw bytes when they are no JSON object. */
void letter_write(const struct letter *letter, struct envelope *envelope, struct span raw, struct buf *out);

/* An audit entry of one attempt, or of a burial without one (`attempt` NULL). `sha256` of the bytes sent, "" if none.
 */
struct audit_entry {
    const char *what;   /* attempt, bury */
    const char *worker; /* who did it */
    const char *outcome;
    const char *reason; /* "" unless dead */
    int64_t at_ms;
    const struct attempt_record *attempt;
    const char *sha256, *provider_id, *conversation_id;
};
void audit_write(const struct audit_entry *entry, const struct envelope *envelope, struct buf *out);

#endif
