/* What becomes of a message after it was accepted: queued, sent, then delivered and perhaps read, or failed.
 *
 * It is decided once, so that a poll, a receipt and a second poll tell the same story whatever the settings are by
 * then. */
#include "tests/sandbox/fate.h"

#include <string.h>

static const struct {
    const char *api;
    const char *tutorial;
    const char *receipt;
} stages[] = {
    [STAGE_QUEUED] = {"queued", "queued", NULL},
    [STAGE_SENT] = {"sent", "sent", "Sent"},
    [STAGE_DELIVERED] = {"delivery-success", "delivered", "Delivered"},
    [STAGE_READ] = {"read", "read", "Read"},
    [STAGE_FAILED] = {"delivery-failed", "failed", "Failed"},
};

static const struct {
    const char *name;
    const char *message;
} failures[] = {
    [FAILURE_ANY] = {"any", ""},
    [FAILURE_OPTED_OUT] = {"RecipientOptedOut", "The recipient has opted out."},
    [FAILURE_DESTINATION] = {"InvalidDestination", "The destination address cannot be reached."},
    [FAILURE_GENERAL] = {"GeneralError", "The message could not be delivered."},
};

_Static_assert(sizeof stages / sizeof stages[0] == STAGE_COUNT, "every stage needs a row");
_Static_assert(sizeof failures / sizeof failures[0] == FAILURE_COUNT, "every failure needs a row");

const char *stage_api_name(enum stage stage)
{
    return stages[stage].api;
}

const char *stage_tutorial_name(enum stage stage)
{
    return stages[stage].tutorial;
}

const char *stage_receipt_name(enum stage stage)
{
    return stages[stage].receipt;
}

const char *failure_name(enum failure failure)
{
    return failures[failure].name;
}

const char *failure_message(enum failure failure)
{
    return failures[failure].message;
}

enum failure failure_find(const char *name)
{
    int failure = 0;
    while (failure < FAILURE_COUNT && strcmp(failures[failure].name, name) != 0) {
        failure++;
    }
    return (enum failure)failure;
}

void odds_init(struct odds *odds)
{
    *odds = (struct odds){
        .sent_after = {.kind = LATENCY_CONSTANT, .a_us = 100000},
        .delivered_after = {.kind = LATENCY_CONSTANT, .a_us = 400000},
        .read_after = {.kind = LATENCY_CONSTANT, .a_us = 1000000},
        .read = 1,
    };
}

/* does: an event of this probability; the sure ones cost no draw. */
static bool does(double probability, struct dice *dice)
{
    return probability > 0 && (probability >= 1 || dice_fraction(dice) < probability);
}

static uint32_t later(uint32_t at_ms, const struct latency *latency, struct dice *dice)
{
    return at_ms + (uint32_t)(latency_sample(latency, dice) / 1000); /* three hours at most: see dice.h */
}

void fate_draw(const struct odds *odds, enum failure forced, struct dice *dice, struct fate *ret_fate)
{
    struct fate fate = {.at_ms = {0, FATE_NEVER, FATE_NEVER, FATE_NEVER, FATE_NEVER}};
    fate.at_ms[STAGE_SENT] = later(0, &odds->sent_after, dice);
    uint32_t end_ms = later(fate.at_ms[STAGE_SENT], &odds->delivered_after, dice);
    if (forced != FAILURE_ANY || does(odds->undelivered, dice)) {
        fate.at_ms[STAGE_FAILED] = end_ms;
        fate.failure = forced != FAILURE_ANY ? forced : odds->failure;
        if (fate.failure == FAILURE_ANY) {
            fate.failure = (enum failure)(FAILURE_ANY + 1 + dice_draw(dice) % (FAILURE_COUNT - 1));
        }
    } else {
        fate.at_ms[STAGE_DELIVERED] = end_ms;
        if (does(odds->read, dice)) {
            fate.at_ms[STAGE_READ] = later(end_ms, &odds->read_after, dice);
        }
    }
    *ret_fate = fate;
}

enum stage fate_stage(const struct fate *fate, int64_t age_ms)
{
    enum stage reached = STAGE_QUEUED;
    for (int stage = STAGE_SENT; stage < STAGE_COUNT; stage++) {
        if (fate->at_ms[stage] != FATE_NEVER && fate->at_ms[stage] <= age_ms) {
            reached = (enum stage)stage;
        }
    }
    return reached;
}

bool fate_ends(const struct fate *fate, enum stage stage)
{
    return stage == STAGE_FAILED || stage == STAGE_READ ||
           (stage == STAGE_DELIVERED && fate->at_ms[STAGE_READ] == FATE_NEVER);
}
