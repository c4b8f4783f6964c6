/* Which dead letters of unknown outcome Genesys has sent after all. Pure.
 *
 * Genesys tells no id of ours, so a letter and a message belong together only by facts: the same person on the same
 * channel, the same sender, created while our attempts were under way. A wrong match would call a message sent that was
 * not, so only what cannot be anything else counts: in the time in which the letter's request may have arrived, and for
 * a day after (others of ours to that person may have been tried again until then), Genesys shows one message to that
 * person from that sender and no other; no other dead letter of ours could be it; and every message that it showed had
 * an address. All else is left to a person. What cannot be told apart: a message that another system sent to the same
 * person, from the same sender, in that very minute; or another one of ours of unknown outcome, or that a lost worker
 * had, which has no letter any more, or none yet: somebody has purged, replayed or cancelled it since, or it waits or
 * is parked (of a paused campaign) to be tried again. */
#ifndef HERALD_PRODUCER_RECONCILE_MATCH_H
#define HERALD_PRODUCER_RECONCILE_MATCH_H

#include "common/store_dead.h"
#include "producer/provider_page.h"

#define MATCH_LETTERS_MAX 50000
#define MATCH_SLACK_MS    INT64_C(30000)    /* between our clock and Genesys' */
#define MATCH_AFTER_MS    INT64_C(86400000) /* others to the same person may have been tried again for so long */

enum match_verdict {
    MATCH_FOUND,     /* `sent` is it */
    MATCH_NOT_THERE, /* Genesys has none of the time */
    MATCH_SEVERAL,   /* more than one message, or more than one letter, could be it */
    MATCH_NAMELESS,  /* Genesys shows messages without an address: any of them could be it */
    MATCH_NO_PERSON, /* the letter itself has no address that can be compared */
    MATCH_VERDICT_COUNT
};
const char *match_verdict_text(enum match_verdict verdict); /* for people */

struct match_time {
    int64_t from_ms, to_ms; /* slack included; 0 in both: at no time */
};

struct match_letter {
    struct store_letter letter;
    char person[CHANNEL_PERSON_SIZE], sender[PROVIDER_TEXT_SIZE];
    char template_name[STORE_TEMPLATE_MAX + 1];
    /* When a request of it may have arrived. `time` is where its message is looked for. For other letters `rival_time`
     * counts, which has also what nobody can narrow: from its acceptance on, when a lost worker had it or its history
     * is too short, even if it was replayed since (who replays has looked whether that one arrived). */
    struct match_time time, rival_time;
    bool is_rival;         /* died of something else, and may have been sent: never settled here */
    int64_t seen, seen_in; /* messages to the person: within a day after, within `time` */
    struct provider_message sent;
};

struct matcher {
    struct match_letter **letters; /* sorted by person, once match_begin was called */
    size_t count, cap;
    int64_t nameless;
};

void matcher_clear(struct matcher *matcher);

/* Reads a letter's document. False: no request of it can have arrived unheard, so it does not matter. ERR_LIMIT in
 * *ret_rc when there are too many. */
bool matcher_add(struct matcher *matcher, const struct store_letter *letter, struct span document, int *ret_rc);
void matcher_begin(struct matcher *matcher);
/* One message of Genesys; after matcher_begin. */
void matcher_see(struct matcher *matcher, const struct provider_message *message);
enum match_verdict matcher_verdict(const struct matcher *matcher, const struct match_letter *letter);

#endif
