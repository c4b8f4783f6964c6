/* The words of all vocabularies for how far a message has come. */
#include "common/delivery.h"

#include "tests/unit/unit.h"

#define UNKNOWN DELIVERY_COUNT

static const struct {
    const char *word;
    enum delivery delivery;
} cases[] = {
    {"queued", DELIVERY_QUEUED}, /* the tutorial's, MessageData.status */
    {"sent", DELIVERY_SENT},
    {"delivered", DELIVERY_DELIVERED},
    {"read", DELIVERY_READ},
    {"failed", DELIVERY_FAILED},
    {"delivery-success", DELIVERY_DELIVERED},
    {"delivery-failed", DELIVERY_FAILED},
    {"published", DELIVERY_SENT},
    {"Sent", DELIVERY_SENT}, /* receipts */
    {"Delivered", DELIVERY_DELIVERED},
    {"Read", DELIVERY_READ},
    {"Failed", DELIVERY_FAILED},
    {"Published", DELIVERY_SENT},
    {"Queued", DELIVERY_QUEUED}, /* analytics */
    {"DeliveryPushed", DELIVERY_SENT},
    {"DeliverySuccess", DELIVERY_DELIVERED},
    {"DeliveryFailed", DELIVERY_FAILED},
    {"DELIVERED", DELIVERY_DELIVERED}, /* letters of any case */
    {"deliverySUCCESS", DELIVERY_DELIVERED},
    {"received", UNKNOWN},
    {"Received", UNKNOWN},
    {"removed", UNKNOWN},
    {"Removed", UNKNOWN},
    {"pending", UNKNOWN}, /* nothing heard is not a thing one hears */
    {"", UNKNOWN},
    {"deliver", UNKNOWN},
    {"delivered ", UNKNOWN},
    {" sent", UNKNOWN},
    {"s\xc3\xa9nt", UNKNOWN},
    {"delivery_success", UNKNOWN},
};

static void test_every_documented_word_has_its_state_and_no_other_word_has_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum delivery found = DELIVERY_PENDING;
        bool is_known = delivery_parse(span_of(cases[i].word), &found);

        if (is_known != (cases[i].delivery != UNKNOWN) || (is_known && found != cases[i].delivery))
            fail_msg("`%s` is %s", cases[i].word, is_known ? delivery_name(found) : "unknown");
        if (!is_known)
            assert_int_equal(found, DELIVERY_PENDING);
    }
}

static void test_a_word_ends_with_its_length_not_with_a_NUL(void **state)
{
    enum delivery found = DELIVERY_PENDING;

    (void)state;
    assert_true(delivery_parse((struct span){"readable", 4}, &found));
    assert_int_equal(found, DELIVERY_READ);
    assert_false(delivery_parse((struct span){"read\0x", 6}, &found));
    assert_false(delivery_parse((struct span){NULL, 0}, &found));
}

static void test_the_name_of_each_state_but_nothing_heard_means_that_state(void **state)
{
    (void)state;
    for (int i = DELIVERY_QUEUED; i < DELIVERY_COUNT; i++) {
        enum delivery found = DELIVERY_PENDING;

        assert_true(delivery_parse(span_of(delivery_name((enum delivery)i)), &found));
        assert_int_equal(found, i);
    }
    assert_string_equal(delivery_name(DELIVERY_PENDING), "pending");
}

static void test_two_codes_of_all_mean_that_the_person_must_not_be_written_to_again(void **state)
{
    static const char *const others[] = {"MessageExpired",
                                         "RateLimited",
                                         "MessageNotAllowed",
                                         "GeneralError",
                                         "UnsupportedMessage",
                                         "UnknownMessage",
                                         "InvalidMessageStructure",
                                         "ServerError",
                                         "MediaTypeNotAllowed",
                                         "InvalidMediaContentLength",
                                         "DataFiltered",
                                         "",
                                         "RecipientOptedOutX"};

    (void)state;
    assert_true(delivery_code_opts_out(span_of("RecipientOptedOut")));
    assert_true(delivery_code_opts_out(span_of("InvalidDestination")));
    assert_true(delivery_code_opts_out(span_of("recipientoptedout")));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(delivery_code_opts_out(span_of(others[i])));
    assert_false(delivery_code_opts_out((struct span){NULL, 0}));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_documented_word_has_its_state_and_no_other_word_has_one),
        cmocka_unit_test(test_a_word_ends_with_its_length_not_with_a_NUL),
        cmocka_unit_test(test_the_name_of_each_state_but_nothing_heard_means_that_state),
        cmocka_unit_test(test_two_codes_of_all_mean_that_the_person_must_not_be_written_to_again),
    };

    return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
