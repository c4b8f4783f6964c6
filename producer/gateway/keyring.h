/* Who may call the gateway, and what webhooks are signed with: read at the start, and again on SIGHUP, so that tokens
 * and secrets can be exchanged while requests go on. What was in force before is kept until the end, since a request
 * may still hold its client. Any thread may look; one opens, reads again and closes. */
#ifndef HERALD_PRODUCER_GATEWAY_KEYRING_H
#define HERALD_PRODUCER_GATEWAY_KEYRING_H

#include "common/reason.h"
#include "producer/gateway/clients.h"
#include "producer/gateway/signature.h"

struct keyring;

struct keys {
    struct clients clients;
    struct signature_secrets secrets; /* of webhooks */
};

/* From the settings of the command line `argv` (without the program's name; borrowed until keyring_close), the
 * environment and the files that they name. ERR_INVALID with the reason. */
int keyring_open(struct keyring **ret, int argc, char *const *argv, struct reason *why);
int keyring_reload(struct keyring *keyring, struct reason *why); /* on an error the old ones stay */
void keyring_close(struct keyring *keyring);                     /* takes NULL; wipes the secrets */

const struct keys *keyring_now(const struct keyring *keyring); /* good until keyring_close */

#endif
