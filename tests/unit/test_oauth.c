/* The client credentials grant: what is asked, and what of an answer is a token. */
#include "common/oauth.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

struct request_case {
    const char *about;
    struct oauth_credentials credentials;
    const char *body, *authorization;
};

static const struct request_case request_cases[] = {
    {"by HTTP Basic", {"id", "secret", false}, "grant_type=client_credentials", "Basic aWQ6c2VjcmV0"},
    {"Basic takes the bytes as they are",
     {"i&d", "s=e c", false},
     "grant_type=client_credentials",
     "Basic aSZkOnM9ZSBj"},
    {"in the body", {"id", "secret", true}, "grant_type=client_credentials&client_id=id&client_secret=secret", ""},
    {"in the body, all but the unreserved is encoded",
     {"a-b._~Z9", "&=+% \xc3\xbc", true},
     "grant_type=client_credentials&client_id=a-b._~Z9&client_secret=%26%3D%2B%25%20%C3%BC",
     ""},
};

static void the_request_carries_the_credentials_in_one_place(void **state)
{
    struct buf body, authorization;

    (void)state;
    buf_init(&body, OAUTH_REQUEST_MAX);
    buf_init(&authorization, OAUTH_REQUEST_MAX);
    buf_text(&body, "what was in it before");
    buf_text(&authorization, "the same");
    for (size_t i = 0; i < COUNT_OF(request_cases); i++) {
        const struct request_case *c = &request_cases[i];

        oauth_request(&c->credentials, &body, &authorization);
        if (strcmp(buf_str(&body), c->body) != 0 || strcmp(buf_str(&authorization), c->authorization) != 0)
            fail_msg("%s: %s | %s", c->about, buf_str(&body), buf_str(&authorization));
    }
    buf_clear(&body);
    buf_clear(&authorization);
}

struct token_case {
    const char *about, *body;
    const char *header; /* NULL: there is no token */
    int64_t life_ms;
};

static const struct token_case token_cases[] = {
    {"as documented", "{\"access_token\":\"abc\",\"token_type\":\"bearer\",\"expires_in\":86400}", "Bearer abc",
     86400000},
    {"without a lifetime", "{\"access_token\":\"abc\"}", "Bearer abc", 300000},
    {"with a lifetime that is no number", "{\"access_token\":\"abc\",\"expires_in\":\"3599\"}", "Bearer abc", 300000},
    {"that lives longer than any", "{\"access_token\":\"abc\",\"expires_in\":9000000000}", "Bearer abc", 604800000},
    {"that is over already", "{\"access_token\":\"abc\",\"expires_in\":0}", NULL, 0},
    {"of a time before", "{\"access_token\":\"abc\",\"expires_in\":-5}", NULL, 0},
    {"empty", "{\"access_token\":\"\"}", NULL, 0},
    {"absent", "{\"expires_in\":5}", NULL, 0},
    {"no text", "{\"access_token\":5}", NULL, 0},
    {"with a blank", "{\"access_token\":\"a b\"}", NULL, 0},
    {"that would end the header", "{\"access_token\":\"a\\r\\nX: y\"}", NULL, 0},
    {"beyond ASCII", "{\"access_token\":\"\xc3\xbc\"}", NULL, 0},
    {"with a NUL", "{\"access_token\":\"a\\u0000b\"}", NULL, 0},
    {"no object", "[]", NULL, 0},
    {"no JSON", "<html>", NULL, 0},
    {"nothing", "", NULL, 0},
};

static void only_what_can_go_into_a_header_is_a_token(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(token_cases); i++) {
        const struct token_case *c = &token_cases[i];
        struct oauth_token token = {.header = "as before", .life_ms = 7};
        struct reason why = {""};
        int rc = oauth_read_token(&token, span_of(c->body), &why);

        if (c->header ? rc != 0 || strcmp(token.header, c->header) != 0 || token.life_ms != c->life_ms
                      : rc != ERR_INVALID || why.text[0] == '\0' || strcmp(token.header, "as before") != 0)
            fail_msg("a token %s: %d, %s, %lld", c->about, rc, token.header, (long long)token.life_ms);
    }
}

static void the_longest_token_fits_and_one_more_character_does_not(void **state)
{
    struct oauth_token token;
    struct reason why;
    char body[2 * OAUTH_HEADER_MAX];

    (void)state;
    for (size_t len = OAUTH_HEADER_MAX - 12; len < OAUTH_HEADER_MAX; len++) {
        char text[OAUTH_HEADER_MAX];
        bool fits = len + strlen("Bearer ") < sizeof(token.header);

        memset(text, 'x', len);
        text[len] = '\0';
        (void)snprintf(body, sizeof(body), "{\"access_token\":\"%s\"}", text);
        if (oauth_read_token(&token, span_of(body), &why) == 0) {
            assert_true(fits);
            assert_int_equal(strlen(token.header), len + strlen("Bearer "));
        } else {
            assert_true(len + 1 + strlen("Bearer ") >= sizeof(token.header)); /* at most one short of what fits */
        }
    }
}

static void a_refusal_names_the_settings_and_anything_else_is_out_of_reach(void **state)
{
    static const long refusals[] = {400, 401, 403}, others[] = {200, 302, 404, 429, 500, 503};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct reason why = {""};

        assert_int_equal(oauth_explain(refusals[i], "invalid_client", &why), ERR_DENIED);
        assert_non_null(strstr(why.text, "GENESYS_CLIENT_SECRET"));
        assert_non_null(strstr(why.text, "invalid_client"));
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct reason why = {""};

        assert_int_equal(oauth_explain(others[i], "", &why), ERR_UNREACHABLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_carries_the_credentials_in_one_place),
        cmocka_unit_test(only_what_can_go_into_a_header_is_a_token),
        cmocka_unit_test(the_longest_token_fits_and_one_more_character_does_not),
        cmocka_unit_test(a_refusal_names_the_settings_and_anything_else_is_out_of_reach),
    };

    return cmocka_run_group_tests_name("oauth", tests, NULL, NULL);
}
