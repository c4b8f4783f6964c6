#include "tests/lib/fixture.h"

#include <signal.h>
#include <stdlib.h>

#include "common/mem.h"

static int start_server(void **state)
{
    struct fixture *fixture = mem_zalloc(1, sizeof(*fixture));

    fixture->server = redis_server_start();
    *state = fixture;
    return 0;
}

static int stop_server(void **state)
{
    struct fixture *fixture = *state;

    redis_server_stop(fixture->server);
    free(fixture);
    return 0;
}

int run_store_tests(const char *name, const struct CMUnitTest *tests, size_t count)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return _cmocka_run_group_tests(name, tests, count, start_server, stop_server);
}

void clean(struct fixture *fixture)
{
    call(fixture, "FLUSHALL");
}

struct store *open_store(const char *url)
{
    struct store *store = NULL;
    struct reason why = {""};

    assert_int_equal(store_open(&store, url, "t", &why), 0);
    return store;
}

void drain(struct store *store)
{
    struct reason why = {""};

    if (store_finish(store, 0, PATIENCE_MS, &why) != 0)
        fail_msg("%s", why.text);
}

int open_empty(void **state)
{
    struct fixture *fixture = *state;

    clean(fixture);
    fixture->store = open_store(redis_server_url(fixture->server));
    fixture->tickets = 0;
    return 0;
}

int close_fixture(void **state)
{
    struct fixture *fixture = *state;

    store_close(fixture->store);
    fixture->store = NULL;
    return 0;
}

int64_t take_number(struct redis_reply *reply)
{
    int64_t number = redis_reply_integer(reply);

    take_reply(reply);
    return number;
}

void take_reply(struct redis_reply *reply)
{
    if (redis_reply_error(reply))
        fail_msg("Redis: %s", redis_reply_error(reply));
    redis_reply_free(reply);
}
