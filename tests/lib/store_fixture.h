/* What most suites of the store share besides a fixture: an org of three workers, looks into Redis, and short forms of
 * the requests. */
#ifndef HERALD_TESTS_STORE_FIXTURE_H
#define HERALD_TESTS_STORE_FIXTURE_H

#include "tests/lib/fixture.h"

#define TEXT_MAX 64
#define UNLIMITED                                                                                                      \
    (struct rate)                                                                                                      \
    {                                                                                                                  \
        0, 0                                                                                                           \
    }

extern const char *const workers[3]; /* each has a lease of a minute */

struct enqueued {
    int rc, calls;
    char answers[STORE_BATCH_MAX + 1];
};
void on_enqueued(void *enqueued, int rc, const enum store_enqueued *answers, size_t count);

struct taken {
    int rc, calls;
    struct store_reserved seen;
    char texts[STORE_BATCH_MAX * TEXT_MAX]; /* separated by blanks */
    char each[STORE_BATCH_MAX][TEXT_MAX];
};

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

void beat(struct store *store, const char *worker, int64_t lease_ms, const char *note);
/* Of TEST: everything in Redis goes away, the workers beat. */
int open_fixture(void **state);
int open_fixture_again(struct fixture *fixture);

void configure(struct fixture *fixture, const char *name, const char *value);
/* All that Redis holds but for the time, as one text that is the same exactly when nothing has changed. */
void snapshot(struct fixture *fixture, char out[64]);

struct store_status *read_status(struct fixture *fixture);
int64_t counter(const struct store_status *status, const char *name);
/* accepted = the sum of all places, and `expected` of them in all. */
void assert_sum(struct fixture *fixture, int64_t expected);
int64_t counted(struct fixture *fixture, const char *name);
/* How many messages there are, wherever; sent ones by their state. */
int64_t places_in_all(struct fixture *fixture);
/* HINCRBY. */
void command_number(struct fixture *fixture, const char *key, const char *field, int64_t by);
void add_delayed(struct fixture *fixture, int64_t due_ms, const char *text);

/* Enqueues texts, each under itself as its idempotency key; `texts` are separated by blanks. */
void start_enqueue(struct store *store, const char *campaign, enum priority priority, int64_t due_ms, const char *texts,
                   struct enqueued *result);
/* The same to its end; a 1 for each that was accepted and a 0 for each that was not, or `refused`. */
const char *enqueue(struct store *store, const char *campaign, enum priority priority, int64_t due_ms,
                    const char *texts);
void start_reserve(struct store *store, const char *worker, int64_t first, int64_t wanted, struct rate rate,
                   int64_t margin_ms, struct taken *taken);
struct taken *reserve_within(struct store *store, const char *worker, int64_t first, int64_t wanted, struct rate rate);
/* Without a window; the texts, separated by blanks. */
const char *reserve(struct store *store, const char *worker, int64_t first, int64_t wanted);

void on_settled(void *context, int rc);
struct store_settle item_of(const char *ticket, const char *text);
int settle_item(struct store *store, enum store_move move, const char *worker, const struct store_settle *item);
int settle(struct store *store, enum store_move move, const char *worker, const char *ticket, const char *text);

#endif
