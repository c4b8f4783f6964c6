/* Faults: everything that can go wrong between a client and the platform, one table row each.
 *
 * "before" faults leave no trace in the ledger, "after" faults do: the message was accepted and the client was not
 * told, which is the case that makes careless clients send twice. */
#include "tests/sandbox/fault.h"
#include "tests/sandbox/units.h"

#include <string.h>

static const struct row {
    const char *name;
    const char *help;
    enum how how;
    int status;
    bool accept;
} rows[] = {
    [FAULT_429] = {"429", "refused: too many requests, Retry-After 1", HOW_PLAIN, 429, false},
    [FAULT_500] = {"500", "internal server error, not accepted", HOW_PLAIN, 500, false},
    [FAULT_502] = {"502", "bad gateway, not accepted", HOW_PLAIN, 502, false},
    [FAULT_503] = {"503", "service unavailable, not accepted", HOW_PLAIN, 503, false},
    [FAULT_504] = {"504", "gateway timeout, not accepted", HOW_PLAIN, 504, false},
    [FAULT_400] = {"400", "a fault of the message", HOW_PLAIN, 400, false},
    [FAULT_401] = {"401", "the token is refused", HOW_PLAIN, 401, false},
    [FAULT_403] = {"403", "a permission is missing", HOW_PLAIN, 403, false},
    [FAULT_RESET_BEFORE] = {"reset-before", "connection reset, not accepted", HOW_RESET, 0, false},
    [FAULT_RESET_AFTER] = {"reset-after", "accepted, then connection reset", HOW_RESET, 0, true},
    [FAULT_HANG] = {"hang", "no answer ever, not accepted", HOW_HANG, 0, false},
    [FAULT_HANG_AFTER] = {"hang-after", "accepted, then no answer ever", HOW_HANG, 0, true},
    [FAULT_NON_JSON] = {"non-json", "502 with an HTML page, not accepted", HOW_HTML, 502, false},
    [FAULT_HUGE] = {"huge", "502 with a body of 10 MB, not accepted", HOW_HUGE, 502, false},
    [FAULT_504_AFTER] = {"504-after", "accepted, then gateway timeout", HOW_PLAIN, 504, true},
};

_Static_assert(sizeof rows / sizeof rows[0] == FAULT_COUNT, "every fault needs a row");

const char *fault_name(enum fault fault)
{
    return rows[fault].name;
}

const char *fault_help(enum fault fault)
{
    return rows[fault].help;
}

enum fault fault_find(const char *name)
{
    int fault = 0;
    while (fault < FAULT_COUNT && strcmp(rows[fault].name, name) != 0) {
        fault++;
    }
    return (enum fault)fault;
}

void fault_judge(enum fault fault, struct verdict *ret_verdict)
{
    const struct row *row = &rows[fault];
    *ret_verdict = (struct verdict){
        .how = row->how,
        .status = row->status,
        .accept = row->accept,
        .retry_after_s = row->status == 429 ? 1 : -1,
    };
}

int fault_parse(const char *name, struct verdict *ret_verdict)
{
    enum fault fault = fault_find(name);
    if (fault != FAULT_COUNT) {
        fault_judge(fault, ret_verdict);
        return 0;
    }
    if (strcmp(name, "ok") == 0) {
        *ret_verdict = (struct verdict){.how = HOW_PLAIN, .accept = true, .retry_after_s = -1};
        return 0;
    }
    if (strcmp(name, "202") == 0) {
        *ret_verdict = (struct verdict){.how = HOW_EMPTY, .status = 202, .accept = true, .retry_after_s = -1};
        return 0;
    }
    int64_t status = 0;
    if (units_parse_int(name, 400, 599, &status) != 0) {
        return -1;
    }
    *ret_verdict = (struct verdict){.how = HOW_PLAIN, .status = (int)status, .retry_after_s = -1};
    return 0;
}
