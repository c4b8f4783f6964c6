/* Lines of the log, as they come out of standard error. */
#include "common/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "tests/unit/unit.h"

static int old_stderr, sink = -1;

/* From here on standard error goes into a file without a name. */
static int catch_stderr(void **state)
{
    char path[] = "/tmp/test_log.XXXXXX";

    (void)state;
    sink = mkstemp(path);
    assert_true(sink >= 0);
    assert_int_equal(unlink(path), 0);
    old_stderr = dup(STDERR_FILENO);
    assert_true(dup2(sink, STDERR_FILENO) >= 0);
    return 0;
}

static int free_stderr(void **state)
{
    (void)state;
    log_hold(NULL);
    (void)dup2(old_stderr, STDERR_FILENO);
    (void)close(old_stderr);
    (void)close(sink);
    return 0;
}

/* What was written so far; it is gone then. */
static const char *caught(void)
{
    static char text[1 << 20];
    ssize_t len = pread(sink, text, sizeof(text) - 1, 0);

    assert_true(len >= 0);
    text[len] = '\0';
    assert_int_equal(ftruncate(sink, 0), 0);
    assert_true(lseek(sink, 0, SEEK_SET) == 0);
    return text;
}

/* A line without its time, which is checked. */
static const char *after_time(const char *line, const char *before, const char *after)
{
    size_t len = strlen("2026-11-22T03:14:21.941Z");

    if (strncmp(line, before, strlen(before)) != 0 || strlen(line) < strlen(before) + len ||
        strncmp(line + strlen(before) + len, after, strlen(after)) != 0)
        fail_msg("no time: %s", line);
    return line + strlen(before) + len + strlen(after);
}

static void logfmt_quotes_only_what_needs_it(void **state)
{
    (void)state;
    log_init("herald-test", "debug", "logfmt");
    log_info("it is so", LOG_TEXT("a", "plain"), LOG_TEXT("b", "two words"), LOG_TEXT("c", ""),
             LOG_TEXT("d", "x=\"y\""), LOG_NUMBER("e", -5), LOG_IF_ANY("f", ""), LOG_IF_ANY("g", "there"),
             LOG_TEXT("h", "line\nend"));
    assert_string_equal(after_time(caught(), "time=", " "),
                        "level=info program=herald-test event=\"it is so\" a=plain b=\"two words\" c=\"\" "
                        "d=\"x=\\\"y\\\"\" e=-5 g=there h=\"line\\nend\"\n");
}

static void json_lines_are_objects(void **state)
{
    struct json *json = NULL;
    struct reason why;
    const char *line;

    (void)state;
    log_init("herald-test", "debug", "json");
    log_info("it is so", LOG_TEXT("a", "caf\xc3\xa9 \"quoted\" \\ \t"), LOG_NUMBER("n", INT64_MIN),
             LOG_IF_ANY("f", ""));
    line = caught();
    assert_string_equal(after_time(line, "{\"time\":\"", "\","),
                        "\"level\":\"info\",\"program\":\"herald-test\",\"event\":\"it is so\","
                        "\"a\":\"caf\xc3\xa9 \\\"quoted\\\" \\\\ \\t\",\"n\":-9223372036854775808}\n");
    assert_int_equal(json_parse(&json, line, strlen(line), &why), 0);
    json_free(json);
}

static void a_line_that_is_too_long_is_said_to_be(void **state)
{
    static char long_text[LOG_LINES_MAX];
    struct log_lines lines;
    const char *text;

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    log_init("herald-test", "debug", "json");
    log_info("short");
    log_hold(&lines);
    log_info("waits");
    log_info("long", LOG_TEXT("a", long_text));
    log_info("waits, too");
    log_hold(NULL);
    text = caught();
    assert_non_null(strstr(text, "\"event\":\"short\"}\n"));
    assert_non_null(strstr(text, "\"event\":\"waits\"}\n"));
    assert_non_null(strstr(
        text,
        "\"level\":\"error\",\"program\":\"herald-test\",\"event\":\"a log line was too long and was left out\"}\n"));
    assert_non_null(strstr(text, "\"event\":\"waits, too\"}\n"));
    assert_null(strstr(text, "xxx"));
}

static void lines_that_wait_come_together_and_none_is_lost(void **state)
{
    struct log_lines lines;
    const char *at;
    int count = 0;

    (void)state;
    log_init("herald-test", "info", "json");
    log_hold(&lines);
    log_info("first");
    assert_string_equal(caught(), "");
    assert_true(log_flush() <= LOG_LINGER_MS);
    log_warning("this cannot wait");
    at = caught();
    assert_non_null(strstr(at, "first"));
    assert_true(strstr(at, "first") < strstr(at, "this cannot wait"));
    assert_true(log_flush() == INT64_MAX);
    for (int i = 0; i < 100; i++)
        log_info("attempt", LOG_NUMBER("i", i));
    log_hold(NULL);
    for (at = caught(); (at = strstr(at, "\"event\":\"attempt\",\"i\":")) != NULL; at++, count++)
        assert_int_equal(strtol(strstr(at, "\"i\":") + 4, NULL, 10), count);
    assert_int_equal(count, 100);
}

static void a_repeated_warning_is_held_back_and_told_at_the_end(void **state)
{
    const char *text;

    (void)state;
    log_init("herald-test", "info", "json");
    for (int i = 0; i < 5; i++)
        log_warning("again and again", LOG_TEXT("reason", "the same"), LOG_NUMBER("n", i),
                    LOG_ONE("id", i ? "m1" : "m2"));
    log_warning("again and again", LOG_TEXT("reason", "another"));
    text = caught();
    assert_non_null(strstr(text, "\"reason\":\"the same\",\"n\":0,\"id\":\"m2\"}\n"));
    assert_null(strstr(text, "\"n\":1"));
    assert_non_null(strstr(text, "\"reason\":\"another\"}\n"));
    log_finish();
    assert_non_null(strstr(
        caught(), "\"level\":\"warning\",\"program\":\"herald-test\",\"event\":\"again and again\",\"repeated\":4}\n"));
    log_finish();
    assert_string_equal(caught(), "");
}

static void *warn_much(void *argument)
{
    struct log_lines lines;

    (void)argument;
    log_hold(&lines);
    for (int i = 0; i < 500; i++) {
        log_warning("many threads", LOG_TEXT("reason", "the same"));
        log_info("and lines");
        (void)log_flush();
    }
    log_hold(NULL);
    return NULL;
}

static void threads_warn_at_once_and_each_warning_counts(void **state)
{
    pthread_t threads[4];
    uint64_t before = log_lines(LOG_LEVEL_INFO);
    long told = 0;

    (void)state;
    log_init("herald-test", "info", "json");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, warn_much, &before), 0);
    for (size_t i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
    log_finish();
    assert_int_equal(log_lines(LOG_LEVEL_INFO) - before, 2000);
    for (const char *at = caught(), *end; (at = strstr(at, "\"event\":\"many threads\"")) != NULL; at = end) {
        const char *reason = strstr(at, "\"reason\""), *repeated = strstr(at, "\"repeated\":");

        end = strchr(at, '\n');
        told += reason && reason < end;
        told += repeated && repeated < end ? strtol(repeated + strlen("\"repeated\":"), NULL, 10) : 0;
    }
    assert_int_equal(told, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logfmt_quotes_only_what_needs_it, catch_stderr, free_stderr),
        cmocka_unit_test_setup_teardown(json_lines_are_objects, catch_stderr, free_stderr),
        cmocka_unit_test_setup_teardown(a_line_that_is_too_long_is_said_to_be, catch_stderr, free_stderr),
        cmocka_unit_test_setup_teardown(lines_that_wait_come_together_and_none_is_lost, catch_stderr, free_stderr),
        cmocka_unit_test_setup_teardown(a_repeated_warning_is_held_back_and_told_at_the_end, catch_stderr, free_stderr),
        cmocka_unit_test_setup_teardown(threads_warn_at_once_and_each_warning_counts, catch_stderr, free_stderr),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
