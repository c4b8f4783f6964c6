/* Requests as they go over the wire, and to a host of which not every address may be connected to.
 *
 * The latter relies on libcurl (from 7.77 on) giving `localhost` both ::1 and 127.0.0.1 by itself, the latter first,
 * where there is IPv6; where there is none, it is skipped. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/callback_verdict.h"
#include "worker/http.h"

#include "tests/unit/unit.h"

#define TIMEOUT_MS 300 /* of a request that nobody answers */

/* What is allowed, and what was asked for. */
struct policy {
    bool is_v4_open, is_v6_open;
    bool has_v4, has_v6;
};

static bool may_connect(void *request_context, const struct sockaddr *address)
{
    struct policy *policy = request_context;

    if (address->sa_family == AF_INET6) {
        policy->has_v6 = true;
        return policy->is_v6_open;
    }
    policy->has_v4 = true;
    return policy->is_v4_open;
}

/* A socket of this machine at a free port; unless it listens, whoever connects is refused. -1: no such family here. */
static int bind_here(int family, bool is_listening, int *ret_port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any = {.sa_family = (sa_family_t)family}};
    socklen_t len = family == AF_INET6 ? sizeof(address.v6) : sizeof(address.v4);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (family == AF_INET6)
        address.v6.sin6_addr = in6addr_loopback;
    else
        address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, &address.any, len) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, &address.any, &len), 0);
    if (is_listening)
        assert_int_equal(listen(fd, 4), 0);
    *ret_port = ntohs(family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    return fd;
}

static bool has_ipv6(void)
{
    int port, fd = bind_here(AF_INET6, false, &port);

    if (fd < 0)
        return false;
    (void)close(fd);
    return true;
}

/* What comes in on a connection, as far as it has come. */
struct inbox {
    int listen_fd, fd;
    char text[2 << 20];
    size_t len, body_len; /* the body is to have so many bytes */
};

static void receive(struct inbox *inbox)
{
    ssize_t got;

    if (inbox->fd < 0)
        inbox->fd = accept4(inbox->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (inbox->fd >= 0 &&
           (got = recv(inbox->fd, inbox->text + inbox->len, sizeof(inbox->text) - 1 - inbox->len, 0)) > 0)
        inbox->len += (size_t)got;
    inbox->text[inbox->len] = '\0';
}

static bool is_whole(const struct inbox *inbox)
{
    const char *end = strstr(inbox->text, "\r\n\r\n");

    return end && strlen(end + 4) >= inbox->body_len;
}

static void serve(struct inbox *inbox)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    bool was_whole = is_whole(inbox);

    receive(inbox);
    if (!was_whole && is_whole(inbox))
        assert_int_equal(send(inbox->fd, answer, sizeof(answer) - 1, 0), sizeof(answer) - 1);
}

/* Until the one request has its result. A server that answers it when all of it is there goes along. */
static struct http_result finish(struct http *http, struct inbox *inbox)
{
    struct http_result result;

    http_pump(http);
    while (!http_next(http, &result)) {
        if (inbox)
            serve(inbox);
        http_wait(http, NULL, 0, 10);
        http_pump(http);
    }
    return result;
}

static struct http_result post(struct policy *policy, int port)
{
    const struct http_config config = {
        .timeout_ms = TIMEOUT_MS, .connect_timeout_ms = TIMEOUT_MS, .max_requests = 1, .may_connect = may_connect};
    struct http_result result;
    struct reason why;
    struct http *http;
    char url[64];

    (void)snprintf(url, sizeof(url), "http://localhost:%d/", port);
    assert_int_equal(http_open(&http, &config, &why), 0);
    http_start(http, &(struct http_request){
                         .url = url, .content_type = "application/json", .body = {"{}", 2}, .context = policy});
    result = finish(http, NULL);
    result.error = NULL; /* it goes with the transfer */
    http_close(http);
    return result;
}

static const struct host_case {
    const char *about;
    struct policy policy;
    int family; /* of the address where something is */
    bool is_listening;
    enum transport transport;
    bool is_forbidden;
} cases[] = {
    {"closed ::1, refusing 127.0.0.1", {.is_v4_open = true}, AF_INET, false, TRANSPORT_NOT_SENT, false},
    {"closed 127.0.0.1, refusing ::1", {.is_v6_open = true}, AF_INET6, false, TRANSPORT_NOT_SENT, false},
    {"closed 127.0.0.1, silent ::1", {.is_v6_open = true}, AF_INET6, true, TRANSPORT_UNKNOWN, false},
    {"all closed, somebody at 127.0.0.1", {0}, AF_INET, true, TRANSPORT_NOT_SENT, true},
    {"all closed, somebody at ::1", {0}, AF_INET6, true, TRANSPORT_NOT_SENT, true},
    {"none closed, refusing", {.is_v4_open = true, .is_v6_open = true}, AF_INET, false, TRANSPORT_NOT_SENT, false},
};

static void forbidden_is_a_host_without_any_address_that_is_allowed(void **state)
{
    static const struct callback_limits limits = {
        .attempts_max = 5, .age_max_ms = 1000, .retry_base_ms = 1, .retry_cap_ms = 10};

    (void)state;
    if (!has_ipv6())
        skip();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct host_case *c = &cases[i];
        struct policy policy = c->policy;
        struct callback_verdict verdict;
        struct http_result result;
        int port = 0, fd = bind_here(c->family, c->is_listening, &port);

        assert_true(fd >= 0);
        result = post(&policy, port);
        verdict = callback_judge(
            &(struct callback_attempt){.transport = result.transport, .is_forbidden = result.is_forbidden}, &limits, 1);
        if (!policy.has_v4 || !policy.has_v6)
            fail_msg("%s: libcurl did not ask for both addresses", c->about);
        if (result.transport != c->transport || result.is_forbidden != c->is_forbidden ||
            verdict.outcome != (c->is_forbidden ? STORE_CALLBACK_DEAD : STORE_CALLBACK_LATER))
            fail_msg("%s: transport %d, forbidden %d, outcome %d", c->about, (int)result.transport,
                     (int)result.is_forbidden, (int)verdict.outcome);
        if (c->is_forbidden && (accept(fd, NULL, NULL) >= 0 || errno != EAGAIN))
            fail_msg("%s: it was connected to", c->about);
        (void)close(fd);
    }
}

static size_t times_in(const char *text, const char *part)
{
    size_t times = 0;

    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        times++;
    return times;
}

static void a_request_carries_each_of_its_headers_once_and_waits_for_no_100(void **state)
{
    static const char *const lines[] = {
        "POST /p HTTP/1.1\r\n",      "\r\nUser-Agent: herald/",  "\r\nAccept: application/json\r\n",
        "\r\nContent-Type: a/b\r\n", "\r\nAuthorization: B\r\n", "\r\nX-Genesys-Request-Id: r\r\n",
        "\r\ntraceparent: t\r\n",    "\r\nOne: 1\r\n",           "\r\nTwo: 2\r\n",
        "\r\nThree: 3\r\n",          "\r\nHost: 127.0.0.1:",
    };
    static struct inbox inbox;
    static char body[3 << 19], one[] = "One: 1", two[] = "Two: 2", three[] = "Three: 3", url[64];
    const struct http_config config = {.timeout_ms = 20000, .connect_timeout_ms = 20000, .max_requests = 1};
    struct http_result result;
    struct reason why;
    struct http *http;
    int port = 0;

    (void)state;
    memset(body, 'b', sizeof(body));
    inbox.listen_fd = bind_here(AF_INET, true, &port);
    inbox.fd = -1;
    inbox.body_len = sizeof(body);
    assert_true(inbox.listen_fd >= 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/p", port);
    assert_int_equal(http_open(&http, &config, &why), 0);
    http_start(http, &(struct http_request){.url = url,
                                            .authorization = "B",
                                            .request_id = "r",
                                            .traceparent = "t",
                                            .content_type = "a/b",
                                            .body = {body, sizeof(body)},
                                            .more = {one, two, three}});
    result = finish(http, &inbox);
    assert_int_equal(result.status, 200);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (times_in(inbox.text, lines[i]) != 1)
            fail_msg("%zu times %s", times_in(inbox.text, lines[i]), lines[i]);
    }
    assert_int_equal(times_in(inbox.text, "Expect"), 0);
    http_close(http);
    (void)close(inbox.fd);
    (void)close(inbox.listen_fd);
}

static int set_up(void **state)
{
    struct reason why;

    (void)state;
    return http_global_init(&why);
}

static int tear_down(void **state)
{
    (void)state;
    http_global_clear();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_carries_each_of_its_headers_once_and_waits_for_no_100),
        cmocka_unit_test(forbidden_is_a_host_without_any_address_that_is_allowed),
    };

    return cmocka_run_group_tests_name("http", tests, set_up, tear_down);
}
