/* How much of a text is plain JSON: every stop at every place of every short text, between all kinds of neighbours. */
#include "common/json_plain.h"

#include <stdbool.h>
#include <string.h>

#include "tests/unit/unit.h"

#define LONGEST 40

static bool is_stop(unsigned byte)
{
    return byte < ' ' || byte == '"' || byte == '\\' || byte == 0x7f;
}

static void expect_length(const char *text, size_t len, size_t expected, unsigned stop)
{
    size_t found = json_plain_length(text, len);

    if (found != expected)
        fail_msg("%zu of %zu bytes instead of %zu with byte %02x", found, len, expected, stop);
}

static void the_first_stop_is_found_wherever_it_is(void **state)
{
    static const char around[] = {'a', ' ', '!', '~', '\x80', '\xff', '#', ']', '['}; /* most are next to a stop */
    char text[LONGEST];

    (void)state;
    for (size_t a = 0; a < sizeof(around); a++) {
        memset(text, around[a], sizeof(text));
        for (size_t len = 0; len <= LONGEST; len++) {
            expect_length(text, len, len, 256);
            for (size_t at = 0; at < len; at++) {
                for (unsigned byte = 0; byte < 256; byte++) {
                    text[at] = (char)byte;
                    expect_length(text, len, is_stop(byte) ? at : len, byte);
                }
                text[at] = around[a];
            }
        }
    }
}

static void of_two_stops_the_first_counts(void **state)
{
    char text[LONGEST];

    (void)state;
    for (size_t first = 0; first < LONGEST; first++) {
        for (size_t second = first + 1; second < LONGEST; second++) {
            memset(text, 'a', sizeof(text));
            text[first] = text[second] = '"';
            expect_length(text, LONGEST, first, '"');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_stop_is_found_wherever_it_is),
        cmocka_unit_test(of_two_stops_the_first_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
