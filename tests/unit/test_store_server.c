/* What may be lost with a Redis as it says it is set up. */
#include "common/store_server.h"

#include <string.h>

#include "tests/unit/unit.h"

struct risk_case {
    const char *about;
    struct store_server server;
    const char *says[STORE_RISKS_MAX]; /* a part of each risk, in order */
};

static const struct risk_case cases[] = {
    {"nothing is known", {.version = ""}, {NULL}},
    {"all is well",
     {.has_aof = STORE_YES, .appendfsync = "always", .has_snapshots = STORE_NO, .maxmemory_policy = "noeviction"},
     {NULL}},
    {"every second", {.has_aof = STORE_YES, .appendfsync = "everysec", .is_writing_ok = STORE_YES}, {NULL}},
    {"no file at all", {.has_aof = STORE_NO, .has_snapshots = STORE_NO}, {"keeps nothing on disk"}},
    {"snapshots only", {.has_aof = STORE_NO, .has_snapshots = STORE_YES}, {"snapshots at best"}},
    {"no file, and CONFIG is forbidden", {.has_aof = STORE_NO}, {"snapshots at best"}},
    {"the system decides", {.has_aof = STORE_YES, .appendfsync = "no"}, {"appendfsync no"}},
    {"a file that is not written has no appendfsync", {.has_aof = STORE_UNKNOWN, .appendfsync = "no"}, {NULL}},
    {"it evicts", {.has_aof = STORE_YES, .maxmemory_policy = "volatile-lru"}, {"volatile-lru"}},
    {"the disk is full", {.has_aof = STORE_YES, .is_writing_ok = STORE_NO}, {"could not write"}},
    {"everything at once",
     {.has_aof = STORE_YES, .appendfsync = "no", .maxmemory_policy = "allkeys-random", .is_writing_ok = STORE_NO},
     {"appendfsync no", "allkeys-random", "could not write"}},
};

static void each_way_to_lose_messages_is_one_risk(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reason risks[STORE_RISKS_MAX];
        size_t count = store_server_risks(&cases[i].server, risks), expected = 0;

        while (expected < STORE_RISKS_MAX && cases[i].says[expected])
            expected++;
        if (count != expected)
            fail_msg("%s: %zu risks instead of %zu", cases[i].about, count, expected);
        for (size_t r = 0; r < count; r++) {
            if (!strstr(risks[r].text, cases[i].says[r]))
                fail_msg("%s: `%s` does not say `%s`", cases[i].about, risks[r].text, cases[i].says[r]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_way_to_lose_messages_is_one_risk)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
