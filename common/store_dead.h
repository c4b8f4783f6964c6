/* Dead letters in the store: counted, found, walked through, put back on a list, or taken away for good
 * (store_dead.c, store_letters.c). A letter is known by its ticket; tickets grow with time and are never used again. */
#ifndef HERALD_COMMON_STORE_DEAD_H
#define HERALD_COMMON_STORE_DEAD_H

#include "common/store.h"

#define STORE_LETTER_TICKET_SIZE 48
#define STORE_LETTER_REASON_SIZE 64
#define STORE_LETTER_PAGE        1000 /* letters of one store_dead_read */

/* What a dead letter is found by, without its document. */
struct store_letter {
    char ticket[STORE_LETTER_TICKET_SIZE];
    char reason[STORE_LETTER_REASON_SIZE];
    char campaign[ENVELOPE_NAME_MAX + 1]; /* "" for none */
    char channel[16];                     /* `none` when the message has none or it cannot be told */
    char code[STORE_CODE_MAX + 1];        /* Genesys' error code; "" */
    char id[ID_SIZE];                     /* of the message; "" when it had none */
    int64_t at_ms;                        /* when it died, by Redis' clock */
    int64_t size;                         /* bytes of its document */
    int64_t place;                        /* given by a walk: one more than that of the letter right before it */
};

/* --- for programs that may wait --- */

#define STORE_DEAD_ROWS      64  /* of a table; there are fewer reasons and channels */
#define STORE_DEAD_CAMPAIGNS 100 /* the ones with most letters */

enum store_dead_age {
    STORE_AGE_HOURS,
    STORE_AGE_DAY,
    STORE_AGE_WEEK,
    STORE_AGE_MONTH,
    STORE_AGE_OLDER,
    STORE_AGE_COUNT
};
extern const char *const store_dead_age_names[STORE_AGE_COUNT];       /* snake_case */
enum store_dead_age store_dead_age_of(int64_t at_ms, int64_t now_ms); /* by whole hours of the clock */

struct store_dead_counts {
    int64_t now_ms; /* Redis' clock */
    int64_t total;
    size_t reason_count, channel_count, campaign_count, campaign_total; /* the last: with those not shown */
    struct store_counter reasons[STORE_DEAD_ROWS], channels[STORE_DEAD_ROWS];
    struct store_counter
        campaigns[STORE_DEAD_CAMPAIGNS]; /* most first; one without a name are letters of no campaign */
    int64_t ages[STORE_AGE_COUNT];
    char newest[STORE_LETTER_TICKET_SIZE]; /* ticket; "" when there are none */
};

void store_dead_sort(struct store_dead_counts *counts); /* most first, for whoever counts by himself */

/* Takes over what an older Herald left in the plain list. First thing before anything else is done with letters;
 * nothing to do costs one look. */
int store_dead_adopt(struct store *store, int64_t patience_ms, struct reason *why);
int store_dead_read_counts(struct store *store, struct store_dead_counts *ret, int64_t patience_ms, struct reason *why);

/* The letter of a message's id, or of a ticket. ERR_INVALID: there is none. Costs two looks, unless the message's state
 * is forgotten (--keep): then all letters are looked through. */
int store_dead_find(struct store *store, const char *id, struct store_letter *ret, int64_t patience_ms,
                    struct reason *why);

/* --- steps; `rc` is 0 or ERR_STATE when Redis refused. Each is sent again until it is answered --- */

/* At most `most` (up to STORE_LETTER_PAGE) letters younger than ticket `after` ("": from the oldest) and no younger
 * than `last`, oldest first. Borrowed until the callback returns. */
typedef void (*store_letters_fn)(void *context, int rc, const struct store_letter *letters, size_t count);
void store_dead_read(struct store *store, const char *after, const char *last, size_t most, store_letters_fn done,
                     void *context);

/* The documents of letters, in order; one that is gone meanwhile is absent. Borrowed until the callback returns. They
 * can be large: ask by the sum of their sizes. */
typedef void (*store_documents_fn)(void *context, int rc, const struct span *documents, size_t count);
void store_dead_documents(struct store *store, const struct store_letter *letters, size_t count,
                          store_documents_fn done, void *context);

/* One run of replaying or purging. At most so many of its steps may be without an answer at once. */
#define STORE_TAKE_STEPS 2

struct store_take_run {
    char name[24]; /* store_take_begin: chance, so that a step sent twice is told from another's */
    int64_t step;  /* counted up by store_dead_take */
    bool is_purge, is_edited;
    const struct audit_by *by;
};
void store_take_begin(struct store_take_run *run, const struct audit_by *by);

struct store_take {
    const struct store_letter *letter;
    const char *id;         /* of the message */
    enum priority priority; /* the list that it goes back to */
    struct span envelope;   /* as it goes back; absent for a purge */
};

enum store_taken {
    STORE_LETTER_TAKEN,
    STORE_LETTER_GONE, /* somebody else took it */
    STORE_LETTER_SENT, /* its message was sent after all: it stays */
};

/* Takes letters out, each at most once whoever asks, and writes who did it to the audit in the same step. At most
 * STORE_BATCH_MAX. */
typedef void (*store_taken_fn)(void *context, int rc, const enum store_taken *answers, size_t count);
void store_dead_take(struct store *store, struct store_take_run *run, const struct store_take *items, size_t count,
                     store_taken_fn done, void *context);

/* --- settling one of unknown outcome; may wait --- */

struct store_settled_letter {
    const struct store_letter *letter;
    const char *template_name, *person;        /* "" when there is none */
    const char *provider_id, *conversation_id; /* as Genesys has it; one of them may be "" */
    int64_t sent_at_ms;
    const char *delivery; /* a state that Genesys tells, or "" */
    int64_t delivery_at_ms;
};

enum store_letter_settled {
    STORE_LETTER_SETTLED,
    STORE_LETTER_TAKEN_AWAY, /* replayed, purged or settled by somebody meanwhile */
    STORE_LETTER_CLAIMED,    /* that message of Genesys is another one of ours */
};

/* One step: the letter leaves, its message is sent under those ids, counters and the audit go along. */
int store_dead_settle(struct store *store, const struct store_settled_letter *item, const struct audit_by *by,
                      enum store_letter_settled *ret, int64_t patience_ms, struct reason *why);

#endif
