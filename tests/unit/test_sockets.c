/* The descriptors that HTTP connections wait for. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/sockets.h"

#include "tests/unit/unit.h"

static void make_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
}

static size_t look(struct sockets *sockets, struct epoll_event *ret, size_t most)
{
    bool is_all;

    return sockets_ready(sockets, ret, most, &is_all);
}

struct want_case {
    const char *about;
    uint32_t wanted[3]; /* one after the other; 0 is nothing */
    size_t found;
    uint32_t events;
};

/* Of a descriptor that can be read and written. */
static const struct want_case cases[] = {
    {"nothing", {0, 0, 0}, 0, 0},
    {"reading", {0, 0, EPOLLIN}, 1, EPOLLIN},
    {"writing", {0, 0, EPOLLOUT}, 1, EPOLLOUT},
    {"both", {0, 0, EPOLLIN | EPOLLOUT}, 1, EPOLLIN | EPOLLOUT},
    {"one after the other", {EPOLLOUT, 0, EPOLLIN}, 1, EPOLLIN},
    {"less than before", {EPOLLIN, EPOLLIN | EPOLLOUT, EPOLLOUT}, 1, EPOLLOUT},
    {"nothing any more", {EPOLLIN, EPOLLOUT, 0}, 0, 0},
    {"the same again", {EPOLLIN, 0, EPOLLIN}, 1, EPOLLIN},
};

static void what_is_wanted_last_is_what_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        const struct want_case *want = &cases[i / 2];
        struct epoll_event found[4];
        struct sockets sockets;
        int pair[2];
        size_t count;

        make_pair(pair);
        assert_int_equal(write(pair[1], "x", 1), 1);
        assert_int_equal(sockets_init(&sockets), 0);
        if (i % 2 == 1) /* a connection that is kept, or not */
            sockets_keep(&sockets, pair[0]);
        for (size_t j = 0; j < COUNT_OF(want->wanted); j++)
            sockets_want(&sockets, pair[0], want->wanted[j]);
        count = look(&sockets, found, COUNT_OF(found));
        if (count != want->found || (count > 0 && (found[0].events != want->events || found[0].data.fd != pair[0])))
            fail_msg("%s: %zu found", want->about, count);
        sockets_clear(&sockets);
        (void)close(pair[0]);
        (void)close(pair[1]);
    }
}

static void a_kept_connection_that_stirs_unused_does_not_wake_anybody_again(void **state)
{
    struct epoll_event found[4];
    struct sockets sockets;
    int pair[2];

    (void)state;
    make_pair(pair);
    assert_int_equal(sockets_init(&sockets), 0);
    sockets_keep(&sockets, pair[0]);
    sockets_want(&sockets, pair[0], EPOLLIN);
    sockets_want(&sockets, pair[0], 0);
    (void)close(pair[1]);
    assert_int_equal(epoll_wait(sockets.epoll_fd, found, 4, 0), 1); /* it is still watched */
    assert_int_equal(look(&sockets, found, COUNT_OF(found)), 0);
    assert_int_equal(epoll_wait(sockets.epoll_fd, found, 4, 0), 0);
    sockets_want(&sockets, pair[0], EPOLLIN); /* and who uses it then learns of it */
    assert_int_equal(look(&sockets, found, COUNT_OF(found)), 1);
    sockets_forget(&sockets, pair[0]);
    (void)close(pair[0]);
    sockets_clear(&sockets);
}

static void a_number_that_is_used_again_is_another_descriptor(void **state)
{
    struct epoll_event found[4];
    struct sockets sockets;
    int pair[2], first;

    (void)state;
    make_pair(pair);
    first = pair[0];
    assert_int_equal(sockets_init(&sockets), 0);
    sockets_keep(&sockets, first);
    sockets_want(&sockets, first, EPOLLIN);
    sockets_forget(&sockets, first);
    (void)close(first);
    (void)close(pair[1]);
    make_pair(pair);
    assert_int_equal(dup3(pair[0], first, O_CLOEXEC) == first || pair[0] == first, 1);
    assert_int_equal(write(pair[1], "x", 1), 1);
    sockets_want(&sockets, first, EPOLLIN); /* not kept: nobody says when it is closed */
    assert_int_equal(look(&sockets, found, COUNT_OF(found)), 1);
    sockets_want(&sockets, first, 0);
    assert_int_equal(epoll_wait(sockets.epoll_fd, found, 4, 0), 0);
    if (pair[0] != first)
        (void)close(pair[0]);
    (void)close(first);
    (void)close(pair[1]);
    sockets_clear(&sockets);
}

/* Puts a descriptor that can be read and written under a number that was just closed. */
static void open_as(int number, int *ret_other)
{
    int pair[2];

    make_pair(pair);
    if (pair[0] != number) {
        assert_int_equal(dup3(pair[0], number, O_CLOEXEC), number);
        (void)close(pair[0]);
    }
    *ret_other = pair[1];
}

struct reuse_case {
    const char *about;
    bool is_told_gone; /* nothing was wanted of the old one any more, before the new one came */
    bool is_kept;      /* the new one is a connection, too */
    uint32_t wanted;   /* of the new one; 0: what was wanted of the old one still stands */
};

static const struct reuse_case reuses[] = {
    {"a connection after a connection", true, true, EPOLLOUT},
    {"a connection after one that nobody gave up", false, true, EPOLLOUT},
    {"a connection in place of one, in one step", false, true, 0},
    {"something else after a connection, for reading", true, false, EPOLLIN},
    {"something else after a connection, for writing", true, false, EPOLLOUT},
    {"something else after one that nobody gave up", false, false, EPOLLIN},
};

static void a_connection_that_ends_while_it_is_made_leaves_nothing_behind(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(reuses); i++) {
        const struct reuse_case *reuse = &reuses[i];
        struct epoll_event found[4];
        struct sockets sockets;
        int pair[2], other;

        make_pair(pair);
        assert_int_equal(sockets_init(&sockets), 0);
        sockets_keep(&sockets, pair[0]);
        sockets_want(&sockets, pair[0], EPOLLOUT);
        (void)close(pair[0]); /* without a word */
        (void)close(pair[1]);
        if (reuse->is_told_gone)
            sockets_want(&sockets, pair[0], 0);
        open_as(pair[0], &other);
        assert_int_equal(write(other, "x", 1), 1);
        if (reuse->is_kept)
            sockets_keep(&sockets, pair[0]);
        if (reuse->wanted != 0)
            sockets_want(&sockets, pair[0], reuse->wanted);
        if (look(&sockets, found, COUNT_OF(found)) != 1 ||
            found[0].events != (reuse->wanted ? reuse->wanted : EPOLLOUT))
            fail_msg("%s: it is not told of", reuse->about);
        (void)close(pair[0]);
        (void)close(other);
        sockets_clear(&sockets);
    }
}

static void all_are_told_in_rounds_of_a_few(void **state)
{
    enum { PAIRS = 100, ROUND = 30 };
    struct epoll_event found[ROUND];
    struct sockets sockets;
    int pairs[PAIRS][2];
    size_t seen = 0, rounds = 0;
    bool is_all = false;

    (void)state;
    assert_int_equal(sockets_init(&sockets), 0);
    for (size_t i = 0; i < PAIRS; i++) {
        make_pair(pairs[i]);
        sockets_keep(&sockets, pairs[i][0]);
        sockets_want(&sockets, pairs[i][0], EPOLLIN);
        assert_int_equal(write(pairs[i][1], "x", 1), 1);
    }
    for (; !is_all && rounds < PAIRS; rounds++) {
        size_t count = sockets_ready(&sockets, found, ROUND, &is_all);

        for (size_t i = 0; i < count; i++) {
            char byte;

            assert_int_equal(read(found[i].data.fd, &byte, 1), 1);
        }
        seen += count;
    }
    assert_int_equal(seen, PAIRS);
    assert_int_equal(rounds, PAIRS / ROUND + 1);
    for (size_t i = 0; i < PAIRS; i++) {
        sockets_forget(&sockets, pairs[i][0]);
        (void)close(pairs[i][0]);
        (void)close(pairs[i][1]);
    }
    sockets_clear(&sockets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wanted_last_is_what_is_told),
        cmocka_unit_test(a_kept_connection_that_stirs_unused_does_not_wake_anybody_again),
        cmocka_unit_test(a_number_that_is_used_again_is_another_descriptor),
        cmocka_unit_test(a_connection_that_ends_while_it_is_made_leaves_nothing_behind),
        cmocka_unit_test(all_are_told_in_rounds_of_a_few),
    };

    return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
