/* Whose fault a 403 is: stories of answers, and what each 403 comes to. */
#include "worker/forbidden.h"

#include <string.h>

#include "tests/unit/unit.h"

/* A story is words: `A` is a 403 of message A (each one's earlier 403s are counted), `+` a success of anybody. What the
 * 403s come to is a letter each: w = wait, p = pause, d = dead. */
struct story {
    const char *about;
    const char *events;
    const char *verdicts;
};

static const struct story stories[] = {
    {"the first 403 of all waits", "A", "w"},
    {"the first 403 behind a success waits", "+A", "w"},
    {"however many get through", "+++++A", "w"},
    {"three different ones in a row are ours", "ABC", "wwp"},
    {"behind a success too", "+ABC", "wwp"},
    {"the fourth and fifth say so again", "ABCDE", "wwppp"},
    {"and so does one of the three that probes", "ABCABC", "wwpppp"},
    {"a success between starts again", "AB+CD", "wwww"},
    {"two that take turns are not three", "ABABAB", "wwwwww"},
    {"one again and again among successes is its own", "A+A", "wd"},
    {"with others between", "A+B+A", "wwd"},
    {"a 403 of another since the last success: not known", "A+BA", "www"},
    {"the others of that streak can still be ours", "A+BAC", "wwwp"},
    {"one with nobody to compare with is given three chances", "AAAA", "wwwd"},
    {"and starts nothing when it is gone", "AAAABCD", "wwwdwwp"},
    {"not while another shares the streak", "BAAAA", "wwwww"},
    {"a dead one does not belong to the next streak", "A+ABC+", "wdww"},
    {"a permission that was lost and given back", "+ABCD+E+F", "wwppww"},
    {"the ones refused meanwhile get through afterwards", "ABC++++D", "wwpw"},
    {"one of them is its own after all", "ABC+A", "wwpd"},
};

static void each_403_comes_to_what_the_answers_before_it_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stories); i++) {
        const struct story *story = &stories[i];
        struct forbidden forbidden = {0};
        unsigned own_counts[26] = {0};
        char verdicts[32] = "";

        for (const char *event = story->events; *event; event++) {
            static const char letters[] = {
                [FORBIDDEN_WAIT] = 'w',
                [FORBIDDEN_PAUSE] = 'p',
                [FORBIDDEN_DEAD] = 'd',
            };

            if (*event == '+')
                forbidden_note_success(&forbidden);
            else
                verdicts[strlen(verdicts)] =
                    letters[forbidden_note(&forbidden, (uint64_t)*event, own_counts[*event - 'A']++)];
        }
        if (strcmp(verdicts, story->verdicts) != 0)
            fail_msg("%s: %s came to %s instead of %s", story->about, story->events, verdicts, story->verdicts);
    }
}

static void a_hash_of_zero_is_a_message_like_any_other(void **state)
{
    struct forbidden forbidden = {0};

    (void)state;
    assert_int_equal(forbidden_note(&forbidden, 0, 0), FORBIDDEN_WAIT);
    assert_int_equal(forbidden_note(&forbidden, 1, 0), FORBIDDEN_WAIT);
    assert_int_equal(forbidden_note(&forbidden, 2, 0), FORBIDDEN_PAUSE);
}

static void a_message_from_before_a_restart_is_judged_by_what_this_process_has_seen(void **state)
{
    struct forbidden forbidden = {0};

    (void)state;
    assert_int_equal(forbidden_note(&forbidden, 1, 1), FORBIDDEN_WAIT);
    assert_int_equal(forbidden_note(&forbidden, 2, 100), FORBIDDEN_WAIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_403_comes_to_what_the_answers_before_it_say),
        cmocka_unit_test(a_hash_of_zero_is_a_message_like_any_other),
        cmocka_unit_test(a_message_from_before_a_restart_is_judged_by_what_this_process_has_seen),
    };

    return cmocka_run_group_tests_name("forbidden", tests, NULL, NULL);
}
