/* Every change of state interleaved with every other, at each step, on the same message (tests/lib/model.h).
 *
 * All sequences up to a depth are walked as a graph: states in which nothing can ever go differently (only counters or
 * the numbers of tickets differ) are one node, from which each step is tried once. What is counted are the sequences.
 * HERALD_TEST_DEPTH walks deeper. Long sequences at random follow (HERALD_TEST_SEED). */
#include "tests/lib/model.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"

#define DEPTH      4
#define DEPTH_MAX  12
#define NODES_MAX  60000
#define NODE_SLOTS 131072 /* a power of two, more than twice NODES_MAX */
#define WALKS      60
#define WALK_MIN   20

/* --- all sequences, as a graph --- */

struct node {
    struct world world, essence;
    int depth, from, step; /* how it was first reached; from -1: a starting state */
    const char *start;
    int children[STEPS_MAX]; /* -1: the step is not possible here */
};

struct graph {
    struct node *nodes;
    int count;
    int slots[NODE_SLOTS]; /* 1 + index of the node; 0: free */
};

/* The same for two worlds exactly when no sequence of steps can ever tell them apart, but by counters and by the
 * numbers that tickets have. */
static struct world essence_of(const struct world *world)
{
    struct world essence = *world;

    memset(&essence.counts, 0, sizeof(essence.counts));
    essence.counts.accepted = world->counts.accepted;
    if (world->place != FLIGHT)
        essence.holder = essence.owner = 0;
    if (world->place > PARKED) /* it has ended */
        essence.letter = essence.is_adopted = essence.marks = essence.was_reaped = 0;
    essence.marks = essence.marks > 2 ? 2 : essence.marks;
    if (world->record != NO_RECORD && world->record_life >= 0 &&
        world->minds[world->record_life].ticket != world->record_ticket)
        essence.record_life = -2; /* of a ticket that nobody has any more */
    essence.record_ticket = 0;
    for (int life = 0; life < LIFE_COUNT; life++) {
        struct mind *mind = &essence.minds[life];

        essence.fences[life] = world->fences[life] > 0;
        mind->next = 0;
        mind->ticket = mind->ticket < 0 ? -1 : 0;
        if (!is_held(world, life))
            mind->marks = 0; /* is_adopted stays: it decides which steps are possible */
        mind->marks = mind->marks > 2 ? 2 : mind->marks;
    }
    return essence;
}

static uint64_t hash_of(const struct world *world)
{
    const unsigned char *bytes = (const unsigned char *)world;
    uint64_t hash = 14695981039346656037U;

    for (size_t i = 0; i < sizeof(*world); i++)
        hash = (hash ^ bytes[i]) * 1099511628211U;
    return hash ^ (hash >> 29);
}

/* The node of this world, made if it is new. */
static int intern(struct graph *graph, const struct world *world, bool *ret_is_new)
{
    struct world essence = essence_of(world);
    size_t slot = hash_of(&essence) % NODE_SLOTS;
    struct node *node;

    *ret_is_new = false;
    for (; graph->slots[slot] != 0; slot = (slot + 1) % NODE_SLOTS) {
        if (memcmp(&graph->nodes[graph->slots[slot] - 1].essence, &essence, sizeof(essence)) == 0)
            return graph->slots[slot] - 1;
    }
    assert_true(graph->count < NODES_MAX);
    node = &graph->nodes[graph->count];
    node->world = *world;
    node->essence = essence;
    *ret_is_new = true;
    graph->slots[slot] = ++graph->count;
    return graph->count - 1;
}

static void set_trace(struct model *model, const struct graph *graph, int index)
{
    int len = 0;

    for (int at = index; graph->nodes[at].from >= 0; at = graph->nodes[at].from)
        len++;
    model->trace_len = len;
    model->start = graph->nodes[index].start;
    for (int at = index; graph->nodes[at].from >= 0; at = graph->nodes[at].from)
        model->trace[--len] = graph->nodes[at].step;
}

static void expand(struct model *model, struct graph *graph, int index, int depth)
{
    bool is_there = false; /* Redis is in the state of this node */

    for (int step = 0; step < (int)step_count; step++) {
        struct node *node = &graph->nodes[index];
        bool is_new;
        int child;

        if (!is_there)
            restore_world(model, index);
        model->world = node->world;
        set_trace(model, graph, index);
        is_there = true;
        node->children[step] = -1;
        if (!run_step(model, step))
            continue;
        is_there = memcmp(&model->world, &node->world, sizeof(model->world)) == 0;
        child = intern(graph, &model->world, &is_new);
        node->children[step] = child;
        if (!is_new)
            continue;
        graph->nodes[child].depth = node->depth + 1;
        graph->nodes[child].from = index;
        graph->nodes[child].step = step;
        graph->nodes[child].start = node->start;
        check_status(model);
        if (node->depth + 1 < depth)
            save_world(model, child);
    }
}

/* How many sequences of `depth` steps begin in starting states (those have from -1). */
static double count_sequences(const struct graph *graph, int depth)
{
    double *now = mem_zalloc((size_t)graph->count, sizeof(*now)), *next = NULL, sum = 0;

    for (int i = 0; i < graph->count; i++)
        now[i] = graph->nodes[i].from < 0;
    for (int at = 0; at < depth; at++, free(now), now = next) {
        next = mem_zalloc((size_t)graph->count, sizeof(*next));
        for (int i = 0; i < graph->count; i++) {
            for (size_t step = 0; now[i] > 0 && step < step_count; step++) {
                if (graph->nodes[i].children[step] >= 0)
                    next[graph->nodes[i].children[step]] += now[i];
            }
        }
    }
    for (int i = 0; i < graph->count; i++)
        sum += now[i];
    free(now);
    return sum;
}

static void explore(struct model *model, bool is_pushed, bool is_hold)
{
    const char *wish = getenv("HERALD_TEST_DEPTH");
    int depth = wish ? (int)strtol(wish, NULL, 10) : DEPTH;
    struct graph *graph = mem_zalloc(1, sizeof(*graph));
    int64_t start_ms = clock_mono_ms();

    assert_in_range(depth, 1, DEPTH_MAX);
    graph->nodes = mem_zalloc(NODES_MAX, sizeof(*graph->nodes));
    call(model, "FLUSHALL");
    model->steps = 0;
    for (size_t i = 0; i < start_count; i++) {
        bool is_new;
        int index;

        begin(model, is_pushed, is_hold, &starts[i]);
        check_status(model);
        index = intern(graph, &model->world, &is_new);
        graph->nodes[index].from = -1;
        graph->nodes[index].start = starts[i].name;
        save_world(model, index);
    }
    for (int i = 0; i < graph->count; i++) { /* in order of their depths, as each is found by one before it */
        if (graph->nodes[i].depth < depth)
            expand(model, graph, i, depth);
    }
    print_message("# %.0f sequences of %d steps from %zu states: %d states, %lld steps in %lld ms\n",
                  count_sequences(graph, depth), depth, start_count, graph->count, (long long)model->steps,
                  (long long)(clock_mono_ms() - start_ms));
    free(graph->nodes);
    free(graph);
}

static void test_an_enqueued_message_to_resend_is_in_one_place_after_each_step_of_every_sequence(void **state)
{
    explore(*state, false, false);
}

static void test_an_enqueued_message_to_hold_is_in_one_place_after_each_step_of_every_sequence(void **state)
{
    explore(*state, false, true);
}

static void test_a_pushed_message_to_resend_is_in_one_place_after_each_step_of_every_sequence(void **state)
{
    explore(*state, true, false);
}

static void test_a_pushed_message_to_hold_is_in_one_place_after_each_step_of_every_sequence(void **state)
{
    explore(*state, true, true);
}

/* --- long sequences at random --- */

static uint64_t roll(uint64_t *random, uint64_t sides)
{
    *random = *random * 6364136223846793005U + 1442695040888963407U;
    return (*random >> 33) % sides;
}

static void test_a_message_is_in_one_place_after_each_step_of_long_sequences_at_random(void **state)
{
    struct model *model = *state;
    const char *seed = getenv("HERALD_TEST_SEED");
    uint64_t random = seed ? strtoull(seed, NULL, 10) : 1;
    int64_t start_ms = clock_mono_ms();

    print_message("# seed %llu\n", (unsigned long long)random);
    model->steps = 0;
    for (int i = 0; i < WALKS; i++) {
        int len = WALK_MIN + (int)roll(&random, WALK_MAX - WALK_MIN + 1);

        begin(model, i & 1, i & 2, &starts[i / 4 % (int)start_count]);
        while (model->trace_len < len) {
            if (run_step(model, (int)roll(&random, step_count)))
                check_status(model);
        }
    }
    print_message("# %d sequences of %d to %d steps: %lld steps in %lld ms\n", WALKS, WALK_MIN, WALK_MAX,
                  (long long)model->steps, (long long)(clock_mono_ms() - start_ms));
}

/* --- what the reaper writes --- */

/* The in-flight entry `held` of a worker without a lease, reaped; answers what is on `list` then. */
/* `list` NULL: it is to become a dead letter. */
static void reap_one(struct model *model, const char *held, const char *list, char found[TEXT_MAX])
{
    struct redis_reply *reply;
    int64_t taken = -1;
    char now[24];

    (void)snprintf(now, sizeof(now), "%lld", (long long)clock_wall_ms());
    restore_world(model, -1);
    reply = redis_server_call(model->server, "HSET", KEY ":inflight:A", "a1-0", held, NULL);
    assert_null(redis_reply_error(reply));
    redis_reply_free(reply);
    call(model, "ZADD", KEY ":workers", "1", "A");
    call(model, "SET", KEY ":pulse", now);
    store_reap(model->store, HOUR_MS, on_reaped, &taken);
    drain(model->store);
    assert_int_equal(taken, 1);
    if (list)
        reply = redis_server_call(model->server, "LRANGE", list, "0", "-1", NULL);
    else
        reply = redis_server_call(model->server, "HVALS", KEY ":dead:letters", NULL);
    assert_int_equal(redis_reply_count(reply), 1);
    (void)snprintf(found, TEXT_MAX, "%s", redis_reply_text(redis_reply_at(reply, 0), NULL));
    redis_reply_free(reply);
}

static void test_the_reaper_adds_its_mark_and_changes_nothing_else_in_a_text(void **state)
{
    static const struct {
        const char *held, *list, *expected;
    } table[] = {
        {"N{\"a\":1}", KEY ":ready", "{\"redelivered\":1,\"a\":1}"},
        {"H{\"a\":1}", KEY ":ready:high", "{\"redelivered\":1,\"a\":1}"},
        {"L{\"a\":1}", KEY ":ready:low", "{\"redelivered\":1,\"a\":1}"},
        {"N{\"redelivered\":1,\"a\":1}", KEY ":ready", "{\"redelivered\":2,\"a\":1}"},
        {"N{\"redelivered\":99,\"a\":1}", KEY ":ready", "{\"redelivered\":100,\"a\":1}"},
        {"N{\"a\":1.0,\"b\":[],\"c\":{},\"d\":1e3,\"e\":12345678901234567890,\"f\":null}", KEY ":ready",
         "{\"redelivered\":1,\"a\":1.0,\"b\":[],\"c\":{},\"d\":1e3,\"e\":12345678901234567890,\"f\":null}"},
        {"N{\"a\":\"100%1 %d {\\\"\"}", KEY ":ready", "{\"redelivered\":1,\"a\":\"100%1 %d {\\\"\"}"},
        {"N{\"a\":\"\xc3\xa9 \\u00e9\"} ", KEY ":ready", "{\"redelivered\":1,\"a\":\"\xc3\xa9 \\u00e9\"} "},
        {"N  {\"a\":1}", KEY ":ready", "{\"redelivered\":1,\"a\":1}"},
        {"N\n\t{\n  \"a\" : 1\n}\n", KEY ":ready", "{\"redelivered\":1,\n  \"a\" : 1\n}\n"},
        {"N{\"a\":{\"redelivered\":5,\"b\":1}}", KEY ":ready", "{\"redelivered\":1,\"a\":{\"redelivered\":5,\"b\":1}}"},
        {"N{}", KEY ":ready", "{}"},
        {"N { } ", KEY ":ready", " { } "},
        {"N[{\"a\":1}]", KEY ":ready", "[{\"a\":1}]"},
        {"N\"text\"", KEY ":ready", "\"text\""},
        {"Nnot JSON", KEY ":ready", "not JSON"},
        {"N", KEY ":ready", ""},
        {"N{\"a\":", KEY ":ready", "{\"redelivered\":1,\"a\":"},
        {"{\"a\":1}", KEY ":ready", "{\"redelivered\":1,\"a\":1}"}, /* without a letter: not written by us */
        {"", KEY ":ready", ""},
        {"N{\"on_unknown\":\"resend\"}", KEY ":ready", "{\"redelivered\":1,\"on_unknown\":\"resend\"}"},
        {"N{\"on_unknown\":1}", KEY ":ready", "{\"redelivered\":1,\"on_unknown\":1}"},
    };
    char found[TEXT_MAX];

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        reap_one(*state, table[i].held, table[i].list, found);
        assert_string_equal(found, table[i].expected);
    }
}

static void test_the_reaper_buries_what_is_to_be_held_with_an_id_and_without(void **state)
{
    static const struct {
        const char *held, *before, *after; /* around the instant */
        bool has_id, is_accepted;
    } table[] = {
        {"H{\"id\":\"m1\",\"on_unknown\":\"hold\",\"a\":1.0,\"b\":[],\"herald\":{\"accepted_at\":5,\"attempts\":3}}",
         "{\"id\":\"m1\",\"dead_at\":",
         ",\"reason\":\"outcome_unknown\",\"detail\":\"" UNKNOWN_TEXT
         "\",\"attempts\":3,\"deaths\":1,\"envelope\":{\"redelivered\":1,"
         "\"id\":\"m1\",\"on_unknown\":\"hold\",\"a\":1.0,\"b\":[],\"herald\":{\"accepted_at\":5,\"attempts\":3}}}",
         true, true},
        {"N{\"on_unknown\":\"hold\",\"a\":1.0,\"b\":[]}", "{\"id\":\"\",\"dead_at\":",
         ",\"reason\":\"outcome_unknown\",\"detail\":\"" UNKNOWN_TEXT
         "\",\"attempts\":0,\"deaths\":1,\"envelope\":{\"redelivered\":1,"
         "\"on_unknown\":\"hold\",\"a\":1.0,\"b\":[]}}",
         false, false},
        {"N{\"redelivered\":1,\"id\":7,\"campaign\":null,\"on_unknown\":\"hold\",\"herald\":[]}",
         "{\"id\":\"\",\"dead_at\":",
         ",\"reason\":\"outcome_unknown\",\"detail\":\"" UNKNOWN_TEXT
         "\",\"attempts\":0,\"deaths\":1,\"envelope\":{\"redelivered\":2,"
         "\"id\":7,\"campaign\":null,\"on_unknown\":\"hold\",\"herald\":[]}}",
         false, false},
    };
    struct model *model = *state;
    char found[TEXT_MAX];

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        size_t before = strlen(table[i].before), digits;

        reap_one(model, table[i].held, NULL, found);
        assert_memory_equal(found, table[i].before, before);
        digits = strspn(found + before, "0123456789");
        assert_int_equal(digits, 13);
        assert_string_equal(found + before + digits, table[i].after);
        assert_int_equal(ask(model, "HEXISTS", KEY ":message:m1", "state"), table[i].has_id);
        assert_int_equal(ask(model, "EXISTS", KEY ":message:"), 0);
        assert_int_equal(ask(model, "HEXISTS", KEY ":counts", "accepted"), !table[i].is_accepted);
        assert_int_equal(ask(model, "HGET", KEY ":counts", "dead"), 1);
        assert_int_equal(ask(model, "HLEN", KEY ":inflight:A"), 0);
    }
}

static int start_server(void **state)
{
    struct model *model = mem_zalloc(1, sizeof(*model));

    model_open(model);
    *state = model;
    return 0;
}

static int stop_server(void **state)
{
    model_close(*state);
    free(*state);
    return 0;
}
int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_enqueued_message_to_resend_is_in_one_place_after_each_step_of_every_sequence),
        cmocka_unit_test(test_an_enqueued_message_to_hold_is_in_one_place_after_each_step_of_every_sequence),
        cmocka_unit_test(test_a_pushed_message_to_resend_is_in_one_place_after_each_step_of_every_sequence),
        cmocka_unit_test(test_a_pushed_message_to_hold_is_in_one_place_after_each_step_of_every_sequence),
        cmocka_unit_test(test_a_message_is_in_one_place_after_each_step_of_long_sequences_at_random),
        cmocka_unit_test(test_the_reaper_adds_its_mark_and_changes_nothing_else_in_a_text),
        cmocka_unit_test(test_the_reaper_buries_what_is_to_be_held_with_an_id_and_without),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests_name("interleave", tests, start_server, stop_server);
}
