/* Whether a webhook's body was signed by somebody who knows the secret: `X-Hub-Signature-256: sha256=` and the
 * HMAC-SHA256 of the raw body in base64 (genesys-api: section 3.3) or in hex, as other senders of that header write it.
 * Pure. */
#ifndef HERALD_PRODUCER_GATEWAY_SIGNATURE_H
#define HERALD_PRODUCER_GATEWAY_SIGNATURE_H

#include <stdbool.h>

#include "common/reason.h"
#include "common/span.h"

#define SIGNATURE_HEADER      "X-Hub-Signature-256"
#define SIGNATURE_SECRET_MIN  16 /* bytes; Genesys takes no shorter one */
#define SIGNATURE_SECRET_MAX  1024
#define SIGNATURE_SECRETS_MAX 8 /* two are enough to change one for another */

struct signature_secrets {
    size_t count;
    struct span all[SIGNATURE_SECRETS_MAX];
};

/* `text`: one secret or several, separated by blanks or line ends; borrowed for as long as the secrets are used.
 * ERR_INVALID with the reason, which names a secret by its place in the list alone. */
int signature_read_secrets(struct signature_secrets *ret, const char *text, struct reason *why);

/* `header` is NULL when there is none. Any of the secrets will do. Takes a time that depends on the lengths and on the
 * form of the header, not on the secrets nor on where a signature goes wrong. */
bool signature_is_good(const struct signature_secrets *secrets, const char *header, struct span body);

#endif
