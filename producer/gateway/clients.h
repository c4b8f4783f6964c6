/* Who may call the gateway: one bearer token a client, kept as its SHA-256, with a name for the audit and what it may
 * do.
 *
 * Written as `name:rights:hash`, several separated by blanks or line ends: `crm:enqueue+read:9f86d0...`. Rights are
 * enqueue, read and operate. A token is 32 bytes of chance in base64 without padding (`herald client new` makes one),
 * so a plain hash of it cannot be reversed. */
#ifndef HERALD_PRODUCER_GATEWAY_CLIENTS_H
#define HERALD_PRODUCER_GATEWAY_CLIENTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/reason.h"
#include "common/span.h"

#define CLIENTS_MAX      256
#define CLIENT_NAME_MAX  32
#define CLIENT_TOKEN_MIN 20 /* characters; a shorter one is refused unseen */

enum right { RIGHT_ENQUEUE = 1, RIGHT_READ = 2, RIGHT_OPERATE = 4 };

struct client {
    char name[CLIENT_NAME_MAX + 1];
    unsigned rights;
    uint8_t hash[DIGEST_SIZE];
};

struct clients {
    size_t count;
    struct client all[CLIENTS_MAX];
};

/* 0, or ERR_INVALID with which entry is wrong and why. `text` NULL or empty: no clients. */
int clients_parse(const char *text, struct clients *ret, struct reason *why);

/* The client of this token, or NULL. Compares with all of them in a time that says nothing of where they differ. */
const struct client *clients_find(const struct clients *clients, struct span token);

#endif
