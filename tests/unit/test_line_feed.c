/* Lines out of bytes, however they are cut. */
#include "producer/gateway/line_feed.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

#define MAX 8

struct feed_case {
    const char *about;
    const char *bytes;
    const char *lines; /* `number:text` each with a | behind it; a line that is too long is `number!` */
};

static const struct feed_case cases[] = {
    {"nothing", "", ""},
    {"a line", "ab\n", "1:ab|"},
    {"a last line without an end", "ab\ncd", "1:ab|2:cd|"},
    {"ends of Windows", "ab\r\ncd\r\n", "1:ab|2:cd|"},
    {"a CR without LF belongs to the line", "a\rb\n", "1:a\rb|"},
    {"a CR at the very end", "ab\r", "1:ab|"},
    {"blank lines are counted", "\n \t\r\nab\n\n", "3:ab|"},
    {"only blanks at the end", "ab\n  ", "1:ab|"},
    {"a byte order mark",
     "\xef\xbb\xbf"
     "ab\ncd\n",
     "1:ab|2:cd|"},
    {"nothing but a mark", "\xef\xbb\xbf", ""},
    {"a mark in front of an end", "\xef\xbb\xbf\r\nab\n", "2:ab|"},
    {"a mark only at the beginning",
     "ab\n\xef\xbb\xbf"
     "cd\n",
     "1:ab|2:\xef\xbb\xbf"
     "cd|"},
    {"as long as it may be", "12345678\n", "1:12345678|"},
    {"with mark and CR as well",
     "\xef\xbb\xbf"
     "12345678\r\n",
     "1:12345678|"},
    {"as long as it may be, without an end", "12345678", "1:12345678|"},
    {"one too long", "123456789\nab\n", "1!|2:ab|"},
    {"one too long with a CR", "123456789\r\nab\n", "1!|2:ab|"},
    {"far too long", "1234567890123456789012345678901234567890\nab\n", "1!|2:ab|"},
    {"far too long and without an end", "ab\n1234567890123456789012345678901234567890", "1:ab|2!|"},
    {"two in a row", "123456789\n123456789\nab", "1!|2!|3:ab|"},
    {"blanks, and more of them than a line may have", "        \n                    \nab\n", "2!|3:ab|"},
};

static void add_line(char *out, size_t size, const struct line_feed *feed, enum line_fed fed, struct span line)
{
    size_t len = strlen(out);

    switch (fed) {
    case LINE_NONE:
        break;
    case LINE_WHOLE:
        (void)snprintf(out + len, size - len, "%zu:%.*s|", feed->number, (int)line.len, line.data);
        break;
    case LINE_TOO_LONG:
        (void)snprintf(out + len, size - len, "%zu!|", feed->number);
        break;
    }
}

/* Hands out `cut` bytes at a time, each in memory of its own size, so that reading beyond them is seen. */
static void feed_all(const char *bytes, size_t cut, char *out, size_t size)
{
    size_t len = strlen(bytes), at = 0, taken = 0;
    struct span line = {NULL, 0};
    struct line_feed feed;

    line_feed_init(&feed, MAX);
    out[0] = '\0';
    while (at < len) {
        size_t part = len - at < cut ? len - at : cut;
        char *copy = test_malloc(part);
        enum line_fed fed;

        memcpy(copy, bytes + at, part);
        fed = line_feed_take(&feed, copy, part, &taken, &line);
        add_line(out, size, &feed, fed, line);
        assert_true(taken > 0 && taken <= part);
        at += taken;
        test_free(copy);
    }
    add_line(out, size, &feed, line_feed_finish(&feed, &line), line);
    line_feed_clear(&feed);
}

static void lines_are_the_same_however_the_bytes_are_cut(void **state)
{
    char out[256];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t cut = 1; cut < 50; cut++) {
            feed_all(cases[i].bytes, cut, out, sizeof(out));
            if (strcmp(out, cases[i].lines) != 0)
                fail_msg("%s, %zu bytes at a time: %s, not %s", cases[i].about, cut, out, cases[i].lines);
        }
    }
}

static void what_is_held_is_bounded(void **state)
{
    char block[1024];
    struct line_feed feed;
    struct span line;
    size_t taken;

    (void)state;
    memset(block, 'x', sizeof(block));
    line_feed_init(&feed, MAX);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(line_feed_take(&feed, block, sizeof(block), &taken, &line), LINE_NONE);
    assert_true(feed.held.cap <= 1024);
    line_feed_clear(&feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_same_however_the_bytes_are_cut),
        cmocka_unit_test(what_is_held_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
