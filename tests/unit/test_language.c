/* Which language a person is written to in. */
#include "producer/language.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

struct lookup_case {
    const char *wanted;
    const char *found; /* NULL: the caller's default */
};

static const char *const offered[] = {"en", "fr", "pt-BR", "zh-Hant", "de_AT", "es-419", "zh"};

static const struct lookup_case lookup_cases[] = {
    {"en", "en"},
    {"EN", "en"},
    {"en-US", "en"},
    {"fr-CA", "fr"},
    {"fr_CA", "fr"},
    {"FR-ca-x-anything", "fr"},
    {"pt-br", "pt-BR"},
    {"pt", NULL},
    {"pt-PT", NULL},
    {"zh-Hant-TW", "zh-Hant"},
    {"zh-Hans-CN", "zh"},
    {"zh-Hant-CN-x-private1-private2", "zh-Hant"},
    {"de-AT", "de_AT"},
    {"de-AT-1996", "de_AT"},
    {"de", NULL},
    {"es-419-u-co-trad", "es-419"},
    {"es-MX", NULL},
    {"fra", NULL},
    {"f", NULL},
    {"*", NULL},
    {"*-CA", NULL},
    {"fr-*-CA", "fr"},
    {"zh-*-Hant", "zh-Hant"},
    {"en-*", "en"},
    {"en-", "en"},
    {"-", NULL},
    {"", NULL},
    {NULL, NULL},
    {"en-aaaaaaaa-bbbbbbbb-cccccccc-ddddd", "en"},
    {"en-aaaaaaaa-bbbbbbbb-cccccccc-dddddd", NULL},
    {"en\xff", NULL},
};

static void lookup_cuts_the_tag_from_its_end_until_it_fits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lookup_cases); i++) {
        const struct lookup_case *c = &lookup_cases[i];
        const char *found = language_lookup(c->wanted, offered, COUNT_OF(offered));

        if (c->found ? !found || strcmp(found, c->found) != 0 : found != NULL)
            fail_msg("'%s' found %s", c->wanted ? c->wanted : "NULL", found ? found : "nothing");
    }
}

static void a_single_character_goes_with_what_follows_it(void **state)
{
    static const char *const tags[] = {"zh-x", "zh"};

    (void)state;
    assert_string_equal(language_lookup("zh-x-min", tags, 2), "zh");
    assert_string_equal(language_lookup("zh-x", tags, 2), "zh-x");
}

static void nothing_offered_finds_nothing(void **state)
{
    (void)state;
    assert_null(language_lookup("en", NULL, 0));
}

struct address_case {
    const char *address;
    const char *language;
};

static const struct address_case address_cases[] = {
    {"+4930123456", "de"},
    {"4930123456", "de"},
    {"whatsapp:+4930123456", "de"},
    {"messaging:whatsapp:4930123456", "de"},
    {"+436641234567", "de"},
    {"+42312345", "de"},
    {"+33612345678", "fr"},
    {"+34612345678", "es"},
    {"+5215512345678", "es"},
    {"+541112345678", "es"},
    {"+573001234567", "es"},
    {"+56912345678", "es"},
    {"+393331234567", "it"},
    {"+351912345678", "pt"},
    {"+5511912345678", "pt"},
    {"+31612345678", "nl"},
    {"+48512345678", "pl"},
    {"+819012345678", "ja"},
    {"+821012345678", "ko"},
    {"+447700900123", "en"},
    {"+61412345678", "en"},
    {"+8613812345678", "zh-Hans"},
    {"+886912345678", "zh-Hant"},
    {"+421912345678", "sk"},
    {"+998901234567", "uz"},
    {"+15551234567", NULL},      /* the United States, Canada and more */
    {"+79161234567", NULL},      /* Russia and Kazakhstan */
    {"+77011234567", NULL},      /* Russia and Kazakhstan */
    {"+27821234567", NULL},      /* South Africa */
    {"+32470123456", NULL},      /* Belgium */
    {"+41791234567", NULL},      /* Switzerland */
    {"+352621123456", NULL},     /* Luxembourg */
    {"+353851234567", NULL},     /* Ireland */
    {"+358401234567", NULL},     /* Finland */
    {"+6421123456", NULL},       /* New Zealand */
    {"+6591234567", NULL},       /* Singapore */
    {"+919812345678", NULL},     /* India */
    {"+972501234567", NULL},     /* Israel */
    {"+4712345678", NULL},       /* Norway */
    {"+999123456", NULL},        /* not assigned */
    {"0049301234", NULL},        /* a dialling prefix is not E.164 */
    {"+4912", NULL},             /* too short */
    {"+4912345678901234", NULL}, /* 16 digits */
    {"+49 30 123456", NULL},     /* only digits */
    {"++4930123456", NULL},
    {"ann@example.com", NULL},
    {"whatsapp:", NULL},
    {"+", NULL},
    {"", NULL},
    {NULL, NULL},
};

static void a_calling_code_gives_a_language_where_it_names_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(address_cases); i++) {
        const struct address_case *c = &address_cases[i];
        const char *found = language_of_address(c->address);

        if (c->language ? !found || strcmp(found, c->language) != 0 : found != NULL)
            fail_msg("'%s' gives %s", c->address ? c->address : "NULL", found ? found : "nothing");
    }
}

/* Each of the 1,000 beginnings of three digits names at most one code: the table is sorted as the search needs it and
 * no code in it is the beginning of another, or the counts by hand would differ. */
static void every_code_of_the_table_is_found(void **state)
{
    size_t two = 0, three = 0;

    (void)state;
    for (unsigned first = 10; first < 100; first++) {
        size_t inside = 0;

        for (unsigned last = 0; last < 10; last++) {
            char address[32];
            const char *language;

            (void)snprintf(address, sizeof(address), "+%u%u0000000", first, last); /* always fits */
            language = language_of_address(address);
            inside += language != NULL;
            assert_true(!language || language_is_tag(language));
        }
        two += inside == 10; /* no ten codes of three digits with the same beginning are all in the table */
        three += inside < 10 ? inside : 0;
    }
    assert_int_equal(two, 32);
    assert_int_equal(three, 64);
}

struct tag_case {
    const char *tag;
    bool is_tag;
};

static const struct tag_case tag_cases[] = {
    {"en", true},          {"de-AT", true},
    {"zh_Hant_TW", true},  {"es-419", true},
    {"de-x-a", true},      {"sl-rozaj-1994", true},
    {"", false},           {"e", false},
    {"1a", false},         {"en-", false},
    {"-en", false},        {"en--US", false},
    {"en US", false},      {"*", false},
    {"languages-", false}, {"englishlanguage", false},
    {"\xc3\xa9n", false},  {"en-aaaaaaaa-bbbbbbbb-cccccccc-dddddd", false},
};

static void a_language_tag_is_told_from_other_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(tag_cases); i++) {
        if (language_is_tag(tag_cases[i].tag) != tag_cases[i].is_tag)
            fail_msg("'%s'", tag_cases[i].tag);
    }
}

static void tags_are_the_same_whatever_their_case_and_joints(void **state)
{
    (void)state;
    assert_true(language_is_same("de-AT", "DE_at"));
    assert_true(language_is_same("", ""));
    assert_false(language_is_same("de", "de-AT"));
    assert_false(language_is_same("de-AT", "de"));
    assert_false(language_is_same("en", "es"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookup_cuts_the_tag_from_its_end_until_it_fits),
        cmocka_unit_test(a_single_character_goes_with_what_follows_it),
        cmocka_unit_test(nothing_offered_finds_nothing),
        cmocka_unit_test(a_calling_code_gives_a_language_where_it_names_one),
        cmocka_unit_test(every_code_of_the_table_is_found),
        cmocka_unit_test(a_language_tag_is_told_from_other_text),
        cmocka_unit_test(tags_are_the_same_whatever_their_case_and_joints),
    };

    return cmocka_run_group_tests_name("language", tests, NULL, NULL);
}
