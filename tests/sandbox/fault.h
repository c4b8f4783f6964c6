#ifndef SANDBOX_FAULT_H
#define SANDBOX_FAULT_H

#include "tests/sandbox/fate.h"

#include <stdbool.h>
#include <stdint.h>

/* What the client gets instead of a proper answer. */
enum how {
    HOW_PLAIN, /* an ordinary answer: the route's own, or an error status */
    HOW_EMPTY, /* a status without a body */
    HOW_RESET, /* TCP RST */
    HOW_HANG,  /* nothing, for as long as the client waits */
    HOW_HTML,  /* a proxy's page */
    HOW_HUGE,  /* ten megabytes */
};

/* How one request is to be treated. Texts are copies, so a verdict outlives the script it came from. */
struct verdict {
    enum how how;
    int status;            /* 0: the route's own answer */
    bool accept;           /* the message goes into the ledger first */
    int64_t retry_after_s; /* -1: no such header */
    int64_t delay_us;      /* on top of the latency */
    enum failure failure;  /* of an accepted message: see fate_draw */
    char code[64];         /* empty: the usual one of the status */
    char message[160];
};

enum fault {
    FAULT_429,
    FAULT_500,
    FAULT_502,
    FAULT_503,
    FAULT_504,
    FAULT_400,
    FAULT_401,
    FAULT_403,
    FAULT_RESET_BEFORE,
    FAULT_RESET_AFTER,
    FAULT_HANG,
    FAULT_HANG_AFTER,
    FAULT_NON_JSON,
    FAULT_HUGE,
    FAULT_504_AFTER,
    FAULT_COUNT
};

/* fault_name: as in --fault-NAME. fault_help: one line. */
const char *fault_name(enum fault fault);
const char *fault_help(enum fault fault);

/* fault_find: FAULT_COUNT if there is none of this name. */
enum fault fault_find(const char *name);
void fault_judge(enum fault fault, struct verdict *ret_verdict);

/* fault_parse: what a script may ask for: a fault's name, "ok", "202", or any status from 400 to 599. 0 or -1. */
int fault_parse(const char *name, struct verdict *ret_verdict);

#endif
