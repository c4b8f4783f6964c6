/* Whose fault a 403 is. The platform answers 403 both when our client lacks a permission (every message gets it) and
 * when one message asks for what nobody may do (only that one gets it); no field tells the two apart for certain, so
 * the neighbours do.
 *
 *   several different messages in a row, no success between: ours. The organisation pauses; no message is to blame.
 *   one message again and again while others get through: its own. It is dead.
 *
 * The first 403 of a message is never buried: when a permission is taken away at noon, the first message after noon
 * gets a 403 right behind a success, which looks exactly like a message at fault. Only its second 403, with a success
 * of somebody in between, tells. A message that has nobody to be compared with waits until it has been refused
 * FORBIDDEN_ALONE_MAX times before, then it is dead: nothing stays for ever.
 *
 * XXX A success counts by when it is answered. One that had begun before a permission was taken away and ends after a
 * message's first 403, with no other message sent before that one is tried again, buries that message. It can be
 * replayed; waiting for successes that began later would instead pause a busy organisation for a few bad messages.
 *
 * A plain struct, all zero at the start; the caller locks. */
#ifndef HERALD_WORKER_FORBIDDEN_H
#define HERALD_WORKER_FORBIDDEN_H

#include <stdbool.h>
#include <stdint.h>

#define FORBIDDEN_STREAK    3 /* different messages in a row that make it ours */
#define FORBIDDEN_ALONE_MAX 3 /* earlier 403s of a message that nobody shares its streak with */

enum forbidden_verdict {
    FORBIDDEN_WAIT,  /* not known yet: defer, no attempt burnt */
    FORBIDDEN_PAUSE, /* ours: pause the organisation, the message goes back, no attempt burnt */
    FORBIDDEN_DEAD,  /* the message's own */
};

struct forbidden {
    uint64_t streak[FORBIDDEN_STREAK]; /* id hashes of different messages refused since the last success */
    unsigned count;                    /* of them */
    bool success_since;                /* a success came after the last 403 of anyone */
};

/* A message was answered 403. `own_count`: how many 403s it had before this one. Once the organisation is to be
 * paused, every further 403 says so again until a success comes. */
enum forbidden_verdict forbidden_note(struct forbidden *forbidden, uint64_t id_hash, unsigned own_count);

/* A message was answered 2xx. (A 4xx is no success: it may have been refused before permissions were looked at.) */
void forbidden_note_success(struct forbidden *forbidden);

#endif
