/* One server for all tests of a suite, and for each test an empty Redis with a store on it. */
#ifndef HERALD_TESTS_FIXTURE_H
#define HERALD_TESTS_FIXTURE_H

#include "common/store.h"

#include "tests/lib/redis_server.h"
#include "tests/unit/unit.h"

#define PATIENCE_MS 20000
#define KEY         "herald:{t}"

struct fixture {
    struct redis_server *server;
    struct store *store;
    int64_t tickets; /* given out so far, where a suite counts them */
};

/* The whole of a suite's main: `state` of each test is its fixture. */
int run_store_tests(const char *name, const struct CMUnitTest *tests, size_t count);
#define TEST_ON_EMPTY(function) cmocka_unit_test_setup_teardown(function, open_empty, close_fixture)
int open_empty(void **state);
int close_fixture(void **state);
void clean(struct fixture *fixture); /* everything in Redis goes away */

struct store *open_store(const char *url);
/* Until every request has its answer. */
void drain(struct store *store);

/* One command of texts, which must not be answered by an error; and one that is answered by a number. */
#define call(fixture, ...) take_reply(redis_server_call((fixture)->server, __VA_ARGS__, NULL))
#define ask(fixture, ...)  take_number(redis_server_call((fixture)->server, __VA_ARGS__, NULL))
void take_reply(struct redis_reply *reply);
int64_t take_number(struct redis_reply *reply);

#endif
