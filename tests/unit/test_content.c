/* The rules that routes share. */
#include "common/content.h"

#include <stdlib.h>

#include "common/reason.h"
#include "tests/unit/unit.h"

struct text_case {
    const char *text;
    size_t len;
    const char *code; /* NULL: fine */
};

static const struct text_case text_cases[] = {
    {"x", 1, NULL},
    {"1234567890", 10, NULL},
    {"12345678901", 11, "text_too_long"},
    {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 20, NULL},
    {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80!", 21, "text_too_long"},
    {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 20, NULL},
    {"", 0, "text_missing"},
    {NULL, 0, "text_missing"},
    {"a\0b", 3, "text_invalid"},
    {"\xff", 1, "text_invalid"},
    {"\xed\xa0\x80", 3, "text_invalid"},
    {"a\xc3", 2, "text_invalid"},
    {"{{name}}", 8, "placeholder_unresolved"},
    {"a{{n}}b", 7, "placeholder_unresolved"},
    {"{{}}", 4, "placeholder_unresolved"},
    {"{{{x}}}", 7, "placeholder_unresolved"},
    {"{{\n}}", 5, "placeholder_unresolved"},
    {"}}{{", 4, NULL},
    {"{{ open", 7, NULL},
    {"{name}", 6, NULL},
    {"{ {n} }", 7, NULL},
};

static void texts_are_there_well_formed_short_enough_and_finished(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(text_cases); i++) {
        const struct text_case *c = &text_cases[i];
        struct refusal why = {.code = ""};
        int rc = content_check_text((struct span){c->text, c->len}, 10, "/text", &why);

        if (c->code ? rc == 0 || strcmp(why.code, c->code) != 0 || strcmp(why.field, "/text") != 0 : rc != 0)
            fail_msg("'%s': %d, %s", c->text ? c->text : "(absent)", rc, why.code);
    }
}

struct html_case {
    const char *text;
    bool is_html;
};

/* The tutorial's rule: `<`, one character or more that is not `>`, `>`. */
static const struct html_case html_cases[] = {
    {"plain", false},
    {"", false},
    {"a < b", false},
    {"a > b", false},
    {"a > b < c", false},
    {"a < b > c", true},
    {"1 <2", false},
    {"<>", false},
    {"<>>", false},
    {"<><", false},
    {"<<>", true},
    {"</>", true},
    {"<b>", true},
    {"</b>", true},
    {"<br/>", true},
    {"x<script>alert(1)</script>", true},
    {"<SCRIPT\nSRC=x>", true},
    {"<script", false}, /* no tag without its end */
    {"<!-- -->", true},
    {"<3 you", false},
    {"<3 you -> me", true},
    {"&lt;b&gt;", false},
    {"<\n>", true},
    {"<\xc3\xa9>", true},
};

static void markup_is_told_from_signs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(html_cases); i++) {
        struct refusal why = {.code = ""};
        int rc = content_check_no_html(span_of(html_cases[i].text), "/text", &why);

        if (rc != (html_cases[i].is_html ? ERR_INVALID : 0) ||
            (rc != 0 && (strcmp(why.code, "html_forbidden") != 0 || strcmp(why.field, "/text") != 0)))
            fail_msg("'%s': %d %s", html_cases[i].text, rc, why.code);
    }
}

static void markup_is_looked_for_within_the_length_only(void **state)
{
    struct refusal why = {.code = ""};
    char *exact = malloc(3);

    (void)state;
    assert_non_null(exact);
    memcpy(exact, "<b>", 3);
    assert_int_equal(content_check_no_html((struct span){exact, 2}, "/text", &why), 0);
    assert_int_equal(content_check_no_html((struct span){exact, 3}, "/text", &why), ERR_INVALID);
    free(exact);
    assert_int_equal(content_check_no_html((struct span){NULL, 0}, "/text", &why), 0);
}

struct origin_case {
    const char *origin;
    bool is_fine;
};

static const struct origin_case origin_cases[] = {
    {NULL, true}, /* not pushed for a page */
    {"https://good.com", true},
    {"http://good.com", true},
    {"https://good.com/", true},
    {"https://good.com/path?x=1#y", true},
    {"https://good.com:8443", true},
    {"https://good.com:8443/path@x", true},
    {"https://good.com?x@y", true},
    {"https://GOOD.com", true},
    {"https://other.org", true},
    {"https://third.net", true},

    {"", false},
    {"good.com", false},
    {"//good.com", false},
    {"ftp://good.com", false},
    {"javascript:https://good.com", false},
    {" https://good.com", false},
    {"https://", false},
    {"https:///good.com", false},
    {"https://bad.com", false},
    {"https://bad.com/good.com", false},
    {"https://bad.com?good.com", false},
    {"https://bad.com#good.com", false},
    {"https://good.com.bad.com", false},
    {"https://notgood.com", false},
    {"https://good.co", false},
    {"https://www.good.com", false},
    {"https://good.com@bad.com", false},
    {"https://good.com:1@bad.com", false},
    {"https://good.com:x@bad.com/", false},
    {"https://u:p@good.com", false},
    {"https://good.com\\@bad.com", false},
    {"https://bad.com\\good.com", false},
    {"https://good.com\n.bad.com", false},
    {"https://,", false},
    {"https://:80", false},
};

static void only_pages_of_allowed_hosts_may_send(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(origin_cases); i++) {
        struct refusal why = {.code = ""};
        const char *origin = origin_cases[i].origin;
        int rc = content_check_origin(span_of(origin), "good.com, other.org,,third.net", &why);

        if (rc != (origin_cases[i].is_fine ? 0 : ERR_INVALID) ||
            (rc != 0 && (strcmp(why.code, "origin_forbidden") != 0 || strcmp(why.field, "/origin") != 0)))
            fail_msg("'%s': %d %s", origin ? origin : "(absent)", rc, why.code);
    }
}

static void no_allowed_host_allows_none(void **state)
{
    struct refusal why;

    (void)state;
    assert_int_equal(content_check_origin(span_of("https://good.com"), NULL, &why), ERR_INVALID);
    assert_int_equal(content_check_origin(span_of("https://good.com"), "", &why), ERR_INVALID);
    assert_int_equal(content_check_origin(span_of("https://good.com"), " , ", &why), ERR_INVALID);
    assert_int_equal(content_check_origin(span_of(NULL), NULL, &why), 0);
}

static void consent_must_be_given_where_needed_and_never_refused(void **state)
{
    struct refusal why = {.code = ""};

    (void)state;
    assert_int_equal(content_check_consent(CONSENT_GIVEN, true, &why), 0);
    assert_int_equal(content_check_consent(CONSENT_GIVEN, false, &why), 0);
    assert_int_equal(content_check_consent(CONSENT_ABSENT, false, &why), 0);
    assert_int_equal(content_check_consent(CONSENT_ABSENT, true, &why), ERR_INVALID);
    assert_string_equal(why.code, "consent_missing");
    assert_string_equal(why.field, "/metadata/consentVerified");
    assert_int_equal(content_check_consent(CONSENT_REFUSED, true, &why), ERR_INVALID);
    assert_int_equal(content_check_consent(CONSENT_REFUSED, false, &why), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_there_well_formed_short_enough_and_finished),
        cmocka_unit_test(markup_is_told_from_signs),
        cmocka_unit_test(markup_is_looked_for_within_the_length_only),
        cmocka_unit_test(only_pages_of_allowed_hosts_may_send),
        cmocka_unit_test(no_allowed_host_allows_none),
        cmocka_unit_test(consent_must_be_given_where_needed_and_never_refused),
    };

    return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
