/* Which URLs name a Redis. */
#include <string.h>

#include "common/redis.h"
#include "tests/unit/unit.h"

struct url_case {
    const char *url;
    bool is_fine;
};

static const struct url_case url_cases[] = {
    {"redis://localhost", true},
    {"redis://127.0.0.1:6379/0", true},
    {"redis://redis.example.org:6380", true},
    {"redis://host/", true},
    {"redis://host/15", true},
    {"redis://host:1/15", true},
    {"redis://host:65535", true},
    {"redis://:secret@host", true},
    {"redis://user:secret@host:6379/2", true},
    {"redis://secret@host", true},
    {"redis://:p%40ss%2Fword@host", true},
    {"redis://:a@b@host", true},
    {"redis://[::1]", true},
    {"redis://[::1]:6379/0", true},
    {"redis://:secret@[fe80::1]:6379", true},
    {"unix:///run/redis.sock", true},
    {"unix:///run/redis.sock?db=3", true},
    {"unix:///run/with%20blank.sock", true},

    {"", false},
    {"redis", false},
    {"redis:", false},
    {"redis://", false},
    {"redis:///0", false},
    {"redis://:6379", false},
    {"redis://:secret@", false},
    {"REDIS://host", false},
    {"rediss://host", false},
    {"http://host", false},
    {"host:6379", false},
    {" redis://host", false},
    {"redis://host:", false},
    {"redis://host:/0", false},
    {"redis://host:0", false},
    {"redis://host:65536", false},
    {"redis://host:99999999999999999999", false},
    {"redis://host:-1", false},
    {"redis://host:+1", false},
    {"redis://host: 1", false},
    {"redis://host:6379x", false},
    {"redis://host:63:79", false},
    {"redis://host/x", false},
    {"redis://host/-1", false},
    {"redis://host/0/1", false},
    {"redis://host/123456", false},
    {"redis://:a%4@host", false},
    {"redis://:a%zz@host", false},
    {"redis://:a%00b@host", false},
    {"redis://[::1", false},
    {"redis://[]", false},
    {"redis://[::1]x", false},
    {"redis://[::1]6379", false},
    {"unix://", false},
    {"unix://run/redis.sock", false},
    {"unix:///run/redis.sock?db=x", false},
    {"unix:///run/redis.sock?database=1", false},
};

static void only_a_redis_or_unix_url_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(url_cases); i++) {
        struct reason why = {""};
        int rc = redis_check_url(url_cases[i].url, &why);

        if (rc != (url_cases[i].is_fine ? 0 : ERR_INVALID) || (why.text[0] == '\0') != url_cases[i].is_fine)
            fail_msg("'%s': %d, '%s'", url_cases[i].url, rc, why.text);
    }
}

static void parts_that_are_too_long_are_refused(void **state)
{
    static const char *const beginnings[] = {"redis://", "redis://:", "redis://u:", "unix:///"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(beginnings); i++) {
        char url[700];

        memset(url, 'x', sizeof(url));
        memcpy(url, beginnings[i], strlen(beginnings[i]));
        memcpy(url + 600, "@host", 6);
        assert_int_equal(redis_check_url(url, NULL), ERR_INVALID);
        url[600] = '\0';
        assert_int_equal(redis_check_url(url, NULL), ERR_INVALID);
    }
}

static void a_refusal_does_not_repeat_the_password(void **state)
{
    struct reason why = {""};

    (void)state;
    assert_int_equal(redis_check_url("redis://:hunter2@host:x", &why), ERR_INVALID);
    assert_null(strstr(why.text, "hunter2"));
    assert_non_null(strstr(why.text, "--redis"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_redis_or_unix_url_is_taken),
        cmocka_unit_test(parts_that_are_too_long_are_refused),
        cmocka_unit_test(a_refusal_does_not_repeat_the_password),
    };

    return cmocka_run_group_tests_name("redis url", tests, NULL, NULL);
}
