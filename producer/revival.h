/* How a dead letter becomes a message again: its envelope with a new life in the member `herald`, changed by a patch
 * where one is given, and checked by the rules that a worker has, so that it does not die at once of what it died of
 * before. Pure but for its buffers. */
#ifndef HERALD_PRODUCER_REVIVAL_H
#define HERALD_PRODUCER_REVIVAL_H

#include "common/envelope.h"
#include "common/store_dead.h"

#define REVIVAL_PATCH_MAX 65536 /* bytes of a merge patch */

struct reviver {
    const char *origins;      /* as --origins; borrowed */
    const struct json *patch; /* NULL: none; borrowed, reviver_check_patch has been passed */
    struct buf patched, written;
};

void reviver_init(struct reviver *reviver, const char *origins, const struct json *patch);
void reviver_clear(struct reviver *reviver);

struct revived {
    char id[ID_SIZE];
    enum priority priority; /* its own */
};

/* Adds the message to `out`. ERR_INVALID with `why` when it cannot be sent as it is; nothing is added then. */
int reviver_add(struct reviver *reviver, const struct store_letter *letter, struct span document, int64_t now_ms,
                struct revived *ret, struct buf *out, struct refusal *why);

/* ERR_INVALID unless it is an object that leaves alone what is Herald's own (id, campaign, herald, v, redelivered). */
int reviver_check_patch(const struct json *patch, struct reason *why);

#endif
