/* Message ids: UUIDv7 of our own, and what others may bring. */
#include "common/ids.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define NOW_MS INT64_C(0x0123456789ab)
#define MANY   100000

static void an_id_has_the_form_of_a_uuid_of_version_7(void **state)
{
    static const char form[] = "hhhhhhhh-hhhh-7hhh-vhhh-hhhhhhhhhhhh";

    (void)state;
    for (int n = 0; n < 1000; n++) {
        char id[ID_SIZE];

        id_new(id, NOW_MS);
        assert_int_equal(strlen(id), 36);
        for (size_t i = 0; i < 36; i++) {
            if (form[i] == 'h'   ? !strchr("0123456789abcdef", id[i])
                : form[i] == 'v' ? !strchr("89ab", id[i])
                                 : id[i] != form[i])
                fail_msg("%s: '%c' at %zu", id, id[i], i);
        }
        assert_memory_equal(id, "01234567-89ab-", 14);
        assert_true(id_is_valid(id, 36));
    }
}

static void ids_sort_by_the_time_they_were_made(void **state)
{
    char before[ID_SIZE], after[ID_SIZE];

    (void)state;
    id_new(before, 0);
    for (int64_t ms = 1; ms < (INT64_C(1) << 47); ms *= 3) {
        id_new(after, ms);
        assert_true(strcmp(before, after) < 0);
        memcpy(before, after, sizeof(before));
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void a_hundred_thousand_ids_of_one_moment_are_all_different(void **state)
{
    char(*ids)[ID_SIZE] = calloc(MANY, sizeof(*ids));

    (void)state;
    assert_non_null(ids);
    for (size_t i = 0; i < MANY; i++)
        id_new(ids[i], NOW_MS);
    qsort(ids, MANY, sizeof(*ids), compare);
    for (size_t i = 1; i < MANY; i++)
        assert_string_not_equal(ids[i - 1], ids[i]);
    free(ids);
}

struct id_case {
    const char *text;
    size_t len;
    bool is_valid;
};

static const struct id_case id_cases[] = {
    {"a", 1, true},      {"order-2026.01_15:7", 18, true},
    {"AZaz09", 6, true}, {"", 0, false},
    {"a b", 3, false},   {"a/b", 3, false},
    {"a\0b", 3, false},  {"\0", 1, false},
    {"a\n", 2, false},   {"\xc3\xa9", 2, false},
    {"{a}", 3, false},   {"a*", 2, false},
};

static void ids_of_others_are_letters_digits_and_a_few_marks(void **state)
{
    char longest[ID_MAX + 2];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(id_cases); i++) {
        if (id_is_valid(id_cases[i].text, id_cases[i].len) != id_cases[i].is_valid)
            fail_msg("'%s'", id_cases[i].text);
    }
    memset(longest, 'x', sizeof(longest));
    assert_true(id_is_valid(longest, ID_MAX));
    assert_false(id_is_valid(longest, ID_MAX + 1));
}

static void nothing_behind_the_length_is_looked_at(void **state)
{
    char *exact = malloc(4);

    (void)state;
    assert_non_null(exact);
    memcpy(exact, "abcd", 4);
    assert_true(id_is_valid(exact, 4)); /* no NUL follows */
    assert_true(id_is_valid("ab/", 2));
    free(exact);
}

static void a_uuid_is_packed_into_its_bytes_and_comes_back(void **state)
{
    static const uint8_t bytes[ID_BYTES] = {0x01, 0x98, 0x0f, 0x6e, 0x7c, 0x00, 0x7a, 0xbc,
                                            0x8d, 0xef, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff};
    uint8_t packed[ID_BYTES];
    char id[ID_SIZE], again[ID_SIZE];

    (void)state;
    assert_true(id_pack("01980f6e-7c00-7abc-8def-0000000000ff", packed));
    assert_memory_equal(packed, bytes, ID_BYTES);
    for (int n = 0; n < 1000; n++) {
        id_new(id, NOW_MS + n);
        assert_true(id_pack(id, packed));
        id_unpack(packed, again);
        assert_string_equal(again, id);
    }
}

static void what_would_not_come_back_as_it_is_is_not_packed(void **state)
{
    static const char *const texts[] = {
        "",
        "m1",
        "01980f6e-7c00-7abc-8def-0000000000f",
        "01980f6e-7c00-7abc-8def-0000000000fff",
        "01980F6E-7c00-7abc-8def-0000000000ff",
        "01980f6e7c007abc8def0000000000ff",
        "01980f6e7-c00-7abc-8def-0000000000ff",
        "01980f6e-7c00-7abc-8def_0000000000ff",
        "01980f6e-7c00-7abc-8def-0000000000fg",
        "01980f6e-7c00-7abc-8def-00000000-0ff",
        "00000000-0000-0000-0000-000000000000",
    };
    uint8_t packed[ID_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (id_pack(texts[i], packed))
            fail_msg("`%s`", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_the_form_of_a_uuid_of_version_7),
        cmocka_unit_test(ids_sort_by_the_time_they_were_made),
        cmocka_unit_test(a_hundred_thousand_ids_of_one_moment_are_all_different),
        cmocka_unit_test(ids_of_others_are_letters_digits_and_a_few_marks),
        cmocka_unit_test(nothing_behind_the_length_is_looked_at),
        cmocka_unit_test(a_uuid_is_packed_into_its_bytes_and_comes_back),
        cmocka_unit_test(what_would_not_come_back_as_it_is_is_not_packed),
    };

    return cmocka_run_group_tests_name("ids", tests, NULL, NULL);
}
