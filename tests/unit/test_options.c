/* Options: where a value comes from, which place goes first, and what a bad one is told. */
#include "common/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum program { THIS = 1, OTHER = 2 };

static struct target {
    char *name, *level, *secret, *password, *url, *other;
    int64_t count, wait_ms;
    struct rate rate;
    bool quick;
} target;

#define AT(member) .offset = offsetof(struct target, member)

static const struct option rows[] = {
    {"name", "T_NAME", OPTION_TEXT, AT(name), .fallback = "fallback", .value = "TEXT", .help = "a name"},
    {"level", "T_LEVEL", OPTION_TEXT, AT(level), .fallback = "low", .choices = "low|middle|high", .value = "LEVEL",
     .help = "a choice"},
    {NULL, "T_SECRET", OPTION_SECRET, AT(secret), .help = "a secret"},
    {"password-file", "T_PASSWORD", OPTION_SECRET, AT(password), .value = "FILE", .help = "a secret with a flag"},
    {"url", "T_URL", OPTION_TEXT, AT(url), .value = "URL", .help = "may hold a password"},
    {"count", "T_COUNT", OPTION_NUMBER, AT(count), .fallback = "3", .min = 1, .max = 100, .value = "N",
     .help = "a number"},
    {"wait", "T_WAIT", OPTION_DURATION, AT(wait_ms), .fallback = "2s", .min = 5, .max = 86400000, .value = "TIME",
     .help = "a duration"},
    {"rate", "T_RATE", OPTION_RATE, AT(rate), .fallback = "300/60s", .value = "L/Ws", .help = "a rate"},
    {"quick", "T_QUICK", OPTION_SWITCH, AT(quick), .help = "a switch"},
    {"other", "T_OTHER", OPTION_TEXT, AT(other), .value = "X", .help = "of another program", .programs = OTHER},
};

static const struct option_set set = {"Test", rows, COUNT_OF(rows), &target, THIS};
static char folder[] = "/tmp/test_options.XXXXXX";
static struct option_words words;
static struct reason why;

static const char *path_of(const char *name)
{
    static char path[64];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static const char *write_bytes(const char *name, const char *bytes, size_t len)
{
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    return path_of(name);
}

static const char *write_file(const char *name, const char *text)
{
    return write_bytes(name, text, strlen(text));
}

static int load_words(int argc, const char *const *argv)
{
    options_clear(&set, 1);
    target = (struct target){.name = NULL};
    why.text[0] = '\0';
    return options_load(&set, 1, argc, (char *const *)(uintptr_t)argv, &words, &why);
}

#define LOAD(...)                                                                                                      \
    load_words(sizeof((const char *const[]){"", ##__VA_ARGS__}) / sizeof(char *) - 1,                                  \
               (const char *const[]){"", ##__VA_ARGS__} + 1)

static int clear(void **state)
{
    static const char *const names[] = {"HERALD_CONFIG", "T_NAME",          "T_LEVEL", "T_SECRET", "T_SECRET_FILE",
                                        "T_PASSWORD",    "T_PASSWORD_FILE", "T_URL",   "T_COUNT",  "T_WAIT",
                                        "T_RATE",        "T_QUICK",         "T_OTHER"};
    static const char *const files[] = {"a.ini", "b.ini", "secret"};

    (void)state;
    options_clear(&set, 1);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        (void)unsetenv(names[i]);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        (void)unlink(path_of(files[i])); /* may not be there */
    return 0;
}

static void says(const char *part)
{
    if (!strstr(why.text, part))
        fail_msg("'%s' is not in '%s'", part, why.text);
}

static void a_flag_goes_before_the_environment_before_the_file_before_the_default(void **state)
{
    (void)state;
    assert_int_equal(LOAD(), 0);
    assert_string_equal(target.name, "fallback");
    (void)setenv("HERALD_CONFIG", write_file("a.ini", "name = ini\n[herald]\ncount = 7\n[else]\ncount = no\n"), 1);
    assert_int_equal(LOAD(), 0);
    assert_string_equal(target.name, "ini");
    assert_int_equal(target.count, 7);
    (void)setenv("T_NAME", "environment", 1);
    assert_int_equal(LOAD(), 0);
    assert_string_equal(target.name, "environment");
    assert_int_equal(LOAD("--name", "flag"), 0);
    assert_string_equal(target.name, "flag");
    (void)setenv("T_NAME", "", 1); /* empty is not there */
    assert_int_equal(LOAD(), 0);
    assert_string_equal(target.name, "ini");
}

static void the_config_flag_goes_before_its_variable(void **state)
{
    char flag[80];

    (void)state;
    (void)setenv("HERALD_CONFIG", write_file("a.ini", "name = a\n"), 1);
    (void)snprintf(flag, sizeof(flag), "--config=%s", write_file("b.ini", "name = b\n"));
    assert_int_equal(LOAD(flag), 0);
    assert_string_equal(target.name, "b");
    assert_int_equal(LOAD("--config", path_of("b.ini"), "word"), 0);
    assert_string_equal(target.name, "b");
    assert_int_equal(words.count, 1);
    assert_int_equal(LOAD("--", flag), 0);
    assert_string_equal(target.name, "a");
    assert_int_equal(LOAD("--config"), ERR_INVALID);
    says("--config wants a value");
    assert_int_equal(LOAD("--config", "/nowhere/x.ini"), ERR_INVALID);
    says("cannot read the settings file /nowhere/x.ini");
}

static void words_and_repeated_flags_and_switches_are_understood(void **state)
{
    (void)state;
    assert_int_equal(LOAD("send", "--name=a=b", "-", "--count", "5", "--quick", "x", "--name", "last", "--count=6"), 0);
    assert_string_equal(target.name, "last");
    assert_int_equal(target.count, 6);
    assert_true(target.quick);
    assert_int_equal(words.count, 3);
    assert_string_equal(words.words[1], "-");
    assert_int_equal(LOAD("--quick=false"), 0);
    assert_false(target.quick);
    assert_int_equal(LOAD("--", "--name", "-x", "--help"), 0);
    assert_int_equal(words.count, 3);
    assert_string_equal(target.name, "fallback");
    assert_false(words.wants_help);
    assert_int_equal(LOAD("--help", "--version"), 0);
    assert_true(words.wants_help && words.wants_version);
    assert_int_equal(LOAD("--name="), 0); /* emptied, not absent */
    assert_string_equal(target.name, "");
    assert_int_equal(LOAD("--url="), 0);
    assert_null(target.url);
}

struct wrong_case {
    const char *flag, *value; /* value NULL: none follows */
    const char *says;
};

static const struct wrong_case wrong_cases[] = {
    {"--count", "0", "--count: must be a whole number from 1 to 100"},
    {"--count", "101", "--count: "},
    {"--count", "", "--count: "},
    {"--count", "5x", "--count: "},
    {"--count", " 5", "--count: "},
    {"--count", "+5", "--count: "},
    {"--count", "0x5", "--count: "},
    {"--count", "99999999999999999999", "--count: "},
    {"--count", NULL, "--count wants a value (N)"},
    {"--wait", "4ms", "--wait: must be a duration such as 500ms"},
    {"--wait", "2d", "--wait: "},
    {"--wait", "5", "--wait: "},
    {"--wait", "-5s", "--wait: "},
    {"--wait", "5 s", "--wait: "},
    {"--wait", "5S", "--wait: "},
    {"--wait", "9223372036854775807d", "--wait: "},
    {"--rate", "300", "--rate: must be a rate such as 300/60s"},
    {"--rate", "/60s", "--rate: "},
    {"--rate", "300/60", "--rate: "},
    {"--rate", "-1/60s", "--rate: "},
    {"--level", "lowest", "--level: must be one of low|middle|high"},
    {"--level", "lo", "--level: "},
    {"--level", "low|middle", "--level: "},
    {"--level", "", "--level: "},
    {"--quick=maybe", NULL, "--quick: must be true or false"},
    {"--quick=", NULL, "--quick: "},
    {"--quick=true|false", NULL, "--quick: "},
    {"--nothing", "x", "--nothing is not an option here"},
    {"--other", "x", "--other is not an option here"},
    {"--nam", "x", "--nam is not an option here; did you mean --name?"},
    {"--qiuck", NULL, "--qiuck is not an option here; did you mean --quick?"},
    {"--othe", "x", "--othe is not an option here; see --help"}, /* of another program */
    {"--T_SECRET", "x", "is not an option here"},
    {"-x", NULL, "-x is not an option here"},
};

static void a_bad_flag_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong_cases); i++) {
        const char *argv[] = {wrong_cases[i].flag, wrong_cases[i].value};

        if (load_words(wrong_cases[i].value ? 2 : 1, argv) != ERR_INVALID)
            fail_msg("%s %s was taken", argv[0], argv[1] ? argv[1] : "");
        says(wrong_cases[i].says);
    }
}

static void a_bad_variable_is_named(void **state)
{
    (void)state;
    (void)setenv("T_COUNT", "many", 1);
    assert_int_equal(LOAD("--count", "5"), ERR_INVALID); /* even where a flag would go before it */
    says("environment variable T_COUNT: must be a whole number");
}

struct ini_case {
    const char *text, *says;
};

static const struct ini_case ini_cases[] = {
    {"count = many\n", "a.ini, line 1: count: must be a whole number from 1 to 100"},
    {"# fine\n\nname = x\nwait = 5\n", "a.ini, line 4: wait: must be a duration"},
    {"colour = red\n", "a.ini, line 1: `colour` is not a setting"},
    {"name = x\nrubbish\n", "a.ini, line 2: not a line of the form `name = value`"},
    {"count = many\ncolour = red\n", "a.ini, line 1: count: "},
    {"rubbish\ncolour = red\n", "a.ini, line 1: not a line"},
    {"[herald]\nlevel = highest\n", "a.ini, line 2: level: must be one of"},
    {"NAME = x\n", "`NAME` is not a setting"},
};

static void a_bad_line_of_the_file_is_named_by_its_number_the_first_one_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ini_cases); i++) {
        (void)setenv("HERALD_CONFIG", write_file("a.ini", ini_cases[i].text), 1);
        if (LOAD() != ERR_INVALID)
            fail_msg("was taken: %s", ini_cases[i].text);
        says(ini_cases[i].says);
    }
}

static void a_file_may_have_lines_for_other_programs(void **state)
{
    (void)state;
    (void)setenv("HERALD_CONFIG", write_file("a.ini", "other = x\nT_SECRET = s\n; c\n[gateway]\nwhatever = 1\n"), 1);
    assert_int_equal(LOAD(), 0);
    assert_string_equal(target.secret, "s");
}

static void a_secret_comes_from_its_variable_or_its_file(void **state)
{
    (void)state;
    (void)setenv("T_SECRET_FILE", write_file("secret", " from file \r\n\n"), 1);
    assert_int_equal(LOAD(), 0);
    assert_string_equal(target.secret, " from file ");
    (void)setenv("T_SECRET", "from variable", 1);
    assert_int_equal(LOAD(), 0);
    assert_string_equal(target.secret, "from variable");
}

static void the_flag_and_the_line_of_a_secret_name_its_file(void **state)
{
    char config[128];

    (void)state;
    (void)write_file("secret", "one\ttwo\n three \n");
    (void)snprintf(config, sizeof(config), "password-file = %s/secret\n", folder);
    (void)setenv("HERALD_CONFIG", write_file("a.ini", config), 1);
    assert_int_equal(LOAD("--name", "x"), 0);
    assert_string_equal(target.password, "one\ttwo\n three ");
    (void)setenv("T_PASSWORD", "from variable", 1);
    assert_int_equal(LOAD("--name", "x"), 0);
    assert_string_equal(target.password, "from variable");
    assert_int_equal(LOAD("--password-file", path_of("secret")), 0);
    assert_string_equal(target.password, "one\ttwo\n three ");
    assert_int_equal(LOAD("--password-file", "/nowhere/secret"), ERR_INVALID);
    says("--password-file: cannot read /nowhere/secret");
}

static void a_secret_file_that_cannot_be_used_is_named(void **state)
{
    char large[5000];

    (void)state;
    (void)setenv("T_SECRET_FILE", "/nowhere/secret", 1);
    assert_int_equal(LOAD(), ERR_INVALID);
    says("environment variable T_SECRET_FILE: cannot read /nowhere/secret");
    (void)setenv("T_SECRET_FILE", write_file("secret", "\n"), 1);
    assert_int_equal(LOAD(), ERR_INVALID);
    says("is empty");
    (void)write_bytes("secret", "a\0b", 3);
    assert_int_equal(LOAD(), ERR_INVALID);
    says("NUL");
    memset(large, 'x', sizeof(large));
    (void)write_bytes("secret", large, sizeof(large));
    assert_int_equal(LOAD(), ERR_INVALID);
    says("more than 4095 bytes");
}

typedef void print_fn(FILE *out, const struct option_set *sets, size_t count);

static char *printed(print_fn *print)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    print(out, &set, 1);
    (void)fclose(out);
    return text;
}

static void secrets_are_never_shown(void **state)
{
    print_fn *const prints[] = {options_show, options_help, options_markdown};

    (void)state;
    (void)setenv("T_SECRET", "hunter2", 1);
    assert_int_equal(LOAD("--url", "redis://user:hunter2@host:6379/0", "--wait", "90s", "--rate=unlimited"), 0);
    for (size_t i = 0; i < COUNT_OF(prints); i++) {
        char *text = printed(prints[i]);

        assert_null(strstr(text, "hunter2"));
        if (prints[i] == options_show) {
            assert_non_null(strstr(text, "(set)"));
            assert_non_null(strstr(text, "redis://***@host:6379/0"));
            assert_non_null(strstr(text, "90s"));
            assert_non_null(strstr(text, "unlimited"));
        } else {
            assert_non_null(strstr(text, "T_SECRET"));
        }
        free(text);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_flag_goes_before_the_environment_before_the_file_before_the_default, clear),
        cmocka_unit_test_teardown(the_config_flag_goes_before_its_variable, clear),
        cmocka_unit_test_teardown(words_and_repeated_flags_and_switches_are_understood, clear),
        cmocka_unit_test_teardown(a_bad_flag_is_named, clear),
        cmocka_unit_test_teardown(a_bad_variable_is_named, clear),
        cmocka_unit_test_teardown(a_bad_line_of_the_file_is_named_by_its_number_the_first_one_first, clear),
        cmocka_unit_test_teardown(a_file_may_have_lines_for_other_programs, clear),
        cmocka_unit_test_teardown(a_secret_comes_from_its_variable_or_its_file, clear),
        cmocka_unit_test_teardown(the_flag_and_the_line_of_a_secret_name_its_file, clear),
        cmocka_unit_test_teardown(a_secret_file_that_cannot_be_used_is_named, clear),
        cmocka_unit_test_teardown(secrets_are_never_shown, clear),
    };

    return cmocka_run_group_tests_name("options", tests, make_folder, remove_folder);
}
