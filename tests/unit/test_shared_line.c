/* A header's line that many requests have in common. */
#include "worker/shared_line.h"

#include "tests/unit/unit.h"

static void requests_that_say_the_same_share_one_line(void **state)
{
    struct shared_line *last = NULL;
    struct shared_line *first = shared_line_take(&last, "Authorization: ", "Bearer a");
    struct shared_line *second = shared_line_take(&last, "Authorization: ", "Bearer a");

    (void)state;
    assert_ptr_equal(first, second);
    assert_string_equal(first->text, "Authorization: Bearer a");
    shared_line_drop(first);
    shared_line_drop(second);
    assert_ptr_equal(shared_line_take(&last, "Authorization: ", "Bearer a"), last); /* kept for the next */
    shared_line_drop(last);
    shared_line_drop(last);
}

static void a_line_stays_as_it_was_for_those_who_still_use_it(void **state)
{
    struct shared_line *last = NULL;
    struct shared_line *old = shared_line_take(&last, "Authorization: ", "Bearer old");
    struct shared_line *new = shared_line_take(&last, "Authorization: ", "Bearer");

    (void)state;
    assert_ptr_not_equal(old, new);
    assert_string_equal(old->text, "Authorization: Bearer old");
    assert_string_equal(new->text, "Authorization: Bearer");
    shared_line_drop(old);
    shared_line_drop(new);
    shared_line_drop(last);
    shared_line_drop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_that_say_the_same_share_one_line),
        cmocka_unit_test(a_line_stays_as_it_was_for_those_who_still_use_it),
    };

    return cmocka_run_group_tests_name("shared_line", tests, NULL, NULL);
}
