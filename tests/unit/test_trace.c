/* What of a `traceparent` is carried, by the rules of W3C Trace Context. */
#include "common/trace.h"

#include <string.h>

#include "tests/unit/unit.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"
#define ZERO8 "00000000"

static void a_valid_traceparent_is_read(void **state)
{
    static const struct {
        const char *text;
        bool is_sampled;
    } cases[] = {
        {"00-" TRACE "-" SPAN "-01", true},
        {"00-" TRACE "-" SPAN "-00", false},
        {"00-" TRACE "-" SPAN "-ff", true},
        {"00-" TRACE "-" SPAN "-fe", false},
        {"00-" TRACE "-" SPAN "-0b", true},
        {"00-" TRACE "-" SPAN "-0a", false},
        {"00-" ZERO8 ZERO8 ZERO8 "00000001-0000000000000001-01", true},
        {"cc-" TRACE "-" SPAN "-01", true},
        {"01-" TRACE "-" SPAN "-01-what-the-future-will-be-like", true},
        {"01-" TRACE "-" SPAN "-01-", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trace trace;

        if (!trace_parse(cases[i].text, strlen(cases[i].text), &trace))
            fail_msg("not read: %s", cases[i].text);
        if (strncmp(trace.id, cases[i].text + 3, 32) != 0 || strlen(trace.id) != 32)
            fail_msg("%s has the trace %s", cases[i].text, trace.id);
        if (trace.is_sampled != cases[i].is_sampled)
            fail_msg("%s: sampled %d", cases[i].text, trace.is_sampled);
    }
}

static void what_breaks_a_rule_is_no_trace(void **state)
{
    static const char *const texts[] = {
        "",
        "00",
        "00-" TRACE "-" SPAN "-0",                         /* short */
        "00-" TRACE "-" SPAN "-01-more",                   /* version 00 ends here */
        "00-" TRACE "-" SPAN "-01 ",                       /* blanks are no part of it */
        " 00-" TRACE "-" SPAN "-01",                       /* nor in front */
        "01-" TRACE "-" SPAN "-01x",                       /* later ones go on with a dash */
        "ff-" TRACE "-" SPAN "-01",                        /* a version that is forbidden */
        "0g-" TRACE "-" SPAN "-01",                        /* no hex */
        "00_" TRACE "-" SPAN "-01",                        /* another divider */
        "00-" TRACE "_" SPAN "-01",                        /* likewise */
        "00-" TRACE "-" SPAN "_01",                        /* likewise */
        "00-" TRACE "-" SPAN "-0x",                        /* no hex */
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", /* capitals */
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-" ZERO8 ZERO8 ZERO8 ZERO8 "-" SPAN "-01", /* nobody's trace */
        "00-" TRACE "-" ZERO8 ZERO8 "-01",            /* nobody's span */
        "00-4bf92f3577b34da6a3ce929d0e0e473-" SPAN "-001",
    };
    struct trace trace;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (trace_parse(texts[i], strlen(texts[i]), &trace) || trace.id[0])
            fail_msg("read: %s", texts[i]);
    }
    assert_false(trace_parse(NULL, 0, &trace));
    assert_false(trace_parse("00-4bf92f3577b34da6\0a3ce929d0e0e4736-00f067aa0ba902b7-01", 55, &trace));
}

static void a_step_of_our_own_keeps_the_trace_and_has_a_span_of_its_own(void **state)
{
    struct trace trace;
    char out[TRACE_PARENT_SIZE];

    (void)state;
    assert_true(trace_parse("cc-" TRACE "-" SPAN "-ff-x", 57, &trace));
    trace_write(&trace, 0x0123456789abcdef, out);
    assert_string_equal(out, "00-" TRACE "-0123456789abcdef-01");
    trace.is_sampled = false;
    trace_write(&trace, 0, out); /* a span of zeros is none */
    assert_string_equal(out, "00-" TRACE "-0000000000000001-00");
    assert_true(trace_parse(out, strlen(out), &trace));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_traceparent_is_read),
        cmocka_unit_test(what_breaks_a_rule_is_no_trace),
        cmocka_unit_test(a_step_of_our_own_keeps_the_trace_and_has_a_span_of_its_own),
    };

    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
