/* herald settings: the values in force, secrets left out; or the reference page of docs/settings.md. */
#include "producer/command.h"

struct options {
    bool is_markdown;
};

static const struct option rows[] = {
    {"markdown", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_markdown),
     .help = "every setting of every program, as docs/settings.md has it"},
};

static void print_markdown(void)
{
    struct settings settings = {.org = NULL};
    struct option_set all = settings_set(&settings, SETTINGS_HERALD);

    all.program = ~0U;
    (void)printf("# Settings\n\nMade by `herald settings --markdown`; a test holds it to the code. Every setting is a "
                 "flag, an environment\n"
                 "variable and a line `name = value` of the INI file that `--config` or `HERALD_CONFIG` names; a flag "
                 "goes before the\n"
                 "environment, which goes before the file. Secrets come from the environment, or from the file that "
                 "`NAME_FILE`\nor a flag such as `--webhook-secret-file` names.\n");
    options_markdown(stdout, &all, 1);
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    const struct option_set set = settings_set(call->settings, SETTINGS_HERALD);

    if (options->is_markdown)
        print_markdown();
    else
        options_show(stdout, &set, 1);
    return EXIT_DONE;
}

const struct command command_settings = {
    .name = "settings",
    .usage = "[OPTION]...",
    .summary = "the settings in force, secrets left out",
    .help = "",
    .programs = ~0U,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
