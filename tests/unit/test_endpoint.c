/* Which endpoint a method and a path belong to, and which requests are in doubt before that is asked. */
#include "producer/gateway/endpoint.h"

#include <string.h>

#include "producer/gateway/framing.h"
#include "tests/unit/unit.h"

static const struct endpoint table[] = {
    {.method = "POST", .path = "/v1/things"},       {.method = "GET", .path = "/v1/things/{}"},
    {.method = "DELETE", .path = "/v1/things/{}"},  {.method = "POST", .path = "/v1/things/{}/stop"},
    {.method = "GET", .path = "/v1/things/latest"},
};

#define LONGEST                                                                                                        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaa"                                                                                                             \
    "aaaaaaaaaaaa"

struct path_case {
    const char *method, *path;
    int row; /* -1: none */
    const char *segment, *allowed;
};

static const struct path_case path_cases[] = {
    {"POST", "/v1/things", 0, "", NULL},
    {"GET", "/v1/things/a", 1, "a", NULL},
    {"DELETE", "/v1/things/a", 2, "a", NULL},
    {"GET", "/v1/things/A.b_c:d-9", 1, "A.b_c:d-9", NULL},
    {"POST", "/v1/things/a/stop", 3, "a", NULL},
    {"GET", "/v1/things/latest", 1, "latest", NULL}, /* the first row that fits */
    {"GET", "/v1/things/" LONGEST, 1, LONGEST, NULL},
    {"GET", "/v1/things/" LONGEST "a", -1, "", ""},
    {"GET", "/v1/things", -1, "", "POST"},
    {"PUT", "/v1/things/a", -1, "", "GET, DELETE"},
    {"PUT", "/v1/things/latest", -1, "", "GET, DELETE, GET"},
    {"get", "/v1/things/a", -1, "", "GET, DELETE"},
    {"GET", "/v1/things/a/stop", -1, "", "POST"},
    {"", "/v1/things", -1, "", "POST"},
    {"GET", "/v1/things/", -1, "", ""},
    {"GET", "/v1/things//stop", -1, "", ""},
    {"GET", "/v1/things/a/", -1, "", ""},
    {"GET", "/v1/things/a/b", -1, "", ""},
    {"GET", "/v1/things/a b", -1, "", ""},
    {"GET", "/v1/things/\xc3\xa4", -1, "", ""},
    {"GET", "/v1/things/..", 1, "..", NULL},
    {"POST", "/v1/things/a/stopx", -1, "", ""},
    {"POST", "/v1/thingsx", -1, "", ""},
    {"POST", "/v1/thing", -1, "", ""},
    {"POST", "/V1/things", -1, "", ""},
    {"POST", "v1/things", -1, "", ""},
    {"POST", "", -1, "", ""},
    {"POST", "/", -1, "", ""},
    {"GET", "/v1/things/{}", -1, "", ""},
};

static void each_method_and_path_has_one_endpoint_or_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(path_cases); i++) {
        const struct path_case *c = &path_cases[i];
        const struct endpoint *expected = c->row < 0 ? NULL : &table[c->row];
        struct endpoint_match match;

        endpoint_find(table, COUNT_OF(table), c->method, c->path, &match);
        if (match.endpoint != expected || strcmp(match.segment, c->segment) != 0)
            fail_msg("%s %s: row %td, segment '%s'", c->method, c->path, match.endpoint ? match.endpoint - table : -1,
                     match.segment);
        if (c->allowed && (strcmp(match.allowed, c->allowed) != 0 || match.is_path_known != (c->allowed[0] != '\0')))
            fail_msg("%s %s: allowed '%s'", c->method, c->path, match.allowed);
    }
}

struct framing_case {
    const char *headers[8]; /* name, value ... */
    const char *words;      /* NULL: nothing is wrong */
};

static const struct framing_case framing_cases[] = {
    {{NULL}, NULL},
    {{"Host", "h", "Content-Length", "5", "Content-Type", "a/b"}, NULL},
    {{"Host", "h", "Transfer-Encoding", "CHUNKED"}, NULL},
    {{"Accept", "a", "Accept", "b", "X", NULL}, NULL},
    {{"!#$%&'*+-.^_`|~09azAZ", "v"}, NULL},
    {{"Content-Length", "5", "content-length", "5"}, "more than one Content-Length"},
    {{"Content-Length", "5", "Transfer-Encoding", "chunked"}, "beside"},
    {{"Transfer-Encoding", "chunked", "Content-Length", "5"}, "beside"},
    {{"Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked"}, "more than one Transfer-Encoding"},
    {{"Transfer-Encoding", "gzip"}, "only Transfer-Encoding"},
    {{"Transfer-Encoding", "gzip, chunked"}, "only Transfer-Encoding"},
    {{"Transfer-Encoding", "chunked "}, "only Transfer-Encoding"},
    {{"Transfer-Encoding", ""}, "only Transfer-Encoding"},
    {{"Transfer-Encoding", NULL}, "only Transfer-Encoding"},
    {{"Authorization", "a", "AUTHORIZATION", "b"}, "more than one Authorization"},
    {{"Idempotency-Key", "a", "Idempotency-Key", "a"}, "more than one Idempotency-Key"},
    {{"Host", "a", "Host", "b"}, "more than one Host"},
    {{"Content-Type", "a", "Content-Type", "b"}, "more than one Content-Type"},
    {{"Content-Encoding", "identity", "Content-Encoding", "gzip"}, "more than one Content-Encoding"},
    {{"Content-Length ", "5"}, "character"},
    {{"Content-Length\t", "5"}, "character"},
    {{"", "5"}, "character"},
    {{"A B", "5"}, "character"},
    {{"A(B)", "5"}, "character"},
    {{"\xc3\xa4", "5"}, "character"},
    {{"A\x01", "5"}, "character"},
    {{"Content-Length", "5", "Content-Length", "6", "Transfer-Encoding", "x"}, "more than one Content-Length"},
};

static void headers_that_leave_a_doubt_are_found_and_the_first_doubt_is_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(framing_cases); i++) {
        const struct framing_case *c = &framing_cases[i];
        struct framing framing = {0};

        for (size_t at = 0; at < COUNT_OF(c->headers) && c->headers[at]; at += 2)
            framing_see(&framing, c->headers[at], c->headers[at + 1]);
        if ((framing.problem == NULL) != (c->words == NULL) || (c->words && !strstr(framing.problem, c->words)))
            fail_msg("case %zu (%s): '%s', not '%s'", i, c->headers[0], framing.problem, c->words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_method_and_path_has_one_endpoint_or_none),
        cmocka_unit_test(headers_that_leave_a_doubt_are_found_and_the_first_doubt_is_said),
    };

    return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
