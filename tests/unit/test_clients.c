/* Who may call the gateway: what a list of clients may say, and whom a token opens for. */
#include "producer/gateway/clients.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define ONES  "1111111111111111111111111111111111111111111111111111111111111111"
#define TWOS  "22222222222222222222222222222222222222222222222222222222222222Aa"
#define NAME  "abcdefghijklmnopqrstuvwxyz-_.012"

static struct clients clients;

static void a_list_is_read_whatever_separates_its_entries(void **state)
{
    struct reason why = {""};

    (void)state;
    assert_int_equal(clients_parse(" \t\r\n a:read:" ZEROS "\n\n" NAME ":operate+enqueue:" ONES " b.2:enqueue:" TWOS
                                   " ",
                                   &clients, &why),
                     0);
    assert_int_equal(clients.count, 3);
    assert_string_equal(clients.all[0].name, "a");
    assert_int_equal(clients.all[0].rights, RIGHT_READ);
    assert_string_equal(clients.all[1].name, NAME);
    assert_int_equal(clients.all[1].rights, RIGHT_OPERATE | RIGHT_ENQUEUE);
    assert_int_equal(clients.all[2].rights, RIGHT_ENQUEUE);
    assert_int_equal(clients.all[2].hash[31], 0xaa);
}

static void no_list_is_no_client(void **state)
{
    static const char *const texts[] = {NULL, "", " \n\t"};
    struct reason why = {""};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        clients.count = 7;
        assert_int_equal(clients_parse(texts[i], &clients, &why), 0);
        assert_int_equal(clients.count, 0);
        assert_null(clients_find(&clients, span_of("a-token-of-nobody-012345")));
    }
}

struct bad_list {
    const char *text, *words;
};

static const struct bad_list bad_lists[] = {
    {"a", "entry 1: it does not have three parts"},
    {"a:read", "three parts"},
    {":", "three parts"},
    {"a:read:" ZEROS " b", "entry 2: it does not have three parts"},
    {"::" ZEROS, "name"},
    {":read:" ZEROS, "name"},
    {NAME "3:read:" ZEROS, "name"},
    {"\xc3\xa4:read:" ZEROS, "name"},
    {"a/b:read:" ZEROS, "name"},
    {"a::" ZEROS, "rights"},
    {"a:+:" ZEROS, "rights"},
    {"a:read+:" ZEROS ":", "hash"},
    {"a:+read:" ZEROS, "rights"},
    {"a:Read:" ZEROS, "rights"},
    {"a:reader:" ZEROS, "rights"},
    {"a:rea:" ZEROS, "rights"},
    {"a:read+read:" ZEROS, "rights"},
    {"a:read,operate:" ZEROS, "rights"},
    {"a:read:", "hash"},
    {"a:read:0", "hash"},
    {"a:read:" ZEROS "0", "hash"},
    {"a:read:g" ZEROS, "hash"},
    {"a:read:x:" ZEROS, "hash"},
    {"a:read:" ZEROS " a:read:" ONES, "entry 2: its name"},
    {"a:read:" ZEROS " b:read:" ZEROS, "entry 2: its token"},
};

static void a_list_that_is_wrong_says_where_and_shows_no_hash(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad_lists); i++) {
        struct reason why = {""};

        if (clients_parse(bad_lists[i].text, &clients, &why) != ERR_INVALID || !strstr(why.text, bad_lists[i].words))
            fail_msg("%s: '%s', not '%s'", bad_lists[i].text, why.text, bad_lists[i].words);
        assert_null(strstr(why.text, "0000"));
    }
}

static void there_are_at_most_as_many_as_there_is_room_for(void **state)
{
    static char text[(CLIENTS_MAX + 1) * 90];
    struct reason why = {""};
    int used = 0;

    (void)state;
    for (int i = 0; i < CLIENTS_MAX; i++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, "c%d:read:%064d ", i, i);
    assert_int_equal(clients_parse(text, &clients, &why), 0);
    assert_int_equal(clients.count, CLIENTS_MAX);
    (void)snprintf(text + used, sizeof(text) - (size_t)used, "last:read:" ONES);
    assert_int_equal(clients_parse(text, &clients, &why), ERR_INVALID);
}

static void a_token_finds_its_own_client_alone(void **state)
{
    static const char *const tokens[] = {"first-token-0123456789", "second-token-0123456789"};
    char text[256], hashes[2][DIGEST_HEX_SIZE];
    struct reason why = {""};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        digest_sha256_hex(tokens[i], strlen(tokens[i]), hashes[i]);
    (void)snprintf(text, sizeof(text), "one:read:%s two:read:%s", hashes[0], hashes[1]);
    assert_int_equal(clients_parse(text, &clients, &why), 0);
    assert_string_equal(clients_find(&clients, span_of(tokens[0]))->name, "one");
    assert_string_equal(clients_find(&clients, span_of(tokens[1]))->name, "two");
    assert_null(clients_find(&clients, span_of("first-token-012345678")));
    assert_null(clients_find(&clients, span_of("first-token-0123456789 ")));
    assert_null(clients_find(&clients, span_of(hashes[0])));
    assert_null(clients_find(&clients, span_of("")));
    assert_null(clients_find(&clients, (struct span){NULL, 0}));
}

static void a_token_that_is_too_short_opens_nothing_even_if_its_hash_is_there(void **state)
{
    static const char longest[] = "1234567890123456789";
    char text[128], hash[DIGEST_HEX_SIZE];
    struct reason why = {""};

    (void)state;
    assert_int_equal(strlen(longest), CLIENT_TOKEN_MIN - 1);
    digest_sha256_hex(longest, strlen(longest), hash);
    (void)snprintf(text, sizeof(text), "one:read:%s", hash);
    assert_int_equal(clients_parse(text, &clients, &why), 0);
    assert_null(clients_find(&clients, span_of(longest)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_read_whatever_separates_its_entries),
        cmocka_unit_test(no_list_is_no_client),
        cmocka_unit_test(a_list_that_is_wrong_says_where_and_shows_no_hash),
        cmocka_unit_test(there_are_at_most_as_many_as_there_is_room_for),
        cmocka_unit_test(a_token_finds_its_own_client_alone),
        cmocka_unit_test(a_token_that_is_too_short_opens_nothing_even_if_its_hash_is_there),
    };

    return cmocka_run_group_tests_name("clients", tests, NULL, NULL);
}
