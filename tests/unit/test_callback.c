/* Jobs, what is posted of them, and signatures by a published vector. */
#include "common/callback.h"

#include "tests/unit/unit.h"

#define JOB(attempts)                                                                                                  \
    "{\"attempts\":" attempts ",\"since\":1768473000000,\"url\":\"https://crm.example.org/x?k=v\","                    \
    "\"type\":\"message.sent\",\"at\":1768473000123,\"data\":{\"id\":\"m1\",\"sequence\":1,\"state\":\"sent\"}}"
#define SVIX_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static void the_signature_is_that_of_standard_webhooks(void **state)
{
    /* The example of Svix' documentation and libraries, which became the specification's. */
    static const char body[] = "{\"test\": 2432232314}";
    static const char wanted[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    struct callback_secrets secrets;
    struct reason why = {""};
    struct buf out;

    (void)state;
    buf_init(&out, 1024);
    assert_int_equal(callback_read_secrets(&secrets, SVIX_SECRET, &why), 0);
    callback_sign(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, span_of(body), &out);
    assert_string_equal(buf_str(&out), wanted);

    buf_reset(&out);
    assert_int_equal(
        callback_read_secrets(&secrets, "\n whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=\t" SVIX_SECRET " \n", &why), 0);
    assert_int_equal(secrets.count, 2);
    callback_sign(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, span_of(body), &out);
    assert_int_equal(out.len, 2 * (sizeof(wanted) - 1) + 1);
    assert_string_equal(out.data + sizeof(wanted), wanted);
    buf_clear(&out);
}

static void secrets_that_are_none_are_refused_by_their_place(void **state)
{
    static const char *const bad[] = {
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La==Sw",
        "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OQ==",
        SVIX_SECRET " " SVIX_SECRET " " SVIX_SECRET " " SVIX_SECRET " " SVIX_SECRET,
    };
    struct callback_secrets secrets = {.count = 7};
    struct reason why;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (callback_read_secrets(&secrets, bad[i], &why) != ERR_INVALID)
            fail_msg("%s was taken", bad[i]);
        assert_null(strstr(why.text, "MfKQ"));
        assert_int_equal(secrets.count, 7);
    }
    assert_int_equal(callback_read_secrets(&secrets, NULL, &why), 0);
    assert_int_equal(secrets.count, 0);
    assert_int_equal(callback_read_secrets(&secrets, " \n", &why), 0);
}

static void the_body_is_the_same_at_each_attempt(void **state)
{
    static const char wanted[] = "{\"type\":\"message.sent\",\"timestamp\":\"2026-01-15T10:30:00.123Z\","
                                 "\"data\":{\"id\":\"m1\",\"sequence\":1,\"state\":\"sent\"}}";
    const struct callback_trace trace = {.reason = NULL, .status = 503, .detail = "x\"y", .at_ms = 5};
    struct callback callback;
    struct reason why;
    struct buf body, job;

    (void)state;
    buf_init(&body, CALLBACK_JOB_MAX);
    buf_init(&job, CALLBACK_JOB_MAX);
    assert_int_equal(callback_read(&callback, span_of(JOB("0")), &why), 0);
    callback_write_body(&callback, &body);
    assert_string_equal(buf_str(&body), wanted);
    callback.attempts++;
    callback_write_job(&callback, &trace, &job);
    callback_clear(&callback);
    assert_true(strncmp(buf_str(&job), "{\"attempts\":1,\"since\":1768473000000,", 36) == 0);
    buf_reset(&body);
    assert_int_equal(callback_read(&callback, (struct span){job.data, job.len}, &why), 0);
    assert_int_equal(callback.attempts, 1);
    assert_true(span_is(callback.url, "https://crm.example.org/x?k=v"));
    callback_write_body(&callback, &body);
    assert_string_equal(buf_str(&body), wanted);
    callback_clear(&callback);
    buf_clear(&body);
    buf_clear(&job);
}

static void what_is_no_job_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        JOB("-1"),
        JOB("\"1\""),
        JOB("1000001"),
        JOB("0") "x",
        "{\"attempts\":0,\"since\":1,\"url\":\"u\",\"type\":\"t\",\"at\":1,\"data\":[]}",
        "{\"attempts\":0,\"since\":1,\"url\":\"u\",\"type\":\"t\\u0000\",\"at\":1,\"data\":{}}",
        "{\"attempts\":0,\"since\":1,\"url\":1,\"type\":\"t\",\"at\":1,\"data\":{}}",
        "{\"attempts\":0,\"since\":1,\"url\":\"\",\"type\":\"t\",\"at\":1,\"data\":{}}",
        "{\"attempts\":0,\"since\":1,\"url\":\"u\",\"type\":\"\",\"at\":1,\"data\":{}}",
        "{\"attempts\":0,\"since\":1,\"url\":\"u\",\"type\":\"t\",\"at\":253402300800000,\"data\":{}}",
    };
    struct callback callback;
    struct reason why;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (callback_read(&callback, span_of(bad[i]), &why) != ERR_INVALID)
            fail_msg("%s was taken", bad[i]);
        callback_clear(&callback);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signature_is_that_of_standard_webhooks),
        cmocka_unit_test(secrets_that_are_none_are_refused_by_their_place),
        cmocka_unit_test(the_body_is_the_same_at_each_attempt),
        cmocka_unit_test(what_is_no_job_is_refused),
    };

    return cmocka_run_group_tests_name("callback", tests, NULL, NULL);
}
