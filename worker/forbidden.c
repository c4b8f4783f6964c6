#include "worker/forbidden.h"

/* Adds the message to the streak unless it is in it or the streak is full: full is all that has to be known. */
static void add_to_streak(struct forbidden *forbidden, uint64_t id_hash)
{
    for (unsigned i = 0; i < forbidden->count; i++) {
        if (forbidden->streak[i] == id_hash)
            return;
    }
    if (forbidden->count < FORBIDDEN_STREAK)
        forbidden->streak[forbidden->count++] = id_hash;
}

enum forbidden_verdict forbidden_note(struct forbidden *forbidden, uint64_t id_hash, unsigned own_count)
{
    bool others_get_through = forbidden->success_since;

    forbidden->success_since = false;
    if (others_get_through && own_count >= 1)
        return FORBIDDEN_DEAD; /* it is gone, so it does not start the next streak */
    add_to_streak(forbidden, id_hash);
    if (forbidden->count >= FORBIDDEN_STREAK)
        return FORBIDDEN_PAUSE;
    if (forbidden->count == 1 && own_count >= FORBIDDEN_ALONE_MAX) {
        forbidden->count = 0;
        return FORBIDDEN_DEAD;
    }
    return FORBIDDEN_WAIT;
}

void forbidden_note_success(struct forbidden *forbidden)
{
    forbidden->count = 0;
    forbidden->success_since = true;
}
