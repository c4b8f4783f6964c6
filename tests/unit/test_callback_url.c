/* Where callbacks may go: addresses by the registries, lists of hosts, and URLs as hostile messages bring them. */
#include "common/callback_url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "common/mem.h"
#include "tests/unit/unit.h"

struct address_case {
    const char *address;
    bool is_public;
};

static const struct address_case address_cases[] = {
    {"8.8.8.8", true},
    {"1.0.0.1", true},
    {"9.255.255.255", true},
    {"11.0.0.0", true},
    {"100.63.255.255", true},
    {"100.128.0.0", true},
    {"126.255.255.255", true},
    {"128.0.0.1", true},
    {"169.253.255.255", true},
    {"172.15.255.255", true},
    {"172.32.0.0", true},
    {"192.0.1.1", true},
    {"192.167.255.255", true},
    {"192.169.0.0", true},
    {"198.17.255.255", true},
    {"198.20.0.0", true},
    {"223.255.255.255", true},
    {"0.0.0.0", false},
    {"0.1.2.3", false},
    {"10.0.0.1", false},
    {"100.64.0.1", false},
    {"100.127.255.255", false},
    {"127.0.0.1", false},
    {"127.255.255.254", false},
    {"169.254.169.254", false},
    {"172.16.0.1", false},
    {"172.31.255.255", false},
    {"192.0.0.8", false},
    {"192.0.2.1", false},
    {"192.88.99.1", false},
    {"192.168.0.1", false},
    {"198.18.0.1", false},
    {"198.19.255.255", false},
    {"198.51.100.1", false},
    {"203.0.113.1", false},
    {"224.0.0.1", false},
    {"239.255.255.255", false},
    {"240.0.0.1", false},
    {"255.255.255.255", false},
    {"2606:4700:4700::1111", true},
    {"2001:4860:4860::8888", true},
    {"2001:200::1", true},
    {"2003::1", true},
    {"3ffe:ffff::1", true},
    {"::", false},
    {"::1", false},
    {"::8.8.8.8", false},
    {"::ffff:8.8.8.8", false},
    {"::ffff:127.0.0.1", false},
    {"64:ff9b::7f00:1", false},
    {"64:ff9b:1::1", false},
    {"100::1", false},
    {"1fff::1", false},
    {"2001::1", false},
    {"2001:1ff::1", false},
    {"2001:db8::1", false},
    {"2002:7f00:1::1", false},
    {"3fff:fff::1", false},
    {"4000::1", false},
    {"5f00::1", false},
    {"fc00::1", false},
    {"fd12:3456::1", false},
    {"fe80::1", false},
    {"fec0::1", false},
    {"ff02::1", false},
};

static void only_addresses_of_the_public_internet_are_public(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(address_cases); i++) {
        const struct address_case *c = &address_cases[i];
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        const struct sockaddr *address = (const struct sockaddr *)(const void *)&v4;

        if (inet_pton(AF_INET, c->address, &v4.sin_addr) != 1) {
            assert_int_equal(inet_pton(AF_INET6, c->address, &v6.sin6_addr), 1);
            address = (const struct sockaddr *)(const void *)&v6;
        }
        if (callback_address_is_public(address) != c->is_public)
            fail_msg("%s is %spublic", c->address, c->is_public ? "" : "not ");
    }
    assert_false(callback_address_is_public(&(struct sockaddr){.sa_family = AF_UNIX}));
}

struct url_case {
    const char *url, *hosts, *private_hosts;
    const char *host; /* NULL: refused */
    uint16_t port;
    bool is_private;
};

static const struct url_case url_cases[] = {
    /* by name */
    {"https://crm.example.org/a?b=c", "crm.example.org", NULL, "crm.example.org", 443, false},
    {"https://CRM.Example.ORG/", "crm.example.org", NULL, "crm.example.org", 443, false},
    {"https://crm.example.org", "a, CRM.example.org", NULL, "crm.example.org", 443, false},
    {"https://crm.example.org:8443/", "crm.example.org", NULL, "crm.example.org", 8443, false},
    {"https://crm.example.org:8443/", "crm.example.org:8443", NULL, "crm.example.org", 8443, false},
    {"https://crm.example.org/", "crm.example.org:443", NULL, "crm.example.org", 443, false},
    {"https://crm.example.org:8443/", "crm.example.org:443", NULL, NULL, 0, false},
    {"https://crm.example.org/", NULL, NULL, NULL, 0, false},
    {"https://crm.example.org/", "", "", NULL, 0, false},
    {"https://crm.example.org.evil.net/", "crm.example.org", NULL, NULL, 0, false},
    {"https://evilcrm.example.org/", "crm.example.org", NULL, NULL, 0, false},
    {"https://crm.example.org./", "crm.example.org", NULL, NULL, 0, false},
    /* what is below a name */
    {"https://a.example.org/", "*.example.org", NULL, "a.example.org", 443, false},
    {"https://a.b.example.org/", "*.example.org:443", NULL, "a.b.example.org", 443, false},
    {"https://example.org/", "*.example.org", NULL, NULL, 0, false},
    {"https://evilexample.org/", "*.example.org", NULL, NULL, 0, false},
    {"https://any.where/", "*", NULL, "any.where", 443, false},
    /* named once more */
    {"http://crm.internal:8080/x", NULL, "crm.internal", "crm.internal", 8080, true},
    {"https://crm.internal/x", "crm.internal", NULL, "crm.internal", 443, false},
    {"http://crm.internal/x", "crm.internal", NULL, NULL, 0, false},
    {"http://any.where/", "*", NULL, NULL, 0, false},
    {"http://127.0.0.1:8080/", NULL, "127.0.0.1", "127.0.0.1", 8080, true},
    {"http://[::1]:8080/", NULL, "[::1]", "[::1]", 8080, true},
    {"http://[::1]:8080/", NULL, "[::1]:8080", "[::1]", 8080, true},
    {"http://[::1]:8081/", NULL, "[::1]:8080", NULL, 0, false},
    /* other ways to write an address are that address */
    {"http://2130706433/", NULL, "127.0.0.1", "127.0.0.1", 80, true},
    {"http://0x7f.1/", NULL, "127.0.0.1", "127.0.0.1", 80, true},
    {"http://0177.0.0.1/", NULL, "0177.0.0.1", NULL, 0, false},
    /* what no settings allow */
    {"ftp://crm.example.org/", "*", "crm.example.org", NULL, 0, false},
    {"file:///etc/passwd", "*", NULL, NULL, 0, false},
    {"gopher://crm.example.org/", "*", "crm.example.org", NULL, 0, false},
    {"javascript:alert(1)", "*", NULL, NULL, 0, false},
    {"https://user@crm.example.org/", "*", NULL, NULL, 0, false},
    {"https://user:hunter2@crm.example.org/", "*", NULL, NULL, 0, false},
    {"https://crm.example.org@evil.net/", "crm.example.org", NULL, NULL, 0, false},
    {"https://evil.net\\@crm.example.org/", "crm.example.org", NULL, NULL, 0, false},
    {"https://evil.net#@crm.example.org/", "crm.example.org", NULL, NULL, 0, false},
    {"https://evil.net/?@crm.example.org/", "crm.example.org", NULL, NULL, 0, false},
    {"https://[fe80::1%25eth0]/", "*", "[fe80::1]", NULL, 0, false},
    {"https://crm.example.org:0/", "*", NULL, NULL, 0, false},
    {"https://crm.example.org:65536/", "*", NULL, NULL, 0, false},
    {"https://crm example.org/", "*", NULL, NULL, 0, false},
    {"https://crm.example.org/a b", "*", NULL, NULL, 0, false},
    {"https://crm.example.org/\r\nX: y", "*", NULL, NULL, 0, false},
    {"https://cr\xc3\xbcm.example.org/", "*", NULL, NULL, 0, false},
    {"https:///path", "*", NULL, "path", 443, false} /* libcurl, which calls it, has it so */,
    {"https://", "*", NULL, NULL, 0, false},
    {"//crm.example.org/", "*", NULL, NULL, 0, false},
    {"crm.example.org", "*", NULL, NULL, 0, false},
    {"", "*", NULL, NULL, 0, false},
};

static void a_url_goes_to_named_hosts_only(void **state)
{
    struct callback_target *target = mem_zalloc(1, sizeof(*target));

    (void)state;
    for (size_t i = 0; i < COUNT_OF(url_cases); i++) {
        const struct url_case *c = &url_cases[i];
        struct callback_rules rules;
        struct reason why = {""};

        assert_int_equal(callback_rules_init(&rules, c->hosts, c->private_hosts, NULL, &why), 0);
        if ((callback_url_read(target, span_of(c->url), &rules, &why) == 0) != (c->host != NULL))
            fail_msg("%s: %s", c->url, c->host ? why.text : "was not refused");
        if (!c->host) {
            assert_true(why.text[0] != '\0');
            assert_null(strstr(why.text, "hunter2"));
            continue;
        }
        assert_string_equal(target->host, c->host);
        assert_int_equal(target->port, c->port);
        assert_int_equal(target->is_private, c->is_private);
        assert_true(strncmp(target->url, "http", 4) == 0);
    }
    free(target);
}

static void a_url_is_called_as_it_was_read(void **state)
{
    struct callback_target *target = mem_zalloc(1, sizeof(*target));
    struct reason why;
    char url[CALLBACK_URL_MAX + 2];

    (void)state;
    assert_int_equal(callback_url_read(target, span_of("https://A.example/x/../y?q=1#part"), NULL, &why), 0);
    assert_null(strchr(target->url, '#'));
    assert_non_null(strstr(target->url, "?q=1"));
    memset(url, 'a', sizeof(url));
    memcpy(url, "https://a.example/", 18);
    assert_int_equal(callback_url_read(target, (struct span){url, CALLBACK_URL_MAX}, NULL, &why), 0);
    assert_int_equal(callback_url_read(target, (struct span){url, CALLBACK_URL_MAX + 1}, NULL, &why), ERR_INVALID);
    free(target);
}

static void the_url_of_the_settings_stands_for_its_own_host(void **state)
{
    struct callback_target *target = mem_zalloc(1, sizeof(*target));
    struct callback_rules rules;
    struct reason why;

    (void)state;
    assert_int_equal(callback_rules_init(&rules, NULL, NULL, "https://crm.example.org:8443/a?token=hunter2", &why), 0);
    assert_true(callback_rules_allow_any(&rules));
    assert_int_equal(callback_url_read(target, span_of("https://crm.example.org:8443/b"), &rules, &why), 0);
    assert_false(target->is_private);
    assert_int_equal(callback_url_read(target, span_of("https://crm.example.org/b"), &rules, &why), ERR_INVALID);
    assert_int_equal(callback_rules_init(&rules, NULL, NULL, "http://crm.example.org/?token=hunter2", &why),
                     ERR_INVALID);
    assert_null(strstr(why.text, "hunter2"));
    assert_int_equal(callback_rules_init(&rules, NULL, "crm.example.org", "http://crm.example.org/", &why), 0);
    assert_int_equal(callback_rules_init(&rules, NULL, NULL, NULL, &why), 0);
    assert_false(callback_rules_allow_any(&rules));
    free(target);
}

static void lists_that_name_no_hosts_are_refused(void **state)
{
    static const char *const lists[] = {"https://a", "a/b", "a:b", "a:0", "a:65536",
                                        "a:123456",  ":80", "*.",  "a*b", "*:"};
    struct callback_rules rules;
    struct reason why;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        if (callback_rules_init(&rules, lists[i], NULL, NULL, &why) != ERR_INVALID)
            fail_msg("%s was taken", lists[i]);
        assert_int_equal(callback_rules_init(&rules, NULL, lists[i], NULL, &why), ERR_INVALID);
    }
    assert_int_equal(callback_rules_init(&rules, NULL, "*", NULL, &why), ERR_INVALID);
    assert_int_equal(callback_rules_init(&rules, "*", NULL, NULL, &why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_addresses_of_the_public_internet_are_public),
        cmocka_unit_test(a_url_goes_to_named_hosts_only),
        cmocka_unit_test(a_url_is_called_as_it_was_read),
        cmocka_unit_test(the_url_of_the_settings_stands_for_its_own_host),
        cmocka_unit_test(lists_that_name_no_hosts_are_refused),
    };

    return cmocka_run_group_tests_name("callback_url", tests, NULL, NULL);
}
