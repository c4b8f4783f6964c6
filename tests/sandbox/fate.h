#ifndef SANDBOX_FATE_H
#define SANDBOX_FATE_H

#include "tests/sandbox/dice.h"

#include <stdbool.h>
#include <stdint.h>

/* How far a message has come. In the order of time; a failed one goes no further. */
enum stage { STAGE_QUEUED, STAGE_SENT, STAGE_DELIVERED, STAGE_READ, STAGE_FAILED, STAGE_COUNT };

/* The same stage in the three vocabularies: MessageData.status of the API, the tutorial's event, and a receipt of Open
 * Messaging, which has no word for queued (NULL). */
const char *stage_api_name(enum stage stage);
const char *stage_tutorial_name(enum stage stage);
const char *stage_receipt_name(enum stage stage);

/* Why a message was not delivered. */
enum failure { FAILURE_ANY, FAILURE_OPTED_OUT, FAILURE_DESTINATION, FAILURE_GENERAL, FAILURE_COUNT };

/* failure_name: the reason code of the platform; "any" for FAILURE_ANY. failure_find: FAILURE_COUNT if there is none.
 */
const char *failure_name(enum failure failure);
const char *failure_message(enum failure failure);
enum failure failure_find(const char *name);

/* What usually becomes of messages. */
struct odds {
    struct latency sent_after;      /* after acceptance */
    struct latency delivered_after; /* after that; also for the failure of one that is not delivered */
    struct latency read_after;      /* after that */
    double undelivered;             /* share that fails */
    double read;                    /* share of the delivered that is read */
    enum failure failure;           /* FAILURE_ANY: each as often */
};

/* What becomes of one message, decided when it is accepted. Milliseconds after acceptance; a stage that is not reached
 * has FATE_NEVER. */
#define FATE_NEVER UINT32_MAX

struct fate {
    uint32_t at_ms[STAGE_COUNT];
    enum failure failure; /* FAILURE_ANY unless it fails */
};

void odds_init(struct odds *odds);

/* fate_draw: `forced` is the failure that this message has in any case, FAILURE_ANY for what the odds say. */
void fate_draw(const struct odds *odds, enum failure forced, struct dice *dice, struct fate *ret_fate);
enum stage fate_stage(const struct fate *fate, int64_t age_ms);

/* fate_ends: whether nothing comes after this stage. */
bool fate_ends(const struct fate *fate, enum stage stage);

#endif
