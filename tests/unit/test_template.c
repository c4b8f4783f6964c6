/* Templates: what a file may hold, and what a text becomes. */
#include "producer/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define HEAD      "{\"channel\":\"sms\",\"texts\":"
#define ONE(text) HEAD "{\"en\":\"" text "\"}}"

struct load_case {
    const char *about;
    const char *file;
    const char *reason; /* NULL: it loads */
};

static const struct load_case load_cases[] = {
    {"the least there can be", ONE("Hi"), NULL},
    {"everything",
     "{\"name\":\"n\",\"route\":\"agentless\",\"channel\":\"whatsapp\",\"from\":\"+1\",\"default_language\":\"en\","
     "\"greetings\":{\"it\":\"Ciao\"},\"texts\":{\"en\":\"a\",\"it\":\"b\"},\"bodyParameters\":[\"{{a}}\"],"
     "\"responseId\":\"r\",\"priority\":\"high\",\"expires_after\":\"24h\",\"on_unknown\":\"hold\",\"origin\":\"o\","
     "\"callback_url\":\"https://x\",\"labels\":{\"team\":\"a\"}}",
     NULL},
    {"an approved template without texts", "{\"channel\":\"whatsapp\",\"responseId\":\"r\"}", NULL},
    {"a conversation without channel", "{\"route\":\"conversation\",\"texts\":{\"en\":\"Hi\"}}", NULL},
    {"nothing", "", "there is nothing in it"},
    {"no JSON", "hello", "not JSON"},
    {"no object", "[1]", "JSON object in braces, this is an array"},
    {"a wrong letter", "{\"chanel\":\"sms\"}", "'chanel' is not known; the nearest one is 'channel'"},
    {"turned letters", "{\"tetxs\":{}}", "the nearest one is 'texts'"},
    {"other joints", "{\"defaultLanguage\":\"en\"}", "the nearest one is 'default_language'"},
    {"a field with a very long name",
     "{\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\":1}", "is not known"},
    {"a field without a name", "{\"\":1}", "is not known"},
    {"an unknown field that is null", "{\"x\":null}", "is not known"},
    {"a number for a text", "{\"channel\":\"sms\",\"from\":15551234567}", "'from' is a number; it must be a text"},
    {"an empty field", "{\"channel\":\"\"}", "'channel' is empty"},
    {"a NUL in a field", "{\"channel\":\"s\\u0000\"}", "NUL character"},
    {"no channel", "{\"texts\":{\"en\":\"Hi\"}}", "'channel' is missing"},
    {"no texts", "{\"channel\":\"sms\"}", "'texts' is missing or empty"},
    {"empty texts", HEAD "{}}", "'texts' is missing or empty"},
    {"texts as text", HEAD "\"Hi\"}", "'texts' is text; it must be an object"},
    {"a text that is a number", HEAD "{\"en\":1}}", "'texts' for en must be a text"},
    {"an empty text", HEAD "{\"en\":\"\"}}", "'texts' for en must be a text that is not empty"},
    {"a NUL in a text", HEAD "{\"en\":\"a\\u0000b\"}}", "'texts' for en must be a text"},
    {"a language that is none", HEAD "{\"English!\":\"Hi\"}}", "'English!', which is not a language tag"},
    {"a language twice", HEAD "{\"pt-BR\":\"a\",\"pt_br\":\"b\"}}", "twice"},
    {"two texts without default", HEAD "{\"en\":\"a\",\"de\":\"b\"}}", "'default_language' is missing"},
    {"a default without text", HEAD "{\"en\":\"a\"},\"default_language\":\"de\"}", "'texts' has no text"},
    {"a default that is cut to fit", HEAD "{\"en\":\"a\"},\"default_language\":\"en-GB\"}", NULL},
    {"a default that is no language", "{\"channel\":\"sms\",\"responseId\":\"r\",\"default_language\":\"e\"}",
     "'default_language' is 'e', which is not a language tag"},
    {"greetings that are an array", HEAD "{\"en\":\"a\"},\"greetings\":[]}", "'greetings' is an array"},
    {"a greeting with a variable", HEAD "{\"en\":\"a\"},\"greetings\":{\"en\":\"Hi {{name}}\"}}",
     "a greeting goes in as it is"},
    {"a greeting that is a number", HEAD "{\"en\":\"a\"},\"greetings\":{\"en\":1}}",
     "'greetings' for en must be a text"},
    {"parameters without responseId", HEAD "{\"en\":\"a\"},\"bodyParameters\":[\"{{a}}\"]}", "needs 'responseId'"},
    {"parameters that are an object", HEAD "{\"en\":\"a\"},\"bodyParameters\":{}}", "must be an array of texts"},
    {"a parameter that is a number", "{\"channel\":\"whatsapp\",\"responseId\":\"r\",\"bodyParameters\":[\"a\",1]}",
     "'bodyParameters', entry 2 must be a text"},
    {"a parameter that is wrong", "{\"channel\":\"whatsapp\",\"responseId\":\"r\",\"bodyParameters\":[\"a{{\"]}",
     "'bodyParameters', entry 1, line 1, column 2: this {{ is never closed"},
    {"a label that is a number", HEAD "{\"en\":\"a\"},\"labels\":{\"x\":1}}", "the label 'x' is a number"},
    {"labels that are text", HEAD "{\"en\":\"a\"},\"labels\":\"x\"}", "'labels' is text"},
    {"an unclosed placeholder", ONE("Hi {{name"), "the text for en, line 1, column 4: this {{ is never closed"},
    {"one that is unclosed on line 3", ONE("\xc3\xa9\\n\\n\xc3\xa9\xe2\x82\xac {{name}"),
     "line 3, column 4: this {{ is never closed"},
    {"two braces at the end", ONE("a{{"), "column 2: this {{ is never closed"},
    {"an empty name", ONE("a {{ }} b"), "column 3: there is no name"},
    {"an empty name with a default", ONE("{{|friend}}"), "there is no name"},
    {"a nested placeholder", ONE("{{name|{{other}}}}"), "column 8: {{ inside a placeholder"},
    {"an unclosed one before another", ONE("Hi {{name, on {{date}}"), "column 15: {{ inside a placeholder"},
    {"a blank in a name", ONE("{{first name}}"), "a name has letters"},
    {"a digit first", ONE("{{1st}}"), "a name has letters"},
    {"three braces", ONE("{{{name}}}"), "a name has letters"},
    {"a letter beyond ASCII", ONE("{{n\xc3\xa4me}}"), "a name has letters"},
    {"a name that is too long", ONE("{{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}}"),
     "longer than 64"},
    {"a stray end", ONE("a }} b } {"), NULL},
};

static struct template *must_parse(const char *file)
{
    struct reason why = {""};
    struct template *t = NULL;

    if (template_parse(&t, file, strlen(file), &why) != 0)
        fail_msg("%s", why.text);
    return t;
}

static void a_template_loads_or_says_what_is_wrong_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(load_cases); i++) {
        const struct load_case *c = &load_cases[i];
        struct reason why = {""};
        struct template *t = NULL;
        int rc = template_parse(&t, c->file, strlen(c->file), &why);

        if (c->reason ? rc == 0 || t || !strstr(why.text, c->reason) : rc != 0)
            fail_msg("%s: returned %d, said '%s'", c->about, rc, why.text);
        template_free(t);
    }
}

/* Values by name, as a caller has them; it binds the indexes as it likes. */
struct values {
    const struct template *t;
    const char *const *pairs; /* name, value, ..., NULL */
};

static const char *look_up(void *context, size_t variable, size_t *ret_len)
{
    const struct values *values = context;
    const char *name = template_variable_name(values->t, variable);

    for (const char *const *pair = values->pairs; *pair; pair += 2) {
        if (strcmp(pair[0], name) == 0) {
            *ret_len = strlen(pair[1]);
            return pair[1];
        }
    }
    return NULL;
}

static const char languages[] =
    "{\"channel\":\"sms\",\"default_language\":\"en\",\"greetings\":{\"pt\":\"Ol\xc3\xa1\",\"de\":\"Servus\"},"
    "\"texts\":{\"en\":\"{{greeting}} {{name|friend}}, {{ date }}.\",\"de-AT\":\"{{greeting}} {{name|}}!\","
    "\"fr\":\"{{greeting}} {{name|cher client }}\",\"pt-BR\":\"{{greeting}}\",\"nl\":\"{{greeting}}\","
    "\"es\":\"{{x.y-z_1}}{{x.y-z_1}} }} {{ greeting }} }{ {a}\"}}";

struct render_case {
    const char *about;
    const char *wanted;
    const char *pairs[7];
    const char *text; /* NULL: a variable is missing */
    const char *missing;
};

static const struct render_case render_cases[] = {
    {"all values", "en", {"name", "Ann", "date", "Monday"}, "Hello Ann, Monday.", NULL},
    {"a default", "en", {"date", "Monday"}, "Hello friend, Monday.", NULL},
    {"a default for an empty value", "en", {"name", "", "date", "Monday"}, "Hello friend, Monday.", NULL},
    {"an empty default", "de-AT", {NULL}, "Servus !", NULL},
    {"a default of two words", "fr", {NULL}, "Bonjour cher client", NULL},
    {"a missing value", "en", {"name", "Ann"}, NULL, "date"},
    {"a missing value that is empty", "en", {"name", "Ann", "date", ""}, NULL, "date"},
    {"a language that is cut", "fr-CA", {"name", "L\xc3\xa9o"}, "Bonjour L\xc3\xa9o", NULL},
    {"a greeting whose language is cut", "pt-br", {NULL}, "Ol\xc3\xa1", NULL},
    {"a language without a greeting gets English's", "nl", {NULL}, "Hello", NULL},
    {"a language without a text gets the default's", "de", {"date", "Monday"}, "Hello friend, Monday.", NULL},
    {"no language gets the default's", NULL, {"date", "Monday"}, "Hello friend, Monday.", NULL},
    {"an empty language gets the default's", "", {"date", "Monday"}, "Hello friend, Monday.", NULL},
    {"a value with a placeholder stays as it is",
     "en",
     {"name", "{{date}}", "date", "{{"},
     "Hello {{date}}, {{.",
     NULL},
    {"a value cannot replace the greeting", "fr", {"greeting", "Yo", "name", "A"}, "Bonjour A", NULL},
    {"braces that are no placeholder", "es", {"x.y-z_1", "1"}, "11 }} Hola }{ {a}", NULL},
};

static void a_text_becomes_one_persons_message(void **state)
{
    struct template *t = must_parse(languages);
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    for (size_t i = 0; i < COUNT_OF(render_cases); i++) {
        const struct render_case *c = &render_cases[i];
        struct values values = {t, c->pairs};
        struct template_missing missing = {NULL, NULL};
        int rc;

        buf_reset(&out);
        rc = template_render(t, c->wanted, look_up, &values, &out, &missing);
        if (c->text ? rc != 0 || strcmp(buf_str(&out), c->text) != 0
                    : rc != ERR_INVALID || strcmp(missing.name, c->missing) != 0)
            fail_msg("%s: returned %d, '%s', missing '%s'", c->about, rc, buf_str(&out),
                     missing.name ? missing.name : "nothing");
    }
    buf_clear(&out);
    template_free(t);
}

static void variables_are_numbered_once_for_all_texts(void **state)
{
    struct template *t = must_parse(languages);

    (void)state;
    assert_int_equal(template_variable_count(t), 3);
    assert_string_equal(template_variable_name(t, 0), "name");
    assert_string_equal(template_variable_name(t, 1), "date");
    assert_string_equal(template_variable_name(t, 2), "x.y-z_1");
    assert_null(template_variable_name(t, 3));
    assert_true(template_variable_has_default(t, 0));
    assert_false(template_variable_has_default(t, 1));
    assert_false(template_variable_has_default(t, 3));
    template_free(t);
}

static void one_use_without_a_default_makes_the_variable_needed(void **state)
{
    struct template *t = must_parse(ONE("{{a|x}} {{b|x}} {{a}} {{b|y}}"));

    (void)state;
    assert_false(template_variable_has_default(t, 0));
    assert_true(template_variable_has_default(t, 1));
    template_free(t);
}

static void the_fields_are_there_to_be_asked_for(void **state)
{
    struct template *t = must_parse(load_cases[1].file);

    (void)state;
    for (int i = 0; i < TEMPLATE_FIELDS; i++) {
        assert_non_null(template_field(t, (enum template_field)i));
        assert_non_null(template_field_name((enum template_field)i));
    }
    assert_string_equal(template_field(t, TEMPLATE_EXPIRES_AFTER), "24h");
    assert_string_equal(template_field_name(TEMPLATE_RESPONSE_ID), "responseId");
    assert_non_null(strstr(template_labels(t), "\"team\":\"a\""));
    assert_int_equal(template_language_count(t), 2);
    assert_string_equal(template_language_at(t, 1), "it");
    assert_null(template_language_at(t, 2));
    assert_string_equal(template_language(t, "IT-ch"), "it");
    template_free(t);

    t = must_parse(ONE("Hi"));
    assert_null(template_field(t, TEMPLATE_NAME));
    assert_string_equal(template_labels(t), "");
    assert_string_equal(template_field(t, TEMPLATE_DEFAULT_LANGUAGE), "en");
    template_free(t);
}

static void the_values_of_an_approved_template_are_rendered_one_by_one(void **state)
{
    struct template *t = must_parse("{\"channel\":\"whatsapp\",\"responseId\":\"r\",\"default_language\":\"fr\","
                                    "\"bodyParameters\":[\"{{greeting}}\",\"{{name|you}}\",\"{{date}}\"]}");
    const char *const pairs[] = {"name", "Ann", NULL};
    struct values values = {t, pairs};
    struct template_missing missing = {NULL, NULL};
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    assert_int_equal(template_parameter_count(t), 3);
    assert_int_equal(template_render_parameter(t, 0, "es-MX", look_up, &values, &out, &missing), 0);
    assert_int_equal(template_render_parameter(t, 0, NULL, look_up, &values, &out, &missing), 0);
    assert_int_equal(template_render_parameter(t, 1, "es", look_up, &values, &out, &missing), 0);
    assert_string_equal(buf_str(&out), "HolaBonjourAnn");
    assert_int_equal(template_render_parameter(t, 2, "es", look_up, &values, &out, &missing), ERR_INVALID);
    assert_string_equal(missing.name, "date");
    assert_int_equal(template_render_parameter(t, 3, "es", look_up, &values, &out, &missing), ERR_STATE);
    assert_int_equal(template_render(t, "es", look_up, &values, &out, &missing), ERR_STATE);
    assert_string_equal(template_language(t, "es"), "fr");
    buf_clear(&out);
    template_free(t);
}

static void a_text_that_does_not_fit_its_buffer_is_said_so(void **state)
{
    struct template *t = must_parse(ONE("0123456789{{a}}"));
    const char *const pairs[] = {"a", "0123456789", NULL};
    struct values values = {t, pairs};
    struct template_missing missing = {NULL, NULL};
    struct buf out;

    (void)state;
    buf_init(&out, 19);
    assert_int_equal(template_render(t, "en", look_up, &values, &out, &missing), ERR_LIMIT);
    buf_clear(&out);
    template_free(t);
}

/* `head`, then `count` times `unit` with its number in it, then `tail`. */
static char *build(const char *head, const char *unit, size_t count, const char *tail)
{
    struct buf buf;

    buf_init(&buf, 1 << 20);
    buf_text(&buf, head);
    for (size_t i = 0; i < count; i++) {
        const char *number = strchr(unit, '#');

        buf_add(&buf, unit, (size_t)(number - unit));
        buf_int(&buf, (int64_t)i);
        buf_text(&buf, number + 1);
    }
    buf_text(&buf, tail);
    return buf.data;
}

static void a_plain_field_has_a_largest_size(void **state)
{
    static char value[TEMPLATE_MAX_FIELD + 2];

    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        struct reason why = {""};
        struct template *t = NULL;
        struct buf file;

        memset(value, 'x', TEMPLATE_MAX_FIELD + extra);
        buf_init(&file, 10000);
        buf_printf(&file, HEAD "{\"en\":\"a\"},\"origin\":\"%s\"}", value);
        assert_int_equal(template_parse(&t, file.data, file.len, &why), extra ? ERR_LIMIT : 0);
        template_free(t);
        buf_clear(&file);
    }
}

struct limit_case {
    const char *about, *head, *unit;
    size_t most;
    const char *tail, *reason;
};

static const struct limit_case limit_cases[] = {
    {"variables", HEAD "{\"en\":\"", "{{v#}}", TEMPLATE_MAX_VARIABLES, "\"}}", "more than 128 different variables"},
    {"languages", "{\"channel\":\"sms\",\"default_language\":\"en\",\"texts\":{\"en\":\"a\"", ",\"en-x#\":\"a\"",
     TEMPLATE_MAX_LANGUAGES - 1, "}}", "more than 64 languages"},
    {"parameters", "{\"channel\":\"sms\",\"responseId\":\"r\",\"bodyParameters\":[\"0\"", ",\"#\"",
     TEMPLATE_MAX_PARAMETERS - 1, "]}", "more than 32"},
    {"labels", HEAD "{\"en\":\"a\"},\"labels\":{\"a\":\"\"", ",\"#\":\"\"", TEMPLATE_MAX_LABELS - 1, "}}",
     "more than 32 entries"},
};

static void lists_have_an_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(limit_cases); i++) {
        const struct limit_case *c = &limit_cases[i];

        for (size_t extra = 0; extra < 2; extra++) {
            struct reason why = {""};
            struct template *t = NULL;
            char *file = build(c->head, c->unit, c->most + extra, c->tail);
            int rc = template_parse(&t, file, strlen(file), &why);

            if (extra ? rc != ERR_LIMIT || !strstr(why.text, c->reason) : rc != 0)
                fail_msg("%s and %zu: returned %d, said '%s'", c->about, extra, rc, why.text);
            template_free(t);
            free(file);
        }
    }
}

static void a_large_file_is_refused_unread(void **state)
{
    struct reason why = {""};
    struct template *t = NULL;
    char *file = calloc(TEMPLATE_MAX_BYTES + 1, 1);

    (void)state;
    assert_int_equal(template_parse(&t, file, TEMPLATE_MAX_BYTES + 1, &why), ERR_LIMIT);
    assert_non_null(strstr(why.text, "256 KiB"));
    free(file);
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    char path[] = "/tmp/herald-template-XXXXXX";
    struct reason why = {""};
    struct template *t = NULL;
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(template_load(&t, "/nowhere/t.json", &why), ERR_IO);
    assert_non_null(strstr(why.text, "/nowhere/t.json: No such file"));
    assert_int_equal(template_load(&t, "/tmp", &why), ERR_IO);
    assert_non_null(strstr(why.text, "Is a directory"));
    assert_int_equal(template_load(&t, "-", &why), ERR_INVALID);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "{\"x\":1}", 7), 7);
    assert_int_equal(template_load(&t, path, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, path));
    assert_non_null(strstr(why.text, "'x' is not known"));
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, ONE("Hi"), strlen(ONE("Hi")), 0), strlen(ONE("Hi")));
    assert_int_equal(template_load(&t, path, &why), 0);
    template_free(t);
    (void)close(fd);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_loads_or_says_what_is_wrong_and_where),
        cmocka_unit_test(a_text_becomes_one_persons_message),
        cmocka_unit_test(variables_are_numbered_once_for_all_texts),
        cmocka_unit_test(one_use_without_a_default_makes_the_variable_needed),
        cmocka_unit_test(the_fields_are_there_to_be_asked_for),
        cmocka_unit_test(the_values_of_an_approved_template_are_rendered_one_by_one),
        cmocka_unit_test(a_text_that_does_not_fit_its_buffer_is_said_so),
        cmocka_unit_test(a_plain_field_has_a_largest_size),
        cmocka_unit_test(lists_have_an_end),
        cmocka_unit_test(a_large_file_is_refused_unread),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named),
    };

    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
