/* What becomes of accepted messages, and how their receipts are delivered, from one table. */
#include "tests/sandbox/knob.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum knob_kind { KNOB_LATENCY, KNOB_SHARE, KNOB_COUNT, KNOB_TIME, KNOB_FAILURE };

struct knob {
    const char *name; /* as a flag */
    const char *value;
    enum knob_kind kind;
    size_t at;
    int64_t least;
    int64_t most;
    const char *help;
};

#define AT(field) offsetof(struct tuning, field)

static const struct knob knobs[] = {
    {"sent-after", "TIME", KNOB_LATENCY, AT(odds.sent_after), 0, 0,
     "a message is sent so long after acceptance (100ms)"},
    {"delivered-after", "TIME", KNOB_LATENCY, AT(odds.delivered_after), 0, 0,
     "and so much later delivered, or failed (400ms)"},
    {"read-after", "TIME", KNOB_LATENCY, AT(odds.read_after), 0, 0, "and so much later read (1s)"},
    {"read", "RATE", KNOB_SHARE, AT(odds.read), 0, 0, "share of the delivered that is read (1)"},
    {"undelivered", "RATE", KNOB_SHARE, AT(odds.undelivered), 0, 0, "share that fails instead of being delivered (0)"},
    {"failure", "CODE", KNOB_FAILURE, AT(odds.failure), 0, 0,
     "why: RecipientOptedOut, InvalidDestination, GeneralError or any (any)"},
    {"receipt-delay", "TIME", KNOB_LATENCY, AT(manners.delay), 0, 0, "a receipt leaves so long after its status (0)"},
    {"receipt-duplicates", "RATE", KNOB_SHARE, AT(manners.duplicates), 0, 0, "share delivered twice (0)"},
    {"receipt-shuffled", "RATE", KNOB_SHARE, AT(manners.shuffled), 0, 0,
     "share of messages whose receipts come in another order (0)"},
    {"receipt-retries", "N", KNOB_COUNT, AT(manners.retries), 0, 1000,
     "after a 5xx, a 429, a time-out or no connection, deliver again so often (5)"},
    {"receipt-retry-after", "TIME", KNOB_TIME, AT(manners.retry_us), 0, UNITS_DAY_US, "so far apart (5s)"},
    {"receipt-timeout", "TIME", KNOB_TIME, AT(manners.timeout_us), 1000, UNITS_DAY_US,
     "time that the receiver has to answer (10s)"},
};

#define KNOB_TOTAL (sizeof knobs / sizeof knobs[0])

static bool is_same_name(const char *flag, const char *name)
{
    while (*flag != '\0' && (*flag == *name || (*flag == '-' && *name == '_'))) {
        flag++;
        name++;
    }
    return *flag == *name;
}

const struct knob *knob_find(const char *name)
{
    for (size_t i = 0; i < KNOB_TOTAL; i++) {
        if (is_same_name(knobs[i].name, name)) {
            return &knobs[i];
        }
    }
    return NULL;
}

int knob_set(const struct knob *knob, const char *value, struct tuning *tuning)
{
    void *at = (char *)tuning + knob->at;
    enum failure failure;
    switch (knob->kind) {
    case KNOB_LATENCY:
        return latency_parse(value, at);
    case KNOB_SHARE:
        return units_parse_fraction(value, at);
    case KNOB_COUNT:
        return units_parse_int(value, knob->least, knob->most, at);
    case KNOB_TIME:
        return units_parse_duration(value, knob->least, knob->most, at);
    case KNOB_FAILURE:
        failure = failure_find(value);
        if (failure == FAILURE_COUNT) {
            return -1;
        }
        *(enum failure *)at = failure;
        return 0;
    }
    return -1;
}

static void render_value(const struct knob *knob, const void *at, struct text *out)
{
    switch (knob->kind) {
    case KNOB_LATENCY:
        latency_render(at, out);
        break;
    case KNOB_SHARE:
        text_printf(out, "%g", *(const double *)at);
        break;
    case KNOB_COUNT:
        text_printf(out, "%" PRId64, *(const int64_t *)at);
        break;
    case KNOB_TIME:
        text_printf(out, "\"%" PRId64 "us\"", *(const int64_t *)at);
        break;
    case KNOB_FAILURE:
        text_printf(out, "\"%s\"", failure_name(*(const enum failure *)at));
        break;
    }
}

void knob_render(const struct tuning *tuning, struct text *out)
{
    for (size_t i = 0; i < KNOB_TOTAL; i++) {
        text_say(out, ",\"");
        for (const char *c = knobs[i].name; *c != '\0'; c++) {
            text_add(out, *c == '-' ? "_" : c, 1);
        }
        text_say(out, "\":");
        render_value(&knobs[i], (const char *)tuning + knobs[i].at, out);
    }
}

void knob_print_help(void)
{
    char left[64];
    for (size_t i = 0; i < KNOB_TOTAL; i++) {
        (void)snprintf(left, sizeof left, "--%s %s", knobs[i].name, knobs[i].value);
        printf("  %-34s %s\n", left, knobs[i].help);
    }
}
