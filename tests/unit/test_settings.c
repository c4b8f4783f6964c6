/* The settings that all programs share: hosts, URLs, ranges. */
#include "common/settings.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct settings settings;

static int load(int argc, const char *const *argv, struct reason *why)
{
    struct option_set set = settings_set(&settings, SETTINGS_WORKER);
    struct option_words words;

    options_clear(&set, 1);
    settings = (struct settings){.org = NULL};
    return options_load(&set, 1, argc, (char *const *)(uintptr_t)argv, &words, why);
}

static int clear(void **state)
{
    struct option_set set = settings_set(&settings, SETTINGS_WORKER);

    (void)state;
    options_clear(&set, 1);
    return 0;
}

static void the_defaults_are_those_of_the_design(void **state)
{
    struct reason why = {""};

    (void)state;
    assert_int_equal(load(0, NULL, &why), 0);
    assert_string_equal(settings.redis_url, "redis://127.0.0.1:6379/0");
    assert_string_equal(settings.org, "default");
    assert_string_equal(settings.region, "us-east-1");
    assert_string_equal(settings.origins, "genesys.cloud,example.com");
    assert_int_equal(settings.rate.limit, 300);
    assert_int_equal(settings.rate.window_ms, 60000);
    assert_int_equal(settings.max_age_ms, 24 * 3600 * 1000);
    assert_int_equal(settings.lease_ms, 15000);
    assert_int_equal(settings.drain_ms, 20000);
    assert_null(settings.client_id);
    assert_null(settings.api_url);
    assert_false(settings.token_in_body);
}

struct range_case {
    const char *flag, *lowest, *highest, *too_low, *too_high;
};

static const struct range_case range_cases[] = {
    {"--threads", "1", "256", "0", "257"},
    {"--in-flight", "1", "4096", "0", "4097"},
    {"--max-attempts", "1", "100", "0", "101"},
    {"--max-age", "1s", "90d", "999ms", "91d"},
    {"--retry-base", "1ms", "1h", "0ms", "2h"},
    {"--retry-cap", "1ms", "1d", "0s", "25h"},
    {"--timeout", "10ms", "1h", "9ms", "61m"},
    {"--connect-timeout", "10ms", "1h", "9ms", "61m"},
    {"--lease", "1s", "1h", "999ms", "61m"},
    {"--drain", "0s", "1h", "-1s", "61m"},
    {"--breaker-failures", "1", "1000", "0", "1001"},
    {"--audit-max", "1000", "100000000", "999", "100000001"},
    {"--keep", "1m", "365d", "59s", "366d"},
    {"--rate", "1/1ms", "1000000/24h", "0/1s", "1000001/1s"},
    {"--rate", "1/1ms", "unlimited", "1/0s", "1/25h"},
};

static void numbers_and_times_have_bounds_and_the_message_names_the_flag(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(range_cases); i++) {
        const struct range_case *c = &range_cases[i];
        const char *const good[] = {c->lowest, c->highest}, *const bad[] = {c->too_low, c->too_high};

        for (size_t k = 0; k < 2; k++) {
            struct reason why = {""};

            if (load(2, (const char *const[]){c->flag, good[k]}, &why) != 0)
                fail_msg("%s %s: %s", c->flag, good[k], why.text);
            if (load(2, (const char *const[]){c->flag, bad[k]}, &why) == 0 ||
                strncmp(why.text, c->flag, strlen(c->flag)) != 0)
                fail_msg("%s %s: %s", c->flag, bad[k], why.text);
        }
    }
}

struct urls_case {
    const char *region, *api_url, *login_url;
    const char *api, *login; /* NULL: refused */
    const char *says;
};

#define REGION "--region"

static const struct urls_case urls_cases[] = {
    {"us-east-1", NULL, NULL, "https://api.mypurecloud.com", "https://login.mypurecloud.com", NULL},
    {"eu-central-1", NULL, NULL, "https://api.mypurecloud.de", "https://login.mypurecloud.de", NULL},
    {"us-west-2", NULL, NULL, "https://api.usw2.pure.cloud", "https://login.usw2.pure.cloud", NULL},
    {"ap-southeast-2", NULL, NULL, "https://api.mypurecloud.com.au", "https://login.mypurecloud.com.au", NULL},
    {"mypurecloud.jp", NULL, NULL, "https://api.mypurecloud.jp", "https://login.mypurecloud.jp", NULL},
    {"us-east-1", "http://127.0.0.1:8080", NULL, "http://127.0.0.1:8080", "https://login.mypurecloud.com", NULL},
    {"us-east-1", NULL, "http://login:1/", "https://api.mypurecloud.com", "http://login:1", NULL},
    {"us-east-1", "https://api/base///", "https://login", "https://api/base", "https://login", NULL},
    {"nowhere", "https://api", "https://login", "https://api", "https://login", NULL},
    {NULL, "https://api", "https://login", "https://api", "https://login", NULL},
    {"nowhere", NULL, NULL, NULL, NULL, REGION},
    {"US-EAST-1", NULL, NULL, NULL, NULL, REGION},
    {"", NULL, NULL, NULL, NULL, REGION},
    {NULL, NULL, NULL, NULL, NULL, REGION},
    {"nowhere", "https://api", NULL, NULL, NULL, REGION},
    {"mypurecloud.de/x", NULL, NULL, NULL, NULL, REGION},
    {"good@mypurecloud.de", NULL, NULL, NULL, NULL, REGION},
    {"my purecloud.de", NULL, NULL, NULL, NULL, REGION},
    {"us-east-1", "api.mypurecloud.com", NULL, NULL, NULL, "--api-url"},
    {"us-east-1", "ftp://api", NULL, NULL, NULL, "--api-url"},
    {"us-east-1", "https://", NULL, NULL, NULL, "--api-url"},
    {"us-east-1", "http:///", NULL, NULL, NULL, "--api-url"},
    {"us-east-1", NULL, "login", NULL, NULL, "--login-url"},
};

static void hosts_come_from_the_region_or_the_urls(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(urls_cases); i++) {
        const struct urls_case *c = &urls_cases[i];
        char region[64], api_url[64], login_url[64], api[SETTINGS_URL_MAX] = "", login[SETTINGS_URL_MAX] = "";
        struct reason why = {""};
        int rc;
        struct settings given = {
            .region = c->region ? strcpy(region, c->region) : NULL,
            .api_url = c->api_url ? strcpy(api_url, c->api_url) : NULL,
            .login_url = c->login_url ? strcpy(login_url, c->login_url) : NULL,
        };

        rc = settings_urls(&given, api, login, &why);
        if (c->api ? rc != 0 || strcmp(api, c->api) != 0 || strcmp(login, c->login) != 0
                   : rc != ERR_INVALID || !strstr(why.text, c->says))
            fail_msg("%s %s %s: %d %s %s %s", c->region ? c->region : "-", c->api_url ? c->api_url : "-",
                     c->login_url ? c->login_url : "-", rc, api, login, why.text);
    }
}

static void names_too_long_for_a_url_are_refused_not_cut(void **state)
{
    char text[2 * SETTINGS_URL_MAX], api[SETTINGS_URL_MAX], login[SETTINGS_URL_MAX];
    struct reason why = {""};

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    memcpy(text, "https://", 8);
    assert_int_equal(settings_urls(&(struct settings){.api_url = text, .login_url = text}, api, login, &why),
                     ERR_INVALID);
    memcpy(text, "a.a.a.a.", 8);
    assert_int_equal(settings_urls(&(struct settings){.region = text}, api, login, &why), ERR_INVALID);
}

static void the_other_programs_settings_are_unknown_flags_but_known_lines(void **state)
{
    struct option_set set = settings_set(&settings, SETTINGS_HERALD);
    struct option_words words;
    struct reason why = {""};
    const char *const argv[] = {"--threads", "2"};

    (void)state;
    settings = (struct settings){.org = NULL};
    assert_int_equal(options_load(&set, 1, 2, (char *const *)(uintptr_t)argv, &words, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "--threads is not an option here"));
    options_clear(&set, 1);
}

static void webhook_secrets_are_taken_apart_at_white_space(void **state)
{
    char text[] = " \tnew-secret\r\nold-secret  oldest\n";
    const struct settings some = {.webhook_secrets = text}, none = {.webhook_secrets = NULL};

    (void)state;
    assert_true(span_is(settings_webhook_secret(&some, 0), "new-secret"));
    assert_true(span_is(settings_webhook_secret(&some, 1), "old-secret"));
    assert_true(span_is(settings_webhook_secret(&some, 2), "oldest"));
    assert_null(settings_webhook_secret(&some, 3).data);
    assert_null(settings_webhook_secret(&some, 4).data);
    assert_null(settings_webhook_secret(&none, 0).data);
    assert_null(settings_webhook_secret(&(struct settings){.webhook_secrets = text + strlen(text)}, 0).data);
}

struct duration_case {
    const char *text;
    int64_t ms; /* -1: not a duration */
};

static const struct duration_case duration_cases[] = {
    {"0s", 0},
    {"500ms", 500},
    {"15s", 15000},
    {"2m", 120000},
    {"24h", 86400000},
    {"7d", 604800000},
    {"007s", 7000},
    {"", -1},
    {"s", -1},
    {"5", -1},
    {"1.5s", -1},
    {"-1s", -1},
    {"1w", -1},
    {"1s ", -1},
    {"1sm", -1},
    {"1e3s", -1},
    {"9223372036854775807ms", INT64_MAX},
    {"9223372036854775808ms", -1},
    {"9223372036854775807s", -1},
};

static void durations_have_a_unit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(duration_cases); i++) {
        int64_t ms = -1;

        if (duration_parse(duration_cases[i].text, &ms) != (duration_cases[i].ms >= 0) || ms != duration_cases[i].ms)
            fail_msg("'%s': %lld", duration_cases[i].text, (long long)ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_defaults_are_those_of_the_design, clear),
        cmocka_unit_test_teardown(numbers_and_times_have_bounds_and_the_message_names_the_flag, clear),
        cmocka_unit_test(hosts_come_from_the_region_or_the_urls),
        cmocka_unit_test(durations_have_a_unit),
        cmocka_unit_test(webhook_secrets_are_taken_apart_at_white_space),
        cmocka_unit_test(names_too_long_for_a_url_are_refused_not_cut),
        cmocka_unit_test(the_other_programs_settings_are_unknown_flags_but_known_lines),
    };

    /* A developer's own settings are not part of the test. */
    static const char *const mine[] = {"HERALD_CONFIG",     "HERALD_REDIS_URL",  "HERALD_ORG",
                                       "HERALD_RATE",       "GENESYS_REGION",    "GENESYS_API_URL",
                                       "GENESYS_LOGIN_URL", "GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET"};

    for (size_t i = 0; i < COUNT_OF(mine); i++)
        (void)unsetenv(mine[i]);
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
